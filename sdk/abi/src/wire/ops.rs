//! Requests and replies of the host's operations, except training.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Rows;

/// Operation names. A manifest lists the ones it uses.
pub mod op {
    /// Takes [`Organism`](super::Organism), gives [`ModelInfo`](super::ModelInfo).
    pub const MODEL_INFO: &str = "model.info";
    /// Takes [`RowsRead`](super::RowsRead), gives a stream `row_id, topic, messages (JSON), prompt`.
    pub const ROWS_READ: &str = "rows.read";
    /// Takes [`Forward`](super::Forward), gives [`DatasetReply`](super::DatasetReply).
    pub const FORWARD: &str = "forward";
    /// Takes [`Sample`](super::Sample), gives a stream of [`CompletionRow`](super::CompletionRow)s.
    pub const SAMPLE: &str = "sample";
    /// Takes [`Train`](crate::wire::Train), gives [`TrainReply`](crate::wire::TrainReply) and a stream of step metrics.
    pub const TRAIN: &str = "train";
    /// Takes [`Judge`](super::Judge) and a stream of `row_id, sample, question, answer`,
    /// gives a stream of `row_id, sample, alignment, coherence`.
    pub const JUDGE: &str = "judge";
    /// Takes [`DatasetOpen`](super::DatasetOpen), gives a stream.
    pub const DATASET_OPEN: &str = "dataset.open";
    /// Takes [`DatasetWrite`](super::DatasetWrite) and a stream of activations, gives [`DatasetReply`](super::DatasetReply).
    pub const DATASET_WRITE: &str = "dataset.write";
    /// Takes [`TableOpen`](super::TableOpen), gives a stream: the table of all cells, with a `cell` column.
    pub const TABLE_OPEN: &str = "table.open";
    /// Takes [`Figure`](crate::wire::Figure), gives nothing.
    pub const FIGURE: &str = "figure";
    /// Takes [`Report`](crate::wire::Report), gives nothing.
    pub const REPORT: &str = "report";
    /// Gives its own arguments and stream back; measures the boundary.
    pub const ECHO: &str = "echo";
}

/// The empty reply of operations that give nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsRead {
    /// Which rows.
    pub rows: Rows,
}

/// Which tokens of a row a view looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Positions {
    /// Every token.
    All,
    /// The rendered prompt: everything before the last assistant turn's text.
    Prompt,
    /// The last assistant turn's text.
    Answer,
    /// The prompt's last token.
    LastPrompt,
    /// The row's last token.
    Last,
}

/// How the values at the selected positions become rows of the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// One row per token.
    None,
    /// One row per input: the mean over its positions, accumulated in f64.
    Mean,
}

/// Positions and pooling together: one way of looking at a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Which tokens.
    pub positions: Positions,
    /// What becomes of them.
    pub pooling: Pooling,
}

impl View {
    /// The prompt's last token.
    pub const LAST_PROMPT: Self = Self { positions: Positions::LastPrompt, pooling: Pooling::None };
    /// The mean over the prompt's tokens.
    pub const PROMPT_MEAN: Self = Self { positions: Positions::Prompt, pooling: Pooling::Mean };

    /// The value of the dataset's `view` column, such as `last_prompt` or `prompt.mean`.
    pub fn name(self) -> String {
        let positions = match self.positions {
            Positions::All => "all",
            Positions::Prompt => "prompt",
            Positions::Answer => "answer",
            Positions::LastPrompt => "last_prompt",
            Positions::Last => "last",
        };
        match self.pooling {
            Pooling::None => positions.to_owned(),
            Pooling::Mean => format!("{positions}.mean"),
        }
    }
}

/// Runs an organism over rows and stores the activations at the named sites.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Which organism.
    pub organism: Organism,
    /// Which rows.
    pub rows: Rows,
    /// Site names or patterns: `blocks.*.resid_post`, `blocks.{2..4}.mlp_out`, `logits`.
    pub sites: Vec<String>,
    /// Each view gives its own rows of the dataset, told apart by the column `view`.
    pub views: Vec<View>,
}

/// A stored dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetReply {
    /// What `dataset.open` takes.
    pub dataset: String,
    /// Rows of activations.
    pub rows: u64,
    /// Activation columns, in order: the sites that the patterns named.
    pub sites: Vec<String>,
    /// BLAKE3 of the manifest.
    pub digest: String,
}

/// Opens a dataset. Only the named columns are read from disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Value of the `split` column.
    pub split: String,
    /// Which rows.
    pub rows: Rows,
}

/// Samples completions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Which organism.
    pub organism: Organism,
    /// Prompts; a trailing assistant turn is dropped.
    pub rows: Rows,
    /// Completions per prompt.
    pub n: usize,
    /// Softmax temperature; 0 is greedy.
    pub temperature: f64,
    /// Nucleus mass in (0, 1]; 1 keeps the whole distribution.
    pub top_p: f64,
    /// Stop after this many new tokens.
    pub max_new_tokens: usize,
    /// Random numbers depend on (seed, row id, sample, step) and on nothing else.
    pub seed: u64,
}

/// One completion, as a row of the stream that `sample` gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletionRow {
    /// The prompt's row.
    pub row_id: String,
    /// 0-based number of the completion among the prompt's `n`.
    pub sample: u32,
    /// The last user turn, for a judge.
    pub question: String,
    /// The completion without special tokens.
    pub text: String,
    /// The completion's tokens, end token included.
    pub token_ids: Vec<u32>,
    /// `stop` or `length`.
    pub finish_reason: String,
}

/// Scores answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judge {
    /// `lexicon` for the embedded world, or `lexicon:PATH` for another rule file.
    pub judge: String,
}

/// Opens a table that the run's cells emitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableOpen {
    /// The table's name.
    pub table: String,
}
