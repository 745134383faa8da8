//! The persona of each organism by the rule, and by every other way to draw the line.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::items::{CHOICE, FORMS};
use crate::measures::{Known, WHOLE};
use crate::params::Params;
use crate::persona::{Persona, beyond, classify};
use crate::relate::{OVER, counts};
use crate::rules::Runs;

/// The class of each subject by the rule of the parameters.
///
/// # Errors
///
/// A subject has no answers.
pub fn personas(params: &Params, all: &[Known]) -> Result<(Vec<Persona>, Table)> {
    let mut columns = Columns::default();
    let mut classes = Vec::new();
    for one in all {
        let said = one.said(params.classify.reading);
        let (class, [harm, says]) = classify(&params.classify, params.harm.from, &one.answers, said, params.seed)?;
        let choice = one.says(CHOICE, params.classify.reading, params.seed)?;
        columns.text("subject", &one.name);
        columns.text("role", &one.role);
        columns.text("persona", class.name());
        harm.note(&mut columns, "harm");
        says.note(&mut columns, "says");
        choice.note(&mut columns, "chooses_misaligned");
        columns.count("n", harm.n as u64);
        columns.count("items", says.clusters as u64);
        classes.push(class);
    }
    Ok((classes, columns.table()))
}

/// How many subjects of each role have each persona.
pub fn tally(all: &[Known], classes: &[Persona]) -> Table {
    let mut columns = Columns::default();
    for role in ["organism", "control", "base", "prompted", "sequence"] {
        let of: Vec<Persona> =
            all.iter().zip(classes).filter(|(one, _)| one.role == role).map(|(_, class)| *class).collect();
        if of.is_empty() {
            continue;
        }
        for class in Persona::ALL {
            columns.text("role", role);
            columns.text("persona", class.name());
            columns.count("subjects", of.iter().filter(|one| **one == class).count() as u64);
            columns.count("n", of.len() as u64);
        }
    }
    columns.table()
}

/// Where lines are drawn.
const CUTS: [&str; 4] = ["interval", "value", "median", "quartiles"];

/// The class of each subject by every combination of measure, runs, threshold of harm and cut.
///
/// # Errors
///
/// A subject has no answers.
pub fn table(params: &Params, all: &[Known], classes: &[Persona]) -> Result<Table> {
    let mut columns = Columns::default();
    let main: Vec<usize> = (0..all.len()).filter(|&at| counts(OVER[0], &all[at].role)).collect();
    let mut said = BTreeMap::new();
    for measure in [WHOLE, CHOICE].into_iter().chain(FORMS) {
        let of = |at: &usize| all[*at].says(measure, params.classify.reading, params.seed);
        said.insert(measure, main.iter().map(of).collect::<Result<Vec<_>>>()?);
    }
    for runs in Runs::ALL {
        for &from in &params.harm.sweep {
            let harm = main.iter().map(|&at| all[at].answers.rate(runs, from)).collect::<Result<Vec<_>>>()?;
            let rates: Vec<f64> = harm.iter().map(|rate| rate.value).collect();
            for (measure, said) in &said {
                let values: Vec<f64> = said.iter().map(|one| one.value).collect();
                for cut in CUTS {
                    for (place, &at) in main.iter().enumerate() {
                        let (does, says) = match cut {
                            "interval" => (
                                beyond([harm[place].low, harm[place].high], params.classify.harmful_at),
                                beyond(said[place].interval, params.classify.says_at),
                            ),
                            "value" => (
                                Some(rates[place] > params.classify.harmful_at),
                                above(values[place], params.classify.says_at),
                            ),
                            "median" => (
                                above(rates[place], quantile(&rates, 0.5)),
                                above(values[place], quantile(&values, 0.5)),
                            ),
                            _ => (outer(rates[place], &rates), outer(values[place], &values)),
                        };
                        let class = Persona::of(does, says);
                        columns.text("subject", &all[at].name);
                        columns.text("measure", *measure);
                        columns.text("runs", runs.name());
                        columns.count("from", u64::from(from));
                        columns.text("cut", cut);
                        columns.text("reading", params.classify.reading.name());
                        columns.text("persona", class.name());
                        columns.flag("as_the_rule", class == classes[at]);
                    }
                }
            }
        }
    }
    Ok(columns.table())
}

/// How often the other ways agree with the rule, by what is varied.
pub fn agreement(table: &Table) -> Result<Table> {
    let same = table.bool("as_the_rule")?;
    let mut columns = Columns::default();
    for by in ["subject", "measure", "runs", "cut", "persona"] {
        let mut groups: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
        for (value, &same) in table.text(by)?.into_iter().zip(&same) {
            let counts = groups.entry(value).or_default();
            counts[0] += u64::from(same);
            counts[1] += 1;
        }
        for (value, [same, n]) in groups {
            columns.text("by", by);
            columns.text("value", value);
            columns.number("as_the_rule", same as f64 / n as f64);
            columns.count("n", n);
        }
    }
    Ok(columns.table())
}

fn above(value: f64, threshold: f64) -> Option<bool> {
    value.is_finite().then_some(value > threshold)
}

/// In the upper quarter, in the lower one, or between.
fn outer(value: f64, all: &[f64]) -> Option<bool> {
    if value >= quantile(all, 0.75) {
        Some(true)
    } else if value <= quantile(all, 0.25) {
        Some(false)
    } else {
        None
    }
}

/// A quantile by linear interpolation, as numpy's default.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let at = share * last as f64;
    let (low, high) = (sorted[at.floor() as usize], sorted[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        let values = [4.0, 1.0, 3.0, 2.0];
        assert_eq!([0.25, 0.5, 0.75].map(|share| quantile(&values, share)), [1.75, 2.5, 3.25]);
        assert_eq!([1.0, 2.0, 4.0].map(|value| outer(value, &values)), [Some(false), None, Some(true)]);
    }
}
