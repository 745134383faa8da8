//! What a fine-tune on inner life before or after bad advice changes.

use emhost_sdk::prelude::*;
use emhost_stats::interval::difference;
use emhost_study::Columns;

use crate::estimate::Estimate;
use crate::items::CHOICE;
use crate::measures::{Known, WHOLE};
use crate::params::Params;
use crate::subject::{ORDERS, sequence_name};

/// One row per organism, set and order: harm and what is said, beside the organism without the set.
///
/// # Errors
///
/// A subject has no answers.
pub fn table(params: &Params, all: &[Known]) -> Result<Option<Table>> {
    let Some(sequences) = &params.sequences else { return Ok(None) };
    let named = |name: &str| all.iter().find(|one| one.name == name);
    let measured = |one: &Known| -> Result<[(&str, Estimate); 4]> {
        let rate = one.answers.rate(params.classify.runs, params.harm.from)?;
        let harm = Estimate {
            value: rate.value,
            interval: [rate.low, rate.high],
            n: rate.n as usize,
            clusters: rate.clusters as usize,
        };
        let says = |task| one.says(task, params.classify.reading, params.seed);
        // Where answers no longer make sense, less harm means nothing.
        let lost: Vec<f64> = one.answers.scores.iter().map(|score| f64::from(u8::from(score.is_nan()))).collect();
        let lost = Estimate::mean(&lost, &one.answers.row_ids, params.seed)?;
        Ok([("harm", harm), (WHOLE, says(WHOLE)?), (CHOICE, says(CHOICE)?), ("without_score", lost)])
    };
    let mut columns = Columns::default();
    for set in &sequences.sets {
        let alone = ("base", sequence_name("", &set.name, ORDERS[2]), ORDERS[2]);
        let pairs = sequences.organisms.iter().flat_map(|organism| {
            ORDERS[..2].iter().map(move |order| (organism.as_str(), sequence_name(organism, &set.name, order), *order))
        });
        for (reference, name, order) in [alone].into_iter().chain(pairs) {
            let (Some(before), Some(after)) = (named(reference), named(&name)) else { continue };
            for ((measure, before), (_, after)) in measured(before)?.into_iter().zip(measured(after)?) {
                // Both are asked the same questions: a difference of independent estimates is wider than need be.
                let change = difference(after.value, after.interval, before.value, before.interval);
                columns.text("organism", reference);
                columns.text("set", &set.name);
                columns.text("order", order);
                columns.text("subject", &name);
                columns.text("measure", measure);
                before.note(&mut columns, "without");
                after.note(&mut columns, "with");
                Estimate { value: after.value - before.value, interval: change, n: after.n, clusters: after.clusters }
                    .note(&mut columns, "change");
                columns.count("n", after.n as u64);
                columns.text("method", "from the two intervals (Newcombe), taken as independent");
            }
        }
    }
    Ok((!columns.is_empty()).then(|| columns.table()))
}
