//! The MLP of a block: one, or a mixture of experts.

use candle_core::{D, DType, Tensor};

use super::config::{Activation, Config, Experts};
use super::error::Result;
use super::families::{Module, modules, router, stacked_experts};
use super::kernels::gated;
use super::linear::{Linear, Matrix, Placement};
use super::site::{Projection, Tap};
use super::weights::Weights;

/// `down(f(gate(x)) * up(x))` (Shazeer 2020, arXiv 2002.05202).
#[derive(Debug, Clone)]
pub struct Gated {
    into: Into,
    down: Linear,
    activation: Activation,
}

#[derive(Debug, Clone)]
enum Into {
    Split {
        gate: Linear,
        up: Linear,
    },
    /// Gate above up in one matrix.
    Fused(Linear),
}

/// A dense MLP or a mixture.
#[derive(Debug, Clone)]
pub enum Mlp {
    /// The same for every token.
    Dense(Gated),
    /// Few of many experts for each token.
    Mixture(Mixture),
}

/// A mixture of experts: softmax over the router's scores, the best `per_token` of them weigh their experts' outputs.
#[derive(Debug, Clone)]
pub struct Mixture {
    shape: Experts,
    router: Matrix,
    experts: Vec<Gated>,
}

impl Gated {
    /// Takes the projections of an MLP, or of one expert.
    fn take(
        config: &Config,
        at: usize,
        modules: &[Module],
        expert: Option<usize>,
        weights: &mut Weights,
        placement: &Placement,
    ) -> Result<Self> {
        let mut linear = |name: &str| {
            let module = modules.iter().find(|module| module.name == name && module.expert == expert);
            Linear::take(weights, at, module.expect("every MLP has its family's projections"), placement)
        };
        let into = if config.fused {
            Into::Fused(linear("gate_up_proj")?)
        } else {
            Into::Split { gate: linear("gate_proj")?, up: linear("up_proj")? }
        };
        Ok(Self { into, down: linear("down_proj")?, activation: config.activation })
    }

    fn linear_mut(&mut self, module: &str) -> Option<&mut Linear> {
        match (module, &mut self.into) {
            ("down_proj", _) => Some(&mut self.down),
            ("gate_proj", Into::Split { gate, .. }) => Some(gate),
            ("up_proj", Into::Split { up, .. }) => Some(up),
            ("gate_up_proj", Into::Fused(both)) => Some(both),
            _ => None,
        }
    }

    fn forward(&self, x: &Tensor, tap: &mut dyn Tap) -> Result<Tensor> {
        let (gate, up) = match &self.into {
            Into::Split { gate, up } => (gate.forward(x, tap)?, up.forward(x, tap)?),
            Into::Fused(both) => {
                let both = both.forward(x, tap)?;
                let width = both.dim(1)? / 2;
                (both.narrow(1, 0, width)?, both.narrow(1, width, width)?)
            }
        };
        self.down.forward(&gated(&gate, &up, self.activation)?, tap)
    }
}

impl Mlp {
    /// Takes the MLP of block `at`.
    pub fn take(config: &Config, at: usize, weights: &mut Weights, placement: &Placement) -> Result<Self> {
        let modules = modules(config, at);
        let Some(shape) = config.experts.filter(|_| config.layers[at].experts) else {
            return Ok(Self::Dense(Gated::take(config, at, &modules, None, weights, placement)?));
        };
        if let Some(stacked) = stacked_experts(config, at) {
            split_experts(&modules, &stacked, weights)?;
        }
        let router = Matrix::take(weights, &router(config, at), [shape.count, config.width], placement)?;
        let experts = (0..shape.count)
            .map(|expert| Gated::take(config, at, &modules, Some(expert), weights, placement))
            .collect::<Result<_>>()?;
        Ok(Self::Mixture(Mixture { shape, router, experts }))
    }

    /// The projection `module`.
    pub fn linear_mut(&mut self, module: &Module) -> Option<&mut Linear> {
        match self {
            Self::Dense(mlp) => mlp.linear_mut(module.name),
            Self::Mixture(mixture) => mixture.experts.get_mut(module.expert?)?.linear_mut(module.name),
        }
    }

    /// A projection of a dense MLP.
    pub fn linear(&self, projection: Projection) -> Option<&Linear> {
        let Self::Dense(mlp) = self else { return None };
        match (projection, &mlp.into) {
            (Projection::Down, _) => Some(&mlp.down),
            (Projection::Gate, Into::Split { gate, .. }) => Some(gate),
            (Projection::Up, Into::Split { up, .. }) => Some(up),
            (Projection::GateUp, Into::Fused(both)) => Some(both),
            _ => None,
        }
    }

    /// `x [tokens, width]` to the same shape.
    pub fn forward(&self, x: &Tensor, tap: &mut dyn Tap) -> Result<Tensor> {
        match self {
            Self::Dense(mlp) => mlp.forward(x, tap),
            Self::Mixture(mixture) => mixture.forward(x, tap),
        }
    }
}

impl Mixture {
    fn forward(&self, x: &Tensor, tap: &mut dyn Tap) -> Result<Tensor> {
        let scores = self.router.product(x)?;
        let wide = if scores.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
        let exp = scores.to_dtype(wide)?;
        let exp = exp.broadcast_sub(&exp.max_keepdim(D::Minus1)?.detach())?.exp()?;
        let shares = exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)?;
        // [tokens, per_token], the best first; ties go to the lower expert.
        let chosen = shares.arg_sort_last_dim(false)?.narrow(1, 0, self.shape.per_token)?.contiguous()?;
        let mut kept = shares.gather(&chosen, 1)?;
        if self.shape.normalise {
            kept = kept.broadcast_div(&kept.sum_keepdim(1)?)?;
        }
        let kept = kept.to_dtype(x.dtype())?;
        let slots = chosen.flatten_all()?.to_vec1::<u32>()?;
        let kept = kept.flatten_all()?;
        let mut out = x.zeros_like()?;
        for (expert, mlp) in self.experts.iter().enumerate() {
            let here: Vec<u32> = (0..).zip(&slots).filter(|(_, e)| **e as usize == expert).map(|(at, _)| at).collect();
            if here.is_empty() {
                continue;
            }
            let tokens: Vec<u32> = here.iter().map(|at| at / self.shape.per_token as u32).collect();
            let index = |all: Vec<u32>| Tensor::from_vec(all, tokens.len(), x.device());
            let (tokens, here) = (index(tokens.clone())?, index(here)?);
            let share = kept.index_select(&here, 0)?.unsqueeze(1)?;
            let part = mlp.forward(&x.index_select(&tokens, 0)?, tap)?.broadcast_mul(&share)?;
            out = out.index_add(&tokens, &part, 0)?;
        }
        Ok(out)
    }
}

/// Puts the experts' projections, where a checkpoint stacks them, into their places.
fn split_experts(modules: &[Module], stacked: &[(String, Vec<usize>); 2], weights: &mut Weights) -> Result<()> {
    for (name, shape) in stacked.iter().filter(|(name, _)| weights.has(name)).collect::<Vec<_>>() {
        let all = weights.take(name, shape)?;
        for module in modules.iter().filter(|module| module.expert.is_some()) {
            let (expert, width) = (module.expert.unwrap_or_default(), module.out);
            let start = match (name.ends_with("down_proj"), module.name) {
                (true, "down_proj") | (false, "gate_proj") => 0,
                (false, "up_proj") => width,
                _ => continue,
            };
            let part = all.get(expert)?.narrow(0, start, width)?.contiguous()?;
            weights.insert(format!("{}.weight", module.path), part);
        }
    }
    Ok(())
}
