//! Writing a PEFT folder.

use std::collections::{BTreeMap, BTreeSet};

use candle_core::DType;
use emhost_abi::wire::Bias;
use serde_json::{Map, Value, json};

use super::adapted::Adapter;
use crate::model::error::{ModelError, Result};
use crate::model::weights::to_safetensors;

impl Adapter {
    /// The two files of a PEFT folder, by name. Options that were read and are not known stay as they were.
    pub fn to_files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let mut tensors = BTreeMap::new();
        for pair in &self.pairs {
            let path = format!("base_model.model.{}", pair.module.path);
            tensors.insert(format!("{path}.lora_A.weight"), pair.branch.a.clone());
            tensors.insert(format!("{path}.lora_B.weight"), pair.branch.b.clone());
        }
        for (_, module, bias) in &self.biases {
            let adapted = self.pairs.iter().any(|pair| pair.module.path == module.path);
            let end = if adapted { "base_layer.bias" } else { "bias" };
            tensors.insert(format!("base_model.model.{}.{end}", module.path), bias.clone());
        }
        let text = serde_json::to_vec_pretty(&self.config()).map_err(|e| ModelError::Recipe(e.to_string()))?;
        Ok(vec![("adapter_config.json", text), ("adapter_model.safetensors", to_safetensors(&tensors, DType::F32)?)])
    }

    fn config(&self) -> Map<String, Value> {
        let shape = &self.shape;
        let mut config = if self.config.is_empty() { blank() } else { self.config.clone() };
        let bias = match shape.bias {
            Bias::None => "none",
            Bias::LoraOnly => "lora_only",
            Bias::All => "all",
        };
        let mut set = |name: &str, value: Value| drop(config.insert(name.to_owned(), value));
        set("r", shape.rank.into());
        set("lora_alpha", whole(shape.alpha));
        set("use_rslora", shape.rslora.into());
        set("lora_dropout", shape.dropout.into());
        set("rank_pattern", json!(shape.rank_pattern));
        set("alpha_pattern", shape.alpha_pattern.iter().map(|(key, alpha)| (key.clone(), whole(*alpha))).collect());
        set("bias", bias.into());
        if self.config.is_empty() {
            let names: BTreeSet<&str> = self.pairs.iter().map(|pair| pair.module.name).collect();
            set("target_modules", json!(names));
            set("layers_to_transform", if shape.blocks.is_empty() { Value::Null } else { json!(shape.blocks) });
        }
        config
    }
}

/// PEFT writes an alpha as it was given, a whole number as a rule.
fn whole(alpha: f64) -> Value {
    if alpha.fract() == 0.0 && alpha.abs() < 1e15 { Value::from(alpha as i64) } else { Value::from(alpha) }
}

/// Options of a new adapter that its shape does not say.
fn blank() -> Map<String, Value> {
    let blank = json!({
        "auto_mapping": null,
        "base_model_name_or_path": null,
        "exclude_modules": null,
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "layer_replication": null,
        "layers_pattern": null,
        "lora_bias": false,
        "modules_to_save": null,
        "peft_type": "LORA",
        "revision": null,
        "target_parameters": null,
        "task_type": "CAUSAL_LM",
        "use_dora": false,
    });
    blank.as_object().cloned().unwrap_or_default()
}
