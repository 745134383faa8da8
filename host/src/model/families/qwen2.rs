//! Qwen2 and Qwen2.5 (arXiv 2407.10671): biases on queries, keys and values.

use super::decoder::{decoder, windows_from_a_block_on};
use super::keys::Keys;
use crate::model::Result;
use crate::model::config::{Bias, Config, Family};

/// Reads the keys of a Qwen2 checkpoint.
pub fn config(keys: &mut Keys<'_>) -> Result<Config> {
    // Files from before Qwen2-VL had a type of its own; its rotation has three parts.
    keys.only("use_mrope", false)?;
    let mut config = decoder(keys, Family::Qwen2, None)?;
    config.bias = Bias { qkv: true, ..Bias::default() };
    windows_from_a_block_on(keys, &mut config.layers)?;
    Ok(config)
}
