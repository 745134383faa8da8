//! Requests and replies of the operations that run a model over rows: `forward`, `sample` and `score`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DatasetReply, Firing, Intervention, Organism, Rows};

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Forward {
    /// Which organism.
    pub organism: Organism,
    /// Which rows.
    pub rows: Rows,
    /// Site names or patterns: `blocks.*.resid_post`, `blocks.{2..4}.mlp_out`, `logits`.
    pub sites: Vec<String>,
    /// Each view gives its own rows of the dataset, told apart by the column `view`.
    pub views: Vec<View>,
    /// Edits of the forward pass; the dataset then has a column `strength`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// Every row is run once per strength; none means once at strength 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strengths: Vec<f64>,
}

impl Forward {
    /// Activations without interventions.
    pub fn new(organism: Organism, rows: Rows, sites: Vec<String>, views: Vec<View>) -> Self {
        Self { organism, rows, sites, views, interventions: Vec::new(), strengths: Vec::new() }
    }
}

/// Samples completions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// Which organism.
    pub organism: Organism,
    /// Prompts; a trailing assistant turn is dropped.
    pub rows: Rows,
    /// Completions per prompt and strength.
    pub n: usize,
    /// Softmax temperature; 0 is greedy.
    pub temperature: f64,
    /// Nucleus mass in (0, 1]; 1 keeps the whole distribution.
    pub top_p: f64,
    /// Stop after this many new tokens.
    pub max_new_tokens: usize,
    /// End tokens are not chosen before this many new tokens.
    #[serde(default)]
    pub min_new_tokens: usize,
    /// Random numbers depend on (seed, row id, sample, step) and on nothing else: not on the strength, so that
    /// the completions of a dose-response curve differ by the dose alone.
    pub seed: u64,
    /// Edits of the forward pass; the completions then have a column `strength`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// Every prompt is completed `n` times per strength; none means once at strength 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strengths: Vec<f64>,
    /// Sites whose values at the prompt's last token and at every new token are kept, from the same pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<String>,
}

impl Sample {
    /// One completion per prompt at temperature 1 from the whole distribution, up to 64 tokens, seed 0.
    pub fn new(organism: Organism, rows: Rows) -> Self {
        Self {
            organism,
            rows,
            n: 1,
            temperature: 1.0,
            top_p: 1.0,
            max_new_tokens: 64,
            min_new_tokens: 0,
            seed: 0,
            interventions: Vec::new(),
            strengths: Vec::new(),
            sites: Vec::new(),
        }
    }
}

/// What `sample` says beside the completions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SampleReply {
    /// How often the interventions fired.
    #[serde(default)]
    pub firings: Vec<Firing>,
    /// The activations, where sites were asked for: `row_id, sample, pos, token_id` and one column per site.
    #[serde(default)]
    pub activations: Option<DatasetReply>,
}

/// One completion, as a row of the stream that `sample` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompletionRow {
    /// The prompt's row.
    pub row_id: String,
    /// Strength of the interventions, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
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

/// Gives the log-probability of each row's `continuations`, or of its last assistant turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    /// Which organism.
    pub organism: Organism,
    /// Prompts with `continuations`, or conversations that end in an assistant turn.
    pub rows: Rows,
    /// Edits of the forward pass; the scores then have a column `strength`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// Every row is scored once per strength; none means once at strength 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strengths: Vec<f64>,
    /// Give what each block alone would say of a continuation's first token; the scores then have a column `lens`.
    #[serde(default, skip_serializing_if = "super::train::is_default")]
    pub lens: bool,
}

impl Score {
    /// Scores without interventions.
    pub fn new(organism: Organism, rows: Rows) -> Self {
        Self { organism, rows, interventions: Vec::new(), strengths: Vec::new(), lens: false }
    }
}

/// What `score` says beside the scores.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScoreReply {
    /// How often the interventions fired.
    #[serde(default)]
    pub firings: Vec<Firing>,
}

/// The score of one continuation, as a row of the stream that `score` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContinuationRow {
    /// The prompt's row.
    pub row_id: String,
    /// Strength of the interventions, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
    /// 0-based number of the continuation in its row.
    pub continuation: u32,
    /// Its text.
    pub text: String,
    /// Its tokens; those of an assistant turn include the end token.
    pub token_ids: Vec<u32>,
    /// Natural logarithm of each token's probability, given the prompt and the tokens before it, in nats.
    pub logprobs: Vec<f64>,
    /// Their sum.
    pub total: f64,
    /// Their mean.
    pub mean: f64,
    /// The logit lens (nostalgebraist 2020) where it is asked for: the log-probability of the first token after each
    /// block, from that block's output through the final norm and the output matrix, in nats. The last block's is the
    /// first of `logprobs`, unless logits are edited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lens: Vec<f64>,
}
