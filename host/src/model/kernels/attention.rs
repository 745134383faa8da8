//! Scaled dot-product attention over packed sequences: tokens stand one after another, no padding exists.
#![expect(unsafe_code, reason = "threads fill rows and columns of one result")]

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::attention_gradient::gradients;
use super::math::{exp, largest, sum_of, tanh};
use super::pages::{PAGE, Pages};
use super::slices::{numbers, with_numbers};
use super::tile::{COLUMNS, ROWS, Start, Strided, Target, multiply};

/// Shape of multi-head attention with shared key-value heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heads {
    /// Query heads.
    pub query: usize,
    /// Key-value heads; divides `query`.
    pub kv: usize,
    /// Width of a head.
    pub dim: usize,
}

impl Heads {
    /// Width of the queries.
    pub fn query_width(self) -> usize {
        self.query * self.dim
    }

    /// Width of the keys, and of the values.
    pub fn kv_width(self) -> usize {
        self.kv * self.dim
    }

    /// Query heads that share one key-value head.
    pub fn share(self) -> usize {
        self.query / self.kv
    }
}

/// How a token looks at those before it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look {
    /// The heads.
    pub heads: Heads,
    /// Factor of `q . k`.
    pub scale: f32,
    /// Scores become `cap * tanh(score / cap)`.
    pub cap: Option<f32>,
    /// A token sees itself and the `window - 1` tokens before it.
    pub window: Option<usize>,
}

impl Look {
    /// The positions that the token at `position` sees.
    pub fn visible(&self, position: usize) -> Range<usize> {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))..position + 1
    }

    /// Scores from products, in place.
    #[inline(always)]
    pub(super) fn score(&self, products: &mut [f32]) {
        match self.cap {
            None => products.iter_mut().for_each(|v| *v *= self.scale),
            Some(cap) => products.iter_mut().for_each(|v| *v = cap * tanh(*v * self.scale / cap)),
        }
    }
}

/// Softmax, in place.
#[inline(always)]
pub(super) fn softmax(row: &mut [f32]) {
    let largest = largest(row);
    row.iter_mut().for_each(|v| *v = exp(*v - largest));
    let scale = 1.0 / sum_of(row, |v| v);
    row.iter_mut().for_each(|v| *v *= scale);
}

/// New tokens of one sequence with everything that they may see.
pub struct Seen<'a> {
    /// New tokens.
    pub tokens: usize,
    /// Position of the first of them.
    pub first: usize,
    /// Keys and values of the sequence, the new tokens included.
    pub pages: &'a Pages,
}

/// Attention of new tokens over the pages of their sequences: `q [tokens, query * dim]`, giving the same shape.
///
/// A token's result depends on its sequence alone, and has the same bits whether the sequence came whole or bit by bit.
pub fn attend(q: &[f32], look: &Look, sequences: &[Seen<'_>]) -> Vec<f32> {
    let Heads { kv, dim, .. } = look.heads;
    let width = look.heads.query_width();
    let mut out = vec![0f32; q.len()];
    let target = Target::new(&mut out, width);
    let mut jobs = Vec::new();
    let mut start = 0;
    for seen in sequences {
        for token in (0..seen.tokens).step_by(ROWS) {
            let tokens = token..(token + ROWS).min(seen.tokens);
            jobs.extend((0..kv).map(|kv| (seen, start, tokens.clone(), kv)));
        }
        start += seen.tokens;
    }
    assert_eq!(start * width, q.len(), "sequence lengths do not add up to the query vectors");
    jobs.par_iter().with_min_len(8).for_each_init(Vec::new, |scores, (seen, start, tokens, kv)| {
        let heads = kv * look.heads.share()..(kv + 1) * look.heads.share();
        let mut rows = |token: usize, head: usize, stride: usize, positions: &[usize]| {
            let at = (start + token) * width + head * dim;
            let q = Strided { numbers: &q[at..], stride };
            let out = target.at(start + token, head * dim).strided(stride);
            // SAFETY: `out` lives until the end of this function, and each job has tokens and heads of its own.
            unsafe { tile(q, out, look, seen.pages, *kv, positions, scores) };
        };
        if tokens.len() == 1 {
            // One token: the heads that share these keys are the rows.
            rows(tokens.start, heads.start, dim, &vec![seen.first + tokens.start; heads.len()]);
        } else {
            let positions: Vec<usize> = tokens.clone().map(|token| seen.first + token).collect();
            heads.for_each(|head| rows(tokens.start, head, width, &positions));
        }
    });
    out
}

/// Attention of some rows of queries, each at its position, over one key-value head.
///
/// # Safety
///
/// `out` has as many rows as `positions`, of a head's width, which no other thread touches.
unsafe fn tile(
    q: Strided<'_>,
    out: Target,
    look: &Look,
    pages: &Pages,
    kv: usize,
    positions: &[usize],
    scores: &mut Vec<f32>,
) {
    let (heads, rows) = (look.heads, positions.len());
    let first = positions.iter().map(|p| look.visible(*p).start).min().unwrap_or(0) / PAGE;
    let end = positions.iter().max().map_or(0, |p| p + 1);
    let last = end.saturating_sub(1) / PAGE;
    let width = (last + 1 - first) * PAGE;
    scores.clear();
    scores.resize(rows * width, 0.0);
    let target = Target::new(scores, width);
    for page in first..=last {
        let keys = pages.keys(page, kv, heads);
        // SAFETY: `scores` is this call's own.
        unsafe { multiply([rows, heads.dim, PAGE], q, keys, target.at(0, (page - first) * PAGE), Start::Zero, None) };
    }
    attention_weights(scores, look, positions, [first, width]);
    for page in first..=last {
        let weights = Strided { numbers: &scores[(page - first) * PAGE..], stride: width };
        let start = if page == first { Start::Zero } else { Start::Held };
        let depth = PAGE.min(end - page * PAGE);
        for column in (0..heads.dim).step_by(COLUMNS) {
            let values = pages.values(page, kv, column, heads);
            let sizes = [rows, depth, COLUMNS.min(heads.dim - column)];
            // SAFETY: the caller's promise.
            unsafe { multiply(sizes, weights, values, out.at(0, column), start, None) };
        }
    }
}

/// From products `[rows, width]` to attention weights; the first column is that of page `first`.
#[pulp::with_simd(attention_weights = pulp::Arch::new())]
#[inline(always)]
fn attention_weights_with<'a, S: pulp::Simd>(
    _simd: S,
    scores: &'a mut [f32],
    look: &'a Look,
    positions: &'a [usize],
    [first, width]: [usize; 2],
) {
    for (row, position) in scores.chunks_mut(width).zip(positions) {
        let seen = look.visible(*position);
        let (before, after) = (seen.start - first * PAGE, seen.end - first * PAGE);
        row[..before].fill(0.0);
        row[after..].fill(0.0);
        look.score(&mut row[before..after]);
        softmax(&mut row[before..after]);
    }
}

/// Causal attention of whole packed sequences of the given lengths, with its gradient.
///
/// `q [tokens, query * dim]`, `k` and `v [tokens, kv * dim]`, giving `[tokens, query * dim]`.
pub fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor, look: Look, lengths: &Arc<Vec<usize>>) -> Result<Tensor> {
    let op = Causal { look, lengths: lengths.clone() };
    q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

struct Causal {
    look: Look,
    lengths: Arc<Vec<usize>>,
}

impl CustomOp3 for Causal {
    fn name(&self) -> &'static str {
        "causal-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        lq: &Layout,
        k: &CpuStorage,
        lk: &Layout,
        v: &CpuStorage,
        lv: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (numbers(q, lq)?, numbers(k, lk)?, numbers(v, lv)?);
        let width = self.look.heads.kv_width();
        let tokens = self.lengths.iter().sum::<usize>();
        if tokens * self.look.heads.query_width() != q.len() || tokens * width != k.len() || k.len() != v.len() {
            bail!("sequence lengths do not add up to the queries, keys and values");
        }
        let mut ends = Vec::with_capacity(self.lengths.len());
        self.lengths.iter().fold(0, |start, len| {
            ends.push(start..start + len);
            start + len
        });
        let pages: Vec<Pages> = ends
            .into_par_iter()
            .map(|range| {
                let range = range.start * width..range.end * width;
                let mut pages = Pages::default();
                pages.append(0, &k[range.clone()], &v[range], self.look.heads);
                pages
            })
            .collect();
        let seen: Vec<Seen<'_>> =
            self.lengths.iter().zip(&pages).map(|(&tokens, pages)| Seen { tokens, first: 0, pages }).collect();
        Ok((CpuStorage::F32(attend(q, &self.look, &seen)), lq.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dq, dk, dv] = with_numbers(q, |q| {
            with_numbers(k, |k| {
                with_numbers(v, |v| {
                    with_numbers(out, |out| {
                        with_numbers(grad, |grad| Ok(gradients(&self.look, &self.lengths, [q, k, v, out, grad])))
                    })
                })
            })
        })?;
        Ok((
            Some(Tensor::from_vec(dq, q.shape(), q.device())?),
            Some(Tensor::from_vec(dk, k.shape(), k.device())?),
            Some(Tensor::from_vec(dv, v.shape(), v.device())?),
        ))
    }
}
