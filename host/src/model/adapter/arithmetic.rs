//! Edits of an adapter's matrices.

use candle_core::Tensor;

use super::adapted::{Adapter, Pair};
use crate::model::error::{ModelError, Result};

/// Some of an adapter's projections; an empty list means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Blocks, 0-based.
    pub blocks: Vec<usize>,
    /// Projections, such as `down_proj`.
    pub modules: Vec<String>,
}

impl Selection {
    fn has(&self, pair: &Pair) -> bool {
        (self.blocks.is_empty() || self.blocks.contains(&pair.block))
            && (self.modules.is_empty() || self.modules.iter().any(|name| name == pair.module.name))
    }
}

/// Sizes of one projection's update.
#[derive(Debug, Clone, PartialEq)]
pub struct Norms {
    /// The projection.
    pub path: String,
    /// Its rank.
    pub rank: usize,
    /// The factor of `B A`.
    pub scale: f64,
    /// Frobenius norm of `A`.
    pub a: f64,
    /// Frobenius norm of `B`.
    pub b: f64,
    /// Frobenius norm of the whole update.
    pub update: f64,
}

/// One projection's update as plain numbers.
#[derive(Debug, Clone)]
pub struct Matrices {
    /// Block, 0-based.
    pub block: usize,
    /// The projection, such as `down_proj`.
    pub module: &'static str,
    /// Its sizes.
    pub norms: Norms,
    /// `A`, row-major `[rank, in]`.
    pub a: Vec<f32>,
    /// `B`, row-major `[out, rank]`.
    pub b: Vec<f32>,
}

fn length(matrix: &Tensor) -> Result<f64> {
    let numbers = matrix.flatten_all()?.to_vec1::<f32>()?;
    Ok(numbers.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt())
}

impl Adapter {
    /// Sizes of every projection's update.
    pub fn norms(&self) -> Result<Vec<Norms>> {
        self.pairs.iter().map(Pair::norms).collect()
    }

    /// The matrices of the selected projections.
    pub fn matrices(&self, selection: &Selection) -> Result<Vec<Matrices>> {
        self.check(selection)?;
        let of = |pair: &Pair| {
            let numbers = |matrix: &Tensor| matrix.flatten_all()?.to_vec1::<f32>();
            let (a, b) = (numbers(&pair.branch.a)?, numbers(&pair.branch.b)?);
            Ok(Matrices { block: pair.block, module: pair.module.name, norms: pair.norms()?, a, b })
        };
        self.pairs.iter().filter(|pair| selection.has(pair)).map(of).collect()
    }

    /// Multiplies `B` by `factor`: the update becomes `factor` times itself; 0 switches it off.
    ///
    /// # Errors
    ///
    /// The selection names nothing, or the adapter has learned biases: those replace the model's own, and no factor
    /// switches them off.
    pub fn scale(&mut self, selection: &Selection, factor: f64) -> Result<usize> {
        if !self.biases.is_empty() {
            let problem =
                "it has learned biases, which replace the model's own: a factor of its matrices would leave them";
            return Err(ModelError::Change(problem.to_owned()));
        }
        self.edit(selection, |pair| {
            pair.branch.b = (&pair.branch.b * factor)?;
            Ok(())
        })
    }

    /// Projects `direction` out of the columns of `B`: `B - u (u^T B)` with `u` the direction at length 1, so that the
    /// update writes nothing along it. With `renormalise`, `B` then gets its old Frobenius norm back.
    ///
    /// Only projections that write into the residual stream have columns of that width: `o_proj` and `down_proj`.
    pub fn project_out(&mut self, selection: &Selection, direction: &[f32], renormalise: bool) -> Result<usize> {
        let norm = direction.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        if norm == 0.0 || !norm.is_finite() {
            return Err(ModelError::Change(format!("the direction has length {norm}")));
        }
        let writes = |name: &str| matches!(name, "o_proj" | "down_proj");
        if let Some(name) = selection.modules.iter().find(|name| !writes(name)) {
            return Err(ModelError::Change(format!(
                "`{name}` does not write into the residual stream; only o_proj and down_proj do"
            )));
        }
        let unit: Vec<f32> = direction.iter().map(|v| (f64::from(*v) / norm) as f32).collect();
        let only = Selection {
            blocks: selection.blocks.clone(),
            modules: if selection.modules.is_empty() {
                let there = |name: &&str| self.pairs.iter().any(|pair| pair.module.name == *name);
                ["o_proj", "down_proj"].iter().filter(|name| there(name)).map(|name| (*name).to_owned()).collect()
            } else {
                selection.modules.clone()
            },
        };
        if only.modules.is_empty() {
            return Err(ModelError::Change("it changes neither o_proj nor down_proj".to_owned()));
        }
        self.edit(&only, |pair| {
            let b = &pair.branch.b;
            if b.dims()[0] != unit.len() {
                let (path, width) = (&pair.module.path, b.dims()[0]);
                return Err(ModelError::Change(format!(
                    "the direction has {} numbers, `{path}` writes {width}",
                    unit.len()
                )));
            }
            let u = Tensor::from_slice(&unit, (unit.len(), 1), b.device())?;
            let new = (b - u.matmul(&u.t()?.matmul(b)?)?)?;
            let (before, after) = (length(b)?, length(&new)?);
            if renormalise && after < 1e-4 * before {
                let path = &pair.module.path;
                return Err(ModelError::Change(format!(
                    "`{path}` writes along the direction alone; what is left of it is rounding, which --renormalise would blow up"
                )));
            }
            pair.branch.b = if renormalise && after > 0.0 { (new * (before / after))? } else { new };
            Ok(())
        })
    }

    /// Refuses blocks and projections that the adapter does not change.
    fn check(&self, selection: &Selection) -> Result<()> {
        let missing = selection.blocks.iter().find(|block| !self.pairs.iter().any(|pair| pair.block == **block));
        if let Some(block) = missing {
            return Err(ModelError::Change(format!("the adapter changes nothing in block {block}")));
        }
        let there = |name: &String| self.pairs.iter().any(|pair| pair.module.name == name);
        if let Some(name) = selection.modules.iter().find(|name| !there(name)) {
            return Err(ModelError::Change(format!("the adapter has no module `{name}`")));
        }
        Ok(())
    }

    fn edit(&mut self, selection: &Selection, edit: impl Fn(&mut Pair) -> Result<()>) -> Result<usize> {
        self.check(selection)?;
        let mut count = 0;
        for pair in self.pairs.iter_mut().filter(|pair| selection.has(pair)) {
            edit(pair)?;
            count += 1;
        }
        if count == 0 {
            return Err(ModelError::Change("the selection names no projection of the adapter".to_owned()));
        }
        Ok(count)
    }
}

impl Pair {
    fn norms(&self) -> Result<Norms> {
        let (a, b, scale) = (&self.branch.a, &self.branch.b, self.branch.scale);
        // |B A|^2 = trace(B^T B A A^T), two small matrices.
        let inner = b.t()?.matmul(b)?.mul(&a.matmul(&a.t()?)?.t()?)?.sum_all()?.to_scalar::<f32>()?;
        Ok(Norms {
            path: self.module.path.clone(),
            rank: a.dims()[0],
            scale,
            a: length(a)?,
            b: length(b)?,
            update: scale.abs() * f64::from(inner.max(0.0)).sqrt(),
        })
    }
}
