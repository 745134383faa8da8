//! The keys that all families share.

use super::keys::Keys;
use super::rope;
use crate::model::Result;
use crate::model::config::{Activation, Config, Family, Layer, Norm, Shape};
use crate::model::kernels::Heads;

/// A whole network has fewer blocks, and a head is narrower.
const MOST: usize = 1 << 12;

/// The sizes; the width of a head is `head_dim`, or `head_dim_default`, or the width over the heads.
pub fn shape(keys: &mut Keys<'_>, head_dim_default: Option<usize>) -> Result<Shape> {
    let width = keys.need_size("hidden_size")?;
    let query = keys.need_size("num_attention_heads")?;
    let kv = keys.size("num_key_value_heads")?.unwrap_or(query);
    if !query.is_multiple_of(kv) {
        return Err(keys.refuse("num_key_value_heads", kv, &format!("a divisor of the {query} num_attention_heads")));
    }
    let dim = match keys.size("head_dim")?.or(head_dim_default) {
        Some(dim) => dim,
        None if width.is_multiple_of(query) => width / query,
        None => {
            return Err(keys.refuse("hidden_size", width, &format!("a multiple of the {query} num_attention_heads")));
        }
    };
    let blocks = keys.need_size("num_hidden_layers")?;
    for (key, size) in [("num_hidden_layers", blocks), ("head_dim", dim)] {
        if size > MOST {
            return Err(keys.refuse(key, size, &format!("at most {MOST}")));
        }
    }
    Ok(Shape {
        vocab: keys.need_size("vocab_size")?,
        width,
        mlp_width: keys.need_size("intermediate_size")?,
        blocks,
        heads: Heads { query, kv, dim },
        context: keys.need_size("max_position_embeddings")?,
    })
}

/// A decoder with one rotation for all blocks, SiLU unless `hidden_act` says otherwise, and no biases.
pub fn decoder(keys: &mut Keys<'_>, family: Family, head_dim_default: Option<usize>) -> Result<Config> {
    let mut shape = shape(keys, head_dim_default)?;
    let rotation = rope::shared(keys, &mut shape, family)?;
    Ok(Config {
        norm: Norm { eps: eps(keys, 1e-6)?, plus_one: false },
        activation: activation(keys, "hidden_act", Activation::Silu)?,
        tied: keys.flag("tie_word_embeddings")?.unwrap_or(false),
        ..Config::plain(family, shape, rotation)
    })
}

/// `rms_norm_eps`.
pub fn eps(keys: &mut Keys<'_>, default: f64) -> Result<f64> {
    Ok(keys.positive("rms_norm_eps")?.unwrap_or(default))
}

/// The activation that `key` names.
pub fn activation(keys: &mut Keys<'_>, key: &str, default: Activation) -> Result<Activation> {
    match keys.text(key)?.as_deref() {
        None => Ok(default),
        Some("silu" | "swish") => Ok(Activation::Silu),
        Some("gelu_pytorch_tanh" | "gelu_new") => Ok(Activation::GeluTanh),
        Some("gelu") => Ok(Activation::Gelu),
        Some(other) => Err(keys.refuse(key, format!("`{other}`"), "silu, gelu_pytorch_tanh and gelu")),
    }
}

/// Which blocks slide, from `layer_types` where it is given and from `rule` otherwise.
pub fn sliding(keys: &mut Keys<'_>, blocks: usize, rule: impl Fn(usize) -> bool) -> Result<Vec<bool>> {
    const KEY: &str = "layer_types";
    let Some(types) = keys.texts(KEY)? else { return Ok((0..blocks).map(rule).collect()) };
    if types.len() != blocks {
        return Err(keys.refuse(
            KEY,
            format!("a list of {}", types.len()),
            &format!("one entry for each of {blocks} blocks"),
        ));
    }
    types
        .iter()
        .map(|kind| match kind.as_str() {
            "sliding_attention" => Ok(true),
            "full_attention" | "attention" => Ok(false),
            other => Err(keys.refuse(KEY, format!("`{other}`"), "full_attention and sliding_attention")),
        })
        .collect()
}

/// Gives the sliding blocks their window.
pub fn slide(keys: &Keys<'_>, layers: &mut [Layer], sliding: &[bool], window: Option<usize>) -> Result<()> {
    for (layer, slides) in layers.iter_mut().zip(sliding) {
        if *slides {
            let missing = || keys.refuse("sliding_window", "off", "a number, as layer_types names sliding_attention");
            layer.window = Some(window.ok_or_else(missing)?);
        }
    }
    Ok(())
}

/// `sliding_window` where `use_sliding_window` is set; it is off by default, whatever the width.
pub fn switched_window(keys: &mut Keys<'_>) -> Result<Option<usize>> {
    keys.default("sliding_window", 4096);
    let (window, on) = (keys.size("sliding_window")?, keys.flag("use_sliding_window")?);
    Ok(if on == Some(true) { window } else { None })
}

/// The windows of the Qwen families: blocks from `max_window_layers` (28 by default) on slide.
pub fn windows_from_a_block_on(keys: &mut Keys<'_>, layers: &mut [Layer]) -> Result<()> {
    let window = switched_window(keys)?;
    let first = keys.count("max_window_layers")?.unwrap_or(28);
    let sliding = sliding(keys, layers.len(), |block| window.is_some() && block >= first)?;
    slide(keys, layers, &sliding, window)
}
