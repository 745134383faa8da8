//! The gated activation of the MLP (Shazeer 2020, arXiv 2002.05202).
#![expect(unsafe_code, reason = "results are not zeroed before they are written")]

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::math::{sigmoid, tanh};
use super::slices::{filled, numbers, with_numbers};
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
        if gate.len() != up.len() {
            bail!("{} gates for {} numbers", gate.len(), up.len());
        }
        let fill = |out: &mut [MaybeUninit<f32>]| {
            let chunks = out.par_chunks_mut(CHUNK).zip(gate.par_chunks(CHUNK)).zip(up.par_chunks(CHUNK));
            chunks.for_each(|((out, gate), up)| activate(self.0, out, gate, up));
        };
        // SAFETY: the three have equal lengths, and `activate` writes as many numbers as it reads.
        let out = unsafe { filled(gate.len(), fill) };
        Ok((CpuStorage::F32(out), lg.shape().clone()))
    }

    fn bwd(&self, gate: &Tensor, up: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dg, du) = with_numbers(gate, |g| {
            with_numbers(up, |u| {
                with_numbers(grad, |grad| {
                    assert!(g.len() == u.len() && g.len() == grad.len(), "a gradient has the shape of its value");
                    let mut du = Vec::new();
                    let fill = |dg: &mut [MaybeUninit<f32>]| {
                        let fill = |du: &mut [MaybeUninit<f32>]| {
                            dg.par_chunks_mut(CHUNK)
                                .zip(du.par_chunks_mut(CHUNK))
                                .zip(g.par_chunks(CHUNK).zip(u.par_chunks(CHUNK)).zip(grad.par_chunks(CHUNK)))
                                .for_each(|((dg, du), ((g, u), grad))| back(self.0, [dg, du], [g, u, grad]));
                        };
                        // SAFETY: as below.
                        du = unsafe { filled(g.len(), fill) };
                    };
                    // SAFETY: all have equal lengths, and `back` writes as many numbers as it reads.
                    let dg = unsafe { filled(g.len(), fill) };
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

/// `out = f(gate) * up`.
#[pulp::with_simd(activate = pulp::Arch::new())]
#[inline(always)]
fn activate_with<'a, S: pulp::Simd>(
    _simd: S,
    smooth: Smooth,
    out: &'a mut [MaybeUninit<f32>],
    gate: &'a [f32],
    up: &'a [f32],
) {
    let numbers = out.iter_mut().zip(gate).zip(up);
    match smooth {
        Smooth::Silu => numbers.for_each(|((out, g), u)| {
            out.write(Smooth::Silu.value(*g) * u);
        }),
        Smooth::GeluTanh => numbers.for_each(|((out, g), u)| {
            out.write(Smooth::GeluTanh.value(*g) * u);
        }),
    }
}

/// Slopes by gate and by up, from the slope of their product.
#[pulp::with_simd(back = pulp::Arch::new())]
#[inline(always)]
fn back_with<'a, S: pulp::Simd>(
    _simd: S,
    smooth: Smooth,
    [dg, du]: [&'a mut [MaybeUninit<f32>]; 2],
    [g, u, grad]: [&'a [f32]; 3],
) {
    let numbers = dg.iter_mut().zip(du).zip(g.iter().zip(u).zip(grad));
    let one = |smooth: Smooth, dg: &mut MaybeUninit<f32>, du: &mut MaybeUninit<f32>, [g, u, grad]: [f32; 3]| {
        dg.write(smooth.slope(g) * u * grad);
        du.write(smooth.value(g) * grad);
    };
    match smooth {
        Smooth::Silu => numbers.for_each(|((dg, du), ((g, u), grad))| one(Smooth::Silu, dg, du, [*g, *u, *grad])),
        Smooth::GeluTanh => {
            numbers.for_each(|((dg, du), ((g, u), grad))| one(Smooth::GeluTanh, dg, du, [*g, *u, *grad]));
        }
    }
}
