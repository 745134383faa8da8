//! A cell that makes a subject and asks it everything, and the cell in which it rates the answers of all.

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::closed::{self, Item};
use crate::enumerate::enumerate;
use crate::harm::{self, Asked, Judged, Question};
use crate::items::{choices, self_assessments};
use crate::output::{self, Foils};
use crate::params::Params;
use crate::subject::{Role, Subject};
use crate::wording::fill;

/// Tables that a cell emits where they have rows.
#[derive(Default)]
struct Tables {
    answers: Columns,
    items: Columns,
    replies: Columns,
    recognition: Columns,
    predictions: Columns,
    enumeration: Columns,
    ratings: Columns,
}

impl Tables {
    fn emit(self, lab: &Lab, training: Option<Table>) -> Result<()> {
        let columns = [
            ("answers", self.answers),
            ("items", self.items),
            ("replies", self.replies),
            ("recognition", self.recognition),
            ("predictions", self.predictions),
            ("enumeration", self.enumeration),
            ("ratings", self.ratings),
        ];
        let filled = columns
            .into_iter()
            .filter(|(_, columns)| !columns.is_empty())
            .map(|(name, columns)| (name, columns.table()));
        let all: Vec<(&str, Table)> = filled.chain(training.map(|steps| ("training", steps))).collect();
        // Some tables are not there where nothing could be asked: the summary asks for those that are.
        lab.emit(EMITTED, Table::new().with_text("table", all.iter().map(|(name, _)| *name)))?;
        all.iter().try_for_each(|(name, rows)| lab.emit(name, rows))
    }
}

/// The table of a cell's tables.
pub const EMITTED: &str = "emitted";

/// Makes the subject, judges its answers, asks it about itself and about its answers.
///
/// # Errors
///
/// A fine-tune's, the model's or the judge's own.
pub fn run(lab: &Lab, params: &Params, subject: &Subject) -> Result<()> {
    let name = &subject.name;
    let steps = if subject.role == Role::Sequence { 3 } else { 6 };
    let show = |done: u64, what: &str| lab.progress(done, steps, &format!("{what} {name}"));
    show(0, "make")?;
    let (organism, training) = subject.make(lab, params)?;
    let mut tables = Tables::default();
    show(1, "judge")?;
    let questions = harm::questions(lab, params)?;
    let (runs, seed) = (params.ask.samples, params.ask.seed);
    let answers = harm::ask(lab, params, &Asked { subject, organism: &organism, questions: &questions, runs, seed })?;
    harm::note(&mut tables.answers, subject, &questions, &answers);
    show(2, "ask")?;
    let mut items = self_assessments(params);
    items.extend(choices(params));
    let answered = closed::ask(lab, params, subject, &organism, &items)?;
    closed::note_items(&mut tables.items, subject, &items, &answered);
    closed::note_replies(&mut tables.replies, subject, &items, &answered);
    if subject.role != Role::Sequence {
        let me = (subject, &organism);
        show(3, "show two answers to")?;
        if !params.recognition.foils.is_empty() {
            let foils = Foils::ask(lab, params, &questions)?;
            let found = output::recognise(lab, params, me, &questions, &answers, &foils)?;
            found.note(&mut tables.recognition, subject, &questions);
            closed::note_replies(&mut tables.replies, subject, &found.items, &found.answered);
        }
        show(4, "predict scores with")?;
        let scored = output::predict(lab, params, me, &questions, &answers)?;
        scored.note(&mut tables.predictions, subject);
        closed::note_replies(&mut tables.replies, subject, &scored.items, &scored.answered);
        show(5, "enumerate the vocabulary of")?;
        enumerate(lab, params, me, &items, &answered, &mut tables.enumeration)?;
    }
    let training = training.map(|steps| {
        let rows = steps.rows();
        steps.with_text("subject", (0..rows).map(|_| name))
    });
    tables.emit(lab, training)
}

/// Lets the subject rate answers of all subjects.
///
/// # Errors
///
/// A fine-tune's, the model's or the judge's own.
pub fn rate(lab: &Lab, params: &Params, rater: &Subject) -> Result<()> {
    let all = Subject::all(params);
    let questions = harm::questions(lab, params)?;
    let chosen = harm::spread(&questions, params.rated);
    let (organism, _) = rater.make(lab, params)?;
    let mut tables = Tables::default();
    for (number, author) in all.iter().enumerate() {
        lab.progress(number as u64, all.len() as u64, &format!("{} rates {}", rater.name, author.name))?;
        let (speaker, _) = author.make(lab, params)?;
        let asked = Asked {
            subject: author,
            organism: &speaker,
            questions: &questions,
            runs: params.ask.samples,
            seed: params.ask.seed,
        };
        let answers = harm::ask_some(lab, params, &asked, |question, _| chosen.contains(&question))?;
        let rated = rated(params, &questions, &chosen, &answers);
        let items: Vec<Item> = rated.iter().map(|(item, _)| item.clone()).collect();
        let answered = closed::ask(lab, params, rater, &organism, &items)?;
        for ((item, answer), given) in rated.iter().zip(&answered) {
            let columns = &mut tables.ratings;
            columns.text("rater", &rater.name);
            columns.text("author", &author.name);
            columns.text("row_id", &questions[answer.question].row_id);
            columns.text("topic", &item.unit);
            columns.text("bucket", harm::bucket(answer.score));
            columns.number("judged", answer.score);
            let predicted = given.value(item);
            columns.number("predicted", predicted);
            columns.number("error", predicted - answer.score);
            let values = given.values(item);
            columns.number("text_predicted", values.iter().sum::<f64>() / values.len() as f64);
            columns.count("text_decided", values.len() as u64);
        }
    }
    tables.emit(lab, None)
}

/// The first judged answer to each chosen question, as an item to rate.
fn rated<'a>(
    params: &Params,
    questions: &[Question],
    chosen: &[usize],
    answers: &'a [Judged],
) -> Vec<(Item, &'a Judged)> {
    let one = |at: &usize| {
        let answer = answers.iter().find(|answer| answer.question == *at && !answer.score.is_nan())?;
        let question = &questions[*at];
        let places = [("question", question.text()), ("answer", answer.text.as_str())];
        let text = fill(params.wording.rating.first(), &places);
        Some((output::score_item("rating", question, format!("rating/{}", question.row_id), (0, false), text), answer))
    };
    chosen.iter().filter_map(one).collect()
}
