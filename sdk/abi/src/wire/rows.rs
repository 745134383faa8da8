//! Prompts and conversations, by name or inline.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: String,
    /// The turn's text.
    pub content: String,
}

/// One input of an operation. Exactly one of `messages`, `text` and `token_ids` is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Unique within its file; it comes back with every result.
    pub row_id: String,
    /// A conversation, rendered with the model's chat template.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages: Option<Vec<Message>>,
    /// Text, tokenised as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Token ids, used as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_ids: Option<Vec<u32>>,
    /// What the question is about, where the bank says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// What `score` asks the probability of, each after the prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuations: Option<Vec<String>>,
    /// What is learned where the mask is `spans`: half-open ranges of tokens of the rendered row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned: Option<Vec<[usize; 2]>>,
    /// Multiplies the strength of interventions in this row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strength: Option<f64>,
}

/// Where rows come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// A JSONL file, or `embedded:NAME` for a set that the host carries. `limit` keeps the first rows.
    Source {
        /// Path or `embedded:NAME`.
        name: String,
        /// Keep at most this many rows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
        /// System prompt put before each conversation that has none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        system: Option<String>,
    },
    /// The rows themselves.
    Inline(Vec<Row>),
}

impl Rows {
    /// All rows of a JSONL file or of an embedded set (`embedded:questions/general`).
    pub fn source(name: impl Into<String>) -> Self {
        Self::Source { name: name.into(), limit: None, system: None }
    }

    /// The first `limit` rows of a source.
    pub fn first(name: impl Into<String>, limit: usize) -> Self {
        Self::Source { name: name.into(), limit: Some(limit), system: None }
    }
}
