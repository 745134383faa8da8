//! Scaled dot-product attention over packed sequences: tokens stand one after another, no padding exists.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::gemm::{View, gemm};
use super::slices::{numbers, with_numbers};

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
    fn scale(self) -> f32 {
        (1.0 / (self.dim as f64).sqrt()) as f32
    }

    /// Width of the queries.
    pub fn query_width(self) -> usize {
        self.query * self.dim
    }

    /// Width of the keys, and of the values.
    pub fn kv_width(self) -> usize {
        self.kv * self.dim
    }

    /// Query heads that share key-value head `kv`.
    fn group(self, kv: usize) -> Range<usize> {
        let share = self.query / self.kv;
        kv * share..(kv + 1) * share
    }
}

/// Causal attention of packed sequences of the given lengths.
///
/// `q [tokens, query * dim]`, `k` and `v [tokens, kv * dim]`, giving `[tokens, query * dim]`. Each sequence
/// is computed by itself, so its result does not depend on its neighbours.
pub fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor, heads: Heads, lengths: &Arc<Vec<usize>>) -> Result<Tensor> {
    let op = Causal { heads, lengths: lengths.clone() };
    q.contiguous()?.apply_op3(&k.contiguous()?, &v.contiguous()?, op)
}

struct Causal {
    heads: Heads,
    lengths: Arc<Vec<usize>>,
}

/// One sequence and one key-value head, with the query heads that share it.
#[derive(Clone, Copy)]
struct Job {
    start: usize,
    len: usize,
    kv: usize,
}

impl Causal {
    fn jobs(&self) -> Vec<Job> {
        let mut start = 0;
        let mut jobs = Vec::with_capacity(self.lengths.len() * self.heads.kv);
        for &len in self.lengths.iter() {
            jobs.extend((0..self.heads.kv).map(|kv| Job { start, len, kv }));
            start += len;
        }
        jobs
    }

    /// Row-softmax of `scale * Q K^T` under the causal mask, `len x len`.
    fn weights(&self, q: View<'_>, k: View<'_>, len: usize, weights: &mut [f32]) {
        gemm([len, len, self.heads.dim], weights, len, 0.0, q, k.t(), self.heads.scale());
        for (at, row) in weights.chunks_mut(len).enumerate() {
            softmax(&mut row[..=at]);
            row[at + 1..].fill(0.0);
        }
    }

    fn head<'a>(&self, x: &'a [f32], job: Job, head: usize, width: usize) -> View<'a> {
        View::rows(&x[job.start * width + head * self.heads.dim..], width)
    }
}

fn softmax(row: &mut [f32]) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for v in row.iter_mut() {
        *v = (*v - largest).exp();
        sum += *v;
    }
    let scale = 1.0 / sum;
    row.iter_mut().for_each(|v| *v *= scale);
}

/// Copies `part [rows, columns]` into columns `at..` of `whole [.., width]`, from row `start` on.
fn place(whole: &mut [f32], width: usize, start: usize, at: usize, part: &[f32], columns: usize) {
    for (row, part) in part.chunks(columns).enumerate() {
        let to = (start + row) * width + at;
        whole[to..to + columns].copy_from_slice(part);
    }
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
        let Heads { dim, .. } = self.heads;
        let (qw, kw) = (self.heads.query_width(), self.heads.kv_width());
        if self.lengths.iter().sum::<usize>() * qw != q.len() {
            bail!("sequence lengths do not add up to the {} query vectors", q.len() / qw);
        }
        let jobs = self.jobs();
        let parts: Vec<Vec<f32>> = jobs
            .par_iter()
            .map(|job| {
                let group = self.heads.group(job.kv);
                let columns = group.len() * dim;
                let mut part = vec![0f32; job.len * columns];
                let mut weights = vec![0f32; job.len * job.len];
                for (slot, head) in group.enumerate() {
                    self.weights(self.head(q, *job, head, qw), self.head(k, *job, job.kv, kw), job.len, &mut weights);
                    let values = self.head(v, *job, job.kv, kw);
                    let sizes = [job.len, dim, job.len];
                    gemm(sizes, &mut part[slot * dim..], columns, 0.0, View::rows(&weights, job.len), values, 1.0);
                }
                part
            })
            .collect();
        let mut out = vec![0f32; q.len()];
        for (job, part) in jobs.iter().zip(&parts) {
            let group = self.heads.group(job.kv);
            place(&mut out, qw, job.start, group.start * dim, part, group.len() * dim);
        }
        Ok((CpuStorage::F32(out), lq.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let all = with_numbers(q, |q| {
            with_numbers(k, |k| {
                with_numbers(v, |v| {
                    with_numbers(out, |out| with_numbers(grad, |grad| Ok(self.gradients(q, k, v, out, grad))))
                })
            })
        })?;
        let [dq, dk, dv] = all;
        Ok((
            Some(Tensor::from_vec(dq, q.shape(), q.device())?),
            Some(Tensor::from_vec(dk, k.shape(), k.device())?),
            Some(Tensor::from_vec(dv, v.shape(), v.device())?),
        ))
    }
}

impl Causal {
    /// Gradients with respect to queries, keys and values; the attention weights are computed again.
    fn gradients(&self, q: &[f32], k: &[f32], v: &[f32], out: &[f32], grad: &[f32]) -> [Vec<f32>; 3] {
        let Heads { dim, .. } = self.heads;
        let (qw, kw) = (self.heads.query_width(), self.heads.kv_width());
        let scale = self.heads.scale();
        let jobs = self.jobs();
        let parts: Vec<[Vec<f32>; 3]> = jobs
            .par_iter()
            .map(|&job| {
                let len = job.len;
                let group = self.heads.group(job.kv);
                let columns = group.len() * dim;
                let mut dq = vec![0f32; len * columns];
                let (mut dk, mut dv) = (vec![0f32; len * dim], vec![0f32; len * dim]);
                let (mut weights, mut inner) = (vec![0f32; len * len], vec![0f32; len * len]);
                let (keys, values) = (self.head(k, job, job.kv, kw), self.head(v, job, job.kv, kw));
                for (slot, head) in group.enumerate() {
                    let queries = self.head(q, job, head, qw);
                    let (o, g) = (self.head(out, job, head, qw), self.head(grad, job, head, qw));
                    self.weights(queries, keys, len, &mut weights);
                    gemm([len, dim, len], &mut dv, dim, 1.0, View::rows(&weights, len).t(), g, 1.0);
                    gemm([len, len, dim], &mut inner, len, 0.0, g, values.t(), 1.0);
                    for (row, (inner, weights)) in inner.chunks_mut(len).zip(weights.chunks(len)).enumerate() {
                        let (o, g) = (&o.numbers[row * qw..row * qw + dim], &g.numbers[row * qw..row * qw + dim]);
                        let mean: f32 = o.iter().zip(g).map(|(o, g)| o * g).sum();
                        for (inner, weight) in inner.iter_mut().zip(weights) {
                            *inner = weight * (*inner - mean);
                        }
                    }
                    gemm([len, dim, len], &mut dq[slot * dim..], columns, 0.0, View::rows(&inner, len), keys, scale);
                    gemm([len, dim, len], &mut dk, dim, 1.0, View::rows(&inner, len).t(), queries, scale);
                }
                [dq, dk, dv]
            })
            .collect();
        let mut all = [vec![0f32; q.len()], vec![0f32; k.len()], vec![0f32; v.len()]];
        for (job, [dq, dk, dv]) in jobs.iter().zip(&parts) {
            let group = self.heads.group(job.kv);
            place(&mut all[0], qw, job.start, group.start * dim, dq, group.len() * dim);
            place(&mut all[1], kw, job.start, job.kv * dim, dk, dim);
            place(&mut all[2], kw, job.start, job.kv * dim, dv, dim);
        }
        all
    }
}

/// Keys and values of one sequence at one block, `[tokens, kv * dim]` each.
#[derive(Debug, Clone, Default)]
pub struct KvSlot {
    /// Keys, rotated.
    pub k: Vec<f32>,
    /// Values.
    pub v: Vec<f32>,
}

/// Attention of new tokens over stored keys and values.
///
/// Sequence `i` has `lengths[i]` rows of `q`, the last of its tokens; its keys and values are those of
/// `parts[i]`, one after another: a prompt that several sequences share, and what is their own.
pub fn attend_cached(q: &Tensor, heads: Heads, lengths: &[usize], parts: &[[&KvSlot; 2]]) -> Result<Tensor> {
    let (qw, kw, dim) = (heads.query_width(), heads.kv_width(), heads.dim);
    let out = with_numbers(q, |q| {
        let mut out = vec![0f32; q.len()];
        let mut rest = out.as_mut_slice();
        let mut jobs = Vec::with_capacity(lengths.len());
        let mut start = 0;
        for (&len, parts) in lengths.iter().zip(parts) {
            let (mine, others) = rest.split_at_mut(len * qw);
            rest = others;
            jobs.push((mine, &q[start * qw..(start + len) * qw], parts));
            start += len;
        }
        jobs.into_par_iter().for_each(|(out, q, parts)| {
            let new = q.len() / qw;
            let sizes = parts.map(|part| part.k.len() / kw);
            let total = sizes[0] + sizes[1];
            let share = heads.query / heads.kv;
            let mut weights = vec![0f32; new * share * total];
            for kv in 0..heads.kv {
                let at = heads.group(kv).start * dim;
                for token in 0..new {
                    let rows = &mut weights[token * share * total..(token + 1) * share * total];
                    let queries = View::rows(&q[token * qw + at..], dim);
                    let mut from = 0;
                    for (part, size) in parts.iter().zip(sizes).filter(|(_, size)| *size > 0) {
                        let keys = View::rows(&part.k[kv * dim..], kw);
                        gemm([share, size, dim], &mut rows[from..], total, 0.0, queries, keys.t(), heads.scale());
                        from += size;
                    }
                    let seen = total - new + token + 1;
                    for row in rows.chunks_mut(total) {
                        softmax(&mut row[..seen]);
                        row[seen..].fill(0.0);
                    }
                    let mut from = 0;
                    for (part, size) in parts.iter().zip(sizes).filter(|(_, size)| *size > 0) {
                        let values = View::rows(&part.v[kv * dim..], kw);
                        let beta = if from == 0 { 0.0 } else { 1.0 };
                        let to = &mut out[token * qw + at..];
                        gemm([share, dim, size], to, dim, beta, View::rows(&rows[from..], total), values, 1.0);
                        from += size;
                    }
                }
            }
        });
        Ok(out)
    })?;
    Tensor::from_vec(out, q.shape(), q.device())
}
