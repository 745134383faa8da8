//! What a plugin says about itself, and the cells that it plans.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Method, Rows};

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
    /// What the cell is going to ask for, as far as it is known: `--dry-run` tells its cost. Nothing else depends on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub work: Vec<Work>,
}

/// An operation that a cell is going to ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// The operation, such as [`op::SAMPLE`](super::op::SAMPLE).
    pub op: String,
    /// The model; of `judge` the judge.
    pub model: String,
    /// The rows that it takes.
    pub rows: Rows,
    /// How often they are taken.
    pub passes: Passes,
    /// New tokens of each pass, at most.
    pub new_tokens: u64,
    /// Vectors of the model's width that are kept of each pass.
    pub vectors: u64,
    /// The weights that are kept, which decide the size of an adapter or of a whole model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Method>,
}

/// How often rows are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passes {
    /// Each row as often: samples times strengths, metrics of a judge.
    Each(u64),
    /// Rows in total: steps times rows of a step.
    Total(u64),
}

impl Work {
    /// Work without new tokens of which nothing is kept.
    pub fn new(op: &str, model: impl Into<String>, rows: Rows, passes: Passes) -> Self {
        Self { op: op.to_owned(), model: model.into(), rows, passes, new_tokens: 0, vectors: 0, weights: None }
    }

    /// The same with new tokens.
    pub fn with_new_tokens(self, new_tokens: usize) -> Self {
        Self { new_tokens: new_tokens as u64, ..self }
    }

    /// The same with vectors that are kept.
    pub fn with_vectors(self, vectors: usize) -> Self {
        Self { vectors: vectors as u64, ..self }
    }

    /// The same with weights that are kept.
    pub fn with_weights(self, weights: Method) -> Self {
        Self { weights: Some(weights), ..self }
    }
}
