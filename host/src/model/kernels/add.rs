//! Sums of activations, without the spinning threads of candle's own.
#![expect(unsafe_code, reason = "results are not zeroed before they are written")]

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::slices::{filled, numbers};

const CHUNK: usize = 16_384;

/// `x + scale * y`, element by element.
pub fn add_scaled(x: &Tensor, y: &Tensor, scale: f64) -> Result<Tensor> {
    if x.device().is_cpu() && x.dtype() == DType::F32 {
        x.contiguous()?.apply_op2(&y.contiguous()?, AddScaled(scale))
    } else if scale == 1.0 {
        x + y
    } else {
        x + (y * scale)?
    }
}

struct AddScaled(f64);

impl CustomOp2 for AddScaled {
    fn name(&self) -> &'static str {
        "add-scaled"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, y: &CpuStorage, ly: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, y, scale) = (numbers(x, lx)?, numbers(y, ly)?, self.0 as f32);
        if x.len() != y.len() {
            bail!("{} numbers were to be added to {}", y.len(), x.len());
        }
        let fill = |out: &mut [MaybeUninit<f32>]| {
            out.par_chunks_mut(CHUNK)
                .zip(x.par_chunks(CHUNK))
                .zip(y.par_chunks(CHUNK))
                .for_each(|((out, x), y)| sum(out, x, y, scale));
        };
        // SAFETY: the three have equal lengths, and `sum` writes as many numbers as it reads.
        let out = unsafe { filled(x.len(), fill) };
        Ok((CpuStorage::F32(out), lx.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, _sum: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(grad.clone()), Some(if self.0 == 1.0 { grad.clone() } else { (grad * self.0)? })))
    }
}

#[pulp::with_simd(sum = pulp::Arch::new())]
#[inline(always)]
fn sum_with<'a, S: pulp::Simd>(_simd: S, out: &'a mut [MaybeUninit<f32>], x: &'a [f32], y: &'a [f32], scale: f32) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        out.write(scale.mul_add(*y, *x));
    }
}
