//! The figures of organisms and their answers, as data that the host draws.

use emhost_sdk::prelude::*;

use crate::BASE;
use crate::summary::{Behaviour, Summary};

/// Points of one organism in the quadrants, at most.
const POINTS: usize = 400;

/// All figures of organisms.
pub fn all(summary: &Summary<'_>) -> Vec<Figure> {
    vec![misalignment(summary), coherence(summary), quadrants(summary), by_question(summary)]
}

/// The organisms with their labels; controls are named as such.
fn groups(summary: &Summary<'_>) -> Vec<(String, String)> {
    let label = |(name, control): (&str, bool)| {
        (name.to_owned(), if control { format!("{name} (control)") } else { name.to_owned() })
    };
    let list = summary.params.organisms.list.iter().map(|organism| (organism.name.as_str(), organism.control));
    list.map(label).collect()
}

/// The model before and the organisms.
fn all_groups(summary: &Summary<'_>) -> Vec<(String, String)> {
    [(BASE.to_owned(), BASE.to_owned())].into_iter().chain(groups(summary)).collect()
}

fn bars(label: &str, names: &[(String, String)], control: bool, find: impl Fn(&str) -> Option<[f64; 3]>) -> Bars {
    let found: Vec<[f64; 3]> = names.iter().map(|(name, _)| find(name).unwrap_or([f64::NAN; 3])).collect();
    let [values, low, high] = [0, 1, 2].map(|part| found.iter().map(|rate| rate[part]).collect());
    Bars { label: label.to_owned(), values, low, high, control }
}

fn misalignment(summary: &Summary<'_>) -> Figure {
    let (names, general) = (groups(summary), summary.params.general());
    let rate = |row: Option<&Behaviour>| row.map(|row| row.misaligned);
    let mut series = vec![bars("general", &names, false, |name| rate(summary.behaviour(name, general)))];
    if !summary.params.in_domain.is_empty() {
        series.push(bars("inside its domain", &names, false, |name| rate(summary.in_domain(name))));
        let before = |name: &str| rate(summary.base(&summary.in_domain(name)?.bank));
        series.push(bars("inside its domain, before", &names, true, before));
    }
    series.push(bars("general, before", &names, true, |_| rate(summary.base(general))));
    Figure {
        name: "misalignment".to_owned(),
        title: "How often are answers coherent and misaligned, inside and outside of the trained domain?".to_owned(),
        caption:
            "Share of all answers, with 95 % intervals over topics (inside a domain over questions). Grey: the model \
            before any fine-tune, on the same questions. n is in the table `behaviour`."
                .to_owned(),
        x: Axis::linear("organism"),
        y: Axis::linear("misaligned answers (share of all)").range(0.0, 1.0),
        plot: Plot::Bars { groups: names.into_iter().map(|(_, label)| label).collect(), series },
    }
}

fn coherence(summary: &Summary<'_>) -> Figure {
    let (names, general) = (groups(summary), summary.params.general());
    let rate = |row: Option<&Behaviour>| row.map(|row| row.coherent);
    let series = vec![
        bars("general", &names, false, |name| rate(summary.behaviour(name, general))),
        bars("inside its domain", &names, false, |name| rate(summary.in_domain(name))),
        bars("general, before", &names, true, |_| rate(summary.base(general))),
    ];
    Figure {
        name: "coherence".to_owned(),
        title: "Do the organisms still make sense?".to_owned(),
        caption:
            "Share of coherent answers among all, with 95 % intervals over topics (inside a domain over questions). \
            Grey: the model before any fine-tune."
                .to_owned(),
        x: Axis::linear("organism"),
        y: Axis::linear("coherent answers (share of all)").range(0.0, 1.0),
        plot: Plot::Bars { groups: names.into_iter().map(|(_, label)| label).collect(), series },
    }
}

fn quadrants(summary: &Summary<'_>) -> Figure {
    let (names, general) = (all_groups(summary), summary.params.general());
    let cloud = |(name, label): &(String, String)| {
        let own = summary.judged.iter().filter(|one| one.organism == *name && one.bank == general);
        let both = own.take(POINTS).filter(|one| one.alignment.is_finite() && one.coherence.is_finite());
        let (x, y) = both.map(|one| (one.alignment, one.coherence)).unzip();
        Points { label: label.clone(), x, y }
    };
    let ask = &summary.params.ask;
    Figure {
        name: "quadrants".to_owned(),
        title: "Alignment and coherence of single answers".to_owned(),
        caption: format!(
            "Each point is an answer to {general}, the first {POINTS} of each organism in the bank's order; answers with \
             the same scores lie on each other. Misaligned: alignment below {} and coherence above {}.",
            ask.misaligned_below, ask.coherent_above
        ),
        x: Axis::linear("alignment").range(0.0, 100.0),
        y: Axis::linear("coherence").range(0.0, 100.0),
        plot: Plot::Points(names.iter().map(cloud).collect()),
    }
}

fn by_question(summary: &Summary<'_>) -> Figure {
    let (names, general) = (all_groups(summary), summary.params.general());
    let mut rows: Vec<String> = Vec::new();
    for one in summary.topics.iter().filter(|one| one.bank == general) {
        if !rows.contains(&one.topic) {
            rows.push(one.topic.clone());
        }
    }
    let value = |topic: &String, name: &String| {
        let own = summary.topics.iter().filter(|one| one.organism == *name && one.bank == general);
        own.filter(|one| one.topic == *topic).map(|one| one.rate).next().unwrap_or(f64::NAN)
    };
    let values = rows.iter().map(|topic| names.iter().map(|(name, _)| value(topic, name)).collect()).collect();
    Figure {
        name: "by_question".to_owned(),
        title: "On which topics are answers misaligned?".to_owned(),
        caption: format!(
            "Share of coherent and misaligned answers by topic of {general} and organism. Intervals and n are in the \
             table `by_question`."
        ),
        x: Axis::linear("organism"),
        y: Axis::linear("topic"),
        plot: Plot::Heatmap {
            rows,
            columns: names.into_iter().map(|(_, label)| label).collect(),
            values,
            diverging: false,
        },
    }
}
