//! What was learned, as files.

use std::path::PathBuf;

use candle_core::DType;
use emhost_abi::wire::Recipe;
use serde_json::{Map, Value};

use super::learner::{Kind, Learner};
use crate::model::files::Files;
use crate::model::weights::to_safetensors;
use crate::model::{ModelError, Result};
use crate::vector::{Direction, Named, to_native};

/// Files of a tokenizer, which a folder with all weights needs beside them.
const TEXT: [&str; 6] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
];

impl Learner {
    /// Names and bytes of the files that hold what was learned, the ones that make a folder complete last: a PEFT folder,
    /// one such folder per adapter, a Hugging Face folder, or `steering.safetensors`.
    pub fn files(&self, model: &Files, recipe: &Recipe) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        match &self.kind {
            Kind::Adapters(adapters) => {
                let mut files = Vec::new();
                for (name, adapter) in adapters {
                    let own = adapter.to_files()?.into_iter().rev();
                    files.extend(own.map(|(file, bytes)| (PathBuf::from(name).join(file), bytes)));
                }
                Ok(files)
            }
            Kind::Weights(_) => {
                let mut files = Vec::new();
                for name in TEXT {
                    files.extend(model.read(name)?.map(|bytes| (PathBuf::from(name), bytes.into_owned())));
                }
                let mut config: Map<String, Value> = model.json("config.json")?;
                let half = ["dtype", "torch_dtype"].iter().any(|key| {
                    config.get(*key).and_then(Value::as_str).is_some_and(|dtype| dtype.ends_with("bfloat16"))
                });
                let (dtype, name) = if half { (DType::BF16, "bfloat16") } else { (DType::F32, "float32") };
                config.remove("torch_dtype");
                config.insert("dtype".to_owned(), name.into());
                let text = serde_json::to_vec_pretty(&config).map_err(|e| ModelError::Recipe(e.to_string()))?;
                files.push(("model.safetensors".into(), to_safetensors(&self.weights(), dtype)?));
                files.push(("config.json".into(), text));
                Ok(files)
            }
            Kind::Vectors => {
                let mut vectors = Vec::new();
                for (site, vector) in self.trained_vectors()? {
                    let direction = Direction::new(vector.to_vec1::<f32>()?, site.clone())
                        .with("format", "emhost train")
                        .with("learning_rate", recipe.learning_rate);
                    vectors.push(Named { name: site, direction });
                }
                let bytes = to_native(&vectors).map_err(|e| ModelError::Recipe(e.to_string()))?;
                Ok(vec![("steering.safetensors".into(), bytes)])
            }
        }
    }

    /// Names of the files that say that what was learned is there.
    pub fn file_names(&self) -> Vec<PathBuf> {
        match &self.kind {
            Kind::Adapters(adapters) => {
                let names = ["adapter_model.safetensors", "adapter_config.json"];
                adapters.iter().flat_map(|(folder, _)| names.map(|name| PathBuf::from(folder).join(name))).collect()
            }
            Kind::Weights(_) => vec!["model.safetensors".into(), "config.json".into()],
            Kind::Vectors => vec!["steering.safetensors".into()],
        }
    }
}
