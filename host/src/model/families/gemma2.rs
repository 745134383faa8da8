//! Gemma 2 (arXiv 2408.00118): four norms to a block, every other block slides, scores and logits are capped.

use super::decoder::{activation, eps, shape, slide, sliding};
use super::keys::Keys;
use super::rope;
use crate::model::Result;
use crate::model::config::{Activation, Bias, Config, Family, Norm, Rotation, Shape};

/// Reads the keys of a Gemma 2 checkpoint.
pub fn config(keys: &mut Keys<'_>) -> Result<Config> {
    keys.default("num_key_value_heads", 4);
    keys.default("max_position_embeddings", 8192);
    keys.default("sliding_window", 4096);
    keys.default("attn_logit_softcapping", 50.0);
    keys.default("final_logit_softcapping", 30.0);
    let mut shape = shape(keys, Some(256))?;
    let rotation = rope::shared(keys, &mut shape, Family::Gemma2)?;
    let mut config = gemma(keys, Family::Gemma2, shape, rotation)?;
    config.attention_cap = keys.positive("attn_logit_softcapping")?;
    let window = keys.size("sliding_window")?;
    let sliding = sliding(keys, shape.blocks, |block| block.is_multiple_of(2))?;
    slide(keys, &mut config.layers, &sliding, window)?;
    Ok(config)
}

/// What Gemma 2 and 3 share: norms of `1 + w` before and after each part, `sqrt(width)` on the embeddings, a scale
/// of attention of its own, the tanh form of GELU, and an output matrix that is the embedding matrix.
pub fn gemma(keys: &mut Keys<'_>, family: Family, shape: Shape, rotation: Rotation) -> Result<Config> {
    keys.only("use_bidirectional_attention", false)?;
    // Older files repeat the activation under the name that other families use; it has no effect.
    keys.value("hidden_act");
    let attention = keys.flag("attention_bias")?.unwrap_or(false);
    Ok(Config {
        norm: Norm { eps: eps(keys, 1e-6)?, plus_one: true },
        sandwich: true,
        bias: Bias { qkv: attention, o: attention, mlp: false },
        activation: activation(keys, "hidden_activation", Activation::GeluTanh)?,
        embed_scale: Some((shape.width as f64).sqrt()),
        attention_scale: keys.positive("query_pre_attn_scalar")?.unwrap_or(256.0).powf(-0.5),
        logit_cap: keys.positive("final_logit_softcapping")?,
        tied: keys.flag("tie_word_embeddings")?.unwrap_or(true),
        ..Config::plain(family, shape, rotation)
    })
}
