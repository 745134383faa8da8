//! Llama 1 to 3.x (arXiv 2302.13971, 2407.21783) and what else says `llama`: biases by choice, full attention.

use super::decoder::decoder;
use super::keys::Keys;
use crate::model::Result;
use crate::model::config::{Bias, Config, Family};

/// Reads the keys of a Llama checkpoint.
pub fn config(keys: &mut Keys<'_>) -> Result<Config> {
    // Only conversions of other models set it: their heads turn in pairs of neighbours.
    keys.only("rope_interleaved", false)?;
    let attention = keys.flag("attention_bias")?.unwrap_or(false);
    let mlp = keys.flag("mlp_bias")?.unwrap_or(false);
    let bias = Bias { qkv: attention, o: attention, mlp };
    Ok(Config { bias, ..decoder(keys, Family::Llama, None)? })
}
