//! What the last stage of a cell changed: rates and scores before and after, of the same questions.

use emhost_sdk::prelude::*;
use emhost_stats::clusters::clustered_mean;
use emhost_stats::empirical::Tail;
use emhost_stats::interval::difference;
use emhost_stats::permutation::Permutation;
use emhost_study::{Columns, failed};

use crate::cell::describe;
use crate::marked::Marked;
use crate::notes::{Looked, log_odds, logprob, mean_over};
use crate::params::Params;

/// The table `changes`: one row for the persona of the coupling, one for the assistant where that is another one.
///
/// # Errors
///
/// There are no answers.
pub fn changes(params: &Params, looked: &Looked<'_>) -> Result<Columns> {
    let mut columns = Columns::default();
    let source = looked.stages.source();
    for persona in params.personas.iter().filter(|one| one.name == source || one.name == params.assistant) {
        change(&mut columns, params, looked, &persona.name)?;
    }
    Ok(columns)
}

fn change(columns: &mut Columns, params: &Params, looked: &Looked<'_>, persona: &str) -> Result<()> {
    let (before, after) = (looked.before.of(persona), looked.after.of(persona));
    let (was, is) = (before.rate()?, after.rate()?);
    let [low, high] = difference(is.value, [is.low, is.high], was.value, [was.low, was.high]);
    describe(columns, looked.stages);
    columns.text("persona", persona);
    columns.flag("coupled", persona == looked.stages.source());
    columns.number("before", was.value);
    columns.number("before_low", was.low);
    columns.number("before_high", was.high);
    columns.number("after", is.value);
    columns.number("after_low", is.low);
    columns.number("after_high", is.high);
    columns.number("difference", is.value - was.value);
    columns.number("difference_low", low);
    columns.number("difference_high", high);
    columns.number("p", signs(params, &before, &after)?);
    let places = looked.places(persona);
    let topics: Vec<&str> = places.iter().map(|&at| looked.fixed[at].topic.as_str()).collect();
    for (name, value) in [("logprob", logprob as fn(&crate::forced::Forced) -> f64), ("log_odds", log_odds)] {
        let (was, is): (Vec<f64>, Vec<f64>) =
            places.iter().map(|&at| (value(&looked.was[at]), value(&looked.is[at]))).unzip();
        let change: Vec<f64> = is.iter().zip(&was).map(|(is, was)| is - was).collect();
        let [mean, low, high] = mean_over(&change, &topics)?;
        columns.number(&format!("{name}_before"), was.iter().sum::<f64>() / was.len() as f64);
        columns.number(&format!("{name}_after"), is.iter().sum::<f64>() / is.len() as f64);
        columns.number(&format!("{name}_change"), mean);
        columns.number(&format!("{name}_change_low"), low);
        columns.number(&format!("{name}_change_high"), high);
    }
    columns.count("n_before", was.n);
    columns.count("n_after", is.n);
    columns.count("scored", places.len() as u64);
    columns.text("method", "MOVER from posteriors over topics; p: signs of topics flipped; scores: t over topics");
    Ok(())
}

/// Two-sided p-value of the difference of rates by question, with one sign per topic.
fn signs(params: &Params, before: &Marked, after: &Marked) -> Result<f64> {
    let mut rows: Vec<(&str, &str)> = Vec::new();
    for answer in &after.answers {
        if !rows.contains(&(&answer.row_id, &answer.topic)) {
            rows.push((&answer.row_id, &answer.topic));
        }
    }
    let rate = |of: &Marked, row: &str| {
        let own: Vec<bool> = of.answers.iter().filter(|answer| answer.row_id == row).map(|answer| answer.hit).collect();
        own.iter().filter(|hit| **hit).count() as f64 / own.len() as f64
    };
    let differences: Vec<f64> = rows.iter().map(|(row, _)| rate(after, row) - rate(before, row)).collect();
    let topics: Vec<&str> = rows.iter().map(|(_, topic)| *topic).collect();
    let permutation = Permutation { seed: params.seed, ..Permutation::default() };
    let test = permutation.clustered_sign_flip(&differences, &topics, Tail::TwoSided);
    Ok(test.map_err(failed("flip the signs of topics"))?.p)
}

/// The mean of values with a t interval over clusters of which there are several with spread; none otherwise.
pub fn interval<C: Ord>(values: &[f64], clusters: &[C]) -> Option<[f64; 2]> {
    clustered_mean(values, clusters, 0.95).ok().map(|found| [found.interval.low, found.interval.high])
}
