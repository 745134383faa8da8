//! Gemma 3 (arXiv 2503.19786): five sliding blocks to each full one, with rotations of their own.

use serde_json::Value;

use super::decoder::{shape, slide, sliding};
use super::gemma2::gemma;
use super::keys::Keys;
use super::rope;
use crate::model::Result;
use crate::model::config::{Config, Family, Rotation, Shape};

/// Sizes that the files of multimodal checkpoints leave out where they equal transformers' defaults.
const SIZES: [(&str, usize); 8] = [
    ("vocab_size", 262_208),
    ("hidden_size", 2304),
    ("intermediate_size", 9216),
    ("num_hidden_layers", 26),
    ("num_attention_heads", 8),
    ("num_key_value_heads", 4),
    ("max_position_embeddings", 131_072),
    ("sliding_window", 4096),
];

/// Bases of the full and of the sliding blocks' frequencies where a configuration names none.
const BASES: [f64; 2] = [1_000_000.0, 10_000.0];

/// Reads the keys of a Gemma 3 checkpoint that is text only.
pub fn config(keys: &mut Keys<'_>) -> Result<Config> {
    for (key, size) in SIZES {
        keys.default(key, size);
    }
    let mut shape = shape(keys, Some(256))?;
    let [full, local] = rotations(keys, &mut shape)?;
    let mut config = gemma(keys, Family::Gemma3, shape, full)?;
    config.qk_norm = true;
    // Gemma 3 gave up the cap of Gemma 2; transformers reads the key and does not apply it.
    keys.only("attn_logit_softcapping", Value::Null)?;
    keys.value("_sliding_window_pattern");
    let period = keys.size("sliding_window_pattern")?.unwrap_or(6);
    let window = keys.size("sliding_window")?;
    let sliding = sliding(keys, shape.blocks, |block| !(block + 1).is_multiple_of(period))?;
    slide(keys, &mut config.layers, &sliding, window)?;
    for layer in config.layers.iter_mut().filter(|layer| layer.window.is_some()) {
        layer.rotation = local.clone();
    }
    Ok(config)
}

/// Reads the text model of a multimodal Gemma 3 checkpoint, `text_config`; images are not supported.
pub fn multimodal(keys: &mut Keys<'_>) -> Result<Config> {
    for key in ["vision_config", "mm_tokens_per_image", "image_token_index", "boi_token_index", "eoi_token_index"] {
        keys.value(key);
    }
    let text = keys.object("text_config")?;
    let mut text = keys.need("text_config", text)?;
    text.only("model_type", "gemma3_text")?;
    // Capped logits exist in the text-only class alone.
    text.only("final_logit_softcapping", Value::Null)?;
    let end_tokens = text.tokens("eos_token_id")?.unwrap_or_default();
    let tied = keys.flag("tie_word_embeddings")?.unwrap_or(true);
    let found = config(&mut text)?;
    text.finish()?;
    Ok(Config { tied, end_tokens, prefix: "language_model.model", ..found })
}

/// The rotations of the full and of the sliding blocks.
fn rotations(keys: &mut Keys<'_>, shape: &mut Shape) -> Result<[Rotation; 2]> {
    let bases = [keys.positive("rope_theta")?, keys.positive("rope_local_base_freq")?];
    let [full, local] = [bases[0].unwrap_or(BASES[0]), bases[1].unwrap_or(BASES[1])];
    let mut found = [full, local].map(|base| Rotation::plain(shape.heads.dim, base));
    match (keys.object("rope_scaling")?, keys.object("rope_parameters")?) {
        (Some(_), Some(_)) => return Err(rope::both(keys)),
        // The old form scales the full blocks alone.
        (Some(scaling), None) => found[0] = rope::single(scaling, full, shape)?,
        (None, Some(mut ropes)) => {
            for (at, (key, base)) in [("full_attention", full), ("sliding_attention", local)].into_iter().enumerate() {
                if let Some(rope) = ropes.object(key)? {
                    found[at] = rope::single(rope, base, shape)?;
                }
            }
            ropes.finish()?;
        }
        (None, None) => {}
    }
    Ok(found)
}
