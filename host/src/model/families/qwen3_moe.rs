//! Qwen3, mixture of experts (arXiv 2505.09388): Qwen3 with routed experts in place of most MLPs.

use super::decoder::{decoder, switched_window};
use super::keys::Keys;
use super::qwen3::attention_bias;
use crate::model::Result;
use crate::model::config::{Config, Experts, Family};

/// Reads the keys of a Qwen3-MoE checkpoint.
///
/// Block `i` has experts where `mlp_only_layers` does not name it and `decoder_sparse_step` divides `i + 1`. A
/// sliding window, where it is on, holds in all blocks; `max_window_layers` has no effect in this family.
pub fn config(keys: &mut Keys<'_>) -> Result<Config> {
    let mut config = decoder(keys, Family::Qwen3Moe, None)?;
    config.qk_norm = true;
    config.bias = attention_bias(keys)?;
    let window = switched_window(keys)?;
    keys.count("max_window_layers")?;
    // The number of experts has another name in files that transformers 5 wrote.
    let renamed = keys.size("num_local_experts")?;
    let count = keys.size("num_experts")?.or(renamed);
    let experts = Experts {
        count: keys.need("num_experts", count)?,
        per_token: keys.size("num_experts_per_tok")?.unwrap_or(8),
        width: keys.need_size("moe_intermediate_size")?,
        normalise: keys.flag("norm_topk_prob")?.unwrap_or(false),
    };
    if experts.per_token > experts.count {
        return Err(keys.refuse("num_experts_per_tok", experts.per_token, &format!("at most {}", experts.count)));
    }
    let step = keys.size("decoder_sparse_step")?.unwrap_or(1);
    let dense = keys.numbers("mlp_only_layers")?.unwrap_or_default();
    for (block, layer) in config.layers.iter_mut().enumerate() {
        layer.window = window;
        layer.experts = (block + 1).is_multiple_of(step) && !dense.contains(&(block as f64));
    }
    config.experts = Some(experts);
    Ok(config)
}
