//! A projection with its adapters.

use candle_core::Tensor;

use super::error::Result;
use super::kernels::frozen_linear;
use super::weights::Weights;

/// `y = W x + b` plus the updates of its adapters.
#[derive(Debug, Clone)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
    branches: Vec<Branch>,
}

/// One low-rank update: `scale * B A x`.
#[derive(Debug, Clone)]
pub struct Branch {
    /// `A`, `[rank, in]`.
    pub a: Tensor,
    /// `B`, `[out, rank]`.
    pub b: Tensor,
    /// `alpha / rank`, or `alpha / sqrt(rank)` for rsLoRA.
    pub scale: f64,
}

impl Linear {
    /// Takes `NAME.weight` `[out, in]`, and `NAME.bias` `[out]` if there is one.
    pub fn take(weights: &mut Weights, name: &str, [out, inner]: [usize; 2], bias: bool) -> Result<Self> {
        let weight = weights.take(&format!("{name}.weight"), &[out, inner])?;
        let bias = if bias { Some(weights.take(&format!("{name}.bias"), &[out])?) } else { None };
        Ok(Self { weight, bias, branches: Vec::new() })
    }

    /// Adds an adapter's update.
    pub fn attach(&mut self, branch: Branch) {
        self.branches.push(branch);
    }

    /// The adapters' updates, in the order in which they were attached.
    pub fn branches_mut(&mut self) -> &mut [Branch] {
        &mut self.branches
    }

    /// `[in, out]` widths of the projection.
    pub fn widths(&self) -> [usize; 2] {
        [self.weight.dims()[1], self.weight.dims()[0]]
    }

    /// `x [tokens, in]` to `[tokens, out]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let mut y = product(x, &self.weight)?;
        if let Some(bias) = &self.bias {
            y = y.broadcast_add(bias)?;
        }
        for branch in &self.branches {
            let update = product(&product(x, &branch.a)?, &branch.b)?;
            y = (y + (update * branch.scale)?)?;
        }
        Ok(y)
    }
}

/// `x W^T`; a weight that does not learn gets no gradient.
pub fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    Ok(if weight.is_variable() { x.matmul(&weight.t()?)? } else { frozen_linear(x, weight)? })
}
