//! An organism with one rank-1 adapter: what its `B` has to do with the direction.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::overlap::cosine;
use emhost_study::{Columns, failed};

use crate::ablate::Target;
use crate::classes::{answer_means, site};
use crate::direction::{narrow, norm};
use crate::params::Params;
use crate::sources::{Source, edit};

/// The adapter's `B`, and where it writes.
struct Written {
    block: usize,
    b: Vec<f64>,
}

/// Emits `rank_one` (cosines and ablations) and `downstream` (what adding `B` does to later blocks).
pub fn rank_one(lab: &Lab, params: &Params, name: &str) -> Result<()> {
    let made = params.organisms.make(lab, params.organism(name)?)?;
    let adapter = made.adapter.ok_or_else(|| refuse(name, "all of its weights were trained"))?;
    let written = read(lab, params, name, &adapter)?;
    let Some(source) = Source::organism(lab, params, name, &[params.headline])?.pop() else { return Ok(()) };
    let direction = source.direction.block(written.block);
    let direction = direction.ok_or_else(|| refuse(name, "`blocks` leaves out the block of its adapter"))?;
    let target = Target::new(lab, params, name)?;
    let everywhere = |vector: &[f64]| vec![edit(params, EditOp::ProjectOut, "blocks.*.resid_post", vector)];
    let here = |vector: &[f64]| vec![edit(params, EditOp::ProjectOut, &site(written.block), vector)];
    let mut all = Columns::default();
    let edits = [
        ("B", "everywhere", everywhere(&written.b)),
        ("B", "at its block", here(&written.b)),
        ("direction", "everywhere", everywhere(direction)),
        ("direction", "at the adapter's block", here(direction)),
        ("direction", "block by block", source.layerwise(params)),
    ];
    let alike = cosine(&written.b, direction).map_err(failed("compare B with the direction"))?;
    let total = edits.len() as u64 + 3;
    for (at, (what, place, edits)) in edits.into_iter().enumerate() {
        lab.progress(at as u64, total, &format!("ablate {what} {place} in {name}"))?;
        target.row(&mut all, [what, params.headline.name(), place], Some(written.block), &target.with(edits)?)?;
        all.number("cosine", alike);
    }
    for (at, renormalise) in [false, true].into_iter().enumerate() {
        lab.progress(total - 3 + at as u64, total, "project the direction out of B")?;
        let of = AdapterOpen {
            model: params.organisms.model.clone(),
            adapter: adapter.clone(),
            modules: vec![PROJECTION.to_owned()],
            blocks: vec![written.block],
        };
        let change = AdapterChange::ProjectOut { values: narrow(direction), renormalise };
        let edited = lab.edit_adapter(&AdapterEdit { of, change })?.adapter;
        let organism = Organism::with_adapter(&params.organisms.model, edited);
        let place = if renormalise { "out of B, its length restored" } else { "out of B" };
        target.row(
            &mut all,
            ["direction", params.headline.name(), place],
            Some(written.block),
            &params.evaluate.ask(lab, &organism)?,
        )?;
        all.number("cosine", alike);
    }
    lab.progress(total - 1, total, "add B and the direction to the model before the fine-tune")?;
    lab.emit("rank_one", all.table())?;
    lab.emit("downstream", downstream(lab, params, name, &written, &source)?)
}

const PROJECTION: &str = "down_proj";

fn read(lab: &Lab, params: &Params, name: &str, adapter: &str) -> Result<Written> {
    let (model, adapter) = (params.organisms.model.clone(), adapter.to_owned());
    let table = lab.adapter(&AdapterOpen { model, adapter, modules: Vec::new(), blocks: Vec::new() })?;
    let ([rank], [block], [module]) = (&table.u64("rank")?[..], &table.u64("block")?[..], &table.text("module")?[..])
    else {
        return Err(refuse(name, "its adapter changes several projections"));
    };
    if (*rank, *module) != (1, PROJECTION) {
        return Err(refuse(name, &format!("its adapter has rank {rank} in `{module}`")));
    }
    let b = table.lists("b")?.into_iter().flatten().map(f64::from).collect();
    Ok(Written { block: *block as usize, b })
}

fn refuse(name: &str, problem: &str) -> Error {
    Error::Input(format!("parameter `rank_one`: `{name}`: {problem}; expected one rank-1 `{PROJECTION}`"))
}

/// What adding `B`, and the direction, at the adapter's block does to the mean activation of later blocks, in the model
/// before the fine-tune, over its own answers.
fn downstream(lab: &Lab, params: &Params, name: &str, written: &Written, source: &Source) -> Result<Table> {
    let model = Organism::base(&params.organisms.model);
    let answers = params.classes.with_samples(1).ask(lab, &model)?;
    let rows = answers.conversations();
    let Some(direction) = source.direction.block(written.block) else { return Ok(Table::new()) };
    // B at the length of the direction: the two differ by where they point alone.
    let scale = norm(direction) / norm(&written.b);
    let b: Vec<f64> = written.b.iter().map(|v| v * scale).collect();
    let at = site(written.block);
    let mean = |edits: Vec<Intervention>| -> Result<Vec<Vec<f64>>> {
        Ok(mean(&answer_means(lab, params, &model, rows.clone(), edits)?))
    };
    let plain = mean(Vec::new())?;
    let moved = |vector: &[f64]| mean(vec![edit(params, EditOp::Add, &at, vector)]);
    let (by_b, by_direction) = (moved(&b)?, moved(direction)?);
    let mut columns = Columns::default();
    for (index, block) in
        crate::classes::blocks(lab, params)?.into_iter().enumerate().filter(|(_, b)| *b >= written.block)
    {
        let difference = |moved: &[Vec<f64>]| -> Vec<f64> {
            moved[index].iter().zip(&plain[index]).map(|(moved, plain)| moved - plain).collect()
        };
        let (with_b, with_direction) = (difference(&by_b), difference(&by_direction));
        let alike = |a: &[f64], b: &[f64]| cosine(a, b).unwrap_or(f64::NAN);
        columns.text("organism", name);
        columns.count("adapter_block", written.block as u64);
        columns.count("block", block as u64);
        columns.count("n", rows.len() as u64);
        columns.number(
            "b_with_direction_there",
            source.direction.block(block).map_or(f64::NAN, |there| alike(&with_b, there)),
        );
        columns.number("b_with_added_direction", alike(&with_b, &with_direction));
        columns.number("moved_by_b", norm(&with_b));
        columns.number("moved_by_direction", norm(&with_direction));
    }
    Ok(columns.table())
}

/// The mean over rows, by block.
fn mean(rows: &BTreeMap<String, Vec<Vec<f64>>>) -> Vec<Vec<f64>> {
    let mut sums: Vec<Vec<f64>> = Vec::new();
    for blocks in rows.values() {
        sums.resize(blocks.len(), Vec::new());
        for (sum, values) in sums.iter_mut().zip(blocks) {
            sum.resize(values.len(), 0.0);
            sum.iter_mut().zip(values).for_each(|(sum, v)| *sum += v / rows.len() as f64);
        }
    }
    sums
}
