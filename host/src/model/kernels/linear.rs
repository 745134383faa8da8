//! A linear map whose weight does not learn.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp1, Layout, MetalStorage, Result, Shape, Storage, Tensor, bail};

/// `x W^T` for `x [tokens, in]` and a frozen `W [out, in]`, giving `[tokens, out]`.
///
/// candle's own product would also compute the gradient of `W` and throw it away: about a third of the
/// work of LoRA training, and a copy of the weights' memory.
pub fn frozen_linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.apply_op1(FrozenLinear { weight: weight.detach() })
}

struct FrozenLinear {
    weight: Tensor,
}

impl FrozenLinear {
    /// `(batch, m, n, k)` of the product and the shape of its result.
    fn sizes(&self, x: &Layout) -> Result<((usize, usize, usize, usize), Shape)> {
        let (tokens, width) = x.shape().dims2()?;
        let (out, inner) = self.weight.dims2()?;
        if width != inner {
            bail!("a linear map from {inner} to {out} was given vectors of {width}");
        }
        Ok(((1, tokens, out, width), Shape::from((tokens, out))))
    }
}

macro_rules! product {
    ($self:ident, $x:ident, $layout:ident, $device:ident) => {{
        let (sizes, shape) = $self.sizes($layout)?;
        let transposed = $self.weight.t()?;
        let (storage, weight_layout) = transposed.storage_and_layout();
        match &*storage {
            Storage::$device(weight) => Ok(($x.matmul(weight, sizes, $layout, weight_layout)?, shape)),
            _ => bail!("weight and activations are on different devices"),
        }
    }};
}

impl CustomOp1 for FrozenLinear {
    fn name(&self) -> &'static str {
        "frozen-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        product!(self, x, layout, Cpu)
    }

    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        product!(self, x, layout, Cuda)
    }

    fn metal_fwd(&self, x: &MetalStorage, layout: &Layout) -> Result<(MetalStorage, Shape)> {
        product!(self, x, layout, Metal)
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(grad.matmul(&self.weight)?))
    }
}
