//! The gated activation of the MLP (Shazeer 2020, arXiv 2002.05202).

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::math::{sigmoid, tanh};
use super::slices::{numbers, with_numbers};
use crate::model::config::Activation;

const CHUNK: usize = 8192;

/// `f(gate) * up`, element by element.
pub fn gated(gate: &Tensor, up: &Tensor, activation: Activation) -> Result<Tensor> {
    let smooth = match activation {
        Activation::Silu => Smooth::Silu,
        Activation::GeluTanh => Smooth::GeluTanh,
        Activation::Gelu => return gate.gelu_erf()? * up,
    };
    if gate.device().is_cpu() && gate.dtype() == DType::F32 {
        gate.contiguous()?.apply_op2(&up.contiguous()?, Gated(smooth))
    } else {
        composed(gate, up, activation)
    }
}

/// The same from candle's operations: for other devices and types, and the oracle of the tests.
pub(super) fn composed(gate: &Tensor, up: &Tensor, activation: Activation) -> Result<Tensor> {
    match activation {
        Activation::Silu => gate.silu()? * up,
        Activation::GeluTanh => gate.gelu()? * up,
        Activation::Gelu => gate.gelu_erf()? * up,
    }
}

/// Activations that have a kernel.
#[derive(Clone, Copy)]
enum Smooth {
    Silu,
    GeluTanh,
}

const ROOT: f32 = 0.797_884_6; // sqrt(2 / pi)
const CUBIC: f32 = 0.044_715;

impl Smooth {
    #[inline(always)]
    fn value(self, x: f32) -> f32 {
        match self {
            Self::Silu => x * sigmoid(x),
            Self::GeluTanh => 0.5 * x * (1.0 + tanh(ROOT * (x + CUBIC * x * x * x))),
        }
    }

    #[inline(always)]
    fn slope(self, x: f32) -> f32 {
        match self {
            Self::Silu => {
                let s = sigmoid(x);
                s * (1.0 + x * (1.0 - s))
            }
            Self::GeluTanh => {
                let t = tanh(ROOT * (x + CUBIC * x * x * x));
                0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * ROOT * (1.0 + 3.0 * CUBIC * x * x)
            }
        }
    }
}

struct Gated(Smooth);

impl CustomOp2 for Gated {
    fn name(&self) -> &'static str {
        "gated"
    }

    fn cpu_fwd(&self, gate: &CpuStorage, lg: &Layout, up: &CpuStorage, lu: &Layout) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (numbers(gate, lg)?, numbers(up, lu)?);
        let mut out = vec![0f32; gate.len()];
        let chunks = out.par_chunks_mut(CHUNK).zip(gate.par_chunks(CHUNK)).zip(up.par_chunks(CHUNK));
        chunks.for_each(|((out, gate), up)| multiply(self.0, false, out, gate, up));
        Ok((CpuStorage::F32(out), lg.shape().clone()))
    }

    fn bwd(&self, gate: &Tensor, up: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dg, du) = with_numbers(gate, |g| {
            with_numbers(up, |u| {
                with_numbers(grad, |grad| {
                    let (mut dg, mut du) = (vec![0f32; g.len()], vec![0f32; g.len()]);
                    dg.par_chunks_mut(CHUNK)
                        .zip(du.par_chunks_mut(CHUNK))
                        .zip(g.par_chunks(CHUNK).zip(u.par_chunks(CHUNK)).zip(grad.par_chunks(CHUNK)))
                        .for_each(|((dg, du), ((g, u), grad))| {
                            multiply(self.0, false, du, g, grad);
                            multiply(self.0, true, dg, g, grad);
                            dg.iter_mut().zip(u).for_each(|(dg, u)| *dg *= u);
                        });
                    Ok((dg, du))
                })
            })
        })?;
        Ok((
            Some(Tensor::from_vec(dg, gate.shape(), gate.device())?),
            Some(Tensor::from_vec(du, up.shape(), up.device())?),
        ))
    }
}

/// `out = f(x) * factor`, with `f` the activation or, where `slope`, its derivative.
#[pulp::with_simd(multiply = pulp::Arch::new())]
#[inline(always)]
fn multiply_with<'a, S: pulp::Simd>(
    _simd: S,
    smooth: Smooth,
    slope: bool,
    out: &'a mut [f32],
    x: &'a [f32],
    factor: &'a [f32],
) {
    let numbers = out.iter_mut().zip(x).zip(factor);
    match (smooth, slope) {
        (Smooth::Silu, false) => numbers.for_each(|((out, x), factor)| *out = Smooth::Silu.value(*x) * factor),
        (Smooth::GeluTanh, false) => numbers.for_each(|((out, x), factor)| *out = Smooth::GeluTanh.value(*x) * factor),
        (smooth, true) => numbers.for_each(|((out, x), factor)| *out = smooth.slope(*x) * factor),
    }
}
