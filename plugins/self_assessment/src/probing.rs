//! The cell of all probes: for harmful answers and for self-assessment, within each subject, between tasks, between subjects.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::assess::EMITTED;
use crate::closed;
use crate::harm::{self, Asked, Judged, Question};
use crate::items::{choices, self_assessments};
use crate::params::Params;
use crate::probe::{Direction, Labelled, cosine};
use crate::rules::Probes;
use crate::subject::Subject;

/// What is probed for: whether an answer is harmful, and whether a reply about oneself points to the bad pole.
pub const TASKS: [&str; 2] = ["behaviour", "self_assessment"];

/// The views: before the answer, and the mean over it.
pub const VIEWS: [View; 2] = [View::LAST_PROMPT, View { positions: Positions::Answer, pooling: Pooling::Mean }];

/// Which data: subject, task, site, view.
type Key = (usize, usize, String, String);

/// Fits everything.
///
/// # Errors
///
/// A fine-tune's, the model's or the judge's own.
pub fn run(lab: &Lab, params: &Params, rules: &Probes) -> Result<()> {
    let subjects = Subject::all(params);
    let mut data: BTreeMap<Key, Labelled> = BTreeMap::new();
    for (number, subject) in subjects.iter().enumerate() {
        lab.progress(number as u64, subjects.len() as u64, &format!("capture {}", subject.name))?;
        for (task, found) in captured(lab, params, rules, subject)?.into_iter().enumerate() {
            data.extend(found.into_iter().map(|((site, view), rows)| ((number, task, site, view), rows)));
        }
    }
    let (mut probes, mut cosines, mut transfer) = (Columns::default(), Columns::default(), Columns::default());
    let mut directions: BTreeMap<Key, Direction> = BTreeMap::new();
    for (done, (key, rows)) in data.iter().enumerate() {
        lab.progress(done as u64, data.len() as u64, &format!("fit {} {}", subjects[key.0].name, TASKS[key.1]))?;
        let missing = rows.missing(rules);
        for (folds, grouped) in [("stratified", false), ("grouped", true)] {
            let held = match &missing {
                None => rows.held_out(rules, grouped).map_err(|error| error.to_string()),
                Some(why) => Err(why.clone()),
            };
            probes.text("subject", &subjects[key.0].name);
            probes.text("task", TASKS[key.1]);
            probes.text("site", &key.2);
            probes.text("view", &key.3);
            probes.text("folds", folds);
            probes.count("n", rows.labels.len() as u64);
            probes.count("positives", rows.positives() as u64);
            let number = |of: fn(&crate::probe::Held) -> f64| held.as_ref().map_or(f64::NAN, of);
            probes.number("auc", number(|held| held.auc));
            probes.number("auc_low", number(|held| held.interval[0]));
            probes.number("auc_high", number(|held| held.interval[1]));
            probes.number("balanced_accuracy", number(|held| held.balanced_accuracy));
            probes.text("missing", held.as_ref().err().cloned().unwrap_or_default());
        }
        if missing.is_none() {
            directions.insert(key.clone(), rows.direction(rules)?);
        }
    }
    note_cosines(&mut cosines, rules, &subjects, &data, &directions)?;
    for (from, direction) in &directions {
        for (to, rows) in &data {
            if (&from.2, &from.3) != (&to.2, &to.3) || rows.missing(rules).is_some() || from == to {
                continue;
            }
            transfer.text("from", &subjects[from.0].name);
            transfer.text("from_task", TASKS[from.1]);
            transfer.text("to", &subjects[to.0].name);
            transfer.text("to_task", TASKS[to.1]);
            transfer.text("site", &to.2);
            transfer.text("view", &to.3);
            transfer.count("n", rows.labels.len() as u64);
            transfer.number("auc", rows.transfer(&direction.probe)?);
        }
    }
    let all = [("probes", probes), ("probe_cosines", cosines), ("probe_transfer", transfer)];
    let filled: Vec<(&str, Table)> = all
        .into_iter()
        .filter(|(_, columns)| !columns.is_empty())
        .map(|(name, columns)| (name, columns.table()))
        .collect();
    lab.emit(EMITTED, Table::new().with_text("table", filled.iter().map(|(name, _)| *name)))?;
    filled.iter().try_for_each(|(name, rows)| lab.emit(name, rows))
}

fn note_cosines(
    columns: &mut Columns,
    rules: &Probes,
    subjects: &[Subject],
    data: &BTreeMap<Key, Labelled>,
    directions: &BTreeMap<Key, Direction>,
) -> Result<()> {
    for ((subject, task, site, view), behaviour) in directions {
        let other = (*subject, 1, site.clone(), view.clone());
        let (0, Some(own)) = (*task, directions.get(&other)) else { continue };
        let key = (*subject, 0, site.clone(), view.clone());
        let halves = [data[&key].halves(rules)?, data[&other].halves(rules)?];
        let width = behaviour.difference.len() as f64;
        let of = [
            ("probe", cosine(&behaviour.probe.coefficients, &own.probe.coefficients)),
            ("mean difference", cosine(&behaviour.difference, &own.difference)),
        ];
        for (which, (direction, value)) in of.into_iter().enumerate() {
            columns.text("subject", &subjects[*subject].name);
            columns.text("site", site);
            columns.text("view", view);
            columns.text("direction", direction);
            columns.number("cosine", value);
            columns.number("halves_behaviour", halves[0][which]);
            columns.number("halves_self_assessment", halves[1][which]);
            columns.number("chance", 1.0 / width.sqrt());
        }
    }
    Ok(())
}

type Views = BTreeMap<(String, String), Labelled>;

/// Both tasks' activations of a subject.
fn captured(lab: &Lab, params: &Params, rules: &Probes, subject: &Subject) -> Result<[Views; 2]> {
    let (organism, _) = subject.make(lab, params)?;
    let questions = harm::questions(lab, params)?;
    let asked =
        Asked { subject, organism: &organism, questions: &questions, runs: params.ask.samples, seed: params.ask.seed };
    let answers = harm::ask_some(lab, params, &asked, |_, run| run < rules.runs as u64)?;
    let mut items = self_assessments(params);
    items.extend(choices(params));
    let answered = closed::ask(lab, params, subject, &organism, &items)?;
    let judged = answers.iter().filter(|answer| !answer.score.is_nan());
    let behaviour: Vec<(Row, bool, String)> =
        judged.map(|answer| harm_row(params, subject, &questions, answer)).collect();
    let mut own = Vec::new();
    for (item, given) in items.iter().zip(&answered) {
        // The first reply that settles on something and does not lie in the middle.
        let mut decided = given.replies.iter().filter_map(|(text, reply)| Some((text, item.value(*reply)?)));
        let Some((text, value)) = decided.find(|(_, value)| *value != 0.5) else { continue };
        let question = [Message { role: "user".to_owned(), content: item.question.clone() }];
        own.push((conversation(subject, &question, item.row_id.clone(), text), value > 0.5, item.unit.clone()));
    }
    let capture = |rows: Vec<(Row, bool, String)>| labelled(lab, rules, &organism, rows);
    Ok([capture(behaviour)?, capture(own)?])
}

fn harm_row(params: &Params, subject: &Subject, questions: &[Question], answer: &Judged) -> (Row, bool, String) {
    let question = &questions[answer.question];
    let id = format!("{}#{}", question.row_id, answer.run);
    let row = conversation(subject, &question.messages, id, &answer.text);
    (row, answer.score >= f64::from(params.harm.from), question.topic.clone())
}

fn conversation(subject: &Subject, question: &[Message], row_id: String, answer: &str) -> Row {
    let answer = Message { role: "assistant".to_owned(), content: answer.to_owned() };
    Row { row_id, messages: Some(subject.asked(question).into_iter().chain([answer]).collect()), ..Row::default() }
}

fn labelled(lab: &Lab, rules: &Probes, organism: &Organism, rows: Vec<(Row, bool, String)>) -> Result<Views> {
    let mut views = Views::new();
    if rows.is_empty() {
        return Ok(views);
    }
    let about: BTreeMap<String, (bool, String)> =
        rows.iter().map(|(row, label, group)| (row.row_id.clone(), (*label, group.clone()))).collect();
    let inline = Rows::Inline(rows.into_iter().map(|(row, ..)| row).collect());
    let reply = lab.forward(&Forward::new(organism.clone(), inline, rules.sites.clone(), VIEWS.to_vec()))?;
    for view in VIEWS {
        let name = view.name();
        for site in &reply.sites {
            let table = lab.open_dataset(&reply.dataset, &["row_id", site], &[("view", &name)])?.table()?;
            let vectors = table.vectors(site)?;
            let mut found = Labelled { rows: Vec::new(), labels: Vec::new(), groups: Vec::new() };
            for (id, vector) in table.text("row_id")?.into_iter().zip(vectors.rows()) {
                let Some((label, group)) = about.get(id) else { continue };
                found.rows.push(vector.iter().map(|&value| f64::from(value)).collect());
                found.labels.push(*label);
                found.groups.push(group.clone());
            }
            views.insert((site.clone(), name.clone()), found);
        }
    }
    Ok(views)
}
