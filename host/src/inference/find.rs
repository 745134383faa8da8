//! The files of an organism by the names that a request gives.

use std::path::PathBuf;

use emhost_abi::wire;

use crate::model::files::Files;
use crate::model::organism::AdapterFolder;
use crate::model::{ModelError, Result};
use crate::store::Stages;

/// The files of a model and the folders of its adapters: PEFT folders, or what `train` left in `stages`.
pub fn find(organism: &wire::Organism, stages: Option<&Stages>) -> Result<(Files, Vec<AdapterFolder>)> {
    let files = Files::find(&organism.model)?;
    let adapter = |adapter: &String| Ok(AdapterFolder { folder: adapter_folder(adapter, stages)? });
    Ok((files, organism.adapters.iter().map(adapter).collect::<Result<_>>()?))
}

/// The folder of an adapter: a PEFT folder, `stage:OP/KEY` of the operations that make adapters, or a folder inside of
/// that.
pub fn adapter_folder(adapter: &str, stages: Option<&Stages>) -> Result<PathBuf> {
    let made = adapter.strip_prefix("stage:").and_then(|stage| stage.split_once('/'));
    let folder = match made {
        Some((op @ ("train" | "adapter"), key)) => {
            let (key, inside) = key.split_once('/').unwrap_or((key, ""));
            let stage = stages.filter(|_| !inside.contains("..")).and_then(|stages| stages.find_named(op, key));
            stage.map(|stage| stage.join(inside))
        }
        _ => Some(PathBuf::from(adapter)),
    };
    folder.filter(|folder| folder.is_dir()).ok_or_else(|| ModelError::Adapter(adapter.to_owned()))
}
