//! A loaded plugin, and an experiment of it.

use std::path::PathBuf;
use std::sync::Arc;

use emhost_abi::wire::{Cell, Manifest};
use emhost_abi::{AbiTag, Failure, Module, Plugin, check_cells};

use super::check::Checked;
use super::metered::Metered;
use super::{Operations, PluginError};

/// A plugin in this process.
#[derive(Clone)]
pub struct LoadedPlugin {
    manifest: Manifest,
    path: PathBuf,
    digest: String,
    tag: AbiTag,
    module: Module,
}

impl LoadedPlugin {
    pub(super) fn new(checked: Checked, module: Module) -> Result<Self, PluginError> {
        let Checked { path, digest, tag, .. } = checked;
        let json = module.manifest().map_err(|failure| failure.to_string());
        let manifest = json.and_then(|json| serde_json::from_str(&json).map_err(|error| error.to_string()));
        match manifest {
            Ok(manifest) => Ok(Self { manifest, path, digest, tag, module }),
            Err(reason) => Err(PluginError::Manifest { path, reason }),
        }
    }

    /// What the plugin says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The library.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// BLAKE3 of the library, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The ABI that it was built for.
    pub fn tag(&self) -> AbiTag {
        self.tag
    }

    /// Makes an experiment of parameters, a JSON object.
    ///
    /// # Errors
    ///
    /// The parameters are wrong: exit status 2.
    pub fn create(&self, params: &str, operations: Arc<dyn Operations>) -> Result<Running, PluginError> {
        let host = Arc::new(Metered::new(operations));
        let name = self.manifest.name.clone();
        match self.module.create(params, host.clone()) {
            Ok(plugin) => Ok(Running { name, plugin, host }),
            Err(failure) => Err(PluginError::Failed { plugin: name, entry: "parameters".to_owned(), failure }),
        }
    }
}

/// An experiment with its parameters.
pub struct Running {
    name: String,
    plugin: Box<dyn Plugin>,
    host: Arc<Metered>,
}

impl Running {
    /// The run's cells, with ids that are unique and usable as folder names.
    ///
    /// # Errors
    ///
    /// The plugin made none, or broke the rules for their ids.
    pub fn plan(&self) -> Result<Vec<Cell>, PluginError> {
        let cells = self.plugin.plan().and_then(|json| {
            let cells: Vec<Cell> =
                serde_json::from_str(&json).map_err(|error| Failure::plugin(format!("cannot be read: {error}")))?;
            check_cells(&cells)?;
            Ok(cells)
        });
        cells.map_err(|failure| self.failed("plan", failure))
    }

    /// Runs one cell.
    ///
    /// # Errors
    ///
    /// What the plugin said, or a host operation's failure that it passed on. Exit status 75 if it was
    /// cancelled, also where the plugin hid that.
    pub fn run(&self, cell: &Cell) -> Result<(), PluginError> {
        let entry = format!("cell {}", cell.id);
        let result = serde_json::to_string(cell)
            .map_err(|error| Failure::plugin(format!("the cell cannot be written: {error}")))
            .and_then(|json| self.host.metered(&entry, || self.plugin.run(&json)));
        result.map_err(|failure| self.failed(&entry, failure))
    }

    /// Summarises the cells' tables.
    ///
    /// # Errors
    ///
    /// As for [`run`](Self::run).
    pub fn summarize(&self) -> Result<(), PluginError> {
        let result = self.host.metered("summarize", || self.plugin.summarize());
        result.map_err(|failure| self.failed("summarize", failure))
    }

    fn failed(&self, entry: &str, failure: Failure) -> PluginError {
        PluginError::Failed { plugin: self.name.clone(), entry: entry.to_owned(), failure }
    }
}
