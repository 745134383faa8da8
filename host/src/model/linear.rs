//! A projection with its adapters.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::error::Result;
use super::families::Module;
use super::kernels::{PANEL, Panels, add_low_rank, add_scaled, frozen_matmul, frozen_product, inner_products};
use super::site::{BlockSite, Projection, Site, Tap};
use super::weights::{Numbers, Weights};

/// How a network's weights are held.
#[derive(Debug, Clone)]
pub struct Placement {
    /// Where they are.
    pub device: Device,
    /// Type of activations, and of the weights where they are not in panels.
    pub dtype: DType,
    /// Training moves them.
    pub learns: bool,
}

impl Placement {
    /// Weights that stay as they are: on the CPU in the checkpoint's own type with f32 arithmetic, on other devices in
    /// bf16.
    pub fn frozen(device: &Device) -> Self {
        let dtype = if device.is_cpu() { DType::F32 } else { DType::BF16 };
        Self { device: device.clone(), dtype, learns: false }
    }

    /// The own kernels apply.
    fn in_panels(&self) -> bool {
        self.device.is_cpu() && self.dtype == DType::F32 && !self.learns
    }
}

/// A matrix `W [out, in]`.
#[derive(Debug, Clone)]
pub enum Matrix {
    /// As candle holds it: weights that learn, and other devices.
    Plain(Tensor),
    /// As the own kernels want it.
    Panels(Arc<Panels>),
}

impl Matrix {
    /// Takes the tensor `name [out, in]`.
    pub fn take(weights: &mut Weights, name: &str, shape: [usize; 2], placement: &Placement) -> Result<Self> {
        Ok(if placement.in_panels() {
            Self::Panels(Arc::new(Panels::new(&weights.take_numbers(name, &shape)?, shape)))
        } else {
            Self::Plain(take(weights, name, &shape, placement)?)
        })
    }

    /// A matrix `[out, in]` of f32 numbers on the CPU.
    fn in_panels(matrix: &Tensor) -> Result<Self> {
        let (out, inner) = matrix.dims2()?;
        let numbers = Numbers::F32(matrix.flatten_all()?.to_vec1()?);
        Ok(Self::Panels(Arc::new(Panels::new(&numbers, [out, inner]))))
    }

    /// `[out, in]`.
    pub fn shape(&self) -> [usize; 2] {
        match self {
            Self::Plain(weight) => [weight.dims()[0], weight.dims()[1]],
            Self::Panels(panels) => panels.shape(),
        }
    }

    /// `x W^T`: `x [tokens, in]` to `[tokens, out]`.
    pub fn product(&self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::Plain(weight) if weight.is_variable() => x.matmul(&weight.t()?)?,
            Self::Plain(weight) => frozen_matmul(x, weight)?,
            Self::Panels(panels) => frozen_product(x, panels, None)?,
        })
    }

    /// Rows of `W`, `[rows, in]`.
    pub fn rows(&self, rows: &[u32], device: &Device) -> Result<Tensor> {
        Ok(match self {
            Self::Plain(weight) => weight.index_select(&Tensor::from_slice(rows, rows.len(), device)?, 0)?,
            Self::Panels(panels) => Tensor::from_vec(panels.rows(rows), (rows.len(), panels.shape()[1]), device)?,
        })
    }
}

/// Takes a tensor in the type of the activations; one that learns stays the variable that it is.
pub fn take(weights: &mut Weights, name: &str, shape: &[usize], placement: &Placement) -> Result<Tensor> {
    let tensor = weights.take(name, shape)?;
    Ok(if placement.learns { tensor } else { tensor.to_dtype(placement.dtype)? })
}

/// `y = W x + b` plus the updates of its adapters.
#[derive(Debug, Clone)]
pub struct Linear {
    /// Where the scalars of its adapters are seen; none for an expert, which has some of the tokens only.
    site: Option<Site>,
    weight: Matrix,
    bias: Option<Bias>,
    updates: Vec<Update>,
}

/// An adapter's update as it is computed.
#[derive(Debug, Clone)]
struct Update {
    a: Matrix,
    b: Matrix,
    scale: f64,
    dropout: f64,
}

#[derive(Debug, Clone)]
enum Bias {
    Plain(Tensor),
    /// Zeros up to whole panels behind it.
    Padded(Arc<Vec<f32>>),
}

fn padded(bias: &Tensor, panels: &Panels) -> Result<Bias> {
    let mut bias = bias.to_vec1::<f32>()?;
    bias.resize(panels.count() * PANEL, 0.0);
    Ok(Bias::Padded(Arc::new(bias)))
}

/// One low-rank update: `scale * B A x`.
#[derive(Debug, Clone)]
pub struct Branch {
    /// `A`, `[rank, in]`.
    pub a: Tensor,
    /// `B`, `[out, rank]`.
    pub b: Tensor,
    /// `alpha / rank`, or `alpha / sqrt(rank)` for rsLoRA.
    pub scale: f64,
    /// Share of the inputs of `A` that training sets to zero.
    pub dropout: f64,
}

impl Linear {
    /// Takes a projection's weight, and its bias where it has one.
    pub fn take(weights: &mut Weights, block: usize, module: &Module, placement: &Placement) -> Result<Self> {
        let projection = Projection::named(module.name).filter(|_| module.expert.is_none());
        let site = projection.map(|projection| Site::Block(block, BlockSite::Lora(projection)));
        let weight = Matrix::take(weights, &format!("{}.weight", module.path), [module.out, module.inner], placement)?;
        let bias = if module.bias {
            let bias = take(weights, &format!("{}.bias", module.path), &[module.out], placement)?;
            Some(match &weight {
                Matrix::Plain(_) => Bias::Plain(bias),
                Matrix::Panels(panels) => padded(&bias, panels)?,
            })
        } else {
            None
        };
        Ok(Self { site, weight, bias, updates: Vec::new() })
    }

    /// Adds an adapter's update.
    pub fn attach(&mut self, branch: &Branch) -> Result<()> {
        let held = |m: &Tensor| match &self.weight {
            Matrix::Panels(_) if !m.is_variable() => Matrix::in_panels(m),
            Matrix::Plain(weight) if !m.is_variable() => Ok(Matrix::Plain(m.to_dtype(weight.dtype())?)),
            _ => Ok(Matrix::Plain(m.clone())),
        };
        let update = Update { a: held(&branch.a)?, b: held(&branch.b)?, scale: branch.scale, dropout: branch.dropout };
        self.updates.push(update);
        Ok(())
    }

    /// Factors of the adapters' updates, in order.
    pub fn scales_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        self.updates.iter_mut().map(|update| &mut update.scale)
    }

    /// `[out, in]` of the projection.
    pub fn shape(&self) -> [usize; 2] {
        self.weight.shape()
    }

    /// Ranks of the adapters together.
    pub fn rank(&self) -> usize {
        self.updates.iter().map(|update| update.a.shape()[0]).sum()
    }

    /// Puts a bias that learns in the place of the projection's own.
    pub fn set_bias(&mut self, bias: &Tensor) -> Result<()> {
        self.bias = Some(match &self.weight {
            Matrix::Panels(panels) if !bias.is_variable() => padded(bias, panels)?,
            Matrix::Plain(weight) if !bias.is_variable() => Bias::Plain(bias.to_dtype(weight.dtype())?),
            _ => Bias::Plain(bias.clone()),
        });
        Ok(())
    }

    /// The bias, `[out]`.
    pub fn bias(&self) -> Result<Option<Tensor>> {
        Ok(match &self.bias {
            None => None,
            Some(Bias::Plain(bias)) => Some(bias.clone()),
            Some(Bias::Padded(bias)) => {
                Some(Tensor::from_slice(&bias[..self.shape()[0]], self.shape()[0], &Device::Cpu)?)
            }
        })
    }

    /// `x [tokens, in]` to `[tokens, out]`; the tap sees the scalars `A x` of all adapters side by side.
    pub fn forward(&self, x: &Tensor, tap: &mut dyn Tap) -> Result<Tensor> {
        let mut y = match (&self.weight, &self.bias) {
            (Matrix::Panels(panels), Some(Bias::Padded(bias))) => frozen_product(x, panels, Some(bias))?,
            (weight, Some(Bias::Plain(bias))) => weight.product(x)?.broadcast_add(&bias.to_dtype(x.dtype())?)?,
            (weight, _) => weight.product(x)?,
        };
        if self.updates.is_empty() {
            return Ok(y);
        }
        let mut scalars = Vec::with_capacity(self.updates.len());
        for (at, update) in self.updates.iter().enumerate() {
            let input = match self.site {
                Some(site) if update.dropout > 0.0 => tap.dropped(site, at, update.dropout, x)?,
                _ => None,
            };
            scalars.push(update.scalars(input.as_ref().unwrap_or(x))?);
        }
        if let Some(site) = self.site {
            let together = if scalars.len() == 1 { scalars.remove(0) } else { Tensor::cat(&scalars, 1)? };
            let together = tap.visit(site, together)?;
            let mut start = 0;
            scalars.clear();
            for update in &self.updates {
                let rank = update.a.shape()[0];
                let whole = self.updates.len() == 1;
                scalars.push(if whole { together.clone() } else { together.narrow(1, start, rank)? });
                start += rank;
            }
        }
        for (update, scalars) in self.updates.iter().zip(&scalars) {
            y = update.add(&y, scalars)?;
        }
        Ok(y)
    }
}

impl Update {
    /// `A x`.
    fn scalars(&self, x: &Tensor) -> Result<Tensor> {
        match &self.a {
            Matrix::Plain(a) => Ok(inner_products(x, a)?),
            panels => panels.product(x),
        }
    }

    /// `y + scale * B u`.
    fn add(&self, y: &Tensor, u: &Tensor) -> Result<Tensor> {
        Ok(match &self.b {
            Matrix::Plain(b) => add_low_rank(y, u, b, self.scale)?,
            panels => add_scaled(y, &panels.product(u)?, self.scale)?,
        })
    }
}
