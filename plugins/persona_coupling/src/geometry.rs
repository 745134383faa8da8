//! Updates of the two stages: how long they are, and how far they point the same way.

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::cell::{Models, describe};
use crate::stages::Stages;

/// One projection's update `scale B A`.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Block, 0-based.
    pub block: u64,
    /// Projection such as `down_proj`.
    pub module: String,
    /// Factor of `B A`.
    pub scale: f64,
    /// Frobenius norm of the whole update.
    pub norm: f64,
    /// Its rank.
    pub rank: usize,
    /// `A`, row-major `[rank, inputs]`.
    pub a: Vec<f32>,
    /// `B`, row-major `[outputs, rank]`.
    pub b: Vec<f32>,
}

/// Reads the updates of an adapter.
///
/// # Errors
///
/// It cannot be read, or does not fit the model.
pub fn updates(lab: &Lab, (model, adapter): &(String, String)) -> Result<Vec<Update>> {
    let open = AdapterOpen { model: model.clone(), adapter: adapter.clone(), modules: Vec::new(), blocks: Vec::new() };
    let table = lab.adapter(&open)?;
    let (blocks, ranks) = (table.u64("block")?, table.u64("rank")?);
    let (modules, scales, norms) = (table.text("module")?, table.f64("scale")?, table.f64("norm")?);
    let both = table.lists("a")?.into_iter().zip(table.lists("b")?);
    let update = |(at, (a, b)): (usize, (Vec<f32>, Vec<f32>))| Update {
        block: blocks[at],
        module: modules[at].to_owned(),
        scale: scales[at],
        norm: norms[at],
        rank: ranks[at] as usize,
        a,
        b,
    };
    Ok(both.enumerate().map(update).collect())
}

/// Inner product of two updates of one projection, `sum((s B A) * (t D C)) = s t sum((B^T D) * (A C^T))`, without forming
/// either: the two factors have the size of the ranks. None where the shapes differ.
pub fn inner(first: &Update, second: &Update) -> Option<f64> {
    let (r, q) = (first.rank, second.rank);
    let inputs = first.a.len().checked_div(r)?;
    let outputs = first.b.len().checked_div(r)?;
    if second.a.len() != q * inputs || second.b.len() != q * outputs {
        return None;
    }
    let mut sum = 0.0;
    for i in 0..r {
        for j in 0..q {
            let rows = first.a[i * inputs..(i + 1) * inputs].iter().zip(&second.a[j * inputs..(j + 1) * inputs]);
            let across: f64 = rows.map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            let columns = (0..outputs).map(|o| f64::from(first.b[o * r + i]) * f64::from(second.b[o * q + j]));
            sum += columns.sum::<f64>() * across;
        }
    }
    Some(sum * first.scale * second.scale)
}

/// Adds the norms of both stages and the cosine of their updates, by block and of all: the table `norms`.
///
/// # Errors
///
/// An adapter cannot be read.
pub fn norms(lab: &Lab, stages: &Stages, models: &Models) -> Result<Columns> {
    let mut columns = Columns::default();
    let second = models.second.as_ref().map(|staged| &staged.adapter);
    if models.before.adapter.is_none() && second.is_none() {
        return Ok(columns);
    }
    let read = |adapter: Option<&(String, String)>| match adapter {
        Some(adapter) => updates(lab, adapter),
        None => Ok(Vec::new()),
    };
    let (first, second) = (read(models.before.adapter.as_ref())?, read(second)?);
    let factor = models.second.as_ref().map_or(f64::NAN, |staged| staged.factor);
    let mut blocks: Vec<u64> = first.iter().chain(&second).map(|update| update.block).collect();
    blocks.sort_unstable();
    blocks.dedup();
    for block in blocks.into_iter().map(Some).chain([None]) {
        let own = |updates: &[Update]| -> Vec<Update> {
            updates.iter().filter(|update| block.is_none_or(|block| update.block == block)).cloned().collect()
        };
        let (first, second) = (own(&first), own(&second));
        let length = |updates: &[Update]| match updates {
            [] => f64::NAN,
            some => some.iter().map(|update| update.norm * update.norm).sum::<f64>().sqrt(),
        };
        let scale = |updates: &[Update]| updates.first().map_or(f64::NAN, |update| update.scale);
        describe(&mut columns, stages);
        columns.text("block", block.map_or_else(|| "all".to_owned(), |block| block.to_string()));
        columns.number("coupling_scale", scale(&first));
        columns.number("coupling_norm", length(&first));
        columns.number("second_scale", scale(&second));
        columns.number("second_norm", length(&second));
        columns.number("second_factor", factor);
        columns.number("cosine", shared(&first, &second) / (length(&first) * length(&second)));
    }
    Ok(columns)
}

/// Inner product of all projections that both adapters have; NaN where there are none.
fn shared(first: &[Update], second: &[Update]) -> f64 {
    let pairs = first.iter().filter_map(|ours| {
        let theirs = second.iter().find(|theirs| theirs.block == ours.block && theirs.module == ours.module)?;
        inner(ours, theirs)
    });
    let found: Vec<f64> = pairs.collect();
    if found.is_empty() { f64::NAN } else { found.iter().sum() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn update(rank: usize, scale: f64, a: &[f32], b: &[f32]) -> Update {
        Update { block: 0, module: String::new(), scale, norm: 0.0, rank, a: a.to_vec(), b: b.to_vec() }
    }

    /// `scale B A` as a matrix.
    fn whole(update: &Update) -> Vec<f64> {
        let (r, inputs, outputs) = (update.rank, update.a.len() / update.rank, update.b.len() / update.rank);
        let entry = |o: usize, i: usize| {
            let sum: f64 = (0..r).map(|k| f64::from(update.b[o * r + k]) * f64::from(update.a[k * inputs + i])).sum();
            update.scale * sum
        };
        (0..outputs).flat_map(|o| (0..inputs).map(move |i| (o, i))).map(|(o, i)| entry(o, i)).collect()
    }

    #[test]
    fn the_inner_product_is_that_of_the_whole_matrices() {
        let first = update(2, 2.0, &[1.0, 2.0, 3.0, -1.0, 0.5, 2.0], &[1.0, 0.0, 2.0, -1.0]);
        let second = update(1, 0.5, &[2.0, -1.0, 1.0], &[3.0, 1.0]);
        let formed: f64 = whole(&first).iter().zip(whole(&second)).map(|(x, y)| x * y).sum();
        assert!((inner(&first, &second).unwrap_or(f64::NAN) - formed).abs() < 1e-12, "{formed}");
        assert_eq!(inner(&first, &update(1, 1.0, &[1.0], &[1.0])), None);
    }
}
