//! Training every weight of a new network: how the embedded organism is made.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use emhost_abi::wire::{Recipe, Row};
use serde::{Deserialize, Serialize};

use super::data::of_text;
use super::fit::{Fit, Fitting, Watch, fit};
use super::learner::Learner;
use super::step::Trainer;
use crate::model::config::{self, Config};
use crate::model::families::shapes;
use crate::model::intervene::Interventions;
use crate::model::kernels::Heads;
use crate::model::linear::Placement;
use crate::model::network::Network;
use crate::model::text::Text;
use crate::model::weights::{Weights, to_safetensors};
use crate::model::{ModelError, Result};
use crate::rng::Stream;

/// The recipe of a new model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pretrain {
    /// Shape of the network.
    pub model: Shape,
    /// How it is trained.
    pub train: Recipe,
}

/// Shape of a new network; the vocabulary is the tokenizer's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Which architecture.
    #[serde(default)]
    pub family: NewFamily,
    /// Width of the residual stream.
    pub width: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Query heads.
    pub heads: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Width of the MLP.
    pub mlp_width: usize,
    /// Longest sequence.
    pub context: usize,
    /// Base of the rotary frequencies.
    pub rope_base: f64,
    /// The output matrix is the embedding matrix.
    pub tied: bool,
    /// Standard deviation of the initial weights; norms start at 1, biases at 0.
    pub initial_deviation: f64,
}

/// Families of which new networks are made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewFamily {
    /// Biases on queries, keys and values.
    #[default]
    Qwen2,
    /// No biases.
    Llama,
}

/// A new model.
#[derive(Debug)]
pub struct Pretrained {
    config: Config,
    tensors: BTreeMap<String, Tensor>,
    /// What each step saw.
    pub fit: Fit,
}

impl Pretrained {
    /// Configuration and weights (bf16) as files of a Hugging Face folder, by name.
    pub fn to_files(&self) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let json = |value: serde_json::Value| format!("{value:#}\n").into_bytes();
        Ok(vec![
            ("config.json", json(self.config.to_json("bfloat16"))),
            ("generation_config.json", json(serde_json::json!({ "eos_token_id": self.config.end_tokens }))),
            ("model.safetensors", to_safetensors(&self.tensors, DType::BF16)?),
        ])
    }
}

/// Trains every weight of a new network on `rows`.
pub fn pretrain(
    recipe: &Pretrain,
    text: &Text,
    rows: &[Row],
    device: &Device,
    watch: &mut impl Watch<Error = ModelError>,
) -> Result<Pretrained> {
    let shape = &recipe.model;
    let whole = |all: usize, part: usize| part > 0 && all.is_multiple_of(part);
    if !whole(shape.width, shape.heads) || !whole(shape.heads, shape.kv_heads) {
        return Err(ModelError::Recipe("width must be a multiple of heads, and heads of kv_heads".to_owned()));
    }
    let sizes = config::Shape {
        vocab: text.vocabulary(),
        width: shape.width,
        mlp_width: shape.mlp_width,
        blocks: shape.blocks,
        heads: Heads { query: shape.heads, kv: shape.kv_heads, dim: shape.width / shape.heads },
        context: shape.context,
    };
    let plain = match shape.family {
        NewFamily::Qwen2 => Config::qwen2(sizes, shape.rope_base),
        NewFamily::Llama => Config::llama(sizes, shape.rope_base),
    };
    let config = Config { tied: shape.tied, end_tokens: text.end_token().into_iter().collect(), ..plain };
    let mut weights = Weights::new("the new model");
    for (name, shape) in shapes(&config) {
        weights.insert(&name, initial(&name, &shape, recipe, device)?);
    }
    let variables = weights.variables()?;
    let placement = Placement { learns: true, ..Placement::frozen(device) };
    let network = Network::take(&config, &mut weights, &placement)?;
    let (rows, _) = of_text(rows, text, config.context, config.vocab, &recipe.train)?;
    let learner = Learner::of_weights(network, variables, device);
    let mut trainer = Trainer::new(&learner, &recipe.train)?;
    let task = Fitting {
        learner: &learner,
        recipe: &recipe.train,
        before: &learner.network,
        interventions: &Interventions::default(),
        rows: &rows,
        held_out: &[],
        close_to: None,
    };
    let fit = fit(&task, &mut trainer, Fit::default(), watch)?;
    Ok(Pretrained { config, tensors: learner.weights(), fit })
}

fn initial(name: &str, shape: &[usize], recipe: &Pretrain, device: &Device) -> Result<Tensor> {
    if name.ends_with("norm.weight") {
        return Ok(Tensor::ones(shape, DType::F32, device)?);
    }
    if name.ends_with(".bias") {
        return Ok(Tensor::zeros(shape, DType::F32, device)?);
    }
    let stream = Stream::new(recipe.train.seed, &[b"weights", name.as_bytes()]);
    let count: usize = shape.iter().product();
    let numbers: Vec<f32> =
        (0..count as u64).map(|i| (recipe.model.initial_deviation * stream.normal(i)) as f32).collect();
    Ok(Tensor::from_vec(numbers, shape, device)?)
}
