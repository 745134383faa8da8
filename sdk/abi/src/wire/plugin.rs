//! What a plugin says about itself, and the cells that it plans.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What `emhost plugin info` shows: returned by a plugin before anything of it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The name that `emhost run --plugin NAME` takes.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// One paragraph: the question that the experiment answers.
    pub about: String,
    /// JSON Schema of the parameters.
    pub params: Value,
    /// Operations of the host that the plugin calls, so that a host that lacks one refuses early.
    pub operations: Vec<String>,
    /// The recipe (TOML) that runs when the user names none; empty means the parameters' defaults.
    #[serde(default)]
    pub recipe: String,
}

/// The smallest unit of a run that can be executed, resumed or sent elsewhere on its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Unique in the run and usable as a folder name: `[a-z0-9._=,-]+`. Where cells differ in several things, name them all
    /// so that a pattern can choose: `condition=c1,seed=42`.
    pub id: String,
    /// One line for a person, shown while the cell runs.
    pub about: String,
    /// What the plugin needs to run the cell; opaque to the host.
    #[serde(default)]
    pub spec: Value,
}
