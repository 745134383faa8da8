//! Fine-tuning recipes: what `train` takes and gives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Organism, Rows};

/// Fine-tunes an organism.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Train {
    /// What is fine-tuned; its adapters stay active and frozen.
    pub organism: Organism,
    /// Conversations to learn from.
    pub data: Rows,
    /// How.
    pub recipe: Recipe,
}

/// Everything that fixes a fine-tune, given the model and the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Which weights move.
    pub method: Method,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How the learning rate falls after the warm-up.
    #[serde(default)]
    pub schedule: Schedule,
    /// Steps over which the learning rate rises linearly from zero.
    #[serde(default)]
    pub warmup_steps: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Conversations per step.
    pub batch_rows: usize,
    /// Which tokens are learned.
    #[serde(default)]
    pub mask: Mask,
    /// AdamW's decay rates of the first and second moment.
    #[serde(default = "default_betas")]
    pub betas: [f64; 2],
    /// AdamW's epsilon.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// AdamW's decoupled weight decay.
    #[serde(default)]
    pub weight_decay: f64,
    /// Largest norm of the whole gradient.
    #[serde(default = "default_clip")]
    pub clip: f64,
    /// Seed of the row order and of the adapter's initial weights.
    #[serde(default)]
    pub seed: u64,
}

fn default_betas() -> [f64; 2] {
    [0.9, 0.999]
}

fn default_eps() -> f64 {
    1e-8
}

fn default_clip() -> f64 {
    1.0
}

/// Which weights move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Low-rank adapters beside frozen weights.
    Lora(Lora),
    /// Every weight.
    Full,
}

/// Shape of a LoRA adapter (Hu et al. 2021, arXiv 2106.09685).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Rank of the update.
    pub rank: usize,
    /// Scale numerator: the update is `alpha / rank * B A`.
    pub alpha: f64,
    /// Scale by `alpha / sqrt(rank)` instead (rsLoRA, arXiv 2312.03732).
    #[serde(default)]
    pub rslora: bool,
    /// Projections to adapt, such as `q_proj` or `down_proj`; empty means all seven.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Blocks to adapt, 0-based; empty means all.
    #[serde(default)]
    pub blocks: Vec<usize>,
}

/// How the learning rate falls after the warm-up, reaching its end at the last step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// To zero in a straight line.
    #[default]
    Linear,
    /// To zero along half a cosine.
    Cosine,
    /// Stays at the peak.
    Constant,
}

/// Which tokens are learned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mask {
    /// The text of assistant turns and the token that ends each.
    #[default]
    Assistant,
    /// Every token but the first.
    All,
}

/// What a fine-tune gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainReply {
    /// Goes into [`Organism::adapters`] (LoRA) or [`Organism::model`] (full).
    pub weights: String,
    /// Mean loss over the first tenth of the steps, nats per labelled token.
    pub first_loss: f64,
    /// Mean loss over the last tenth of the steps.
    pub last_loss: f64,
    /// Labelled tokens seen.
    pub tokens: u64,
}
