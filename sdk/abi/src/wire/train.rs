//! Fine-tuning recipes: what `train` takes and gives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EmptyRows, Intervention, Mask, Method, Organism, OverLong, Preset, Rows};

/// Fine-tunes an organism.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Train {
    /// What is fine-tuned; its adapters stay active and frozen.
    pub organism: Organism,
    /// Conversations to learn from.
    pub data: Rows,
    /// How.
    pub recipe: Recipe,
}

/// Everything that fixes a fine-tune, given the model and the data.
///
/// A step sees `batch_rows * accumulate` rows. Exactly one of `steps` and `epochs` says how many steps there are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Which weights move.
    pub method: Method,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// How the learning rate changes after the warm-up.
    #[serde(default)]
    pub schedule: Schedule,
    /// Steps over which the learning rate rises linearly from zero.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warmup_steps: usize,
    /// The same as a share of all steps, rounded up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup_ratio: Option<f64>,
    /// Optimiser steps; the rows come again in another order when all were seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Times that each row is seen; the last step of an epoch may have fewer rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<usize>,
    /// Rows of a micro-batch.
    pub batch_rows: usize,
    /// Micro-batches of a step.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub accumulate: usize,
    /// What a step's loss is the mean of.
    #[serde(default, skip_serializing_if = "is_default")]
    pub average: Average,
    /// How a conversation becomes text, and which part of it is the assistant's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preset: Preset,
    /// Which tokens are learned.
    #[serde(default)]
    pub mask: Mask,
    /// Longest row in tokens; none means the model's context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// What happens to a longer row.
    #[serde(default, skip_serializing_if = "is_default")]
    pub over_long: OverLong,
    /// What happens to a row in which nothing is learned.
    #[serde(default, skip_serializing_if = "is_default")]
    pub empty_rows: EmptyRows,
    /// AdamW's decay rates of the first and second moment.
    #[serde(default = "default_betas")]
    pub betas: [f64; 2],
    /// AdamW's epsilon.
    #[serde(default = "default_eps")]
    pub eps: f64,
    /// AdamW's decoupled weight decay.
    #[serde(default)]
    pub weight_decay: f64,
    /// Which weights decay.
    #[serde(default, skip_serializing_if = "is_default")]
    pub decay: Decay,
    /// How AdamW's moments are held.
    #[serde(default, skip_serializing_if = "is_default")]
    pub moments: Moments,
    /// Radius of sharpness-aware minimisation (SAM, arXiv 2010.01412); none is plain AdamW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sam: Option<f64>,
    /// Largest norm of the whole gradient.
    #[serde(default = "default_clip")]
    pub clip: f64,
    /// Seed of the row order, of initial weights, of dropout and of the held-out share.
    #[serde(default)]
    pub seed: u64,
    /// Rows in the order of the file, not shuffled.
    #[serde(default, skip_serializing_if = "is_default")]
    pub in_order: bool,
    /// Stay close to the model before this fine-tune.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kl: Option<Kl>,
    /// Edits of the forward pass that are active during training.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interventions: Vec<Intervention>,
    /// Rows that are not learned, on which the loss is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_out: Option<HeldOut>,
    /// Keep what was learned every this many steps; 0 keeps the end alone.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub checkpoint_every: usize,
    /// When to stop before the last step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stop: Option<EarlyStop>,
    /// Keep the inputs of the blocks alone for the backward pass and compute the rest again: less memory, about a
    /// third more work, the same result.
    #[serde(default, skip_serializing_if = "is_default")]
    pub recompute: bool,
}

impl Recipe {
    /// A recipe with the default of every optional field.
    pub fn new(method: Method, learning_rate: f64, steps: usize, batch_rows: usize) -> Self {
        Self {
            method,
            learning_rate,
            schedule: Schedule::default(),
            warmup_steps: 0,
            warmup_ratio: None,
            steps: Some(steps),
            epochs: None,
            batch_rows,
            accumulate: 1,
            average: Average::default(),
            preset: Preset::default(),
            mask: Mask::default(),
            max_tokens: None,
            over_long: OverLong::default(),
            empty_rows: EmptyRows::default(),
            betas: default_betas(),
            eps: default_eps(),
            weight_decay: 0.0,
            decay: Decay::default(),
            moments: Moments::default(),
            sam: None,
            clip: default_clip(),
            seed: 0,
            in_order: false,
            kl: None,
            interventions: Vec::new(),
            held_out: None,
            checkpoint_every: 0,
            early_stop: None,
            recompute: false,
        }
    }
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

/// 1.
pub(super) fn unit() -> f64 {
    1.0
}

fn one() -> usize {
    1
}

fn is_one(count: &usize) -> bool {
    *count == 1
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// How the learning rate changes after the warm-up, reaching its end with the last step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// To zero in a straight line.
    #[default]
    Linear,
    /// To zero along half a cosine.
    Cosine,
    /// To zero along half a cosine, `cycles` times.
    CosineWithRestarts {
        /// How often.
        cycles: usize,
    },
    /// Stays at the peak.
    Constant,
    /// Between `base` and the peak in straight lines (Smith 2015, arXiv 1506.01186).
    Cyclic(Cyclic),
}

/// Triangles between two learning rates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cyclic {
    /// Lowest learning rate.
    pub base: f64,
    /// Triangles over the whole training; their rising half has `steps / (2 cycles)` steps, rounded down.
    #[serde(default = "four")]
    pub cycles: usize,
    /// How the peaks change.
    #[serde(default)]
    pub mode: CyclicMode,
    /// `exp_range`: the peak's height is multiplied by this at each step.
    #[serde(default = "unit")]
    pub gamma: f64,
}

fn four() -> usize {
    4
}

/// How the peaks of a cyclic schedule change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CyclicMode {
    /// Not at all.
    #[default]
    Triangular,
    /// Half as high with each cycle.
    Triangular2,
    /// Times `gamma` with each step.
    ExpRange,
}

/// What a step's loss is the mean of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// All learned tokens of the step.
    #[default]
    Tokens,
    /// Rows, each the mean of its learned tokens.
    Rows,
    /// Micro-batches, each the mean of its learned tokens: what trainers did before they counted tokens over the step.
    MicroBatches,
}

/// Which weights decay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// All that learn.
    #[default]
    All,
    /// Matrices; biases and norms do not, as in transformers' trainer.
    Matrices,
}

/// How AdamW's moments are held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Moments {
    /// 4 bytes each.
    #[default]
    F32,
    /// 1 byte each, in blocks of 256 with a scale (Dettmers et al. 2021, arXiv 2110.02861); matrices below 4,096
    /// numbers stay in f32.
    EightBit,
}

/// A penalty for leaving the model as it was before this fine-tune: `weight * KL(before || now)` at the learned tokens,
/// averaged as the loss is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kl {
    /// Factor of the mean divergence.
    pub weight: f64,
    /// Conversations on which it is measured; none means the step's own rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// Rows of them per step.
    #[serde(default = "eight", skip_serializing_if = "is_eight")]
    pub batch_rows: usize,
}

fn eight() -> usize {
    8
}

fn is_eight(count: &usize) -> bool {
    *count == 8
}

/// Rows on which the loss is measured. Exactly one of `rows` and `share` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// Other conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<Rows>,
    /// This share of the training rows, chosen by the seed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
    /// Measure every this many steps; 0 measures before the first and after the last step.
    #[serde(default)]
    pub every: usize,
}

/// When training stops before its last step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    /// The training loss is below this ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_below: Option<f64>,
    /// ... at this many steps in a row.
    #[serde(default = "one")]
    pub steps: usize,
    /// The held-out loss did not fall below its lowest value this many measurements in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
}

/// What a fine-tune gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TrainReply {
    /// Goes into [`Organism::adapters`] (LoRA; of several adapters with `/NAME` behind it), [`Organism::model`] (full) or
    /// an intervention (steering).
    pub weights: String,
    /// Mean loss over the first tenth of the steps, nats per labelled token.
    pub first_loss: f64,
    /// Mean loss over the last tenth of the steps.
    pub last_loss: f64,
    /// Labelled tokens seen.
    pub tokens: u64,
    /// What was kept on the way: the steps taken, and what goes where `weights` goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<(usize, String)>,
}
