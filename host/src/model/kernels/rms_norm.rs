//! Root-mean-square normalisation (Zhang and Sennrich 2019, arXiv 1910.07467).
#![expect(unsafe_code, reason = "results are not zeroed before they are written")]

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp2, D, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::math::sum_of;
use super::slices::{filled, numbers, with_numbers};

/// `w * x / sqrt(mean(x^2) + eps)` over the last dimension, for `x [tokens, width]` and `w [width]`.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    if x.device().is_cpu() && x.dtype() == DType::F32 {
        x.contiguous()?.apply_op2(weight, RmsNorm { eps, weight_learns: weight.track_op() })
    } else {
        composed(x, weight, eps)
    }
}

/// The same from candle's operations: for other devices, and the oracle of the tests.
pub(super) fn composed(x: &Tensor, weight: &Tensor, eps: f64) -> Result<Tensor> {
    let wide = if x.dtype() == DType::F64 { x.clone() } else { x.to_dtype(DType::F32)? };
    let mean_square = wide.sqr()?.mean_keepdim(D::Minus1)?;
    wide.broadcast_div(&(mean_square + eps)?.sqrt()?)?.to_dtype(x.dtype())?.broadcast_mul(weight)
}

struct RmsNorm {
    eps: f64,
    weight_learns: bool,
}

impl RmsNorm {
    fn scale(&self, row: &[f32]) -> f32 {
        (1.0 / (f64::from(squares(row)) / row.len() as f64 + self.eps).sqrt()) as f32
    }
}

#[pulp::with_simd(squares = pulp::Arch::new())]
#[inline(always)]
fn squares_with<S: pulp::Simd>(_simd: S, row: &[f32]) -> f32 {
    sum_of(row, |v| v * v)
}

#[pulp::with_simd(scaled = pulp::Arch::new())]
#[inline(always)]
fn scaled_with<'a, S: pulp::Simd>(_simd: S, out: &'a mut [MaybeUninit<f32>], x: &'a [f32], w: &'a [f32], scale: f32) {
    for ((out, x), w) in out.iter_mut().zip(x).zip(w) {
        out.write(x * scale * w);
    }
}

/// The gradient of a row by `x`: `scale * (g w - x mean(x g w) scale^2)`.
#[pulp::with_simd(slope = pulp::Arch::new())]
#[inline(always)]
fn slope_with<'a, S: pulp::Simd>(_simd: S, dx: &'a mut [f32], [x, g, w]: [&'a [f32]; 3], scale: f32) {
    for ((dx, g), w) in dx.iter_mut().zip(g).zip(w) {
        *dx = g * w;
    }
    let mut lanes = [0f32; 16];
    for (dx, x) in dx.chunks(16).zip(x.chunks(16)) {
        for ((lane, dx), x) in lanes.iter_mut().zip(dx).zip(x) {
            *lane += dx * x;
        }
    }
    let shrink = lanes.iter().sum::<f32>() * scale * scale / x.len() as f32;
    for (dx, x) in dx.iter_mut().zip(x) {
        *dx = scale * (*dx - x * shrink);
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, w: &CpuStorage, lw: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, w) = (numbers(x, lx)?, numbers(w, lw)?);
        if w.is_empty() || !x.len().is_multiple_of(w.len()) {
            bail!("a norm of width {} was given {} numbers", w.len(), x.len());
        }
        let fill = |out: &mut [MaybeUninit<f32>]| {
            out.par_chunks_mut(w.len()).zip(x.par_chunks(w.len())).with_min_len(32).for_each(|(out, x)| {
                let scale = self.scale(x);
                scaled(out, x, w, scale);
            });
        };
        // SAFETY: both have rows of the weight's width, and `scaled` writes all of a row.
        let out = unsafe { filled(x.len(), fill) };
        Ok((CpuStorage::F32(out), lx.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, w: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let width = w.elem_count();
        let (dx, dw) = with_numbers(x, |x| {
            with_numbers(w, |w| {
                with_numbers(grad, |grad| {
                    let mut dx = vec![0f32; x.len()];
                    let mut dw = vec![0f64; width];
                    dx.par_chunks_mut(width)
                        .zip(x.par_chunks(width))
                        .zip(grad.par_chunks(width))
                        .with_min_len(32)
                        .for_each(|((dx, x), grad)| {
                            let scale = self.scale(x);
                            slope(dx, [x, grad, w], scale);
                        });
                    if self.weight_learns {
                        for (x, grad) in x.chunks(width).zip(grad.chunks(width)) {
                            let scale = self.scale(x);
                            for ((dw, x), g) in dw.iter_mut().zip(x).zip(grad) {
                                *dw += f64::from(x * g * scale);
                            }
                        }
                    }
                    Ok((dx, dw))
                })
            })
        })?;
        let dx = Tensor::from_vec(dx, x.shape(), x.device())?;
        if !self.weight_learns {
            return Ok((Some(dx), None));
        }
        let dw: Vec<f32> = dw.into_iter().map(|v| v as f32).collect();
        Ok((Some(dx), Some(Tensor::from_vec(dw, w.shape(), w.device())?)))
    }
}
