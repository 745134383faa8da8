//! Reading a PEFT folder.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::Device;
use emhost_abi::wire::Bias;
use serde_json::{Map, Value};

use super::adapted::{Adapter, Pair, scale};
use super::peft::{Patterns, PeftConfig};
use crate::model::config::Config;
use crate::model::error::{ModelError, Result};
use crate::model::families::{Place, modules, place};
use crate::model::linear::Branch;
use crate::model::weights::{Weights, read_file};

impl Adapter {
    /// Reads a PEFT folder: the projections are those that the file has tensors for.
    pub fn read(folder: &Path, config: &Config, device: &Device) -> Result<Self> {
        const FILE: &str = "adapter_config.json";
        let refuse = |problem: String| ModelError::Unsupported {
            model: folder.display().to_string(),
            file: FILE.to_owned(),
            problem,
        };
        let all: Map<String, Value> =
            serde_json::from_slice(&read_file(&folder.join(FILE))?).map_err(|e| refuse(e.to_string()))?;
        let peft = PeftConfig::read(&all).map_err(refuse)?;
        let mut shape = peft.shape();
        let patterns = Patterns::of(&shape).map_err(|e| refuse(e.to_string()))?;
        let owner = format!("adapter {}", folder.display());
        let mut weights = Weights::open_file(owner, &folder.join("adapter_model.safetensors"), device)?;
        weights.arrange(|name| match place(config, name.strip_prefix("base_model.model.").unwrap_or(name)) {
            Place::Text(name) => Some(name),
            Place::Other(_) => None,
        })?;
        let (mut pairs, mut biases) = (Vec::new(), Vec::new());
        let (mut names, mut blocks) = (BTreeSet::new(), BTreeSet::new());
        for block in 0..config.blocks {
            for module in modules(config, block) {
                for bias in ["bias", "base_layer.bias"].map(|end| format!("{}.{end}", module.path)) {
                    if weights.has(&bias) {
                        biases.push((block, module.clone(), weights.take(&bias, &[module.out])?));
                    }
                }
                let name = |part: &str| format!("{}.lora_{part}.weight", module.path);
                if !weights.has(&name("A")) {
                    continue;
                }
                let rank = patterns.rank(&module.path).unwrap_or(shape.rank);
                let alpha = patterns.alpha(&module.path).unwrap_or(shape.alpha);
                if rank == 0 {
                    return Err(refuse(format!("the rank of `{}` is 0, expected at least 1", module.path)));
                }
                let a = weights.take(&name("A"), &[rank, module.inner])?;
                let b = weights.take(&name("B"), &[module.out, rank])?;
                names.insert(module.name.to_owned());
                blocks.insert(block);
                pairs.push(Pair {
                    block,
                    module,
                    branch: Branch { a, b, scale: scale(alpha, rank, shape.rslora), dropout: 0.0 },
                });
            }
        }
        weights.finish()?;
        if pairs.is_empty() {
            return Err(refuse("adapter_model.safetensors has no lora_A for a projection of this model".to_owned()));
        }
        if !biases.is_empty() && shape.bias == Bias::None {
            return Err(refuse("bias is `none`, but adapter_model.safetensors has biases".to_owned()));
        }
        let paths: Vec<&str> = pairs.iter().map(|pair| pair.module.path.as_str()).collect();
        patterns.agree(&paths).map_err(|e| refuse(e.to_string()))?;
        if blocks.len() < config.blocks {
            shape.blocks = blocks.into_iter().collect();
        }
        shape.modules = names.into_iter().collect();
        Ok(Self { shape, pairs, biases, config: all })
    }
}
