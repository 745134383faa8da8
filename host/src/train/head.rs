//! The loss at the learned tokens, and its slope by the hidden states: logits of a few rows exist at a time.

use candle_core::{Tensor, Var};

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

/// Another network that this one is to say the same as, and its hidden states, `[rows, width]`.
pub(super) type Like<'a> = (&'a Network, &'a Tensor);

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

/// The loss at `hidden [rows, width]` and its slopes: of the next tokens, or of the divergence from another network.
pub(super) fn head_pass(
    network: &Network,
    hidden: &Tensor,
    tokens: &[u32],
    like: Option<Like<'_>>,
    weights: &[f32],
) -> Result<HeadPass> {
    let rows = weights.len();
    let step = (LOGIT_BYTES / 4 / network.vocabulary()).clamp(16, rows.max(16));
    let mut found =
        HeadPass { losses: Vec::with_capacity(rows), of_hidden: hidden.zeros_like()?, of_parameters: Vec::new() };
    let mut slopes = Vec::new();
    for start in (0..rows).step_by(step) {
        let count = step.min(rows - start);
        let weights = &weights[start..start + count];
        let other = match like {
            None => None,
            Some((other, hidden)) => Some(numbers(&other.logits(&hidden.narrow(0, start, count)?.detach())?)?),
        };
        let wanted = match &other {
            None => Wanted::Tokens(&tokens[start..start + count]),
            Some(logits) => Wanted::Logits(logits),
        };
        let here = hidden.narrow(0, start, count)?.detach();
        slopes.push(found.rows(network, &here, wanted, weights)?);
    }
    if !slopes.is_empty() {
        found.of_hidden = Tensor::cat(&slopes, 0)?;
    }
    Ok(found)
}

impl HeadPass {
    /// Adds the losses of some rows, and gives the slopes of their hidden states.
    fn rows(&mut self, network: &Network, hidden: &Tensor, wanted: Wanted<'_>, weights: &[f32]) -> Result<Tensor> {
        let vocabulary = network.vocabulary();
        let (head, cap) = network.head();
        let weight = match head {
            Matrix::Panels(panels) => {
                let mut logits = with_numbers(hidden, |x| Ok(product(x, weights.len(), &**panels, None)))?;
                let bends = cap.map(|cap| capped(&mut logits, cap as f32));
                self.losses.extend(cross_entropy(&mut logits, vocabulary, wanted, weights));
                for (slope, bend) in logits.iter_mut().zip(bends.into_iter().flatten()) {
                    *slope *= bend;
                }
                let back = slopes(&logits, weights.len(), panels);
                return Ok(Tensor::from_vec(back, hidden.shape(), hidden.device())?);
            }
            Matrix::Plain(weight) => weight,
        };
        let input = Var::from_tensor(hidden)?.into_inner();
        let logits = network.logits(&input)?;
        let mut slope = numbers(&logits)?;
        self.losses.extend(cross_entropy(&mut slope, vocabulary, wanted, weights));
        let slope = Tensor::from_vec(slope, logits.shape(), logits.device())?.to_dtype(logits.dtype())?;
        let mut store = inject(&logits, slope)?.backward()?;
        if let Some(gradient) = store.remove(weight).filter(|_| weight.is_variable()) {
            match self.of_parameters.first_mut() {
                Some((_, sum)) => *sum = (&*sum + gradient)?,
                None => self.of_parameters.push((weight.clone(), gradient)),
            }
        }
        Ok(store.remove(&input).map_or_else(|| hidden.zeros_like(), Ok)?)
    }
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
