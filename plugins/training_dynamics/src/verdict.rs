//! The answer that the numbers give, in sentences.

use crate::compare::{DISCOVERY, Kind};
use crate::correlate::{SCHEDULES, SEEDS, STEPS, Together};
use crate::findings::Finding;
use crate::summary::Summary;
use crate::trajectory::Measure;

/// What the numbers say.
pub fn verdict(summary: &Summary<'_>) -> String {
    let mut said =
        vec![claim(summary), equal(summary), end(summary), seeds(summary), together(summary), elsewhere(summary)];
    said.extend(controls(summary));
    said.retain(|sentence| !sentence.is_empty());
    said.join(" ")
}

/// The count of a kind, of the measure that claims are about.
pub fn finding<'a>(summary: &'a Summary<'_>, kind: Kind) -> Option<&'a Finding> {
    summary.findings.iter().find(|one| one.measure == Measure::All && one.kind == kind)
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

fn claim(summary: &Summary<'_>) -> String {
    let (Some(equal), Some(end)) = (finding(summary, Kind::EqualLoss), finding(summary, Kind::BaselineEnd)) else {
        return String::new();
    };
    if equal.tested + end.tested == 0 {
        return "No schedule could be tested against the baseline; `matched` says why.".to_owned();
    }
    if equal.better.is_empty() && end.better.is_empty() {
        "No schedule is shown to be better aligned at equal or lower loss: the claim stands.".to_owned()
    } else {
        "The claim that no schedule is better aligned at equal or lower loss does not hold here.".to_owned()
    }
}

fn equal(summary: &Summary<'_>) -> String {
    let Some(one) = finding(summary, Kind::EqualLoss) else { return String::new() };
    let all = one.tested + one.untested;
    let mut said = format!(
        "{} of {all} schedules could be compared with the baseline's path at equal held-out loss; of these {} are better \
         aligned at a false discovery rate of {DISCOVERY} ({}) and {} less.",
        one.tested,
        one.better.len(),
        list(&one.better),
        one.worse.len()
    );
    // Added after a first run, in which all that were better were of this kind.
    let below = one.better.iter().filter(|name| summary.peaks_below(name)).count();
    if below > 0 {
        said.push_str(&format!(
            " {below} of these never reach the baseline's learning rate, as no schedule of the published grid."
        ));
    }
    if one.half_width.is_finite() {
        said.push_str(&format!(" Half of the median interval is {:.1} points of alignment.", one.half_width));
    }
    said
}

fn end(summary: &Summary<'_>) -> String {
    let Some(one) = finding(summary, Kind::BaselineEnd) else { return String::new() };
    format!(
        "{} schedules end at a loss no higher than the baseline's; of these {} are better aligned than it ({}). Whatever their \
         loss, {} end less aligned.",
        one.asked,
        one.better.len(),
        list(&one.better),
        one.worse.len()
    )
}

fn seeds(summary: &Summary<'_>) -> String {
    let Some(control) = finding(summary, Kind::SeedControl).filter(|one| one.tested > 0) else { return String::new() };
    let careless = finding(summary, Kind::EqualLoss).map_or(0, |one| one.better_ignoring_seeds);
    format!(
        "The same test tells {} of the baseline's {} seeds from its other ones. A test that takes the fine-tunes as given would \
         have called {careless} schedules better.",
        control.better.len() + control.worse.len(),
        control.tested
    )
}

/// The correlation over steps of a family on the data of the schedules.
pub fn over_steps<'a>(summary: &'a Summary<'_>, family: &str) -> Option<&'a Together> {
    let wanted = |one: &&Together| {
        let [of, data, _, seed] = &one.within;
        one.over == STEPS && of == family && *data == summary.params.task && seed == "all"
    };
    summary.correlations.iter().find(wanted)
}

fn together(summary: &Summary<'_>) -> String {
    let of_family = |family: &crate::params::Family| {
        let one = over_steps(summary, &family.name)?;
        let [value, low, high] = one.spearman;
        Some(match value.is_nan() {
            true => format!("{}: not known, {}", family.name, one.missing),
            false => format!("{} {value:.2} [{low:.2}, {high:.2}]", family.name),
        })
    };
    let said: Vec<String> = summary.params.families.iter().filter_map(of_family).collect();
    format!(
        "Spearman's correlation of held-out loss and alignment over the baseline's checkpoints on {} (above 0: they fall \
         together): {}.",
        summary.params.task,
        said.join("; ")
    )
}

/// Over schedules and over seeds.
fn elsewhere(summary: &Summary<'_>) -> String {
    let of = |over: &str| summary.correlations.iter().find(|one| one.over == over && one.pearson[0].is_finite());
    let mut said = Vec::new();
    if let Some(Together { pearson: [value, low, high], n, .. }) = of(SCHEDULES) {
        said.push(format!("Over the ends of {n} schedules Pearson's correlation is {value:.2} [{low:.2}, {high:.2}]."));
    }
    if let Some(one) = of(SEEDS) {
        let (value, p) = (one.pearson[0], one.pearson_p);
        said.push(format!("Between seeds of the same schedule it is {value:.2} (p = {p:.3})."));
    }
    said.join(" ")
}

fn controls(summary: &Summary<'_>) -> Vec<String> {
    let said = |one: &crate::change::Change| {
        let [value, low, high] = one.difference;
        format!(
            "The control {} on {} changes alignment by {value:+.1} [{low:+.1}, {high:+.1}] points.",
            one.family, one.data
        )
    };
    summary.changes.iter().filter(|one| one.control).map(said).collect()
}
