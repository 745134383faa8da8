//! The answer that the numbers give, in sentences.

use crate::comparison::{BETWEEN_SEEDS, DISCOVERY, seeds};
use crate::summary::{Event, Summary};

/// What the numbers say.
pub fn verdict(summary: &Summary<'_>) -> String {
    let mut said = vec![above(summary), breadth(summary)];
    said.extend(agreement(summary));
    said.extend(controls(summary));
    said.extend(summary.params.phase.iter().map(|phase| transition(summary, &phase.organism)));
    said.retain(|sentence| !sentence.is_empty());
    said.join(" ")
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn list(names: &[String]) -> String {
    match names {
        [] => "none".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Organisms that are not controls.
fn bad<'a>(summary: &Summary<'a>) -> Vec<&'a str> {
    let list = &summary.params.organisms.list;
    list.iter().filter(|organism| !organism.control).map(|organism| organism.name.as_str()).collect()
}

fn above(summary: &Summary<'_>) -> String {
    let (general, names) = (summary.params.general(), bad(summary));
    let with_rate = |name: &str| {
        let rate = summary.behaviour(name, general).map_or(f64::NAN, |row| row.misaligned[0]);
        format!("{name} ({})", percent(rate))
    };
    let is_above = |name: &&str| summary.against_base(name, general).is_some_and(|one| one.above());
    let (more, not): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| is_above(name));
    let before = summary.base(general).map_or(f64::NAN, |row| row.misaligned[0]);
    let mut said = format!(
        "Asked about {general}, {} of the {} organisms are coherent and misaligned more often than the model before ({}) \
         at a false discovery rate of {}: {}.",
        more.len(),
        names.len(),
        percent(before),
        percent(DISCOVERY),
        list(&more.iter().map(|name| with_rate(name)).collect::<Vec<_>>())
    );
    if !not.is_empty() {
        let not: Vec<String> = not.iter().map(|name| with_rate(name)).collect();
        said.push_str(&format!(" Not shown to be: {}.", list(&not)));
    }
    said
}

fn breadth(summary: &Summary<'_>) -> String {
    let general = summary.params.general();
    let asked = bad(summary).into_iter().filter_map(|name| Some((name, summary.in_domain(name)?)));
    let [mut broad, mut narrow, mut neither] = [const { Vec::new() }; 3];
    let mut smaller = 0;
    for (name, own) in asked {
        let outside = summary.against_base(name, general);
        let inside = summary.against_base(name, &own.bank);
        let is = |found: Option<&crate::comparison::Comparison>| found.is_some_and(|one| one.above());
        match (is(outside), is(inside)) {
            (true, _) => broad.push(name.to_owned()),
            (false, true) => narrow.push(name.to_owned()),
            (false, false) => neither.push(name.to_owned()),
        }
        let difference = |found: Option<&crate::comparison::Comparison>| found.map_or(f64::NAN, |one| one.difference);
        smaller += usize::from(is(outside) && difference(outside) < difference(inside));
    }
    if broad.is_empty() && narrow.is_empty() && neither.is_empty() {
        return String::new();
    }
    let mut said = format!("Misaligned outside of the trained domain (broad): {}", list(&broad));
    if !broad.is_empty() {
        said.push_str(&format!(", of which {smaller} less so outside than inside"));
    }
    format!("{said}; inside alone (narrow): {}; neither: {}.", list(&narrow), list(&neither))
}

fn agreement(summary: &Summary<'_>) -> Vec<String> {
    let general = summary.params.general();
    let of_group = |names: Vec<&str>| {
        let rates: Vec<String> = names
            .iter()
            .map(|name| percent(summary.behaviour(name, general).map_or(f64::NAN, |row| row.misaligned[0])))
            .collect();
        let pairs = || {
            summary.comparisons.iter().filter(|one| {
                one.family == BETWEEN_SEEDS && names.contains(&one.organism.as_str()) && names.contains(&&*one.against)
            })
        };
        let differ = pairs().filter(|one| one.differs()).count();
        let agree = if differ == 0 { "no pair can be told apart" } else { "they do not agree" };
        format!(
            "Seeds {} give {}: {differ} of {} pairs differ, so {agree}.",
            list(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()),
            list(&rates),
            pairs().count()
        )
    };
    seeds(summary.params).into_iter().map(of_group).collect()
}

fn controls(summary: &Summary<'_>) -> Vec<String> {
    let general = summary.params.general();
    let found = summary.params.organisms.list.iter().filter(|organism| organism.control);
    let found = found.filter_map(|organism| summary.against_base(&organism.name, general));
    let said = |one: &crate::comparison::Comparison| {
        let (name, rate) = (&one.organism, percent(one.rates[0]));
        let reach = format!("difference {:+.3} [{:+.3}, {:+.3}]", one.difference, one.interval[0], one.interval[1]);
        match (one.differs(), one.difference > 0.0) {
            (false, _) if one.interval[0] > 0.0 || one.interval[1] < 0.0 => format!(
                "The test does not tell the control {name} ({rate}) from the model before, but the interval leaves out 0: \
                 {reach}, {} clusters.",
                one.clusters
            ),
            (false, _) => format!("The control {name} ({rate}) cannot be told from the model before: {reach}."),
            (true, true) => format!("The control {name} ({rate}) is misaligned too: {reach}."),
            (true, false) => format!("The control {name} ({rate}) is misaligned less often: {reach}."),
        }
    };
    found.map(said).collect()
}

fn transition(summary: &Summary<'_>, organism: &str) -> String {
    let Some(followed) = &summary.followed else { return String::new() };
    let events: Vec<&Event> = followed.events.iter().filter(|event| event.organism == organism).collect();
    let named = |start: &str| events.iter().copied().find(|event| event.what.starts_with(start));
    let Some(rise) = named(RISE) else { return String::new() };
    if rise.step.is_nan() {
        return format!("When {organism} becomes misaligned cannot be said: {}.", rise.missing);
    }
    let mut said = format!(
        "{organism} becomes misaligned most steeply around step {} [{}, {}]; that interval has {} of the rise where an even \
         one would have {}.",
        rise.step,
        rise.interval[0],
        rise.interval[1],
        percent(rise.size),
        percent(rise.control)
    );
    for (start, what) in [(GRADIENT, "The gradient norm peaks"), (TURN, "B turns most sharply")] {
        let Some(event) = named(start) else { continue };
        if event.step.is_nan() {
            said.push_str(&format!(" {what}: not known, {}.", event.missing));
            continue;
        }
        let when = if event.after_rise < 0.0 { "before" } else { "after" };
        said.push_str(&format!(
            " {what} at step {} ({}: {:.3}, median {:.3}), {} steps {when} that.",
            event.step,
            event.what,
            event.size,
            event.control,
            event.after_rise.abs()
        ));
    }
    let coarse = summary.params.phase.iter().find(|phase| phase.organism == organism);
    if let Some(phase) = coarse {
        said.push_str(&format!(
            " Questions were asked every {} steps, so no time of a rise is finer than that.",
            phase.every * phase.ask_every
        ));
    }
    said
}

/// The event of a rise at one scale of the adapter.
pub fn rise_at(scale: f64) -> String {
    format!("{RISE}, adapter times {scale}")
}

/// How the names of events begin.
pub const RISE: &str = "steepest rise of misaligned answers";
/// The gradient's.
pub const GRADIENT: &str = "largest gradient norm";
/// The turn's.
pub const TURN: &str = "sharpest turn of B";
