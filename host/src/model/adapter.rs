//! LoRA adapters in PEFT's folder format.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use emhost_abi::wire::Lora;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::config::Config;
use super::error::{ModelError, Result};
use super::families::{Module, Place, module_names, modules, place};
use super::linear::Branch;
use super::network::Network;
use super::weights::{Weights, read_file, to_safetensors};
use crate::rng::Stream;

/// `adapter_config.json`: what the engine reads, and everything else as it was.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct PeftConfig {
    peft_type: String,
    r: usize,
    lora_alpha: f64,
    #[serde(default)]
    use_rslora: bool,
    target_modules: Value,
    #[serde(default)]
    layers_to_transform: Option<Value>,
    #[serde(default)]
    rank_pattern: Map<String, Value>,
    #[serde(default)]
    alpha_pattern: Map<String, Value>,
    #[serde(default)]
    bias: Option<String>,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    layer_replication: Option<Value>,
    #[serde(default)]
    target_parameters: Option<Value>,
    #[serde(default)]
    modules_to_save: Option<Value>,
}

/// A LoRA adapter: for each adapted projection, `A [rank, in]` and `B [out, rank]`.
#[derive(Debug, Clone)]
pub struct Adapter {
    shape: Lora,
    pairs: Vec<Pair>,
}

#[derive(Debug, Clone)]
struct Pair {
    block: usize,
    module: Module,
    branch: Branch,
}

impl Adapter {
    /// A fresh adapter: `A` uniform as PEFT's (Kaiming with a = sqrt 5: within `1/sqrt(in)`), `B` zero.
    pub fn initial(shape: &Lora, config: &Config, seed: u64, device: &Device) -> Result<Self> {
        if shape.rank == 0 {
            return Err(ModelError::Recipe("an adapter's rank must be at least 1".to_owned()));
        }
        check_modules(shape, config)?;
        let mut pairs = Vec::new();
        for block in selected_blocks(shape, config)? {
            let selected = |module: &Module| shape.modules.is_empty() || shape.modules.iter().any(|m| m == module.name);
            for module in modules(config, block).into_iter().filter(selected) {
                let stream = Stream::new(seed, &[b"lora-init", module.path.as_bytes()]);
                let bound = 1.0 / (module.inner as f64).sqrt();
                let a: Vec<f32> = (0..(shape.rank * module.inner) as u64)
                    .map(|i| (bound * (2.0 * stream.uniform(i) - 1.0)) as f32)
                    .collect();
                let branch = Branch {
                    a: Tensor::from_vec(a, (shape.rank, module.inner), device)?,
                    b: Tensor::zeros((module.out, shape.rank), DType::F32, device)?,
                    scale: scale(shape.alpha, shape.rank, shape.rslora),
                };
                pairs.push(Pair { block, module, branch });
            }
        }
        Ok(Self { shape: shape.clone(), pairs })
    }

    /// Reads a PEFT folder.
    pub fn read(folder: &Path, config: &Config, device: &Device) -> Result<Self> {
        const FILE: &str = "adapter_config.json";
        let refuse = |problem: String| ModelError::Unsupported {
            model: folder.display().to_string(),
            file: FILE.to_owned(),
            problem,
        };
        let peft: PeftConfig =
            serde_json::from_slice(&read_file(&folder.join(FILE))?).map_err(|e| refuse(e.to_string()))?;
        peft.check().map_err(refuse)?;
        let owner = format!("adapter {}", folder.display());
        let mut weights = Weights::open_file(owner, &folder.join("adapter_model.safetensors"), device)?;
        weights.arrange(|name| match place(config, name.strip_prefix("base_model.model.").unwrap_or(name)) {
            Place::Text(name) => Some(name),
            Place::Other(_) => None,
        })?;
        let mut pairs = Vec::new();
        let (mut names, mut blocks) = (BTreeSet::new(), BTreeSet::new());
        for block in 0..config.blocks {
            for module in modules(config, block) {
                let name = |part: &str| format!("{}.lora_{part}.weight", module.path);
                if !weights.has(&name("A")) {
                    continue;
                }
                let rank = peft.of_module(&peft.rank_pattern, &module.path).map_or(peft.r, |rank| rank as usize);
                let alpha = peft.of_module(&peft.alpha_pattern, &module.path).unwrap_or(peft.lora_alpha);
                if rank == 0 {
                    return Err(refuse(format!("the rank of `{}` is 0, expected at least 1", module.path)));
                }
                let a = weights.take(&name("A"), &[rank, module.inner])?;
                let b = weights.take(&name("B"), &[module.out, rank])?;
                names.insert(module.name.to_owned());
                blocks.insert(block);
                pairs.push(Pair { block, module, branch: Branch { a, b, scale: scale(alpha, rank, peft.use_rslora) } });
            }
        }
        weights.finish()?;
        if blocks.len() == config.blocks {
            blocks.clear();
        }
        let shape = Lora {
            rank: peft.r,
            alpha: peft.lora_alpha,
            rslora: peft.use_rslora,
            modules: names.into_iter().collect(),
            blocks: blocks.into_iter().collect(),
        };
        Ok(Self { shape, pairs })
    }

    /// The two files of a PEFT folder, by name.
    pub fn to_files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let names: BTreeSet<&str> = self.pairs.iter().map(|pair| pair.module.name).collect();
        let config = serde_json::json!({
            "base_model_name_or_path": null,
            "bias": "none",
            "fan_in_fan_out": false,
            "inference_mode": true,
            "init_lora_weights": true,
            "layers_to_transform": if self.shape.blocks.is_empty() { Value::Null } else { self.shape.blocks.clone().into() },
            "lora_alpha": self.shape.alpha,
            "lora_dropout": 0.0,
            "peft_type": "LORA",
            "r": self.shape.rank,
            "target_modules": names,
            "task_type": "CAUSAL_LM",
            "use_dora": false,
            "use_rslora": self.shape.rslora,
        });
        let mut tensors = BTreeMap::new();
        for pair in &self.pairs {
            let path = format!("base_model.model.{}", pair.module.path);
            tensors.insert(format!("{path}.lora_A.weight"), pair.branch.a.clone());
            tensors.insert(format!("{path}.lora_B.weight"), pair.branch.b.clone());
        }
        let text = serde_json::to_vec_pretty(&config).map_err(|e| ModelError::Recipe(e.to_string()))?;
        Ok(vec![("adapter_config.json", text), ("adapter_model.safetensors", to_safetensors(&tensors, DType::F32)?)])
    }

    /// Adds the adapter's updates to a model's projections.
    pub fn attach(&self, model: &mut Network) -> Result<()> {
        for pair in &self.pairs {
            if let Some(linear) = model.linear_mut(pair.block, &pair.module) {
                linear.attach(&pair.branch)?;
            }
        }
        Ok(())
    }

    /// The adapted projections, by block.
    pub fn projections(&self) -> Vec<(usize, Module)> {
        self.pairs.iter().map(|pair| (pair.block, pair.module.clone())).collect()
    }

    /// The pairs by the paths of their projections, to be made variables by the trainer.
    pub fn pairs_mut(&mut self) -> impl Iterator<Item = (&str, &mut Branch)> {
        self.pairs.iter_mut().map(|pair| (pair.module.path.as_str(), &mut pair.branch))
    }
}

impl PeftConfig {
    /// An error that names an option which changes the result and is not supported.
    fn check(&self) -> std::result::Result<(), String> {
        let nothing = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        let set = |value: &Option<Value>| value.as_ref().is_some_and(|value| !nothing(value));
        for (option, set) in [
            ("use_dora", self.use_dora),
            ("layer_replication", set(&self.layer_replication)),
            ("target_parameters", set(&self.target_parameters)),
            ("modules_to_save", set(&self.modules_to_save)),
            ("bias", self.bias.as_ref().is_some_and(|b| b != "none")),
        ] {
            if set {
                return Err(format!("{option} is set, which is not supported yet"));
            }
        }
        if self.peft_type != "LORA" {
            return Err(format!("peft_type is `{}`; supported: LORA", self.peft_type));
        }
        for (option, pattern) in [("rank_pattern", &self.rank_pattern), ("alpha_pattern", &self.alpha_pattern)] {
            if let Some((name, value)) = pattern.iter().find(|(_, value)| value.as_f64().is_none()) {
                return Err(format!("{option} gives `{name}` the value {value}, expected a number"));
            }
            if let Some(name) =
                pattern.keys().find(|name| name.contains(['*', '+', '?', '^', '$', '(', '[', '|', '\\']))
            {
                return Err(format!("{option} has the expression `{name}`; supported: the ends of module paths"));
            }
        }
        Ok(())
    }

    /// What a pattern says of a projection: its keys are ends of module paths.
    fn of_module(&self, pattern: &Map<String, Value>, path: &str) -> Option<f64> {
        let ends = |key: &str| path == key || path.strip_suffix(key).is_some_and(|before| before.ends_with('.'));
        pattern.iter().find(|(key, _)| ends(key)).and_then(|(_, value)| value.as_f64())
    }
}

/// The factor of `B A x`.
fn scale(alpha: f64, rank: usize, rslora: bool) -> f64 {
    if rslora { alpha / (rank as f64).sqrt() } else { alpha / rank as f64 }
}

fn check_modules(shape: &Lora, config: &Config) -> Result<()> {
    let known = module_names(config);
    match shape.modules.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(ModelError::Recipe(format!("there is no module `{name}`; there are {}", known.join(", ")))),
        None => Ok(()),
    }
}

fn selected_blocks(shape: &Lora, config: &Config) -> Result<Vec<usize>> {
    match shape.blocks.iter().find(|block| **block >= config.blocks) {
        Some(block) => Err(ModelError::Recipe(format!(
            "there is no block {block}; the model has blocks 0 to {}",
            config.blocks - 1
        ))),
        None if shape.blocks.is_empty() => Ok((0..config.blocks).collect()),
        None => Ok(shape.blocks.clone()),
    }
}
