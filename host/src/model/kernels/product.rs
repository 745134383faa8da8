//! Products with a frozen weight in panels, split over threads so that each reads its part of the weight once.
#![expect(unsafe_code, reason = "threads fill columns of one result")]

use std::mem::MaybeUninit;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::panels::{Panels, Right, Transposed};
use super::slices::{filled, numbers, with_numbers};
use super::tile::{COLUMNS, Start, Strided, Target, multiply};

/// Most of the summed index per block. Longer than the first cache holds: sums leave the registers less often.
const DEPTH: usize = 512;

/// `x W^T + b` for `x [tokens, in]`, a frozen `W [out, in]` and, where there is one, `b [out]`, padded to whole panels.
///
/// The backward pass gives the gradient of `x` alone: candle's own product would also compute the gradient of `W` and
/// throw it away, about a third of the work of LoRA training and a copy of the weights' memory.
pub fn frozen_product(x: &Tensor, weight: &Arc<Panels>, bias: Option<&Arc<Vec<f32>>>) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Product { weight: weight.clone(), bias: bias.cloned() })
}

struct Product {
    weight: Arc<Panels>,
    bias: Option<Arc<Vec<f32>>>,
}

/// `x W^T + b` as plain numbers: `x` has `rows` rows; `W` may be the transpose of what is held.
pub fn product<W: Right>(x: &[f32], rows: usize, weight: &W, bias: Option<&[f32]>) -> Vec<f32> {
    let [out, inner] = weight.shape();
    assert_eq!(x.len(), rows * inner, "x has rows of the weight's width");
    if rows == 0 || inner == 0 {
        return vec![0.0; rows * out];
    }
    // SAFETY: the panels cover all columns, and `fill` writes all rows of each.
    unsafe { filled(rows * out, |result| fill(result, x, rows, weight, bias)) }
}

/// `g W`: from slopes of `x W^T` by its `rows` rows to slopes by `x`.
pub fn slopes(g: &[f32], rows: usize, weight: &Panels) -> Vec<f32> {
    product(g, rows, &Transposed(weight), None)
}

fn fill<W: Right>(result: &mut [MaybeUninit<f32>], x: &[f32], rows: usize, weight: &W, bias: Option<&[f32]>) {
    let [out, inner] = weight.shape();
    let count = out.div_ceil(COLUMNS);
    let target = Target::unwritten(result, out);
    let blocks = inner.div_ceil(DEPTH);
    // Enough parts for all threads to end together, by columns first: then each reads its own part of the weight. Where
    // rows of `x` are long, fewer: each part reads all of them.
    let threads = rayon::current_num_threads();
    let parts = if inner > LONG { (count / 4).clamp(threads, 4 * threads) } else { 4 * threads }.min(count);
    (0..parts).into_par_iter().for_each(|part| {
        let panels = part * count / parts..(part + 1) * count / parts;
        let (mut scratch, mut apart) = (Vec::new(), Vec::new());
        for row in (0..rows).step_by(W::HEIGHT) {
            let height = W::HEIGHT.min(rows - row);
            for block in 0..blocks {
                let (depth, end) = (block * inner / blocks, (block + 1) * inner / blocks);
                let rows = Strided { numbers: &x[row * inner + depth..], stride: inner };
                let a =
                    if inner.is_multiple_of(ALIASED) { packed(rows, height, end - depth, &mut apart) } else { rows };
                for panel in panels.clone() {
                    let column = panel * COLUMNS;
                    let start = if depth > 0 { Start::Held } else { Start::Zero };
                    let bias = bias.filter(|_| end == inner).map(|bias| &bias[column..column + COLUMNS]);
                    let b = Strided { numbers: weight.block(panel, depth..end, &mut scratch), stride: COLUMNS };
                    let sizes = [height, end - depth, COLUMNS.min(out - column)];
                    // SAFETY: `result` is borrowed by `target` until the end of this function, and each part
                    // writes the columns of its own panels.
                    unsafe { multiply(sizes, a, b, target.at(row, column), start, bias) };
                }
            }
        }
    });
}

/// Rows of `x` that are longer than this are not read again for a few columns.
const LONG: usize = 2048;

/// Rows a multiple of this many numbers apart lie at the same place of the first cache, and push each other out of it.
const ALIASED: usize = 1024;

/// A copy of some rows that lie apart in the cache.
fn packed<'a>(from: Strided<'_>, height: usize, depth: usize, to: &'a mut Vec<f32>) -> Strided<'a> {
    let stride = depth + 16;
    to.resize(height * stride, 0.0);
    for (row, to) in to.chunks_mut(stride).enumerate().take(height) {
        to[..depth].copy_from_slice(&from.numbers[row * from.stride..][..depth]);
    }
    Strided { numbers: to, stride }
}

impl CustomOp1 for Product {
    fn name(&self) -> &'static str {
        "frozen-product"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (tokens, width) = layout.shape().dims2()?;
        let [out, inner] = self.weight.shape();
        if width != inner {
            bail!("a linear map from {inner} to {out} was given vectors of {width}");
        }
        let bias = self.bias.as_ref().map(|bias| bias.as_slice());
        Ok((CpuStorage::F32(product(numbers(x, layout)?, tokens, &*self.weight, bias)), Shape::from((tokens, out))))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let tokens = x.dim(0)?;
        let back = with_numbers(grad, |grad| Ok(slopes(grad, tokens, &self.weight)))?;
        Ok(Some(Tensor::from_vec(back, x.shape(), x.device())?))
    }
}
