//! The tables of each subject by itself: harm, self-assessment, position, wording, recognition, prediction, ratings.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::missing::missing_bounds;
use emhost_study::{Columns, Sheet, failed};

use crate::estimate::{Answers, Estimate, Said};
use crate::harm::BUCKETS;
use crate::items::{CHOICE, FORMS};
use crate::params::Params;
use crate::rules::{Reading, Runs};

/// Self-assessment as a whole: the mean of the four forms.
pub const WHOLE: &str = "self_assessment";

/// What is known of a subject.
pub struct Known {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: String,
    /// Its judged answers.
    pub answers: Answers,
    /// Share of answers that decline.
    pub refused: Vec<bool>,
    /// What it says, by reading.
    pub said: BTreeMap<&'static str, Said>,
}

/// All subjects, in the order in which they are planned.
pub fn known(answers: &Sheet, items: &Sheet) -> Vec<Known> {
    let mut all = Vec::new();
    for name in answers.distinct("subject") {
        let rows = answers.rows(&[("subject", name)]);
        let text = |column: &str| rows.iter().map(|&row| answers.text(column, row).to_owned()).collect::<Vec<String>>();
        let refused = answers.table().bool("refused").unwrap_or_default();
        let asked = items.rows(&[("subject", name)]);
        let said = Reading::ALL.map(|reading| {
            let column = if reading == Reading::Text { "text_value" } else { "value" };
            let said = Said {
                tasks: asked.iter().map(|&row| items.text("task", row).to_owned()).collect(),
                items: asked.iter().map(|&row| items.text("item", row).to_owned()).collect(),
                values: asked.iter().map(|&row| items.number(column, row)).collect(),
            };
            (reading.name(), said)
        });
        all.push(Known {
            name: name.to_owned(),
            role: rows.first().map_or("", |&row| answers.text("role", row)).to_owned(),
            answers: Answers {
                row_ids: text("row_id"),
                topics: text("topic"),
                scores: rows.iter().map(|&row| answers.number("score", row)).collect(),
            },
            refused: rows.iter().map(|&row| refused.get(row).copied().unwrap_or_default()).collect(),
            said: said.into(),
        });
    }
    all
}

impl Known {
    /// What it says, by a reading.
    pub fn said(&self, reading: Reading) -> &Said {
        &self.said[reading.name()]
    }

    /// A task's estimate, or that of self-assessment as a whole.
    ///
    /// # Errors
    ///
    /// A value is infinite.
    pub fn says(&self, task: &str, reading: Reading, seed: u64) -> Result<Estimate> {
        if task == WHOLE { self.said(reading).assessment(seed) } else { self.said(reading).task(task, seed) }
    }
}

/// Harm by runs and threshold: rates, refusals, and bounds over answers without a score.
///
/// # Errors
///
/// A subject has no answers.
pub fn harmfulness(params: &Params, all: &[Known]) -> Result<Table> {
    let mut columns = Columns::default();
    for one in all {
        let scored = one.answers.scores.iter().filter(|score| !score.is_nan());
        let (mean, count) = scored.clone().fold((0.0, 0_usize), |(sum, count), score| (sum + score, count + 1));
        let missing = one.answers.scores.len() - count;
        let refusals = emhost_study::Rate::of(&one.refused, &one.answers.topics, &one.answers.row_ids)?;
        for runs in Runs::ALL {
            for &from in &params.harm.sweep {
                let rate = one.answers.rate(runs, from)?;
                let hits = scored.clone().filter(|&&score| score >= f64::from(from)).count();
                let bounds = missing_bounds(hits, count, missing, 0.95).map_err(failed("bound a rate"))?;
                columns.text("subject", &one.name);
                columns.text("role", &one.role);
                columns.text("runs", runs.name());
                columns.count("from", u64::from(from));
                columns.number("rate", rate.value);
                columns.number("rate_low", rate.low);
                columns.number("rate_high", rate.high);
                columns.count("n", rate.n);
                columns.count("clusters", rate.clusters);
                columns.text("method", rate.method());
                columns.number("mean_score", mean / count as f64);
                columns.count("without_score", missing as u64);
                columns.number("least", if runs == Runs::Single { bounds.low } else { f64::NAN });
                columns.number("most", if runs == Runs::Single { bounds.high } else { f64::NAN });
                columns.number("refusal_rate", refusals.value);
                columns.number("refusal_rate_low", refusals.low);
                columns.number("refusal_rate_high", refusals.high);
            }
        }
    }
    Ok(columns.table())
}

/// What each subject says of itself, by task and reading.
///
/// # Errors
///
/// A value is infinite.
pub fn assessments(params: &Params, all: &[Known], items: &Sheet) -> Result<Table> {
    let mut columns = Columns::default();
    for one in all {
        for task in FORMS.into_iter().chain([WHOLE, CHOICE]) {
            for reading in Reading::ALL {
                let found = one.says(task, reading, params.seed)?;
                let of = |row: &usize| {
                    task == WHOLE && FORMS.contains(&items.text("task", *row)) || items.text("task", *row) == task
                };
                let rows: Vec<usize> = items.rows(&[("subject", &one.name)]).into_iter().filter(of).collect();
                let sum = |column: &str| rows.iter().map(|&row| items.number(column, row)).sum::<f64>();
                let (decided, replies) = (sum("text_decided"), sum("replies"));
                let settled = rows.iter().map(|&row| match items.number("text_value", row) {
                    value if value.is_nan() => 0.0,
                    value => value * items.number("text_decided", row),
                });
                let (settled, text) = (settled.sum::<f64>(), reading == Reading::Text);
                columns.text("subject", &one.name);
                columns.text("role", &one.role);
                columns.text("task", task);
                columns.text("reading", reading.name());
                found.note(&mut columns, "value");
                columns.count("n", found.n as u64);
                columns.count("items", found.clusters as u64);
                columns.text("method", Estimate::METHOD);
                columns.number("mass", if text { f64::NAN } else { sum("mass") / rows.len() as f64 });
                columns.number("decided", if text { decided / replies } else { f64::NAN });
                // All replies that settle on nothing taken as the good pole, or as the bad one.
                columns.number("least", if text { settled / replies } else { f64::NAN });
                columns.number("most", if text { (settled + replies - decided) / replies } else { f64::NAN });
            }
        }
    }
    Ok(columns.table())
}

/// How many replies of each kind there were: every sampled reply is in one of them.
pub fn reply_kinds(replies: &Sheet) -> Table {
    let mut counts: BTreeMap<(&str, &str), BTreeMap<&str, u64>> = BTreeMap::new();
    for row in 0..replies.len() {
        let of = counts.entry((replies.text("subject", row), replies.text("task", row))).or_default();
        *of.entry(replies.text("kind", row)).or_default() += 1;
    }
    let mut columns = Columns::default();
    for ((subject, task), kinds) in counts {
        columns.text("subject", subject);
        columns.text("task", task);
        columns.count("replies", kinds.values().sum());
        for kind in crate::parse::Reply::KINDS {
            columns.count(kind, kinds.get(kind).copied().unwrap_or_default());
        }
    }
    columns.table()
}

/// Position bias and content sensitivity, apart: of an item in both orders, how much the first option is preferred, and how much
/// the choice moves with what stands there.
///
/// # Errors
///
/// A value is infinite.
pub fn position(params: &Params, all: &[Known], items: &Sheet) -> Result<Table> {
    let mut columns = Columns::default();
    for one in all {
        for task in ["decision", CHOICE] {
            let mut orders: BTreeMap<(&str, u64), [f64; 2]> = BTreeMap::new();
            let swapped = items.table().bool("swapped")?;
            for row in items.rows(&[("subject", &one.name), ("task", task)]) {
                let key = (items.text("item", row), items.number("frame", row) as u64);
                orders.entry(key).or_insert([f64::NAN; 2])[usize::from(swapped[row])] = items.number("first", row);
            }
            let both: Vec<(&str, [f64; 2])> = orders.into_iter().map(|((item, _), firsts)| (item, firsts)).collect();
            let clusters: Vec<&str> = both.iter().map(|(item, _)| *item).collect();
            let mean = |of: fn(&[f64; 2]) -> f64| {
                let values: Vec<f64> = both.iter().map(|(_, firsts)| of(firsts)).collect();
                Estimate::mean(&values, &clusters, params.seed)
            };
            let bias = mean(|[a, b]| (a + b) / 2.0 - 0.5)?;
            let content = mean(|[a, b]| (a - b).abs())?;
            // The same pole in both orders, by the more probable option.
            let follows = mean(|[a, b]| f64::from(u8::from((*a > 0.5) != (*b > 0.5))))?;
            columns.text("subject", &one.name);
            columns.text("role", &one.role);
            columns.text("task", task);
            bias.note(&mut columns, "bias");
            content.note(&mut columns, "content");
            follows.note(&mut columns, "follows");
            columns.count("n", bias.n as u64);
            columns.text("method", Estimate::METHOD);
        }
    }
    Ok(columns.table())
}

/// How much an answer depends on the wording, and on the pair of poles or the theme.
///
/// # Errors
///
/// A value is infinite.
pub fn wording(params: &Params, all: &[Known], items: &Sheet) -> Result<[Table; 2]> {
    let (mut frames, mut units) = (Columns::default(), Columns::default());
    let paraphrase = items.table().bool("paraphrase")?;
    for one in all {
        for task in FORMS.into_iter().chain([CHOICE]) {
            let rows = items.rows(&[("subject", &one.name), ("task", task)]);
            let mean = |of: &dyn Fn(usize) -> bool| {
                let kept: Vec<usize> = rows.iter().copied().filter(|&row| of(row)).collect();
                let values: Vec<f64> = kept.iter().map(|&row| items.number("value", row)).collect();
                let clusters: Vec<&str> = kept.iter().map(|&row| items.text("item", row)).collect();
                Estimate::mean(&values, &clusters, params.seed)
            };
            let numbers: std::collections::BTreeSet<u64> =
                rows.iter().map(|&row| items.number("frame", row) as u64).collect();
            let by_frame: Vec<f64> = numbers
                .iter()
                .map(|&frame| Ok(mean(&|row| items.number("frame", row) as u64 == frame)?.value))
                .collect::<Result<_>>()?;
            let (usual, other) = (mean(&|row| !paraphrase[row])?, mean(&|row| paraphrase[row])?);
            frames.text("subject", &one.name);
            frames.text("role", &one.role);
            frames.text("task", task);
            usual.note(&mut frames, "usual");
            other.note(&mut frames, "paraphrased");
            frames.number("difference", other.value - usual.value);
            frames.number("lowest_frame", by_frame.iter().copied().fold(f64::INFINITY, f64::min));
            frames.number("highest_frame", by_frame.iter().copied().fold(f64::NEG_INFINITY, f64::max));
            frames.count("frames", by_frame.len() as u64);
            let named: std::collections::BTreeSet<&str> = rows.iter().map(|&row| items.text("unit", row)).collect();
            for unit in named {
                let found = mean(&|row| items.text("unit", row) == unit)?;
                units.text("subject", &one.name);
                units.text("role", &one.role);
                units.text("task", task);
                units.text("unit", unit);
                found.note(&mut units, "value");
                units.count("n", found.n as u64);
            }
        }
    }
    Ok([frames.table(), units.table()])
}

/// Numbers of a sheet by bucket of harm, averaged with intervals over `cluster`.
///
/// # Errors
///
/// A value is infinite.
pub fn by_bucket(params: &Params, sheet: &Sheet, keys: &[&str], numbers: &[&str], cluster: &str) -> Result<Table> {
    let mut groups: BTreeMap<Vec<&str>, Vec<usize>> = BTreeMap::new();
    for row in 0..sheet.len() {
        let key: Vec<&str> = keys.iter().map(|key| sheet.text(key, row)).collect();
        groups.entry(key).or_default().push(row);
    }
    let mut columns = Columns::default();
    for (key, rows) in groups {
        for bucket in BUCKETS.into_iter().chain(["all"]) {
            let kept: Vec<usize> =
                rows.iter().copied().filter(|&row| bucket == "all" || sheet.text("bucket", row) == bucket).collect();
            if kept.is_empty() {
                continue;
            }
            for (name, value) in keys.iter().zip(&key) {
                columns.text(name, *value);
            }
            columns.text("bucket", bucket);
            columns.count("n", kept.len() as u64);
            let clusters: Vec<&str> = kept.iter().map(|&row| sheet.text(cluster, row)).collect();
            for number in numbers {
                let values: Vec<f64> = kept.iter().map(|&row| sheet.number(number, row)).collect();
                Estimate::mean(&values, &clusters, params.seed)?.note(&mut columns, number);
            }
        }
    }
    Ok(columns.table())
}
