//! An adapter in memory, and how it joins a network.

use candle_core::{DType, Device, Tensor};
use emhost_abi::wire::{Bias, Lora};
use serde_json::{Map, Value};

use super::peft::Patterns;
use crate::model::config::Config;
use crate::model::error::{ModelError, Result};
use crate::model::families::{Module, module_names, modules};
use crate::model::linear::Branch;
use crate::model::network::Network;
use crate::model::organism::Organism;
use crate::rng::Stream;

/// A LoRA adapter: for each adapted projection, `A [rank, in]` and `B [out, rank]`, and biases where they were learned.
#[derive(Debug, Clone)]
pub struct Adapter {
    pub(super) shape: Lora,
    pub(super) pairs: Vec<Pair>,
    pub(super) biases: Vec<(usize, Module, Tensor)>,
    /// `adapter_config.json` as it was read; empty for a new adapter.
    pub(super) config: Map<String, Value>,
}

#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub block: usize,
    pub module: Module,
    pub branch: Branch,
}

impl Adapter {
    /// A fresh adapter: `A` uniform as PEFT's (Kaiming with a = sqrt 5: within `1/sqrt(in)`), `B` zero; or a copy of the
    /// one that the shape starts from. `name` tells adapters of one training apart.
    pub fn initial(shape: &Lora, organism: &Organism, seed: u64, name: &str) -> Result<Self> {
        let (config, device) = (&organism.config, &organism.device);
        let mut fresh = Self::fresh(shape, config, seed, name, device)?;
        fresh.biases = biases(shape.bias, &fresh.pairs, organism)?;
        let Some(start) = &shape.start else { return Ok(fresh) };
        if !std::path::Path::new(start).is_dir() {
            return Err(ModelError::Adapter(start.clone()));
        }
        let old = Self::read(std::path::Path::new(start), config, device)?;
        let refuse = |problem: String| Err(ModelError::Recipe(format!("start from adapter `{start}`: {problem}")));
        let paths = |adapter: &Self| adapter.pairs.iter().map(|p| p.module.path.clone()).collect::<Vec<_>>();
        if paths(&old) != paths(&fresh) {
            return refuse(format!(
                "its {} projections are not the {} of the recipe; give the same modules and blocks",
                old.pairs.len(),
                fresh.pairs.len()
            ));
        }
        let of = |adapter: &Self| adapter.biases.iter().map(|(_, m, _)| m.path.clone()).collect::<Vec<_>>();
        if of(&old) != of(&fresh) {
            return refuse(format!(
                "it came with {} learned biases, the recipe learns {}",
                old.biases.len(),
                fresh.biases.len()
            ));
        }
        for (new, old) in fresh.pairs.iter_mut().zip(old.pairs) {
            let (ours, theirs) = (new.branch.a.dims()[0], old.branch.a.dims()[0]);
            if ours != theirs || (new.branch.scale - old.branch.scale).abs() > 1e-9 * old.branch.scale.abs() {
                return refuse(format!(
                    "`{}` has rank {theirs} and scale {:.6} there, rank {ours} and scale {:.6} in the recipe",
                    old.module.path, old.branch.scale, new.branch.scale
                ));
            }
            new.branch = Branch { dropout: shape.dropout, ..old.branch };
        }
        for (_, module, bias) in &mut fresh.biases {
            if let Some((.., old)) = old.biases.iter().find(|(_, other, _)| other.path == module.path) {
                *bias = old.clone();
            }
        }
        Ok(fresh)
    }

    fn fresh(shape: &Lora, config: &Config, seed: u64, name: &str, device: &Device) -> Result<Self> {
        check(shape, config)?;
        let patterns = Patterns::of(shape)?;
        let mut pairs = Vec::new();
        for block in selected_blocks(shape, config)? {
            let selected = |module: &Module| shape.modules.is_empty() || shape.modules.iter().any(|m| m == module.name);
            for module in modules(config, block).into_iter().filter(selected) {
                if module.expert.is_some() && shape.dropout > 0.0 {
                    return Err(ModelError::Recipe("dropout is not supported for the adapters of experts".to_owned()));
                }
                let rank = patterns.rank(&module.path).unwrap_or(shape.rank);
                let alpha = patterns.alpha(&module.path).unwrap_or(shape.alpha);
                let mut path: Vec<&[u8]> = vec![b"lora-init", module.path.as_bytes()];
                path.extend((!name.is_empty()).then_some(name.as_bytes()));
                let stream = Stream::new(seed, &path);
                let bound = 1.0 / (module.inner as f64).sqrt();
                let a: Vec<f32> = (0..(rank * module.inner) as u64)
                    .map(|i| (bound * (2.0 * stream.uniform(i) - 1.0)) as f32)
                    .collect();
                let branch = Branch {
                    a: Tensor::from_vec(a, (rank, module.inner), device)?,
                    b: Tensor::zeros((module.out, rank), DType::F32, device)?,
                    scale: scale(alpha, rank, shape.rslora),
                    dropout: shape.dropout,
                };
                pairs.push(Pair { block, module, branch });
            }
        }
        if pairs.is_empty() {
            return Err(ModelError::Recipe("the adapter's blocks have none of its modules".to_owned()));
        }
        let paths: Vec<&str> = pairs.iter().map(|pair| pair.module.path.as_str()).collect();
        patterns.all_fit(&paths)?;
        patterns.agree(&paths)?;
        Ok(Self { shape: shape.clone(), pairs, biases: Vec::new(), config: Map::new() })
    }

    /// The adapter's shape.
    pub fn shape(&self) -> &Lora {
        &self.shape
    }

    /// Adds the adapter's updates to a model's projections.
    pub fn attach(&self, model: &mut Network) -> Result<()> {
        for pair in &self.pairs {
            if let Some(linear) = model.linear_mut(pair.block, &pair.module) {
                linear.attach(&pair.branch)?;
            }
        }
        for (block, module, bias) in &self.biases {
            if let Some(linear) = model.linear_mut(*block, module) {
                linear.set_bias(bias)?;
            }
        }
        Ok(())
    }

    /// The adapted projections, by block.
    pub fn projections(&self) -> Vec<(usize, Module)> {
        self.pairs.iter().map(|pair| (pair.block, pair.module.clone())).collect()
    }

    /// The projections with `A`, `B` and the factor of `B A`.
    pub fn branches(&self) -> impl Iterator<Item = (usize, &Module, &Branch)> {
        self.pairs.iter().map(|pair| (pair.block, &pair.module, &pair.branch))
    }

    /// Whether biases were learned with it.
    pub fn has_biases(&self) -> bool {
        !self.biases.is_empty()
    }

    /// The first block that is changed.
    pub fn lowest_block(&self) -> usize {
        let blocks = self.pairs.iter().map(|pair| pair.block).chain(self.biases.iter().map(|(block, ..)| *block));
        blocks.min().unwrap_or(0)
    }

    /// What a trainer makes variables of, each with its path: `A` and `B` of every projection, then the biases.
    pub fn parameters_mut(&mut self) -> Vec<(String, &mut Tensor)> {
        let mut all = Vec::with_capacity(2 * self.pairs.len() + self.biases.len());
        for pair in &mut self.pairs {
            all.push((format!("{}.lora_A", pair.module.path), &mut pair.branch.a));
            all.push((format!("{}.lora_B", pair.module.path), &mut pair.branch.b));
        }
        all.extend(self.biases.iter_mut().map(|(_, module, bias)| (format!("{}.bias", module.path), bias)));
        all
    }
}

/// Copies of the biases that are learned.
fn biases(which: Bias, pairs: &[Pair], organism: &Organism) -> Result<Vec<(usize, Module, Tensor)>> {
    let mut biases = Vec::new();
    let mut network = organism.network.clone();
    for block in 0..organism.config.blocks {
        for module in modules(&organism.config, block).into_iter().filter(|module| module.bias) {
            let adapted = pairs.iter().any(|pair| pair.module.path == module.path);
            if which == Bias::All || which == Bias::LoraOnly && adapted {
                let bias = network.linear_mut(block, &module).map(|linear| linear.bias()).transpose()?.flatten();
                biases.extend(bias.map(|bias| (block, module, bias)));
            }
        }
    }
    if which != Bias::None && biases.is_empty() {
        return Err(ModelError::Recipe("bias is to be learned, but none of these projections has one".to_owned()));
    }
    Ok(biases)
}

/// The factor of `B A x`.
pub(super) fn scale(alpha: f64, rank: usize, rslora: bool) -> f64 {
    if rslora { alpha / (rank as f64).sqrt() } else { alpha / rank as f64 }
}

fn check(shape: &Lora, config: &Config) -> Result<()> {
    let refuse = |problem: String| Err(ModelError::Recipe(problem));
    if shape.rank == 0 || shape.rank_pattern.values().any(|rank| *rank == 0) {
        return refuse("an adapter's rank must be at least 1".to_owned());
    }
    if !shape.alpha.is_finite() || shape.alpha_pattern.values().any(|alpha| !alpha.is_finite()) {
        return refuse(format!("an adapter's alpha must be a finite number, not {}", shape.alpha));
    }
    if !(0.0..1.0).contains(&shape.dropout) {
        return refuse(format!("dropout is {}, expected a share from 0 to below 1", shape.dropout));
    }
    let known = module_names(config);
    match shape.modules.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => refuse(format!("there is no module `{name}`; there are {}", known.join(", "))),
        None => Ok(()),
    }
}

fn selected_blocks(shape: &Lora, config: &Config) -> Result<Vec<usize>> {
    if let Some(block) = shape.blocks.iter().find(|block| **block >= config.blocks) {
        let last = config.blocks - 1;
        return Err(ModelError::Recipe(format!("there is no block {block}; the model has blocks 0 to {last}")));
    }
    if shape.blocks.is_empty() {
        return Ok((0..config.blocks).collect());
    }
    let mut blocks = shape.blocks.clone();
    blocks.sort_unstable();
    blocks.dedup();
    Ok(blocks)
}
