//! The gradient of causal attention; attention weights are computed again.

use rayon::prelude::*;

use super::attention::{Look, softmax};
use super::gemm::{View, gemm};

/// One sequence and one key-value head, with the query heads that share it.
#[derive(Clone, Copy)]
struct Job {
    start: usize,
    len: usize,
    kv: usize,
}

/// Gradients with respect to queries, keys and values, from `q`, `k`, `v`, the output and the output's gradient.
pub(super) fn gradients(look: &Look, lengths: &[usize], [q, k, v, out, grad]: [&[f32]; 5]) -> [Vec<f32>; 3] {
    let dim = look.heads.dim;
    let (qw, kw) = (look.heads.query_width(), look.heads.kv_width());
    let mut jobs = Vec::with_capacity(lengths.len() * look.heads.kv);
    let mut start = 0;
    for &len in lengths {
        jobs.extend((0..look.heads.kv).map(|kv| Job { start, len, kv }));
        start += len;
    }
    let parts: Vec<[Vec<f32>; 3]> = jobs.par_iter().map(|job| gradient(look, *job, [q, k, v, out, grad])).collect();
    let mut all = [vec![0f32; q.len()], vec![0f32; k.len()], vec![0f32; v.len()]];
    for (job, [dq, dk, dv]) in jobs.iter().zip(&parts) {
        let share = look.heads.share();
        place(&mut all[0], qw, job.start, job.kv * share * dim, dq, share * dim);
        place(&mut all[1], kw, job.start, job.kv * dim, dk, dim);
        place(&mut all[2], kw, job.start, job.kv * dim, dv, dim);
    }
    all
}

fn gradient(look: &Look, job: Job, [q, k, v, out, grad]: [&[f32]; 5]) -> [Vec<f32>; 3] {
    let (dim, len, share) = (look.heads.dim, job.len, look.heads.share());
    let (qw, kw) = (look.heads.query_width(), look.heads.kv_width());
    let head = |x, head, width| view(x, job, head, width, dim);
    let columns = share * dim;
    let mut dq = vec![0f32; len * columns];
    let (mut dk, mut dv) = (vec![0f32; len * dim], vec![0f32; len * dim]);
    let (mut weights, mut slopes, mut inner) = (vec![0f32; len * len], vec![0f32; len * len], vec![0f32; len * len]);
    let (keys, values) = (head(k, job.kv, kw), head(v, job.kv, kw));
    for slot in 0..share {
        let at = job.kv * share + slot;
        let (queries, o, g) = (head(q, at, qw), head(out, at, qw), head(grad, at, qw));
        attention_weights(look, queries, keys, len, &mut weights, &mut slopes);
        gemm([len, dim, len], &mut dv, dim, 1.0, View::rows(&weights, len).t(), g, 1.0);
        gemm([len, len, dim], &mut inner, len, 0.0, g, values.t(), 1.0);
        for row in 0..len {
            let (o, g) = (&o.numbers[row * qw..row * qw + dim], &g.numbers[row * qw..row * qw + dim]);
            let mean: f32 = o.iter().zip(g).map(|(o, g)| o * g).sum();
            let range = row * len..(row + 1) * len;
            let factors = weights[range.clone()].iter().zip(&slopes[range.clone()]);
            for (inner, (weight, slope)) in inner[range].iter_mut().zip(factors) {
                *inner = weight * slope * (*inner - mean);
            }
        }
        gemm([len, dim, len], &mut dq[slot * dim..], columns, 0.0, View::rows(&inner, len), keys, look.scale);
        gemm([len, dim, len], &mut dk, dim, 1.0, View::rows(&inner, len).t(), queries, look.scale);
    }
    [dq, dk, dv]
}

/// Attention weights `[len, len]`, and the slope of each score by its scaled product (1 without a cap).
fn attention_weights(look: &Look, q: View<'_>, k: View<'_>, len: usize, weights: &mut [f32], slopes: &mut [f32]) {
    gemm([len, len, look.heads.dim], weights, len, 0.0, q, k.t(), 1.0);
    slopes.fill(1.0);
    weights_and_slopes(look, len, weights, slopes);
}

#[pulp::with_simd(weights_and_slopes = pulp::Arch::new())]
#[inline(always)]
fn weights_and_slopes_with<'a, S: pulp::Simd>(
    _simd: S,
    look: &'a Look,
    len: usize,
    weights: &'a mut [f32],
    slopes: &'a mut [f32],
) {
    for (position, (row, slopes)) in weights.chunks_mut(len).zip(slopes.chunks_mut(len)).enumerate() {
        let seen = look.visible(position);
        row[..seen.start].fill(0.0);
        row[seen.end..].fill(0.0);
        look.score(&mut row[seen.clone()]);
        if let Some(cap) = look.cap {
            for (slope, score) in slopes[seen.clone()].iter_mut().zip(&row[seen.clone()]) {
                *slope = 1.0 - (score / cap) * (score / cap);
            }
        }
        softmax(&mut row[seen]);
    }
}

fn view<'a>(x: &'a [f32], job: Job, head: usize, width: usize, dim: usize) -> View<'a> {
    View::rows(&x[job.start * width + head * dim..], width)
}

/// Copies `part [rows, columns]` into columns `at..` of `whole [.., width]`, from row `start` on.
fn place(whole: &mut [f32], width: usize, start: usize, at: usize, part: &[f32], columns: usize) {
    for (row, part) in part.chunks(columns).enumerate() {
        let to = (start + row) * width + at;
        whole[to..to + columns].copy_from_slice(part);
    }
}
