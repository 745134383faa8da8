//! Weights laid out for products: panels of 32 output columns, kept in the type of the checkpoint.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use rayon::prelude::*;

use super::tile::COLUMNS;
use super::transpose::{SQUARE, transpose};
use crate::model::weights::Numbers;

/// A matrix `W [out, in]`: panel `p` holds `W[32 p + j][i]` at `i * 32 + j`, zeros beyond the last row.
#[derive(Debug, Clone)]
pub struct Panels {
    out: usize,
    inner: usize,
    numbers: Numbers,
}

/// The right-hand side of a product, read in panels of 32 columns.
pub trait Right: Sync {
    /// Rows of the left-hand side per block: with the block's depth they stay in the second cache.
    const HEIGHT: usize;

    /// `[out, in]` for a product of `[rows, in]` to `[rows, out]`.
    fn shape(&self) -> [usize; 2];

    /// Rows `depth` of panel `at`, `[depth, COLUMNS]`, as f32.
    fn block<'a>(&'a self, at: usize, depth: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32];
}

impl Right for Panels {
    const HEIGHT: usize = 280;

    fn shape(&self) -> [usize; 2] {
        [self.out, self.inner]
    }

    fn block<'a>(&'a self, at: usize, depth: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        let start = at * self.inner * COLUMNS;
        let range = start + depth.start * COLUMNS..start + depth.end * COLUMNS;
        scratch.resize(range.len(), 0.0);
        match &self.numbers {
            Numbers::F32(all) => return &all[range],
            Numbers::F16(all) => all[range].convert_to_f32_slice(scratch),
            Numbers::Bf16(all) => widen(&all[range], scratch),
        }
        scratch
    }
}

/// `W^T` of a matrix in panels, for gradients: a second copy would double the weights' memory.
#[derive(Debug, Clone, Copy)]
pub struct Transposed<'a>(pub &'a Panels);

impl Right for Transposed<'_> {
    /// Larger, because a block is laid out anew for each block of rows.
    const HEIGHT: usize = 560;

    fn shape(&self) -> [usize; 2] {
        [self.0.inner, self.0.out]
    }

    fn block<'a>(&'a self, at: usize, depth: Range<usize>, scratch: &'a mut Vec<f32>) -> &'a [f32] {
        scratch.resize(depth.len() * COLUMNS, 0.0);
        let columns = at * COLUMNS..((at + 1) * COLUMNS).min(self.0.inner);
        match &self.0.numbers {
            Numbers::F32(all) => turn(scratch, all, self.0.inner, columns, depth, |from, to| to.copy_from_slice(from)),
            Numbers::F16(all) => {
                turn(scratch, all, self.0.inner, columns, depth, |from, to| from.convert_to_f32_slice(to))
            }
            Numbers::Bf16(all) => turn(scratch, all, self.0.inner, columns, depth, wide_bf16),
        }
        scratch
    }
}

/// Rows `depth` and `columns` of `W`, row after row, from its panels.
fn turn<T>(
    to: &mut [f32],
    panels: &[T],
    inner: usize,
    columns: Range<usize>,
    depth: Range<usize>,
    wide: impl Fn(&[T], &mut [f32]),
) {
    let (mut square, mut turned) = ([0f32; SQUARE], [0f32; SQUARE]);
    let mut row = depth.start;
    while row < depth.end {
        let (panel, first) = (row / COLUMNS, row % COLUMNS);
        let count = (COLUMNS - first).min(depth.end - row);
        let from = &panels[(panel * inner + columns.start) * COLUMNS..][..columns.len() * COLUMNS];
        wide(from, &mut square[..from.len()]);
        transpose(&square, &mut turned);
        let to = &mut to[(row - depth.start) * COLUMNS..][..count * COLUMNS];
        to.copy_from_slice(&turned[first * COLUMNS..][..count * COLUMNS]);
        row += count;
    }
}

impl Panels {
    /// Lays out `W [out, inner]`, given row after row.
    pub fn new(rows: &Numbers, [out, inner]: [usize; 2]) -> Self {
        assert_eq!(rows.len(), out * inner, "a matrix has rows times columns numbers");
        let numbers = match rows {
            Numbers::F32(rows) => Numbers::F32(lay_out(rows, inner)),
            Numbers::F16(rows) => Numbers::F16(lay_out(rows, inner)),
            Numbers::Bf16(rows) => Numbers::Bf16(lay_out(rows, inner)),
        };
        Self { out, inner, numbers }
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        [self.out, self.inner]
    }

    /// Number of panels.
    pub fn count(&self) -> usize {
        self.out.div_ceil(COLUMNS)
    }

    /// Rows of `W` by number, one after another, `[rows, in]`.
    pub fn rows(&self, rows: &[u32]) -> Vec<f32> {
        let mut out = vec![0f32; rows.len() * self.inner];
        let one = |out: &mut [f32], row: usize| {
            let start = row / COLUMNS * self.inner * COLUMNS + row % COLUMNS;
            match &self.numbers {
                Numbers::F32(all) => gather(out, &all[start..], |v| v),
                Numbers::F16(all) => gather(out, &all[start..], f16::to_f32),
                Numbers::Bf16(all) => gather(out, &all[start..], bf16::to_f32),
            }
        };
        out.par_chunks_mut(self.inner).zip(rows).with_min_len(16).for_each(|(out, row)| one(out, *row as usize));
        out
    }

    /// `W`, row after row.
    pub fn unpacked(&self) -> Vec<f32> {
        self.rows(&(0..self.out as u32).collect::<Vec<_>>())
    }
}

fn gather<T: Copy>(out: &mut [f32], column: &[T], widen: impl Fn(T) -> f32) {
    for (out, value) in out.iter_mut().zip(column.iter().step_by(COLUMNS)) {
        *out = widen(*value);
    }
}

fn lay_out<T: Copy + Default + Send + Sync>(rows: &[T], inner: usize) -> Vec<T> {
    let out = rows.len() / inner.max(1);
    let mut panels = vec![T::default(); out.div_ceil(COLUMNS) * COLUMNS * inner];
    panels.par_chunks_mut((COLUMNS * inner).max(1)).enumerate().for_each(|(at, panel)| {
        let rows = &rows[at * COLUMNS * inner..((at + 1) * COLUMNS).min(out) * inner];
        for (column, row) in rows.chunks(inner).enumerate() {
            for (to, value) in panel[column..].iter_mut().step_by(COLUMNS).zip(row) {
                *to = *value;
            }
        }
    });
    panels
}

/// [`widen`] for any two lifetimes.
fn wide_bf16(from: &[bf16], to: &mut [f32]) {
    widen(from, to);
}

/// bf16 is the upper half of f32.
#[pulp::with_simd(widen = pulp::Arch::new())]
#[inline(always)]
fn widen_with<'a, S: pulp::Simd>(_simd: S, from: &'a [bf16], to: &'a mut [f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = f32::from_bits(u32::from(from.to_bits()) << 16);
    }
}
