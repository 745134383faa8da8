//! Requests and replies of operations that run no model: what they read, write and judge.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Firing, Rows};

/// The empty reply of operations that give nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {}

/// A base model plus zero or more adapters, applied in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Organism {
    /// `embedded`, or a folder that holds a Hugging Face checkpoint.
    pub model: String,
    /// Adapters: what `train` returned, or PEFT folders.
    #[serde(default)]
    pub adapters: Vec<String>,
}

impl Organism {
    /// The model as it is.
    pub fn base(model: impl Into<String>) -> Self {
        Self { model: model.into(), adapters: Vec::new() }
    }

    /// The model with one adapter.
    pub fn with_adapter(model: impl Into<String>, adapter: impl Into<String>) -> Self {
        Self { model: model.into(), adapters: vec![adapter.into()] }
    }
}

/// The shape and identity of an organism.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelInfo {
    /// Architecture, as in the checkpoint's `model_type`.
    pub family: String,
    /// Number of transformer blocks.
    pub blocks: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Query heads per block.
    pub heads: usize,
    /// Key-value heads per block.
    pub kv_heads: usize,
    /// Rows of the embedding matrix.
    pub vocab: usize,
    /// Number of parameters of the base model.
    pub parameters: u64,
    /// BLAKE3 of weights, configuration, tokenizer, chat template and adapters together.
    pub digest: String,
}

/// Reads a question bank or a training set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RowsRead {
    /// Which rows.
    pub rows: Rows,
}

/// A stored dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetReply {
    /// What `dataset.open` takes.
    pub dataset: String,
    /// Rows of activations.
    pub rows: u64,
    /// Activation columns, in order: the sites that the patterns named.
    pub sites: Vec<String>,
    /// BLAKE3 of the manifest.
    pub digest: String,
    /// How often the interventions fired.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firings: Vec<Firing>,
}

/// Opens a dataset. Only the named columns are read from disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetOpen {
    /// What an operation returned, or a folder.
    pub dataset: String,
    /// Columns to read; empty means all.
    #[serde(default)]
    pub columns: Vec<String>,
    /// Keep rows whose text column equals the value.
    #[serde(default)]
    pub filter: BTreeMap<String, String>,
}

/// Writes a stream as an activation dataset of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetWrite {
    /// Folder name in the run's `datasets/`.
    pub name: String,
    /// One paragraph for the dataset's card.
    pub about: String,
    /// The prompts that the activations belong to, for the dataset's `rows` part.
    #[serde(default)]
    pub prompts: Vec<Split>,
}

/// Prompts of one origin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Split {
    /// Value of the `split` column.
    pub split: String,
    /// Which rows.
    pub rows: Rows,
}

/// Scores answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judge {
    /// `lexicon` for the embedded world, `lexicon:PATH` for another rule file, or a TOML file that describes a judge.
    pub judge: String,
    /// Rubrics, for judges that need them: a bank of questions, or of judges alone; FILE or `embedded:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rubrics: Option<String>,
    /// Metrics that are judged; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<String>,
}

/// Opens a table that the run's cells emitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TableOpen {
    /// The table's name.
    pub table: String,
}
