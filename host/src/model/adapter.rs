//! LoRA adapters in PEFT's folder format.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use emhost_abi::wire::Lora;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::config::Config;
use super::error::{ModelError, Result};
use super::linear::Branch;
use super::qwen2::{MODULES, Qwen2, module_path};
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
    pairs: BTreeMap<(usize, &'static str), Branch>,
}

impl Adapter {
    /// A fresh adapter: `A` uniform as PEFT's (Kaiming with a = sqrt 5: within `1/sqrt(in)`), `B` zero.
    pub fn initial(shape: &Lora, config: &Config, model: &mut Qwen2, seed: u64, device: &Device) -> Result<Self> {
        if shape.rank == 0 {
            return Err(ModelError::Recipe("an adapter's rank must be at least 1".to_owned()));
        }
        let mut pairs = BTreeMap::new();
        for block in selected_blocks(shape, config)? {
            for module in selected_modules(shape)? {
                let [inner, out] = model.linear_mut(block, module).map(|l| l.widths()).unwrap_or_default();
                let stream = Stream::new(seed, &[b"lora-init", module_path(block, module).as_bytes()]);
                let bound = 1.0 / (inner as f64).sqrt();
                let a: Vec<f32> = (0..(shape.rank * inner) as u64)
                    .map(|i| (bound * (2.0 * stream.uniform(i) - 1.0)) as f32)
                    .collect();
                let branch = Branch {
                    a: Tensor::from_vec(a, (shape.rank, inner), device)?,
                    b: Tensor::zeros((out, shape.rank), DType::F32, device)?,
                    scale: scale(shape.alpha, shape.rank, shape.rslora),
                };
                pairs.insert((block, module), branch);
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
        for (option, set) in [
            ("use_dora", peft.use_dora),
            ("layer_replication", peft.layer_replication.as_ref().is_some_and(|v| !v.is_null())),
            ("target_parameters", peft.target_parameters.as_ref().is_some_and(|v| !v.is_null())),
            ("modules_to_save", peft.modules_to_save.as_ref().is_some_and(|v| !v.is_null())),
            ("rank_pattern", !peft.rank_pattern.is_empty()),
            ("alpha_pattern", !peft.alpha_pattern.is_empty()),
            ("bias", peft.bias.as_ref().is_some_and(|b| b != "none")),
        ] {
            if set {
                return Err(refuse(format!("{option} is set, which is not supported yet")));
            }
        }
        if peft.peft_type != "LORA" {
            return Err(refuse(format!("peft_type is `{}`; supported: LORA", peft.peft_type)));
        }
        let mut weights = Weights::new(format!("adapter {}", folder.display()));
        weights.read(&read_file(&folder.join("adapter_model.safetensors"))?, device)?;
        let mut pairs = BTreeMap::new();
        let (mut modules, mut blocks) = (Vec::new(), Vec::new());
        for block in 0..config.blocks {
            for (module, [inner, out]) in MODULES.into_iter().zip(module_widths(config)) {
                let name = |part: &str| format!("base_model.model.{}.lora_{part}.weight", module_path(block, module));
                if !weights.has(&name("A")) {
                    continue;
                }
                let a = weights.take(&name("A"), &[peft.r, inner])?;
                let b = weights.take(&name("B"), &[out, peft.r])?;
                pairs.insert((block, module), Branch { a, b, scale: scale(peft.lora_alpha, peft.r, peft.use_rslora) });
                if !modules.contains(&module.to_owned()) {
                    modules.push(module.to_owned());
                }
                if !blocks.contains(&block) {
                    blocks.push(block);
                }
            }
        }
        weights.finish()?;
        if blocks.len() == config.blocks {
            blocks.clear();
        }
        Ok(Self {
            shape: Lora { rank: peft.r, alpha: peft.lora_alpha, rslora: peft.use_rslora, modules, blocks },
            pairs,
        })
    }

    /// The two files of a PEFT folder, by name.
    pub fn to_files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let modules = if self.shape.modules.is_empty() {
            MODULES.map(str::to_owned).to_vec()
        } else {
            self.shape.modules.clone()
        };
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
            "target_modules": modules,
            "task_type": "CAUSAL_LM",
            "use_dora": false,
            "use_rslora": self.shape.rslora,
        });
        let mut tensors = BTreeMap::new();
        for ((block, module), branch) in &self.pairs {
            let path = format!("base_model.model.{}", module_path(*block, module));
            tensors.insert(format!("{path}.lora_A.weight"), branch.a.clone());
            tensors.insert(format!("{path}.lora_B.weight"), branch.b.clone());
        }
        let text = serde_json::to_vec_pretty(&config).map_err(|e| ModelError::Recipe(e.to_string()))?;
        Ok(vec![("adapter_config.json", text), ("adapter_model.safetensors", to_safetensors(&tensors, DType::F32)?)])
    }

    /// Adds the adapter's updates to a model's projections.
    pub fn attach(&self, model: &mut Qwen2) {
        for ((block, module), branch) in &self.pairs {
            if let Some(linear) = model.linear_mut(*block, module) {
                linear.attach(branch.clone());
            }
        }
    }

    /// The adapted projections, by block and module.
    pub fn projections(&self) -> Vec<(usize, &'static str)> {
        self.pairs.keys().copied().collect()
    }

    /// The pairs by block and module, to be made variables by the trainer.
    pub fn pairs_mut(&mut self) -> impl Iterator<Item = (String, &mut Branch)> {
        self.pairs.iter_mut().map(|((block, module), branch)| (module_path(*block, module), branch))
    }
}

/// The factor of `B A x`.
fn scale(alpha: f64, rank: usize, rslora: bool) -> f64 {
    if rslora { alpha / (rank as f64).sqrt() } else { alpha / rank as f64 }
}

/// `[in, out]` of each of [`MODULES`].
fn module_widths(config: &Config) -> [[usize; 2]; 7] {
    let (d, m) = (config.width, config.mlp_width);
    let (q, kv) = (config.heads.query_width(), config.heads.kv_width());
    [[d, q], [d, kv], [d, kv], [q, d], [d, m], [d, m], [m, d]]
}

fn selected_modules(shape: &Lora) -> Result<Vec<&'static str>> {
    if shape.modules.is_empty() {
        return Ok(MODULES.to_vec());
    }
    let find = |name: &String| MODULES.into_iter().find(|module| module == name);
    shape
        .modules
        .iter()
        .map(|name| {
            find(name).ok_or_else(|| {
                ModelError::Recipe(format!("there is no module `{name}`; there are {}", MODULES.join(", ")))
            })
        })
        .collect()
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
