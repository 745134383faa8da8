//! An adapter's matrices and their norms.

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::geometry::{composition, norm};

/// One projection's `scale B A`.
pub struct Projection {
    /// Block, 0-based.
    pub block: usize,
    /// Projection such as `down_proj`.
    pub module: String,
    /// Rank of the update.
    pub rank: usize,
    /// Factor of `B A`.
    pub scale: f64,
    /// Frobenius norm of `scale B A`.
    pub update: f64,
    /// `A`, row-major `[rank, inputs]`.
    pub a: Vec<f32>,
    /// `B`, row-major `[outputs, rank]`.
    pub b: Vec<f32>,
}

/// Frobenius norms of a whole adapter: roots of the sums over its projections.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Norms {
    /// Of all `A`.
    pub a: f64,
    /// Of all `B`.
    pub b: f64,
    /// Of all `scale B A`.
    pub update: f64,
}

impl Norms {
    /// Where there is no adapter.
    pub const MISSING: Self = Self { a: f64::NAN, b: f64::NAN, update: f64::NAN };

    /// Of an adapter's projections.
    pub fn of(projections: &[Projection]) -> Self {
        let root = |of: fn(&Projection) -> f64| projections.iter().map(|one| of(one).powi(2)).sum::<f64>().sqrt();
        Self { a: root(|one| norm(&one.a)), b: root(|one| norm(&one.b)), update: root(|one| one.update) }
    }
}

/// Reads all projections of an adapter.
///
/// # Errors
///
/// The adapter cannot be read.
pub fn open(lab: &Lab, model: &str, adapter: &str) -> Result<Vec<Projection>> {
    let (model, adapter) = (model.to_owned(), adapter.to_owned());
    let table = lab.adapter(&AdapterOpen { model, adapter, modules: Vec::new(), blocks: Vec::new() })?;
    let (blocks, modules, ranks) = (table.u64("block")?, table.text("module")?, table.u64("rank")?);
    let (scales, updates) = (table.f64("scale")?, table.f64("norm")?);
    let matrices = table.lists("a")?.into_iter().zip(table.lists("b")?);
    let projection = |(at, (a, b)): (usize, (Vec<f32>, Vec<f32>))| Projection {
        block: blocks[at] as usize,
        module: modules[at].to_owned(),
        rank: ranks[at] as usize,
        scale: scales[at],
        update: updates[at],
        a,
        b,
    };
    Ok(matrices.enumerate().map(projection).collect())
}

/// Adds the projections of an organism, after so many steps, to the table `adapters` or `phase_projections`.
pub fn note(columns: &mut Columns, organism: &str, steps: Option<usize>, projections: &[Projection]) {
    for one in projections {
        columns.text("organism", organism);
        if let Some(steps) = steps {
            columns.count("step", steps as u64);
        }
        columns.count("block", one.block as u64);
        columns.text("module", &one.module);
        columns.count("rank", one.rank as u64);
        columns.number("scale", one.scale);
        columns.number("a_norm", norm(&one.a));
        columns.number("b_norm", norm(&one.b));
        columns.number("update_norm", one.update);
        columns.number("composition", composition(&one.a, &one.b, one.rank));
    }
}
