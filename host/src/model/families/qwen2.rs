//! Qwen2 and Qwen2.5.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::Result;
use crate::model::config::{Config, Norm, Shape};
use crate::model::files::Files;
use crate::model::kernels::Heads;

/// `config.json` as written on disk.
#[derive(Debug, Deserialize, Serialize)]
struct Raw {
    model_type: String,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    hidden_act: String,
    rms_norm_eps: f64,
    max_position_embeddings: usize,
    rope_theta: Option<f64>,
    rope_scaling: Option<Value>,
    rope_parameters: Option<Rope>,
    #[serde(default)]
    tie_word_embeddings: bool,
    #[serde(default)]
    use_sliding_window: bool,
    eos_token_id: Option<EndTokens>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Rope {
    rope_theta: f64,
    rope_type: String,
}

/// One id or several, as checkpoints write them.
#[derive(Debug, Clone, Serialize)]
struct EndTokens(Vec<u32>);

impl<'de> Deserialize<'de> for EndTokens {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Array(ids) => ids.into_iter().map(|id| id.as_u64().map(|id| id as u32)).collect::<Option<_>>(),
            id => id.as_u64().map(|id| vec![id as u32]),
        }
        .map(EndTokens)
        .ok_or_else(|| serde::de::Error::custom("end-of-sequence ids are one number or a list of numbers"))
    }
}

#[derive(Deserialize)]
struct Generation {
    eos_token_id: Option<EndTokens>,
}

/// Reads `config.json` and the end tokens of `generation_config.json`.
pub fn read(files: &Files) -> Result<Config> {
    const FILE: &str = "config.json";
    let raw: Raw = files.json(FILE)?;
    let refuse = |option: &str, value: String, supported: &str| {
        Err(files.unsupported(FILE, format!("{option} is {value}; supported: {supported}")))
    };
    if raw.model_type != "qwen2" {
        return refuse("model_type", format!("`{}`", raw.model_type), "qwen2");
    }
    if raw.hidden_act != "silu" {
        return refuse("hidden_act", format!("`{}`", raw.hidden_act), "silu");
    }
    if raw.use_sliding_window {
        return refuse("use_sliding_window", "true".to_owned(), "false");
    }
    if let Some(scaling) = raw.rope_scaling.filter(|scaling| !scaling.is_null()) {
        return refuse("rope_scaling", scaling.to_string(), "null");
    }
    if let Some(rope) = raw.rope_parameters.as_ref().filter(|rope| rope.rope_type != "default") {
        return refuse("rope_parameters.rope_type", format!("`{}`", rope.rope_type), "default");
    }
    let query = raw.num_attention_heads;
    let kv = raw.num_key_value_heads.unwrap_or(query);
    if query == 0 || kv == 0 || !query.is_multiple_of(kv) {
        return refuse("num_attention_heads / num_key_value_heads", format!("{query} / {kv}"), "a whole ratio");
    }
    let dim = raw.head_dim.unwrap_or(raw.hidden_size / query);
    let Some(rope_base) = raw.rope_parameters.map(|rope| rope.rope_theta).or(raw.rope_theta) else {
        return refuse("rope_theta", "missing".to_owned(), "a number, here or in rope_parameters");
    };
    let generation = match files.read("generation_config.json")? {
        Some(_) => files.json::<Generation>("generation_config.json")?.eos_token_id,
        None => None,
    };
    let shape = Shape {
        vocab: raw.vocab_size,
        width: raw.hidden_size,
        mlp_width: raw.intermediate_size,
        blocks: raw.num_hidden_layers,
        heads: Heads { query, kv, dim },
        context: raw.max_position_embeddings,
    };
    Ok(Config {
        norm: Norm { eps: raw.rms_norm_eps, plus_one: false },
        tied: raw.tie_word_embeddings,
        end_tokens: generation.or(raw.eos_token_id).map(|ids| ids.0).unwrap_or_default(),
        ..Config::qwen2(shape, rope_base)
    })
}
