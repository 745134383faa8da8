//! Mistral 7B (arXiv 2310.06825) and what shares its code: a sliding window in all blocks or in none.

use super::decoder::decoder;
use super::keys::Keys;
use crate::model::Result;
use crate::model::config::{Config, Family};

/// Reads the keys of a Mistral checkpoint. An absent `sliding_window` means 4096, `null` none.
pub fn config(keys: &mut Keys<'_>) -> Result<Config> {
    keys.default("num_key_value_heads", 8);
    keys.default("sliding_window", 4096);
    let mut config = decoder(keys, Family::Mistral, None)?;
    let window = keys.size("sliding_window")?;
    config.layers.iter_mut().for_each(|layer| layer.window = window);
    Ok(config)
}
