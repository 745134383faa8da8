//! Organisms in memory: each is loaded once and kept while there is room.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use emhost_abi::wire;

use super::lab::Shared;
use crate::model::ModelError;
use crate::model::files::Files;
use crate::model::organism::{AdapterFolder, Organism, digest};
use crate::run::error::RunError;

/// Organisms kept in memory.
const KEPT: usize = 4;

/// A small cache of loaded organisms, most recent last.
pub struct Organisms {
    shared: Arc<Shared>,
    kept: Mutex<Vec<Arc<Organism>>>,
}

impl Organisms {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, kept: Mutex::default() }
    }

    /// The organism, loaded if it is not in memory.
    pub fn get(&self, organism: &wire::Organism) -> Result<Arc<Organism>, RunError> {
        let (files, adapters) = self.find(organism)?;
        let digest = digest(&files, &adapters)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match kept.iter().position(|known| known.digest == digest) {
            Some(at) => kept.remove(at),
            None => {
                tracing::debug!(model = organism.model, adapters = ?organism.adapters, "load organism");
                Arc::new(Organism::load(&files, &adapters, &self.shared.device)?)
            }
        };
        kept.push(found.clone());
        if kept.len() > KEPT {
            kept.remove(0);
        }
        Ok(found)
    }

    /// The organism's digest, without loading it.
    pub fn digest(&self, organism: &wire::Organism) -> Result<String, RunError> {
        let (files, adapters) = self.find(organism)?;
        Ok(digest(&files, &adapters)?)
    }

    fn find(&self, organism: &wire::Organism) -> Result<(Files, Vec<AdapterFolder>), RunError> {
        let files = Files::find(&organism.model)?;
        let adapters = organism
            .adapters
            .iter()
            .map(|adapter| {
                let folder = match adapter.strip_prefix("stage:train/") {
                    Some(key) => self.shared.stages.find_named("train", key),
                    None => Some(PathBuf::from(adapter)).filter(|folder| folder.is_dir()),
                };
                folder.map(|folder| AdapterFolder { folder }).ok_or_else(|| ModelError::Unknown(adapter.clone()))
            })
            .collect::<Result<_, _>>()?;
        Ok((files, adapters))
    }
}
