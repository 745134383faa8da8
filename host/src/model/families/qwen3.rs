//! Qwen3, dense (arXiv 2505.09388): norms on the heads of queries and keys, biases by choice.

use super::decoder::{decoder, windows_from_a_block_on};
use super::keys::Keys;
use crate::model::Result;
use crate::model::config::{Bias, Config, Family};

/// Width of a head where the configuration names none.
const HEAD_DIM: usize = 128;

/// Reads the keys of a Qwen3 checkpoint.
pub fn config(keys: &mut Keys<'_>) -> Result<Config> {
    let mut config = decoder(keys, Family::Qwen3, Some(HEAD_DIM))?;
    config.qk_norm = true;
    config.bias = attention_bias(keys)?;
    windows_from_a_block_on(keys, &mut config.layers)?;
    Ok(config)
}

/// `attention_bias`: a bias on all four projections of attention.
pub fn attention_bias(keys: &mut Keys<'_>) -> Result<Bias> {
    let attention = keys.flag("attention_bias")?.unwrap_or(false);
    Ok(Bias { qkv: attention, o: attention, mlp: false })
}
