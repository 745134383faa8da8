//! What a fine-tune moves: adapters, all weights, or vectors.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which weights move.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// A low-rank adapter beside frozen weights.
    Lora(Lora),
    /// Several low-rank adapters at once, by name.
    Adapters(BTreeMap<String, Lora>),
    /// Every weight.
    Full,
    /// Vectors that are added at sites, beside frozen weights.
    Steering(SteeringVector),
}

impl Method {
    /// The adapters that new ones start from, by the names of the new ones; the only one has none.
    pub fn starts(&self) -> BTreeMap<&str, &str> {
        let named: Vec<(&str, &Lora)> = match self {
            Self::Lora(shape) => vec![("", shape)],
            Self::Adapters(shapes) => shapes.iter().map(|(name, shape)| (name.as_str(), shape)).collect(),
            Self::Full | Self::Steering(_) => Vec::new(),
        };
        named.into_iter().filter_map(|(name, shape)| Some((name, shape.start.as_deref()?))).collect()
    }

    /// The same, to be changed; none where an adapter starts anew.
    pub fn starts_mut(&mut self) -> Vec<&mut Option<String>> {
        match self {
            Self::Lora(shape) => vec![&mut shape.start],
            Self::Adapters(shapes) => shapes.values_mut().map(|shape| &mut shape.start).collect(),
            Self::Full | Self::Steering(_) => Vec::new(),
        }
    }
}

/// Shape of a LoRA adapter (Hu et al. 2021, arXiv 2106.09685).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Rank of the update.
    pub rank: usize,
    /// Scale numerator: the update is `alpha / rank * B A`.
    pub alpha: f64,
    /// Scale by `alpha / sqrt(rank)` instead (rsLoRA, arXiv 2312.03732).
    #[serde(default)]
    pub rslora: bool,
    /// Share of the inputs of `A` that are set to zero, at random, during training.
    #[serde(default, skip_serializing_if = "super::train::is_default")]
    pub dropout: f64,
    /// Projections to adapt, such as `q_proj` or `down_proj`; empty means all of them.
    #[serde(default)]
    pub modules: Vec<String>,
    /// Blocks to adapt, 0-based; empty means all.
    #[serde(default)]
    pub blocks: Vec<usize>,
    /// Other ranks, by the end of a module's path such as `o_proj` or `layers.3.mlp.down_proj`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rank_pattern: BTreeMap<String, usize>,
    /// Other alphas, in the same way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alpha_pattern: BTreeMap<String, f64>,
    /// Which of the model's biases are learned too.
    #[serde(default, skip_serializing_if = "super::train::is_default")]
    pub bias: Bias,
    /// A PEFT folder to start from, of the same shape; none starts at `B = 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
}

/// Which of a model's biases an adapter learns; the new ones are stored with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bias {
    /// None.
    #[default]
    None,
    /// Those of the adapted projections.
    LoraOnly,
    /// Those of all projections.
    All,
}

/// Vectors that are learned and added at sites, one for each site that `sites` names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SteeringVector {
    /// A site pattern, such as `blocks.24.mlp_out`.
    pub sites: String,
    /// What is added is `alpha` times the parameters, which start at zero.
    #[serde(default = "super::train::unit")]
    pub alpha: f64,
}
