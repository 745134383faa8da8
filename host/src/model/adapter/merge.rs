//! Adapters added to the weights of a checkpoint, or taken out again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use candle_core::Tensor;
use serde_json::{Map, Value};

use super::adapted::Adapter;
use crate::model::config::Config;
use crate::model::error::{ModelError, Result};
use crate::model::families::{Place, place};
use crate::model::files::Files;
use crate::model::weights::rewrite;

/// What `merge` does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Merge {
    /// 1 adds the update, -1 takes it out.
    pub sign: f64,
    /// Write every tensor as f32; otherwise each in its own type, to which sums are rounded.
    pub wide: bool,
}

/// Files that make a folder a model, beside the weights.
const OTHERS: [&str; 11] = [
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
];

/// Writes the checkpoint `files` with the adapters' updates in its weights into the empty folder `out`, and returns how
/// many tensors changed.
pub fn merge(files: &Files, config: &Config, adapters: &[Adapter], how: Merge, out: &Path) -> Result<usize> {
    let write = |path: &Path, source| ModelError::Write { path: path.to_owned(), source };
    // Updates by the names that the engine gives to tensors.
    let mut updates: BTreeMap<String, Vec<Update<'_>>> = BTreeMap::new();
    for adapter in adapters {
        for pair in &adapter.pairs {
            let name = format!("{}.weight", pair.module.path);
            updates.entry(name).or_default().push(Update::Product(pair));
        }
        for (_, module, bias) in &adapter.biases {
            if how.sign < 0.0 {
                let problem = "the adapter replaces biases, and the model's own cannot be had back from it".to_owned();
                return Err(ModelError::Change(problem));
            }
            updates.entry(format!("{}.bias", module.path)).or_default().push(Update::Replace(bias));
        }
    }
    let mut changed = 0;
    for name in files.weight_files()? {
        let source = files.source(&name)?.ok_or_else(|| files.missing(&name))?;
        let path = out.join(&name);
        let file = File::create(&path).map_err(|e| write(&path, e))?;
        let mut file = BufWriter::with_capacity(1 << 20, file);
        rewrite(&source, &path, &mut file, how.wide, |name, shape, mut numbers| {
            let Place::Text(known) = place(config, name) else { return Ok(None) };
            let Some(list) = updates.remove(&known) else { return Ok(None) };
            changed += 1;
            for update in list {
                update.apply(&mut numbers, shape, how.sign, name)?;
            }
            Ok(Some(numbers))
        })?;
        file.flush().and_then(|()| file.get_ref().sync_all()).map_err(|e| write(&path, e))?;
    }
    if let Some(name) = updates.keys().next() {
        return Err(ModelError::Change(format!(
            "the checkpoint has no tensor `{name}` of its own; experts that are stacked in one tensor cannot be merged"
        )));
    }
    for name in OTHERS.into_iter().chain(["model.safetensors.index.json"]) {
        if let Some(bytes) = files
            .read(name)?
            .filter(|_| name != "model.safetensors.index.json" || files.index().is_ok_and(|i| i.is_some()))
        {
            fs::write(out.join(name), bytes).map_err(|e| write(&out.join(name), e))?;
        }
    }
    let mut own: Map<String, Value> = files.json("config.json")?;
    if how.wide {
        for name in ["torch_dtype", "dtype"].into_iter().filter(|name| own.contains_key(*name)).collect::<Vec<_>>() {
            own.insert(name.to_owned(), "float32".into());
        }
    }
    let text = serde_json::to_vec_pretty(&own).map_err(|e| ModelError::Change(e.to_string()))?;
    fs::write(out.join("config.json"), text).map_err(|e| write(&out.join("config.json"), e))?;
    Ok(changed)
}

enum Update<'a> {
    Product(&'a super::adapted::Pair),
    Replace(&'a Tensor),
}

impl Update<'_> {
    fn apply(&self, numbers: &mut Vec<f32>, shape: &[usize], sign: f64, name: &str) -> Result<()> {
        let new = match self {
            Self::Product(pair) => {
                let product = (pair.branch.b.matmul(&pair.branch.a)? * (sign * pair.branch.scale))?;
                let update = product.flatten_all()?.to_vec1::<f32>()?;
                if product.dims() != shape {
                    return Err(ModelError::Change(format!(
                        "tensor `{name}` has shape {shape:?}, the update {:?}",
                        product.dims()
                    )));
                }
                numbers.iter().zip(update).map(|(n, u)| n + u).collect()
            }
            Self::Replace(bias) => bias.to_vec1::<f32>()?,
        };
        *numbers = new;
        Ok(())
    }
}
