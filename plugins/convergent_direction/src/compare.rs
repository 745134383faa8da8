//! Cosines between the directions of all organisms, block by block.

use emhost_sdk::prelude::*;
use emhost_stats::overlap::cosine;
use emhost_study::Columns;

use crate::classes::classes;
use crate::direction::{Parts, cosine_interval};
use crate::params::{Kind, Params};
use crate::sources::Source;

/// Emits `cosine`: pairs of organisms, kinds and blocks; and `cosine_kinds`: the kinds of one organism with each other.
pub fn compare(lab: &Lab, params: &Params) -> Result<()> {
    let names: Vec<&str> = params.harmful().map(|organism| organism.name.as_str()).collect();
    let all = names
        .iter()
        .map(|name| Ok((*name, classes(lab, params, params.organism(name)?)?)))
        .collect::<Result<Vec<_>>>()?;
    let (mut pairs, mut kinds) = (Columns::default(), Columns::default());
    for (first, (a, ours)) in all.iter().enumerate() {
        lab.progress(first as u64, all.len() as u64, "compare directions")?;
        for (at, block) in ours.blocks.iter().enumerate() {
            for kind in Kind::ALL {
                let parts = Parts::of(&ours.members, kind, at);
                for (b, theirs) in &all[first + 1..] {
                    let others = Parts::of(&theirs.members, kind, at);
                    let [value, low, high] = cosine_interval(&parts, &others, params.seed)?;
                    row(&mut pairs, a, b, kind.name(), *block, [value, low, high]);
                }
                for other in Kind::ALL.into_iter().filter(|other| kind < *other) {
                    let others = Parts::of(&ours.members, other, at);
                    let [value, low, high] = cosine_interval(&parts, &others, params.seed)?;
                    row(&mut kinds, kind.name(), other.name(), a, *block, [value, low, high]);
                }
            }
        }
    }
    for external in Source::external(lab, params)? {
        for (name, ours) in &all {
            let own = Source::of(name, ours, params.headline);
            for (block, theirs) in &external.direction.at {
                let Some(vector) = own.direction.block(*block) else { continue };
                let value = cosine(vector, theirs).unwrap_or(f64::NAN);
                row(&mut pairs, name, &external.name, params.headline.name(), *block, [value, f64::NAN, f64::NAN]);
            }
        }
    }
    if !pairs.is_empty() {
        lab.emit("cosine", pairs.table())?;
    }
    lab.emit("cosine_kinds", kinds.table())
}

fn row(columns: &mut Columns, a: &str, b: &str, of: &str, block: usize, [value, low, high]: [f64; 3]) {
    columns.text("a", a);
    columns.text("b", b);
    columns.text("of", of);
    columns.count("block", block as u64);
    columns.number("cosine", value);
    columns.number("low", low);
    columns.number("high", high);
    columns.text("interval", "percentile bootstrap over topics");
}
