//! Loss and gradients of some rows: forward and backward, block by block.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor, Var};

use super::around::Around;
use super::data::Example;
use super::head::head_pass;
use super::learner::Learner;
use crate::model::Result;
use crate::model::network::Network;
use crate::model::packed::Packed;
use crate::model::site::Untapped;

/// What a pass gives.
pub(super) struct Gradients {
    /// By learned token, in nats.
    pub losses: Vec<f64>,
    /// By parameter, of the weighted sum of the losses; none where nothing depends on it.
    pub of: Vec<Option<Tensor>>,
}

/// What is asked of some rows.
pub(super) struct Task<'a> {
    pub rows: Vec<&'a Example>,
    /// A factor for each learned token.
    pub weights: Vec<f32>,
    /// Stay close to this network in place of learning the tokens.
    pub like: Option<&'a Network>,
}

/// A block's input, made a leaf, and its output unless it is to be computed again.
struct Segment {
    at: usize,
    input: Tensor,
    output: Option<Tensor>,
}

/// Runs rows forward and back.
pub(super) fn gradients(learner: &Learner, around: &Around<'_>, task: &Task<'_>, recompute: bool) -> Result<Gradients> {
    let network = &learner.network;
    let sequences: Vec<&[u32]> = task.rows.iter().map(|e| &e.tokens[..e.needed()]).collect();
    let mut batch = Packed::whole(&sequences);
    let (rows, targets) = learned(&task.rows);
    let rows = Tensor::from_vec(rows, targets.len(), &learner.device)?;
    // The last block is computed for the learned tokens alone, unless something happens in it.
    batch.leaving = around.is_empty().then(|| rows.clone());
    let (start, segments, top) = around.with(&task.rows, |tap| {
        let start = network.embed(&batch, tap)?;
        let mut x = start.detach();
        for at in 0..learner.lowest {
            x = network.block(at, x, &mut batch, tap)?.detach();
        }
        let mut segments = Vec::with_capacity(network.blocks() - learner.lowest);
        for at in learner.lowest..network.blocks() {
            // Below the lowest block nothing learns, unless the embedding itself does.
            let bottom = at == learner.lowest && !start.track_op();
            let input = if bottom { x } else { Var::from_tensor(&x)?.into_inner() };
            let output = network.block(at, input.clone(), &mut batch, tap)?;
            x = output.detach();
            segments.push(Segment { at, input, output: (!recompute).then_some(output) });
        }
        Ok((start, segments, Var::from_tensor(&x)?.into_inner()))
    })?;
    let mut found = Found { parameters: &learner.variables, of: vec![None; learner.variables.len()] };
    let hidden = around.with(&task.rows, |tap| network.finish(&top, tap))?;
    let hidden = if batch.leaving.is_some() { hidden } else { hidden.index_select(&rows, 0)? };
    let like = match task.like {
        None => None,
        Some(other) => {
            let all = other.forward(&mut Packed::whole(&sequences), &mut Untapped)?;
            Some((other, all.index_select(&rows, 0)?))
        }
    };
    let like = like.as_ref().map(|(other, hidden)| (*other, hidden));
    let head = head_pass(network, &hidden, &targets, like, &task.weights)?;
    for (parameter, gradient) in head.of_parameters {
        found.add(&parameter, gradient)?;
    }
    let mut slope = found.backward(&hidden, head.of_hidden, Some(&top))?;
    drop((hidden, top));
    for segment in segments.into_iter().rev() {
        let Some(gradient) = slope.take() else { break };
        let output = match segment.output {
            Some(output) => output,
            None => around.with(&task.rows, |tap| network.block(segment.at, segment.input.clone(), &mut batch, tap))?,
        };
        slope = found.backward(&output, gradient, Some(&segment.input))?;
    }
    if let Some(gradient) = slope {
        found.backward(&start, gradient, None)?;
    }
    Ok(Gradients { losses: head.losses, of: found.of })
}

/// Rows of the packed batch whose next token is learned, and those tokens.
pub(super) fn learned(rows: &[&Example]) -> (Vec<u32>, Vec<u32>) {
    let (mut at, mut targets, mut start) = (Vec::new(), Vec::new(), 0);
    for example in rows {
        at.extend(example.learned.iter().map(|at| start + at));
        targets.extend(example.learned.iter().map(|at| example.tokens[*at as usize + 1]));
        start += example.needed() as u32;
    }
    (at, targets)
}

/// Gradients by parameter, as they are found.
struct Found<'a> {
    parameters: &'a [Var],
    of: Vec<Option<Tensor>>,
}

impl Found<'_> {
    /// Propagates `gradient` from `output` to the parameters below it, and returns the gradient of `input`.
    fn backward(&mut self, output: &Tensor, gradient: Tensor, input: Option<&Tensor>) -> Result<Option<Tensor>> {
        if !output.track_op() {
            return Ok(None);
        }
        let mut store = inject(output, gradient)?.backward()?;
        for (sum, parameter) in self.of.iter_mut().zip(self.parameters) {
            if let Some(new) = store.remove(parameter) {
                merge(sum, new)?;
            }
        }
        Ok(input.and_then(|input| store.remove(input)))
    }

    fn add(&mut self, of: &Tensor, new: Tensor) -> Result<()> {
        match self.parameters.iter().position(|parameter| parameter.id() == of.id()) {
            Some(at) => merge(&mut self.of[at], new),
            None => Ok(()),
        }
    }
}

fn merge(sum: &mut Option<Tensor>, new: Tensor) -> Result<()> {
    *sum = Some(match sum.take() {
        Some(sum) => (sum + new)?,
        None => new,
    });
    Ok(())
}

/// A number whose gradient by `output` is `gradient`: starts a backward pass in the middle.
pub(super) fn inject(output: &Tensor, gradient: Tensor) -> Result<Tensor> {
    if output.device().is_cpu() {
        return Ok(output.apply_op1(Inject(gradient))?);
    }
    Ok((output * gradient.detach())?.sum_all()?)
}

struct Inject(Tensor);

impl CustomOp1 for Inject {
    fn name(&self) -> &'static str {
        "inject"
    }

    fn cpu_fwd(&self, _x: &CpuStorage, _layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.0]), Shape::from(())))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, _grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(self.0.clone()))
    }
}
