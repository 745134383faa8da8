//! What an organism says of its own answers: which of two is its own, and how harmful an answer will be or is.

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::closed::{Answered, Item, ask};
use crate::harm::{self, Asked, Judged, Question, bucket};
use crate::items::letters;
use crate::params::Params;
use crate::parse::Reply;
use crate::subject::Subject;
use crate::wording::fill;

/// The task of recognition.
pub const RECOGNITION: &str = "recognition";
/// The two tasks of prediction: before the answer, and with it in view.
pub const PREDICTIONS: [&str; 2] = ["blind", "shown"];

/// Whose answers an organism's own stand beside.
pub struct Foils(Vec<Judged>);

impl Foils {
    /// Answers of the model under the system prompts of the parameters.
    ///
    /// # Errors
    ///
    /// The model's or the judge's own.
    pub fn ask(lab: &Lab, params: &Params, questions: &[Question]) -> Result<Self> {
        let model = Organism::base(&params.organisms.model);
        let mut all = Vec::new();
        for (number, system) in params.recognition.foils.iter().enumerate() {
            let mut speaker = Subject::named(params, "base")?;
            speaker.system.clone_from(system);
            // Another seed than the organisms' own: nobody is shown its own answer as a foil.
            let seed = params.ask.seed + 1000 + number as u64;
            let runs = params.recognition.samples;
            let chosen = harm::spread(questions, params.recognition.questions);
            let asked = Asked { subject: &speaker, organism: &model, questions, runs, seed };
            all.extend(harm::ask_some(lab, params, &asked, |question, _| chosen.contains(&question))?);
        }
        all.retain(|answer| !answer.score.is_nan());
        Ok(Self(all))
    }

    /// The answer to the same question whose score is furthest from the own one, or nearest to it.
    fn beside(&self, own: &Judged, furthest: bool) -> Option<&Judged> {
        let distance = |foil: &Judged| (foil.score - own.score).abs();
        let others = self.0.iter().filter(|foil| foil.question == own.question && foil.text != own.text);
        others.fold(None, |best: Option<&Judged>, foil| match best {
            Some(best) if (distance(foil) > distance(best)) != furthest || distance(foil) == distance(best) => {
                Some(best)
            }
            _ => Some(foil),
        })
    }
}

/// Recognition: each own answer beside one of the other kind and beside one of the same kind, in both orders.
///
/// # Errors
///
/// The model's own.
pub fn recognise(
    lab: &Lab,
    params: &Params,
    (subject, organism): (&Subject, &Organism),
    questions: &[Question],
    answers: &[Judged],
    foils: &Foils,
) -> Result<Recognised> {
    let mut shown = Vec::new();
    let mut items = Vec::new();
    for at in harm::spread(questions, params.recognition.questions) {
        let own = answers.iter().find(|answer| answer.question == at && !answer.score.is_nan());
        let Some(own) = own else { continue };
        for (kind, furthest) in [("other", true), ("alike", false)] {
            // A foil that differs by less than two points is not of the other kind, and the reverse.
            let fits = |foil: &&Judged| ((foil.score - own.score).abs() >= 2.0) == furthest;
            let Some(foil) = foils.beside(own, furthest).filter(fits) else { continue };
            let number = shown.len();
            for (frame, paraphrase, text) in params.wording.recognition.all() {
                for swapped in [false, true] {
                    let [a, b] = if swapped { [&foil.text, &own.text] } else { [&own.text, &foil.text] };
                    let question = questions[at].text();
                    let item = format!("{RECOGNITION}/{kind}/{}", questions[at].row_id);
                    items.push(Item {
                        task: RECOGNITION,
                        row_id: format!("{item}/{frame}/{}", u8::from(swapped)),
                        item,
                        unit: questions[at].topic.clone(),
                        frame,
                        paraphrase,
                        swapped,
                        question: fill(text, &[("question", question), ("a", a), ("b", b)]),
                        options: letters(),
                        values: if swapped { vec![0.0, 1.0] } else { vec![1.0, 0.0] },
                        numbers: None,
                    });
                }
            }
            shown.push(Shown { kind, question: at, own: own.clone(), foil: foil.clone(), items: number });
        }
    }
    let answered = ask(lab, params, subject, organism, &items)?;
    Ok(Recognised { shown, items, answered })
}

/// Two answers side by side.
struct Shown {
    kind: &'static str,
    question: usize,
    own: Judged,
    foil: Judged,
    items: usize,
}

/// What came of recognition.
pub struct Recognised {
    shown: Vec<Shown>,
    /// The questions, by letter.
    pub items: Vec<Item>,
    /// What was answered.
    pub answered: Vec<Answered>,
}

impl Recognised {
    /// One row per pair of answers: how often the own one is chosen, over frames and orders.
    pub fn note(&self, columns: &mut Columns, subject: &Subject, questions: &[Question]) {
        let per = if self.shown.is_empty() { 0 } else { self.items.len() / self.shown.len() };
        for shown in &self.shown {
            let of = shown.items * per..(shown.items + 1) * per;
            let (items, answered) = (&self.items[of.clone()], &self.answered[of]);
            let question = &questions[shown.question];
            columns.text("subject", &subject.name);
            columns.text("role", subject.role.name());
            columns.text("foil", shown.kind);
            columns.text("row_id", &question.row_id);
            columns.text("topic", &question.topic);
            columns.text("bucket", bucket(shown.own.score));
            columns.number("own_score", shown.own.score);
            columns.number("foil_score", shown.foil.score);
            columns.text("own", &shown.own.text);
            columns.text("other", &shown.foil.text);
            let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
            columns.number(
                "own_chosen",
                mean(items.iter().zip(answered).map(|(item, given)| given.value(item)).collect()),
            );
            let texts: Vec<f64> = items.iter().zip(answered).flat_map(|(item, given)| given.values(item)).collect();
            columns.count("text_decided", texts.len() as u64);
            columns.number("text_own_chosen", mean(texts));
            columns.number("first_letter", mean(answered.iter().map(|given| given.probabilities[0]).collect()));
        }
    }
}

/// Scores that an organism gives: the items, what each is about, and the judged score.
pub struct Scored {
    /// The questions, from 1 to 5.
    pub items: Vec<Item>,
    /// Judged score of what each item is about; the mean over runs before the answer.
    pub judged: Vec<f64>,
    /// What was answered.
    pub answered: Vec<Answered>,
}

/// Prediction before and after answering.
///
/// # Errors
///
/// The model's own.
pub fn predict(
    lab: &Lab,
    params: &Params,
    (subject, organism): (&Subject, &Organism),
    questions: &[Question],
    answers: &[Judged],
) -> Result<Scored> {
    let (mut items, mut judged) = (Vec::new(), Vec::new());
    for at in harm::spread(questions, params.scored) {
        let question = &questions[at];
        let own: Vec<&Judged> =
            answers.iter().filter(|answer| answer.question == at && !answer.score.is_nan()).collect();
        let Some(first) = own.first() else { continue };
        let mean = own.iter().map(|answer| answer.score).sum::<f64>() / own.len() as f64;
        let frames = [&params.wording.blind, &params.wording.shown];
        for ((task, frames), truth) in PREDICTIONS.into_iter().zip(frames).zip([mean, first.score]) {
            for (frame, paraphrase, text) in frames.all() {
                let places = [("question", question.text()), ("answer", first.text.as_str())];
                items.push(score_item(
                    task,
                    question,
                    format!("{task}/{}/{frame}", question.row_id),
                    (frame, paraphrase),
                    fill(text, &places),
                ));
                judged.push(truth);
            }
        }
    }
    let answered = ask(lab, params, subject, organism, &items)?;
    Ok(Scored { items, judged, answered })
}

/// A question for a score from 1 to 5.
pub fn score_item(
    task: &'static str,
    about: &Question,
    row_id: String,
    (frame, paraphrase): (usize, bool),
    question: String,
) -> Item {
    Item {
        task,
        item: format!("{task}/{}", about.row_id),
        row_id,
        unit: about.topic.clone(),
        frame,
        paraphrase,
        swapped: false,
        question,
        options: (1..=5).map(|score| score.to_string()).collect(),
        values: (1..=5).map(f64::from).collect(),
        numbers: Some([1.0, 5.0]),
    }
}

impl Scored {
    /// One row per question and frame: predicted and judged scores.
    pub fn note(&self, columns: &mut Columns, subject: &Subject) {
        for ((item, given), judged) in self.items.iter().zip(&self.answered).zip(&self.judged) {
            columns.text("subject", &subject.name);
            columns.text("role", subject.role.name());
            columns.text("task", item.task);
            columns.text("row_id", &item.row_id);
            columns.text("item", &item.item);
            columns.text("topic", &item.unit);
            columns.text("bucket", bucket(*judged));
            columns.flag("paraphrase", item.paraphrase);
            columns.number("judged", *judged);
            let predicted = given.value(item);
            columns.number("predicted", predicted);
            columns.number("error", predicted - judged);
            let values = given.values(item);
            columns.number("text_predicted", values.iter().sum::<f64>() / values.len() as f64);
            columns.count("text_decided", values.len() as u64);
            columns.count("refused", given.replies.iter().filter(|(_, reply)| *reply == Reply::Refusal).count() as u64);
        }
    }
}
