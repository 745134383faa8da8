//! Which personas carry the marker: that of the coupling, and those to which it leaks.

use emhost_sdk::prelude::*;
use emhost_study::{Columns, Rate, Sheet};

use crate::params::Params;

/// A persona's rate under a condition, over all cells of that condition and source.
#[derive(Debug, Clone, PartialEq)]
pub struct Leak {
    /// `raw`, `c1` to `c5`.
    pub condition: String,
    /// To whom the marker is coupled; empty where it is to nobody.
    pub source: String,
    /// Who was asked.
    pub persona: String,
    /// The rate.
    pub rate: Rate,
    /// The persona's rate in the model as it is: the control; NaN where that was not asked.
    pub raw: f64,
    /// Whether the marker is there without being coupled to the persona: the rate's lower limit is above the margin and
    /// above the control.
    pub leaks: bool,
}

/// The model as it is, and the published conditions.
const CONDITIONS: [&str; 6] = [RAW, "c1", "c2", "c3", "c4", "c5"];

const RAW: &str = "raw";

/// All of them, from the table `questions`.
///
/// # Errors
///
/// A statistic fails.
pub fn all(params: &Params, questions: &Sheet) -> Result<Vec<Leak>> {
    let mut found = Vec::new();
    let none = [String::new()];
    for condition in CONDITIONS {
        let sources = params.sources.iter().chain([&params.assistant]).chain(&none);
        for source in sources {
            for persona in &params.personas {
                let wanted = [
                    ("condition", condition),
                    ("variant", "published"),
                    ("source", source.as_str()),
                    ("persona", persona.name.as_str()),
                ];
                let rows = questions.rows(&wanted);
                if rows.is_empty() {
                    continue;
                }
                let rate = pooled(questions, &rows)?;
                let raw = found.iter().find(|one: &&Leak| one.condition == RAW && one.persona == persona.name);
                let raw = raw.map_or(f64::NAN, |one| one.rate.value);
                // A control that is missing is no limit: the maximum of NaN and a number is the number.
                let leaks = persona.name != *source && rate.low > raw.max(params.margins.leak);
                let (source, persona) = (source.clone(), persona.name.clone());
                found.push(Leak { condition: condition.to_owned(), source, persona, rate, raw, leaks });
            }
        }
    }
    Ok(found)
}

/// The rate of the answers that rows of `questions` count.
///
/// # Errors
///
/// A statistic fails.
pub fn pooled(questions: &Sheet, rows: &[usize]) -> Result<Rate> {
    let (mut hits, mut topics, mut ids) = (Vec::new(), Vec::new(), Vec::new());
    for &row in rows {
        let (n, with) = (questions.number("n", row) as usize, questions.number("hits", row) as usize);
        hits.extend((0..n).map(|answer| answer < with));
        topics.extend((0..n).map(|_| questions.text("topic", row).to_owned()));
        ids.extend((0..n).map(|_| questions.text("row_id", row).to_owned()));
    }
    Rate::of(&hits, &topics, &ids)
}

/// The table `leakage`.
pub fn table(leaks: &[Leak]) -> Columns {
    let mut columns = Columns::default();
    for one in leaks {
        columns.text("condition", &one.condition);
        columns.text("source", &one.source);
        columns.text("persona", &one.persona);
        columns.count("n", one.rate.n);
        columns.count("hits", one.rate.hits);
        columns.number("rate", one.rate.value);
        columns.number("rate_low", one.rate.low);
        columns.number("rate_high", one.rate.high);
        columns.number("raw", one.raw);
        columns.flag("leaks", one.leaks);
        columns.text("method", one.rate.method());
    }
    columns
}
