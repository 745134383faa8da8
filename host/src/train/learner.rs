//! What learns: adapters, every weight, or vectors, inside a network.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor, Var};
use emhost_abi::wire::{Bias, Method, Recipe, SteeringVector};

use super::around::Vectors;
use crate::model::adapter::Adapter;
use crate::model::network::Network;
use crate::model::organism::Organism;
use crate::model::site::Site;
use crate::model::{ModelError, Result};

/// A network with parameters that learn.
pub struct Learner {
    /// The network; the parameters are inside.
    pub network: Network,
    /// The parameters, in the order in which gradients are summed.
    pub variables: Vec<Var>,
    /// Their names.
    pub names: Vec<String>,
    /// Whether weight decay applies.
    pub decays: Vec<bool>,
    /// The first block in which something learns; nothing is propagated below it.
    pub lowest: usize,
    /// Where it runs.
    pub device: Device,
    /// What the parameters make up.
    pub kind: Kind,
    pub(super) vectors: Vectors,
    /// Whether an adapter drops inputs.
    pub(super) dropout: bool,
}

/// What the parameters make up.
pub enum Kind {
    /// Adapters, by name; the only one may have none.
    Adapters(Vec<(String, Adapter)>),
    /// All weights, by their names in the checkpoint.
    Weights(BTreeMap<String, Var>),
    /// Vectors at sites.
    Vectors,
}

impl Learner {
    /// Puts what the recipe trains into the network of `organism`; its own adapters stay and do not learn.
    ///
    /// For `full`, the organism must have been loaded with weights that learn, which are `weights`.
    pub fn new(organism: &Organism, recipe: &Recipe, weights: BTreeMap<String, Var>) -> Result<Self> {
        let mut learner = Self::empty(organism.network.clone(), &organism.device);
        match &recipe.method {
            Method::Lora(shape) => {
                let adapter = Adapter::initial(shape, organism, recipe.seed, "")?;
                learner.adapters(vec![(String::new(), adapter)])?;
            }
            Method::Adapters(shapes) => {
                if shapes.is_empty() {
                    return Err(ModelError::Recipe("method.adapters names no adapter".to_owned()));
                }
                if shapes.len() > 1 && shapes.values().any(|shape| shape.bias != Bias::None) {
                    let problem = "of several adapters none can learn biases: each would replace the model's own";
                    return Err(ModelError::Recipe(problem.to_owned()));
                }
                let all = shapes.iter().map(|(name, shape)| {
                    check_name(name)?;
                    Ok((name.clone(), Adapter::initial(shape, organism, recipe.seed, name)?))
                });
                learner.adapters(all.collect::<Result<_>>()?)?;
            }
            Method::Full => learner.all(weights),
            Method::Steering(shape) => learner.steering(organism, shape)?,
        }
        let all = recipe.decay == emhost_abi::wire::Decay::All;
        learner.decays = learner.variables.iter().map(|v| all || v.rank() > 1).collect();
        Ok(learner)
    }

    /// A network all of whose weights learn.
    pub fn of_weights(network: Network, weights: BTreeMap<String, Var>, device: &Device) -> Self {
        let mut learner = Self::empty(network, device);
        learner.all(weights);
        learner.decays = vec![true; learner.variables.len()];
        learner
    }

    fn empty(network: Network, device: &Device) -> Self {
        Self {
            network,
            variables: Vec::new(),
            names: Vec::new(),
            decays: Vec::new(),
            lowest: 0,
            device: device.clone(),
            kind: Kind::Vectors,
            vectors: Vectors::default(),
            dropout: false,
        }
    }

    fn all(&mut self, weights: BTreeMap<String, Var>) {
        for (name, variable) in &weights {
            self.push(name.clone(), variable.clone());
        }
        self.kind = Kind::Weights(weights);
    }

    /// All weights as they are now, by name; none where not all learn.
    pub fn weights(&self) -> BTreeMap<String, Tensor> {
        let Kind::Weights(weights) = &self.kind else { return BTreeMap::new() };
        weights.iter().map(|(name, variable)| (name.clone(), variable.as_detached_tensor())).collect()
    }

    fn push(&mut self, name: String, variable: Var) {
        self.names.push(name);
        self.variables.push(variable);
    }

    fn adapters(&mut self, mut adapters: Vec<(String, Adapter)>) -> Result<()> {
        self.lowest = adapters.iter().map(|(_, adapter)| adapter.lowest_block()).min().unwrap_or(0);
        for (name, adapter) in &mut adapters {
            self.dropout |= adapter.shape().dropout > 0.0;
            let prefix = if name.is_empty() { String::new() } else { format!("{name}/") };
            for (path, tensor) in adapter.parameters_mut() {
                let variable = Var::from_tensor(tensor)?;
                *tensor = variable.as_tensor().clone();
                self.names.push(format!("{prefix}{path}"));
                self.variables.push(variable);
            }
            adapter.attach(&mut self.network)?;
        }
        self.kind = Kind::Adapters(adapters);
        Ok(())
    }

    fn steering(&mut self, organism: &Organism, shape: &SteeringVector) -> Result<()> {
        let sites = organism.sites(std::slice::from_ref(&shape.sites))?;
        for site in sites {
            if site == Site::Logits {
                return Err(ModelError::Recipe("a vector at `logits` cannot be trained; name another site".to_owned()));
            }
            let zero = Tensor::zeros(organism.width(site), candle_core::DType::F32, &organism.device)?;
            let variable = Var::from_tensor(&zero)?;
            self.vectors.at.push((site, variable.clone()));
            self.push(site.to_string(), variable);
        }
        self.vectors.alpha = shape.alpha;
        self.lowest =
            self.vectors.at.iter().map(|(site, _)| site.block().unwrap_or(organism.config.blocks)).min().unwrap_or(0);
        Ok(())
    }

    /// The trained vectors as they are added, by site.
    pub fn trained_vectors(&self) -> Result<BTreeMap<String, Tensor>> {
        let of = |(site, vector): &(Site, Var)| Ok((site.to_string(), (vector.as_tensor() * self.vectors.alpha)?));
        self.vectors.at.iter().map(of).collect()
    }

    /// Numbers that learn.
    pub fn count(&self) -> usize {
        self.variables.iter().map(|v| v.elem_count()).sum()
    }
}

/// An adapter's name becomes a folder.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if name.is_empty() || !name.chars().all(plain) || name == "training" {
        return Err(ModelError::Recipe(format!(
            "the adapter's name `{name}` is not letters, digits, `_` and `-` (or is `training`)"
        )));
    }
    Ok(())
}
