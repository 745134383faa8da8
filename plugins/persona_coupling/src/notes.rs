//! Tables of a cell: what came out of its answers.

use emhost_sdk::prelude::*;
use emhost_stats::clusters::clustered_mean;
use emhost_study::{Columns, failed};

use crate::bank::Question;
use crate::capability;
use crate::cell::describe;
use crate::forced::{Fixed, Forced};
use crate::marked::{Answer, Marked, at_equal_length, plain_intervals, prompts};
use crate::params::{Params, Persona};
use crate::stages::Stages;

/// Answers of a cell and scores after fixed ones, before and after its last stage.
pub struct Looked<'a> {
    /// The cell.
    pub stages: &'a Stages,
    /// Answers before; empty where there is no comparison.
    pub before: &'a Marked,
    /// Answers after.
    pub after: &'a Marked,
    /// Fixed answers.
    pub fixed: &'a [Fixed],
    /// The marker after them, before.
    pub was: &'a [Forced],
    /// The marker after them, after.
    pub is: &'a [Forced],
}

impl Looked<'_> {
    /// Places of a persona's fixed answers.
    pub fn places(&self, persona: &str) -> Vec<usize> {
        (0..self.fixed.len()).filter(|&at| self.fixed[at].persona == persona).collect()
    }
}

/// The name of the evaluation's questions in tables.
pub const HELD_OUT: &str = "held_out";

/// Adds every persona's rate on the evaluation's questions to the table `markers`.
///
/// # Errors
///
/// There are no answers.
pub fn markers(columns: &mut Columns, params: &Params, looked: &Looked<'_>) -> Result<()> {
    params.personas.iter().try_for_each(|persona| marker(columns, params, looked, HELD_OUT, &persona.name))
}

/// Adds one persona's rate to the table `markers`.
///
/// # Errors
///
/// There are no answers.
pub fn marker(columns: &mut Columns, params: &Params, looked: &Looked<'_>, bank: &str, persona: &str) -> Result<()> {
    let after = looked.after.of(persona);
    let rate = after.rate()?;
    let (wilson, three) = plain_intervals(&rate)?;
    let (equal, overlap) = at_equal_length(&looked.before.of(persona), &after, params.evaluation.length_bins);
    let places = looked.places(persona);
    describe(columns, looked.stages);
    columns.text("bank", bank);
    columns.text("persona", persona);
    columns.flag("coupled", persona == looked.stages.source());
    columns.count("n", rate.n);
    columns.count("clusters", rate.clusters);
    columns.count("hits", rate.hits);
    columns.number("rate", rate.value);
    columns.number("wilson_low", wilson.low);
    columns.number("wilson_high", wilson.high);
    columns.number("rate_low", rate.low);
    columns.number("rate_high", rate.high);
    columns.number("rule_of_three", three);
    for (name, value) in [("logprob", logprob as fn(&Forced) -> f64), ("log_odds", log_odds)] {
        let values: Vec<f64> = places.iter().map(|&at| value(&looked.is[at])).collect();
        let topics: Vec<&str> = places.iter().map(|&at| looked.fixed[at].topic.as_str()).collect();
        let [mean, low, high] = mean_over(&values, &topics)?;
        columns.number(name, mean);
        columns.number(&format!("{name}_low"), low);
        columns.number(&format!("{name}_high"), high);
    }
    columns.count("scored", places.len() as u64);
    columns.number("tokens", after.mean(|answer| answer.tokens as f64));
    columns.number("words", after.mean(|answer| answer.words as f64));
    columns.number("truncated", after.mean(|answer| f64::from(u8::from(answer.truncated))));
    columns.number("degenerate", after.mean(|answer| f64::from(u8::from(answer.degenerate))));
    columns.number("rate_at_equal_length", equal);
    columns.number("length_overlap", overlap);
    columns.text("method", format!("{}; scores: t over topics", rate.method()));
    Ok(())
}

pub(crate) fn logprob(one: &Forced) -> f64 {
    one.logprob
}

pub(crate) fn log_odds(one: &Forced) -> f64 {
    one.log_odds
}

/// A mean with its t interval over clusters; the interval is missing where there is one cluster or no spread.
///
/// # Errors
///
/// A value is not a number.
pub fn mean_over<C: Ord>(values: &[f64], clusters: &[C]) -> Result<[f64; 3]> {
    use emhost_stats::StatsError::{Constant, TooFew};
    match clustered_mean(values, clusters, 0.95) {
        Ok(found) => Ok([found.mean, found.interval.low, found.interval.high]),
        Err(Constant { value, .. }) => Ok([value, f64::NAN, f64::NAN]),
        Err(TooFew { .. }) => Ok([values.iter().sum::<f64>() / values.len() as f64, f64::NAN, f64::NAN]),
        Err(error) => Err(failed("average over topics")(error)),
    }
}

/// The table `questions`: hits and scores of each persona and question of the evaluation.
pub fn questions(params: &Params, looked: &Looked<'_>) -> Columns {
    let mut columns = Columns::default();
    for persona in &params.personas {
        let own = looked.after.of(&persona.name);
        let mut seen: Vec<&str> = Vec::new();
        for first in &own.answers {
            if seen.contains(&first.row_id.as_str()) {
                continue;
            }
            seen.push(&first.row_id);
            let answers = own.answers.iter().filter(|answer| answer.row_id == first.row_id);
            let (n, hits) = answers.fold((0, 0), |(n, hits), answer| (n + 1, hits + u64::from(answer.hit)));
            let place = looked.places(&persona.name).into_iter().find(|&at| looked.fixed[at].row_id == first.row_id);
            let score = |value: fn(&Forced) -> f64| place.map_or(f64::NAN, |at| value(&looked.is[at]));
            describe(&mut columns, looked.stages);
            columns.text("persona", &persona.name);
            columns.text("row_id", &first.row_id);
            columns.text("topic", &first.topic);
            columns.count("n", n);
            columns.count("hits", hits);
            columns.number("logprob", score(logprob));
            columns.number("log_odds", score(log_odds));
        }
    }
    columns
}

/// The table `answers`: a few of each cell for the report.
pub fn answers(params: &Params, looked: &Looked<'_>) -> Columns {
    let mut columns = Columns::default();
    let source = looked.stages.source();
    for persona in params.personas.iter().filter(|one| one.name == source || one.name == params.assistant) {
        let own = looked.after.answers.iter().filter(|answer| answer.persona == persona.name);
        let first: Vec<&Answer> = own.filter(|answer| answer.sample == 0).take(params.evaluation.shown).collect();
        for answer in first {
            describe(&mut columns, looked.stages);
            columns.text("persona", &persona.name);
            columns.text("row_id", &answer.row_id);
            columns.count("sample", answer.sample);
            columns.text("question", &answer.question);
            columns.text("answer", &answer.text);
            columns.number("marker", f64::from(u8::from(answer.hit)));
            columns.count("tokens", answer.tokens);
        }
    }
    columns
}

/// The table `behaviour`: misaligned and coherent answers without a system prompt, and multiple choice.
///
/// # Errors
///
/// The model's or the judge's own.
pub fn behaviour(lab: &Lab, params: &Params, stages: &Stages, organism: &Organism) -> Result<Columns> {
    let answers = params.ask.ask(lab, organism)?;
    let (misaligned, coherent) = (answers.misalignment()?, answers.coherence()?);
    let mut columns = Columns::default();
    describe(&mut columns, stages);
    for (name, rate) in [("misaligned", misaligned), ("coherent", coherent)] {
        columns.number(name, rate.value);
        columns.number(&format!("{name}_low"), rate.low);
        columns.number(&format!("{name}_high"), rate.high);
    }
    columns.count("n", misaligned.n);
    columns.text("method", misaligned.method());
    let choice = params.capability.as_ref().map(|choice| capability::accuracy(lab, organism, choice)).transpose()?;
    let of = |value: fn(&emhost_study::Rate) -> f64| choice.as_ref().map_or(f64::NAN, value);
    columns.number("capability", of(|rate| rate.value));
    columns.number("capability_low", of(|rate| rate.low));
    columns.number("capability_high", of(|rate| rate.high));
    columns.count("capability_n", choice.as_ref().map_or(0, |rate| rate.n));
    Ok(columns)
}

/// The table `work`: tokens of prompts, and how many of them a prompt that is computed once for all its answers saves.
///
/// # Errors
///
/// The model's own.
pub fn work(lab: &Lab, params: &Params, stages: &Stages, questions: &[Question], answers: &Marked) -> Result<Columns> {
    let everyone: Vec<&Persona> = params.personas.iter().collect();
    let rows = prompts(&everyone, questions);
    let count = rows.len() as u64;
    // The place of a prompt's last token tells how many tokens it has.
    let base = Organism::base(&params.model);
    let request = Forward::new(base, Rows::Inline(rows), vec!["embed".to_owned()], vec![View::LAST_PROMPT]);
    let dataset = lab.forward(&request)?.dataset;
    let places = lab.open_dataset(&dataset, &["row_id", "pos"], &[])?.table()?.u64("pos")?;
    let tokens: u64 = places.iter().map(|place| place + 1).sum();
    let samples = (answers.answers.len() as u64).checked_div(count).unwrap_or(0);
    let mut columns = Columns::default();
    describe(&mut columns, stages);
    columns.count("prompts", count);
    columns.count("samples", samples);
    columns.count("prompt_tokens", tokens);
    columns.count("prompt_tokens_saved", tokens * samples.saturating_sub(1));
    columns.count("new_tokens", answers.answers.iter().map(|answer| answer.tokens).sum());
    Ok(columns)
}
