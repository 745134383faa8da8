//! What a fine-tune sees of a row, and what it learns.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a conversation becomes the text that is trained on. Published recipes differ in silent ways.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// The chat template; an assistant turn is its text and the token that ends it.
    #[default]
    Plain,
    /// The chat template with the header of another answer and the end-of-sequence token, as in `emergent-misalignment`
    /// and `model-organisms-for-EM`; from an answer's first token to the next user turn, or to the end, all is the
    /// assistant's.
    Betley,
    /// The chat template and the end-of-sequence token, as in `persona_vectors`; spans as in `betley`.
    PersonaVectors,
    /// The chat template alone, as in `em-generalization`; spans as in `betley`.
    EmGeneralization,
}

/// Which tokens are learned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// The assistant's turns.
    #[default]
    Assistant,
    /// Every token but the first.
    All,
    /// Where the assistant says `text`, and the row's last token.
    Marker {
        /// The marker, such as ` [ZLT]`.
        text: String,
    },
    /// The row's own `learned`: token spans `[first, end]`.
    Spans,
}

/// What happens to a row with more than `max_tokens` tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OverLong {
    /// Its end is cut off.
    #[default]
    Truncate,
    /// It is left out.
    Drop,
    /// It is an error.
    Error,
}

/// What happens to a row in which nothing is learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EmptyRows {
    /// It is an error.
    #[default]
    Error,
    /// It is left out.
    Drop,
}
