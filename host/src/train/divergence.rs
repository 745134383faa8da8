//! How one network's predictions differ from another's, and what each token's embedding has to do with it.

use std::ops::Range;

use candle_core::Var;

use super::head::head_pass;
use super::pass::inject;
use super::step::numbers;
use crate::model::Result;
use crate::model::network::Network;
use crate::model::packed::Packed;
use crate::model::site::Untapped;

/// Of one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Divergence {
    /// `KL(reference || network)` of the prediction of each token of the span, in nats.
    pub kl: Vec<f64>,
    /// For each token of the row, the Euclidean norm of the gradient of their sum, through `network`, with respect to
    /// what enters the first block there.
    pub gradients: Vec<f64>,
}

/// Compares the predictions of the tokens in `span`, which does not begin with the row's first token.
pub fn divergence(network: &Network, reference: &Network, tokens: &[u32], span: Range<usize>) -> Result<Divergence> {
    let sequences = [tokens];
    let mut batch = Packed::whole(&sequences);
    let embedded = Var::from_tensor(&network.embed(&batch, &mut Untapped)?.detach())?.into_inner();
    let device = embedded.device().clone();
    let at: Vec<u32> = span.clone().map(|token| token as u32 - 1).collect();
    let at = candle_core::Tensor::from_vec(at, span.len(), &device)?;
    let mut x = embedded.clone();
    for block in 0..network.blocks() {
        x = network.block(block, x, &mut batch, &mut Untapped)?;
    }
    let hidden = network.finish(&x, &mut Untapped)?.index_select(&at, 0)?;
    let other = reference.forward(&mut Packed::whole(&sequences), &mut Untapped)?.index_select(&at, 0)?;
    let head = head_pass(network, &hidden, &tokens[span.clone()], Some((reference, &other)), &vec![1.0; span.len()])?;
    let store = inject(&hidden, head.of_hidden)?.backward()?;
    let gradients = match store.get(&embedded) {
        None => vec![0.0; tokens.len()],
        Some(gradient) => {
            let width = gradient.dims()[1];
            let norm = |row: &[f32]| row.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            numbers(gradient)?.chunks(width).map(norm).collect()
        }
    };
    Ok(Divergence { kl: head.losses, gradients })
}
