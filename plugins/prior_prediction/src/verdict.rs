//! The answer in words, from the rule that was fixed before the run.

use crate::check::{AFTER, RANDOM, WORDS};
use crate::params::Projection;
use crate::splits::Cv;
use crate::summary::{Finding, Summary};

/// The verdict.
pub fn verdict(summary: &Summary<'_>) -> String {
    let params = summary.params;
    let list = &params.organisms.list;
    let before: Vec<&str> = params.before.iter().map(|before| before.name.as_str()).collect();
    let of = |control: bool| list.iter().filter(move |organism| organism.control == control);
    let harmful: Vec<&str> = of(false).map(|organism| organism.name.as_str()).collect();
    let mut said = vec![format!(
        "On topics that were not trained on, activations before the fine-tune predict which questions are answered well \
         after it, better than the prompt's words do, {}",
        count(summary, &harmful, &before, params.headline.projection)
    )];
    let other = Projection::ALL.into_iter().find(|projection| *projection != params.headline.projection);
    if let Some(other) = other {
        let counted = count(summary, &harmful, &before, other);
        said.push(format!("With {} projections instead, they do so {counted}", other.name()));
    }
    said.extend(harmful.iter().map(|organism| organism_said(summary, organism, &before)));
    for control in of(true) {
        said.push(control_said(summary, &control.name, &before));
    }
    said.join("\n\n")
}

/// How many combinations of organism and model before hold what.
fn count(summary: &Summary<'_>, organisms: &[&str], before: &[&str], projection: Projection) -> String {
    let mut lists: [Vec<String>; 4] = Default::default();
    for organism in organisms {
        for source in before {
            let finding = summary.finding(summary.row(organism, source, projection, Cv::Grouped));
            let at = match finding {
                Finding::Predicts => 0,
                Finding::NotBeyondWords => 1,
                Finding::NotShown => 2,
                Finding::Missing => 3,
            };
            lists[at].push(format!("{organism} from {source}"));
        }
    }
    let all: usize = lists.iter().map(Vec::len).sum();
    let named = |list: &[String]| if list.is_empty() { String::new() } else { format!(" ({})", list.join(", ")) };
    let [predicts, not_beyond, not_shown, missing] = &lists;
    let mut said = format!(
        "in {} of {all} combinations{}; better than the mean but not shown to be better than the words in {}{}; not shown to \
         be better than the mean in {}{}.",
        predicts.len(),
        named(predicts),
        not_beyond.len(),
        named(not_beyond),
        not_shown.len(),
        named(not_shown),
    );
    if !missing.is_empty() {
        said.push_str(&format!(" Not available: {}.", missing.join(", ")));
    }
    said
}

fn organism_said(summary: &Summary<'_>, organism: &str, before: &[&str]) -> String {
    let of = |cv: Cv, sources: &[&str]| {
        let one = |source: &&str| format!("{source} {}", r2_said(summary, summary.headline(organism, source, cv)));
        sources.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    let mut said = format!(
        "{organism}: R² on topics that were not trained on: {}; beside them {}. With folds over questions, which share \
         topics with what was trained on: {}; beside them {}.",
        of(Cv::Grouped, before),
        of(Cv::Grouped, &[WORDS, RANDOM, AFTER]),
        of(Cv::Plain, before),
        of(Cv::Plain, &[WORDS, RANDOM]),
    );
    let permuted: Vec<String> = before
        .iter()
        .filter_map(|source| {
            let p = summary.scores.number("permutation_p", summary.headline(organism, source, Cv::Grouped)?);
            p.is_finite().then(|| format!("{source} {p:.3}"))
        })
        .collect();
    if !permuted.is_empty() {
        said.push_str(&format!(
            " Targets of permuted topics are predicted as well with p = {} (not corrected): that asks whether there is any \
             relation, not whether predictions are better than the mean.",
            permuted.join(", ")
        ));
    }
    let leaky = |source: &&&str| {
        let above = |cv: Cv| {
            let low = summary.scores.number("gain_low", summary.headline(organism, source, cv)?);
            Some(low > 0.0)
        };
        (above(Cv::Plain), above(Cv::Grouped)) == (Some(true), Some(false))
    };
    let leaky: Vec<&str> = before.iter().filter(leaky).copied().collect();
    if !leaky.is_empty() {
        said.push_str(&format!(
            " What the folds over questions show of {} is not shown to reach new topics: it may be the topic.",
            leaky.join(" and ")
        ));
    }
    let target = summary.targets.row(&[("organism", organism), ("bank", summary.bank())]);
    let ceiling = target.map_or(f64::NAN, |row| summary.targets.number("ceiling", row));
    if ceiling.is_finite() {
        said.push_str(&format!(
            " With this number of answers a perfect predictor would have R² {ceiling:.2}, the rest being chance in sampling."
        ));
    }
    said
}

fn control_said(summary: &Summary<'_>, organism: &str, before: &[&str]) -> String {
    let rows = before.iter().map(|source| (source, summary.headline(organism, source, Cv::Grouped)));
    let said: Vec<String> = rows
        .map(|(source, row)| {
            let finding = match summary.finding(row) {
                Finding::Predicts => "predicts it too",
                Finding::NotBeyondWords => "predicts it, not beyond the words",
                Finding::NotShown => "is not shown to predict it",
                Finding::Missing => "has no numbers, see `missing` in `scores`",
            };
            format!("{source} {finding} ({})", r2_said(summary, row))
        })
        .collect();
    format!("The control {organism}, which should do no harm: {}.", said.join("; "))
}

/// An R² with its interval.
pub fn r2_said(summary: &Summary<'_>, row: Option<usize>) -> String {
    let [value, low, high] = row.map_or([f64::NAN; 3], |row| summary.scores.interval("r2", row));
    match (value.is_finite(), low.is_finite()) {
        (true, true) => format!("{value:.2} [{low:.2}, {high:.2}]"),
        (true, false) => format!("{value:.2} (the mean in every fold)"),
        _ => "–".to_owned(),
    }
}
