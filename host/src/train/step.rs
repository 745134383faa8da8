//! One optimiser step.

use std::sync::Arc;

use candle_core::{Tensor, Var};

use super::adamw::{AdamW, Moments};
use super::data::Example;
use crate::model::kernels::cross_entropy;
use crate::model::network::Network;
use crate::model::packed::Packed;
use crate::model::site::Untapped;
use crate::model::{ModelError, Result};

/// A network in training: the parameters that move, and their moments.
pub struct Trainer<'a> {
    network: &'a Network,
    parameters: Vec<(Var, Moments)>,
    optimiser: AdamW,
    clip: f64,
    taken: usize,
}

/// What a step saw, before it moved the parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepResult {
    /// Mean over the batch's learned tokens, nats.
    pub loss: f64,
    /// Norm of the whole gradient before clipping.
    pub gradient_norm: f64,
    /// Learned tokens.
    pub tokens: usize,
}

impl<'a> Trainer<'a> {
    /// Starts at step 0 with zero moments. The order of `parameters` fixes the order of summation.
    pub fn new(
        network: &'a Network,
        parameters: impl IntoIterator<Item = Var>,
        optimiser: AdamW,
        clip: f64,
    ) -> Result<Self> {
        let parameters = parameters.into_iter().map(|p| Ok((p.clone(), Moments::new(&p)?))).collect::<Result<_>>()?;
        Ok(Self { network, parameters, optimiser, clip, taken: 0 })
    }

    /// Forward, backward, clip (as torch's `clip_grad_norm_`), move.
    pub fn step(&mut self, batch: &[&Example], rate: f64) -> Result<StepResult> {
        let (loss, tokens) = self.loss(batch)?;
        let result = f64::from(loss.to_scalar::<f32>()?);
        self.finite("loss", result, batch)?;
        let gradients = loss.backward()?;
        let mut squares = 0.0;
        for (parameter, _) in &self.parameters {
            if let Some(gradient) = gradients.get(parameter) {
                squares += gradient.flatten_all()?.to_vec1::<f32>()?.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
            }
        }
        let norm = squares.sqrt();
        self.finite("gradient norm", norm, batch)?;
        let shrink = (self.clip / (norm + 1e-6)).min(1.0);
        self.taken += 1;
        for (parameter, moments) in &mut self.parameters {
            if let Some(gradient) = gradients.get(parameter) {
                let gradient = if shrink < 1.0 { (gradient * shrink)? } else { gradient.clone() };
                self.optimiser.update(parameter, &gradient, moments, self.taken as i32, rate)?;
            }
        }
        Ok(StepResult { loss: result, gradient_norm: norm, tokens })
    }

    /// Mean cross-entropy over the learned tokens; logits exist only where a token is learned.
    fn loss(&self, batch: &[&Example]) -> Result<(Tensor, usize)> {
        let sequences: Vec<&[u32]> = batch.iter().map(|e| e.tokens.as_slice()).collect();
        let hidden = self.network.forward(&mut Packed::whole(&sequences), &mut Untapped)?;
        let (mut rows, mut targets, mut start) = (Vec::new(), Vec::new(), 0);
        for example in batch {
            rows.extend(example.learned.iter().map(|at| (start + at) as u32));
            targets.extend(example.learned.iter().map(|at| example.tokens[at + 1]));
            start += example.tokens.len();
        }
        let rows = Tensor::from_vec(rows, targets.len(), hidden.device())?;
        let logits = self.network.logits(&hidden.index_select(&rows, 0)?)?;
        let tokens = targets.len();
        Ok((cross_entropy(&logits, &Arc::new(targets))?, tokens))
    }

    fn finite(&self, what: &'static str, value: f64, batch: &[&Example]) -> Result<()> {
        if value.is_finite() {
            return Ok(());
        }
        let rows = batch.iter().map(|e| e.row_id.as_str()).collect::<Vec<_>>().join(", ");
        Err(ModelError::Diverged { what, step: self.taken, value, rows })
    }
}
