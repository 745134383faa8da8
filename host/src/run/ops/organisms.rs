//! Organisms in memory: each is loaded once and kept while there is room.

use std::sync::{Arc, Mutex, PoisonError};

use emhost_abi::wire;

use super::lab::Shared;
use crate::inference::find;
use crate::model::organism::{Organism, digest};
use crate::run::error::RunError;

/// Organisms kept in memory.
const KEPT: usize = 4;

/// A small cache of loaded organisms, most recent last.
#[derive(Default)]
pub struct Organisms {
    kept: Mutex<Vec<Arc<Organism>>>,
}

impl Organisms {
    /// The organism, loaded if it is not in memory.
    pub(super) fn get(&self, organism: &wire::Organism, shared: &Shared) -> Result<Arc<Organism>, RunError> {
        let (files, adapters) = find(organism, Some(&shared.stages))?;
        let digest = digest(&files, &adapters)?;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match kept.iter().position(|known| known.digest == digest) {
            Some(at) => kept.remove(at),
            None => {
                tracing::info!(model = organism.model, adapters = ?organism.adapters, "load organism");
                Arc::new(Organism::load(&files, &adapters, &shared.device)?)
            }
        };
        kept.push(found.clone());
        if kept.len() > KEPT {
            kept.remove(0);
        }
        Ok(found)
    }

    /// The organism's digest, without loading it.
    pub(super) fn digest(&self, organism: &wire::Organism, shared: &Shared) -> Result<String, RunError> {
        let (files, adapters) = find(organism, Some(&shared.stages))?;
        Ok(digest(&files, &adapters)?)
    }
}
