//! `run.json`: what was run, by what, and how to run it again.

use std::time::{SystemTime, UNIX_EPOCH};

use emhost_abi::wire::Cell;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::folder::RunFolder;
use super::{Options, Recipe, RunError};
use crate::model::numerics;
use crate::plugins::LoadedPlugin;

/// The record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// `NAME-DIGEST`: the digest is over plugin, parameters and the engine's arithmetic.
    pub id: String,
    /// The plugin's name.
    pub plugin: String,
    /// Its version.
    pub plugin_version: String,
    /// BLAKE3 of its library.
    pub plugin_digest: String,
    /// The ABI that it was built for.
    pub plugin_abi: String,
    /// The question that it answers.
    pub about: String,
    /// The host's version.
    pub emhost: String,
    /// The commit that the host was built from; empty in records of hosts that did not know it.
    #[serde(default)]
    pub commit: String,
    /// Version of the engine's arithmetic, and the device where it is not the CPU.
    pub numerics: String,
    /// The parameters that were set; the rest are the plugin's defaults.
    pub params: Map<String, Value>,
    /// The recipe as TOML.
    pub recipe: String,
    /// The command as typed.
    pub command: String,
    /// The machine's name.
    pub machine: String,
    /// Seconds since 1970 when the run was first started.
    pub started: u64,
    /// The cells.
    #[serde(default)]
    pub plan: Vec<Cell>,
}

impl RunRecord {
    /// The record of a run that begins.
    pub fn new(recipe: &Recipe, plugin: &LoadedPlugin, options: &Options) -> Self {
        let manifest = plugin.manifest();
        let tag = plugin.tag();
        let identity = json!({
            "plugin": manifest.name,
            "plugin_digest": plugin.digest(),
            "params": recipe.params,
            "numerics": numerics(&options.device),
        });
        let digest = blake3::hash(identity.to_string().as_bytes()).to_hex();
        Self {
            id: format!("{}-{}", recipe.name, &digest[..8]),
            plugin: manifest.name.clone(),
            plugin_version: manifest.version.clone(),
            plugin_digest: plugin.digest().to_owned(),
            plugin_abi: format!("{}.{}", tag.major, tag.minor),
            about: manifest.about.clone(),
            emhost: crate::VERSION.to_owned(),
            commit: crate::COMMIT.to_owned(),
            numerics: numerics(&options.device),
            params: recipe.params.clone(),
            recipe: recipe.to_toml(),
            command: options.command.clone(),
            machine: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |t| t.as_secs()),
            plan: Vec::new(),
        }
    }

    /// The host's version, with its commit where that is known.
    pub fn host(&self) -> String {
        if self.commit.is_empty() { self.emhost.clone() } else { format!("{} ({})", self.emhost, self.commit) }
    }

    /// Writes `run.json` unless an earlier call of the same run did, and gives what stands there.
    pub fn write(self, folder: &RunFolder, plan: &[Cell]) -> Result<Self, RunError> {
        let path = folder.root().join("run.json");
        if let Some(first) = folder.read_json(&path)? {
            return Ok(first);
        }
        let record = Self { plan: plan.to_vec(), ..self };
        folder.write_json(&path, &record)?;
        Ok(record)
    }
}
