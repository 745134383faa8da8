//! Requests and replies of the operations that look inside: adapters' matrices, gradients, directions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Organism, Rows};

/// Reads the matrices of an adapter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdapterOpen {
    /// The model that it is for.
    pub model: String,
    /// What `train` returned, or a PEFT folder.
    pub adapter: String,
    /// Projections such as `down_proj`; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
    /// Blocks, 0-based; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<usize>,
}

/// One projection's update `scale B A`, as a row of the stream that `adapter.open` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProjectionRow {
    /// Block, 0-based.
    pub block: u32,
    /// Projection such as `down_proj`.
    pub module: String,
    /// Rank of the update.
    pub rank: u32,
    /// Factor of `B A`: `alpha / rank`, or `alpha / sqrt(rank)` (rsLoRA).
    pub scale: f64,
    /// Frobenius norm of the whole update.
    pub norm: f64,
    /// `A`, row-major `[rank, inputs]`.
    pub a: Vec<f32>,
    /// `B`, row-major `[outputs, rank]`.
    pub b: Vec<f32>,
}

/// Makes a new adapter from another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AdapterEdit {
    /// The adapter, and which part of it is changed.
    pub of: AdapterOpen,
    /// What is done to it.
    pub change: AdapterChange,
}

/// A change of an adapter's matrices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdapterChange {
    /// `B` times this.
    Scale(f64),
    /// `B - u (u^T B)` with `u` the direction at length 1: the update no longer writes along it. Of `o_proj` and
    /// `down_proj` alone.
    ProjectOut {
        /// The direction, as wide as the residual stream.
        values: Vec<f32>,
        /// Give `B` its old Frobenius norm back.
        renormalise: bool,
    },
}

/// An adapter that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdapterReply {
    /// Goes into [`Organism::adapters`].
    pub adapter: String,
    /// How many projections changed.
    pub projections: usize,
}

/// Adds an organism's adapters to the weights of its model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AdapterMerge {
    /// The model and its adapters.
    pub organism: Organism,
    /// Write f32; otherwise each tensor in its own type, to which sums are rounded.
    #[serde(default)]
    pub wide: bool,
}

/// A model that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelReply {
    /// Goes into [`Organism::model`].
    pub model: String,
}

/// How much an organism differs from another one at each answer token, and how much each token's embedding has to do
/// with that.
///
/// The divergence is `KL(reference || organism)` of the next token, summed over the answer's tokens; the gradient is
/// that of the sum, through the organism, with respect to the embedding of each token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Gradients {
    /// The organism that is differentiated.
    pub organism: Organism,
    /// What it is compared with.
    pub reference: Organism,
    /// Conversations that end in an assistant turn.
    pub rows: Rows,
}

/// One token, as a row of the stream that `gradients` gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GradientRow {
    /// The row.
    pub row_id: String,
    /// Position in the row, 0-based.
    pub pos: u32,
    /// The token.
    pub token_id: u32,
    /// Its text.
    pub token: String,
    /// Whether it belongs to the last assistant turn.
    pub answer: bool,
    /// Divergence of the predictions of this token, in nats; 0 outside of the answer.
    pub kl: f64,
    /// Euclidean norm of the gradient of the row's summed divergence with respect to this token's embedding.
    pub gradient: f64,
}

/// Stores directions, so that others find them: takes a stream of [`DirectionRow`]s.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DirectionWrite {
    /// What they have in common, such as `bad_medicine`; letters, digits and `._=,-`.
    pub name: String,
}

/// One direction, as a row of the stream that `direction.write` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DirectionRow {
    /// Unique in the stream.
    pub name: String,
    /// Where it belongs, such as `blocks.1.resid_post`.
    pub site: String,
    /// Where it came from, as a JSON object: organism, data, pooling, classes, n.
    pub provenance: String,
    /// The numbers, not normalised.
    pub vector: Vec<f32>,
}

/// Stored directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DirectionReply {
    /// Begins what an intervention's `vector` takes; `#` and the direction's name follow.
    pub directions: String,
}

/// Reads directions, whatever file they are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DirectionOpen {
    /// What `direction.write` returned or a file of any known form; with `#NAME` one of several.
    pub vector: String,
}
