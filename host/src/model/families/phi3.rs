//! Phi-3 (arXiv 2404.14219), Phi-4 and Phi-4-mini (arXiv 2503.01743): projections in joint tensors.

use super::decoder::{decoder, eps};
use super::keys::Keys;
use crate::model::Result;
use crate::model::config::{Config, Family, Norm};

/// Reads the keys of a Phi-3 checkpoint.
///
/// The long-context variants (`longrope`) are read with their short factors and the context that belongs to
/// those, `original_max_position_embeddings`: transformers changes all rotations once a sequence is longer.
pub fn config(keys: &mut Keys<'_>) -> Result<Config> {
    // Phi-4-mini's files carry these, always so.
    for key in ["attention_bias", "mlp_bias", "lm_head_bias"] {
        keys.only(key, false)?;
    }
    for key in ["full_attn_mod", "interpolate_factor"] {
        keys.only(key, 1)?;
    }
    let norm = Norm { eps: eps(keys, 1e-5)?, plus_one: false };
    let mut config = Config { norm, fused: true, ..decoder(keys, Family::Phi3, None)? };
    let window = keys.size("sliding_window")?;
    config.layers.iter_mut().for_each(|layer| layer.window = window);
    Ok(config)
}
