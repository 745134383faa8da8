//! AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), as in torch.

use candle_core::{Result, Tensor, Var};

/// The optimiser's settings.
#[derive(Debug, Clone, Copy)]
pub struct AdamW {
    /// Decay rates of the first and second moment.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// The moments of one parameter.
#[derive(Debug)]
pub struct Moments {
    first: Tensor,
    second: Tensor,
}

impl Moments {
    /// Zero moments.
    pub fn new(parameter: &Var) -> Result<Self> {
        Ok(Self { first: parameter.zeros_like()?, second: parameter.zeros_like()? })
    }
}

impl AdamW {
    /// Moves one parameter by its gradient; `step` counts from 1.
    pub fn update(&self, parameter: &Var, grad: &Tensor, moments: &mut Moments, step: i32, rate: f64) -> Result<()> {
        let [b1, b2] = self.betas;
        moments.first = ((&moments.first * b1)? + (grad * (1.0 - b1))?)?;
        moments.second = ((&moments.second * b2)? + (grad.sqr()? * (1.0 - b2))?)?;
        let size = rate / (1.0 - b1.powi(step));
        let root = ((moments.second.sqrt()? / (1.0 - b2.powi(step)).sqrt())? + self.eps)?;
        let shrunk = (parameter.as_detached_tensor() * (1.0 - rate * self.weight_decay))?;
        parameter.set(&(shrunk - ((&moments.first / root)? * size)?)?)
    }
}
