//! The arithmetic of an edit.

use std::sync::atomic::{AtomicU64, Ordering};

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor, bail};
use emhost_abi::wire::EditOp;
use rayon::prelude::*;

use crate::model::Result;

/// What an edit does to each token of a packed batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Touched {
    /// Factor by token; 0 leaves the token alone.
    factors: Vec<f32>,
    /// Number of the token among the selected ones of its row.
    ranks: Vec<u32>,
}

impl Touched {
    pub fn none(tokens: usize) -> Self {
        Self { factors: vec![0.0; tokens], ranks: vec![0; tokens] }
    }

    pub fn set(&mut self, token: usize, factor: f32, rank: usize) {
        self.factors[token] = factor;
        self.ranks[token] = rank as u32;
    }
}

/// Edits `value [tokens, width]`; gives the new value and how many tokens were edited.
///
/// `operand` is one vector, or for `patch` one per rank. Numbers on the CPU are edited in one pass; on other
/// devices, and where a gradient is wanted, the same is composed from candle's operations.
pub(super) fn apply(value: &Tensor, op: EditOp, operand: &[f32], touched: &Touched) -> Result<(Tensor, u64)> {
    if touched.factors.iter().all(|factor| *factor == 0.0) {
        return Ok((value.clone(), 0));
    }
    if value.device().is_cpu() && value.dtype() == DType::F32 && !value.track_op() {
        let edit = InPlace { op, operand, touched, count: AtomicU64::new(0) };
        let edited = value.contiguous()?.apply_op1_no_bwd(&edit)?;
        return Ok((edited, edit.count.into_inner()));
    }
    let count = touched.factors.iter().filter(|factor| **factor != 0.0).count();
    Ok((composed(value, op, operand, touched)?, count as u64))
}

/// Tokens that one thread edits at least.
const TOKENS_PER_THREAD: usize = 64;

struct InPlace<'a> {
    op: EditOp,
    operand: &'a [f32],
    touched: &'a Touched,
    count: AtomicU64,
}

impl CustomOp1 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "intervention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let (CpuStorage::F32(all), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
            bail!("an intervention takes contiguous f32 numbers")
        };
        let tokens = self.touched.factors.len();
        let width = (end - start) / tokens.max(1);
        if tokens * width != end - start || !self.operand.len().is_multiple_of(width) {
            bail!("an intervention for {tokens} tokens got {:?}", layout.shape())
        }
        let mut out = all[start..end].to_vec();
        let edit = |((x, factor), rank): ((&mut [f32], &f32), &u32)| -> u64 {
            if *factor == 0.0 {
                return 0;
            }
            let at = if self.op == EditOp::Patch { *rank as usize * width } else { 0 };
            edit_token(self.op, x, *factor, &self.operand[at..at + width]);
            1
        };
        let rows = out.par_chunks_mut(width).zip(&self.touched.factors).zip(&self.touched.ranks);
        let count: u64 = rows.with_min_len(TOKENS_PER_THREAD).map(edit).sum();
        self.count.store(count, Ordering::Relaxed);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

fn edit_token(op: EditOp, x: &mut [f32], factor: f32, v: &[f32]) {
    let pairs = x.iter_mut().zip(v);
    match op {
        EditOp::Add => pairs.for_each(|(x, v)| *x += factor * v),
        EditOp::ProjectOut => {
            let along = factor * dot(x, v);
            x.iter_mut().zip(v).for_each(|(x, u)| *x -= along * u);
        }
        EditOp::Replace | EditOp::Patch if factor == 1.0 => x.copy_from_slice(v),
        EditOp::Replace | EditOp::Patch => pairs.for_each(|(x, v)| *x += factor * (v - *x)),
        EditOp::ScaleAdapter => {}
    }
}

/// A sum of products in a fixed order: sixteen lanes, then the lanes one after another.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 16;
    let mut lanes = [0f32; LANES];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// The same from candle's operations.
pub(super) fn composed(value: &Tensor, op: EditOp, operand: &[f32], touched: &Touched) -> Result<Tensor> {
    let (tokens, width) = value.dims2()?;
    let (device, dtype) = (value.device(), value.dtype());
    let column = |numbers: Vec<f32>| Tensor::from_vec(numbers, (tokens, 1), device)?.to_dtype(dtype);
    let operand = Tensor::from_slice(operand, (operand.len() / width, width), device)?.to_dtype(dtype)?;
    let factors = column(touched.factors.clone())?;
    let edited = match op {
        EditOp::Add => (value + factors.broadcast_mul(&operand)?)?,
        EditOp::ProjectOut => {
            let along = (value.matmul(&operand.t()?)? * factors)?;
            (value - along.broadcast_mul(&operand)?)?
        }
        EditOp::Replace | EditOp::Patch => {
            let target = if op == EditOp::Patch {
                operand.index_select(&Tensor::from_slice(&touched.ranks, tokens, device)?, 0)?
            } else {
                operand.broadcast_as((tokens, width))?.contiguous()?
            };
            let partly = (value + (&target - value)?.broadcast_mul(&factors)?)?;
            let whole: Vec<u8> = touched.factors.iter().map(|factor| u8::from(*factor == 1.0)).collect();
            let whole = Tensor::from_vec(whole, (tokens, 1), device)?.broadcast_as((tokens, width))?;
            whole.where_cond(&target, &partly)?
        }
        EditOp::ScaleAdapter => value.clone(),
    };
    // An untouched token stays as it is to the bit, also where its values are not numbers.
    let mask: Vec<u8> = touched.factors.iter().map(|factor| u8::from(*factor != 0.0)).collect();
    let mask = Tensor::from_vec(mask, (tokens, 1), device)?.broadcast_as((tokens, width))?;
    Ok(mask.where_cond(&edited, value)?)
}
