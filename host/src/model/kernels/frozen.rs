//! Products with a frozen matrix that candle holds: other devices and types than the own kernels take.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CudaStorage, CustomOp2, Layout, MetalStorage, Result, Shape, Tensor, bail};

/// `x W^T` for `x [tokens, in]` and a frozen `W [out, in]`: the backward pass gives the gradient of `x` alone.
pub fn frozen_matmul(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    x.contiguous()?.apply_op2(&weight.detach().t()?, Frozen)
}

struct Frozen;

fn multiply<S: BackendStorage>(x: &S, lx: &Layout, w: &S, lw: &Layout) -> Result<(S, Shape)> {
    let ((tokens, inner), (width, out)) = (lx.shape().dims2()?, lw.shape().dims2()?);
    if inner != width {
        bail!("a linear map from {width} to {out} was given vectors of {inner}");
    }
    Ok((x.matmul(w, (1, tokens, out, inner), lx, lw)?, Shape::from((tokens, out))))
}

impl CustomOp2 for Frozen {
    fn name(&self) -> &'static str {
        "frozen-matmul"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        multiply(x, lx, w, lw)
    }

    fn cuda_fwd(&self, x: &CudaStorage, lx: &Layout, w: &CudaStorage, lw: &Layout) -> Result<(CudaStorage, Shape)> {
        multiply(x, lx, w, lw)
    }

    fn metal_fwd(&self, x: &MetalStorage, lx: &Layout, w: &MetalStorage, lw: &Layout) -> Result<(MetalStorage, Shape)> {
        multiply(x, lx, w, lw)
    }

    fn bwd(&self, _x: &Tensor, w: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(grad.matmul(&w.t()?)?), None))
    }
}
