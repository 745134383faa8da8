//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864), half-split as in Hugging Face checkpoints.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::slices::{numbers, with_numbers};

/// Angles' cosines and sines for every position of a context.
#[derive(Debug)]
pub struct Rope {
    half: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// Tables for `positions` positions of heads of `head_dim`, with frequencies `base^(-2i/head_dim)`.
    pub fn new(head_dim: usize, base: f64, positions: usize) -> Self {
        let half = head_dim / 2;
        let angle = |at: usize| (at / half) as f64 * base.powf(-2.0 * (at % half) as f64 / head_dim as f64);
        let (cos, sin) = (0..positions * half).map(|at| (angle(at).cos() as f32, angle(at).sin() as f32)).unzip();
        Self { half, cos, sin }
    }

    /// Number of positions in the tables.
    pub fn positions(&self) -> usize {
        self.cos.len() / self.half
    }

    /// Turns each head of `x [tokens, heads * head_dim]`; `direction` is -1 for the inverse.
    fn turn(&self, x: &[f32], out: &mut [f32], positions: &[u32], direction: f32) {
        let width = x.len() / positions.len().max(1);
        let turn_token = |((out, x), position): ((&mut [f32], &[f32]), &u32)| {
            let at = *position as usize * self.half;
            let (cos, sin) = (&self.cos[at..at + self.half], &self.sin[at..at + self.half]);
            for (out, x) in out.chunks_mut(2 * self.half).zip(x.chunks(2 * self.half)) {
                let ((low, high), (a, b)) = (out.split_at_mut(self.half), x.split_at(self.half));
                for i in 0..self.half {
                    let (c, s) = (cos[i], direction * sin[i]);
                    low[i] = a[i] * c - b[i] * s;
                    high[i] = b[i] * c + a[i] * s;
                }
            }
        };
        out.par_chunks_mut(width).zip(x.par_chunks(width)).zip(positions).with_min_len(32).for_each(turn_token);
    }
}

/// Rotates the heads of `x [tokens, heads * head_dim]`, token `t` by the angles of `positions[t]`.
pub fn rotate(x: &Tensor, rope: &Arc<Rope>, positions: &Arc<Vec<u32>>) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Rotate { rope: rope.clone(), positions: positions.clone() })
}

struct Rotate {
    rope: Arc<Rope>,
    positions: Arc<Vec<u32>>,
}

impl CustomOp1 for Rotate {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = numbers(x, layout)?;
        let mut out = vec![0f32; x.len()];
        self.rope.turn(x, &mut out, &self.positions, 1.0);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let back = with_numbers(grad, |grad| {
            let mut out = vec![0f32; grad.len()];
            self.rope.turn(grad, &mut out, &self.positions, -1.0);
            Ok(out)
        })?;
        Ok(Some(Tensor::from_vec(back, x.shape(), x.device())?))
    }
}
