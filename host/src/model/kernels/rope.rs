//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864), half-split as in Hugging Face checkpoints.

use std::sync::{Arc, PoisonError, RwLock};

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::slices::{numbers, with_numbers};
use crate::model::config::Rotation;

/// A rotation with the cosines and sines of the positions used so far.
#[derive(Debug)]
pub struct Rope {
    head_dim: usize,
    rotation: Rotation,
    table: RwLock<Arc<Table>>,
}

/// `factor * cos` and `factor * sin` of `position * frequency`, `[positions, dim / 2]`.
#[derive(Debug, Default)]
struct Table {
    positions: usize,
    cos: Vec<f32>,
    sin: Vec<f32>,
}

impl Rope {
    /// The rotation of heads of width `head_dim`.
    pub fn new(head_dim: usize, rotation: &Rotation) -> Self {
        Self { head_dim, rotation: rotation.clone(), table: RwLock::default() }
    }

    /// A table that reaches beyond `last`.
    fn table(&self, last: usize) -> Arc<Table> {
        let held = self.table.read().unwrap_or_else(PoisonError::into_inner).clone();
        if last < held.positions {
            return held;
        }
        let positions = (last + 1).next_power_of_two().max(256);
        let factor = self.rotation.factor;
        let angles = (0..positions).flat_map(|p| self.rotation.frequencies.iter().map(move |f| p as f64 * f));
        let (cos, sin) = angles.map(|a| ((factor * a.cos()) as f32, (factor * a.sin()) as f32)).unzip();
        let table = Arc::new(Table { positions, cos, sin });
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table.clone();
        table
    }

    /// Turns each head of `x [tokens, heads * head_dim]`; `direction` is -1 for the transpose.
    fn turn(&self, x: &[f32], out: &mut [f32], positions: &[u32], direction: f32) {
        let half = self.rotation.dim / 2;
        let table = self.table(positions.iter().max().map_or(0, |p| *p as usize));
        let width = x.len() / positions.len().max(1);
        let turn_token = |((out, x), position): ((&mut [f32], &[f32]), &u32)| {
            let at = *position as usize * half;
            let (cos, sin) = (&table.cos[at..at + half], &table.sin[at..at + half]);
            turn(out, x, [cos, sin], self.head_dim, direction);
        };
        out.par_chunks_mut(width).zip(x.par_chunks(width)).zip(positions).with_min_len(64).for_each(turn_token);
    }
}

/// Turns the first `2 * cos.len()` entries of each head of one token; the others stay.
#[pulp::with_simd(turn = pulp::Arch::new())]
#[inline(always)]
fn turn_with<'a, S: pulp::Simd>(
    _simd: S,
    out: &'a mut [f32],
    x: &'a [f32],
    [cos, sin]: [&'a [f32]; 2],
    head_dim: usize,
    direction: f32,
) {
    let half = cos.len();
    for (out, x) in out.chunks_mut(head_dim).zip(x.chunks(head_dim)) {
        let ((turned, rest), (x, kept)) = (out.split_at_mut(2 * half), x.split_at(2 * half));
        rest.copy_from_slice(kept);
        let ((low, high), (a, b)) = (turned.split_at_mut(half), x.split_at(half));
        for i in 0..half {
            let (c, s) = (cos[i], direction * sin[i]);
            low[i] = a[i] * c - b[i] * s;
            high[i] = b[i] * c + a[i] * s;
        }
    }
}

/// Rotates the heads of `x [tokens, heads * head_dim]`, token `t` by the angles of `positions[t]`.
pub fn rotate(x: &Tensor, rope: &Arc<Rope>, positions: &Arc<Vec<u32>>) -> Result<Tensor> {
    if x.device().is_cpu() && x.dtype() == DType::F32 {
        x.contiguous()?.apply_op1(Rotate { rope: rope.clone(), positions: positions.clone() })
    } else {
        composed(x, rope, positions)
    }
}

/// The same from candle's operations: for other devices and types, and the oracle of the tests.
pub(super) fn composed(x: &Tensor, rope: &Rope, positions: &[u32]) -> Result<Tensor> {
    let (tokens, width) = x.dims2()?;
    let half = rope.rotation.dim / 2;
    let angles = positions.iter().flat_map(|p| rope.rotation.frequencies.iter().map(move |f| f64::from(*p) * f));
    let (cos, sin): (Vec<f64>, Vec<f64>) =
        angles.map(|a| (rope.rotation.factor * a.cos(), rope.rotation.factor * a.sin())).unzip();
    let table = |values: Vec<f64>| Tensor::from_vec(values, (tokens, 1, half), x.device())?.to_dtype(x.dtype());
    let (cos, sin) = (table(cos)?, table(sin)?);
    let heads = x.reshape((tokens, width / rope.head_dim, rope.head_dim))?;
    let (a, b) = (heads.narrow(2, 0, half)?, heads.narrow(2, half, half)?);
    let rest = heads.narrow(2, 2 * half, rope.head_dim - 2 * half)?;
    let low = (a.broadcast_mul(&cos)? - b.broadcast_mul(&sin)?)?;
    let high = (b.broadcast_mul(&cos)? + a.broadcast_mul(&sin)?)?;
    Tensor::cat(&[low, high, rest], 2)?.reshape((tokens, width))
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
