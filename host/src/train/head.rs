//! The loss at the learned tokens, and its slope by the hidden states: logits of a few rows exist at a time.

use candle_core::{DType, Tensor, Var};

use super::around::Around;
use super::data::Example;
use super::learner::Learner;
use super::pass::{inject, learned};
use super::step::numbers;
use crate::model::Result;
use crate::model::kernels::{Wanted, cross_entropy, product, slopes, with_numbers};
use crate::model::linear::Matrix;
use crate::model::network::Network;
use crate::model::packed::Packed;

/// Bytes of logits that one thread holds.
const LOGIT_BYTES: usize = 32 << 20;

/// What is wanted at each hidden state.
#[derive(Clone, Copy)]
pub(super) enum Goal<'a> {
    /// The next token.
    Tokens(&'a [u32]),
    /// What another network says: its hidden states, `[rows, width]`.
    Like(&'a Network, &'a Tensor),
}

/// Losses by row, and slopes of their weighted sum.
pub(super) struct HeadPass {
    pub losses: Vec<f64>,
    pub of_hidden: Tensor,
    /// Of the weights of the head, where they learn.
    pub of_parameters: Vec<(Tensor, Tensor)>,
}

/// Losses of the learned tokens of each row, without slopes.
pub(super) fn losses(learner: &Learner, around: &Around<'_>, rows: &[&Example]) -> Result<Vec<Vec<f64>>> {
    let sequences: Vec<&[u32]> = rows.iter().map(|e| &e.tokens[..e.needed()]).collect();
    let (at, targets) = learned(rows);
    let hidden = around.with(rows, |tap| learner.network.forward(&mut Packed::whole(&sequences), tap))?.detach();
    let hidden = hidden.index_select(&Tensor::from_vec(at, targets.len(), hidden.device())?, 0)?;
    let vocabulary = learner.network.vocabulary();
    let step = (LOGIT_BYTES / 4 / vocabulary).max(16);
    let mut all = Vec::with_capacity(targets.len());
    for (part, targets) in targets.chunks(step).enumerate() {
        let logits = learner.network.logits(&hidden.narrow(0, part * step, targets.len())?)?;
        let mut logits = numbers(&logits)?;
        all.extend(cross_entropy(&mut logits, vocabulary, Wanted::Tokens(targets), &vec![0.0; targets.len()]));
    }
    let mut all = all.into_iter();
    Ok(rows.iter().map(|row| all.by_ref().take(row.learned.len()).collect()).collect())
}

/// The loss at `hidden [rows, width]` and its slopes.
pub(super) fn head_pass(network: &Network, hidden: &Tensor, goal: Goal<'_>, weights: &[f32]) -> Result<HeadPass> {
    let rows = weights.len();
    let vocabulary = network.vocabulary();
    let step = (LOGIT_BYTES / 4 / vocabulary).clamp(16, rows.max(16));
    let mut pass = Vec::new();
    let mut losses = Vec::with_capacity(rows);
    let mut of_parameters: Vec<(Tensor, Tensor)> = Vec::new();
    for start in (0..rows).step_by(step) {
        let count = step.min(rows - start);
        let weights = &weights[start..start + count];
        let here = hidden.narrow(0, start, count)?.detach();
        let like = match goal {
            Goal::Tokens(_) => None,
            Goal::Like(other, hidden) => {
                let logits = other.logits(&hidden.narrow(0, start, count)?.detach())?;
                Some(logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?)
            }
        };
        let wanted = match (&goal, &like) {
            (_, Some(logits)) => Wanted::Logits(logits),
            (Goal::Tokens(tokens), None) => Wanted::Tokens(&tokens[start..start + count]),
            (Goal::Like(..), None) => unreachable!("computed above"),
        };
        pass.push(match network.head() {
            (Matrix::Panels(panels), cap) => {
                let mut logits = with_numbers(&here, |x| Ok(product(x, count, &**panels, None)))?;
                let slope = cap.map(|cap| capped(&mut logits, cap as f32));
                losses.extend(cross_entropy(&mut logits, vocabulary, wanted, weights));
                if let Some(slope) = slope {
                    logits.iter_mut().zip(slope).for_each(|(l, slope)| *l *= slope);
                }
                let back = slopes(&logits, count, panels);
                Tensor::from_vec(back, here.shape(), here.device())?
            }
            (Matrix::Plain(weight), _) => {
                let input = Var::from_tensor(&here)?.into_inner();
                let logits = network.logits(&input)?;
                let mut numbers = logits.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
                losses.extend(cross_entropy(&mut numbers, vocabulary, wanted, weights));
                let slope = Tensor::from_vec(numbers, logits.shape(), logits.device())?.to_dtype(logits.dtype())?;
                let mut store = inject(&logits, slope)?.backward()?;
                if let Some(gradient) = store.remove(weight).filter(|_| weight.is_variable()) {
                    match of_parameters.first_mut() {
                        Some((_, sum)) => *sum = (&*sum + gradient)?,
                        None => of_parameters.push((weight.clone(), gradient)),
                    }
                }
                match store.remove(&input) {
                    Some(gradient) => gradient,
                    None => here.zeros_like()?,
                }
            }
        });
    }
    let of_hidden = if pass.is_empty() { hidden.zeros_like()? } else { Tensor::cat(&pass, 0)? };
    Ok(HeadPass { losses, of_hidden, of_parameters })
}

/// `cap * tanh(x / cap)` in place; gives the slopes.
fn capped(logits: &mut [f32], cap: f32) -> Vec<f32> {
    logits
        .iter_mut()
        .map(|l| {
            let t = (*l / cap).tanh();
            *l = cap * t;
            1.0 - t * t
        })
        .collect()
}
