//! The loss of next-token prediction, and the divergence from another model, with their slopes.

use rayon::prelude::*;

use super::math::{exp, largest, sum_of};

/// What the distribution over the vocabulary should be at some rows.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// This token: the loss is `-ln p[token]`.
    Tokens(&'a [u32]),
    /// The softmax `q` of these logits `[rows, vocabulary]`: the loss is `KL(q || p)`.
    Logits(&'a [f32]),
}

/// Losses of rows of `logits [rows, vocabulary]`, in nats; `logits` become the slopes of `sum(weight * loss)`.
pub fn cross_entropy(logits: &mut [f32], vocabulary: usize, wanted: Wanted<'_>, weights: &[f32]) -> Vec<f64> {
    assert_eq!(logits.len(), weights.len() * vocabulary, "each row has a weight");
    let rows = logits.par_chunks_mut(vocabulary).zip(weights).enumerate();
    rows.map(|(at, (row, weight))| match wanted {
        Wanted::Tokens(tokens) => {
            let token = tokens[at] as usize;
            let (normaliser, own) = (normaliser(row), row[token]);
            scale(row, normaliser, *weight);
            row[token] -= weight;
            normaliser - f64::from(own)
        }
        Wanted::Logits(all) => {
            let other = &all[at * vocabulary..(at + 1) * vocabulary];
            divergence(row, other, *weight)
        }
    })
    .collect()
}

/// `ln sum(exp(row))`.
fn normaliser(row: &[f32]) -> f64 {
    let (largest, sum) = largest_and_sum(row);
    f64::from(largest) + sum.ln()
}

/// The largest value, and the sum of `exp(value - largest)`: in f32 over short stretches, which are summed in f64.
#[pulp::with_simd(largest_and_sum = pulp::Arch::new())]
#[inline(always)]
fn largest_and_sum_with<S: pulp::Simd>(_simd: S, row: &[f32]) -> (f32, f64) {
    let top = largest(row);
    (top, row.chunks(1024).map(|part| f64::from(sum_of(part, |v| exp(v - top)))).sum())
}

/// `row = weight * exp(row - normaliser)`.
#[pulp::with_simd(scale = pulp::Arch::new())]
#[inline(always)]
fn scale_with<S: pulp::Simd>(_simd: S, row: &mut [f32], normaliser: f64, weight: f32) {
    let normaliser = normaliser as f32;
    row.iter_mut().for_each(|v| *v = weight * exp(*v - normaliser));
}

/// `KL(softmax(other) || softmax(row))`; `row` becomes `weight * (softmax(row) - softmax(other))`.
fn divergence(row: &mut [f32], other: &[f32], weight: f32) -> f64 {
    let (own, theirs) = (normaliser(row), normaliser(other));
    let mut sum = 0.0;
    for (v, o) in row.iter_mut().zip(other) {
        let (p, q) = (f64::from(*v) - own, f64::from(*o) - theirs);
        let share = q.exp();
        sum += share * (q - p);
        *v = weight * (p.exp() - share) as f32;
    }
    sum
}
