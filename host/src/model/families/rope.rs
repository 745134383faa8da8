//! The rotations that `rope_theta`, `rope_scaling` and `rope_parameters` describe.
//!
//! Formulas follow transformers' `modeling_rope_utils.py`: `linear` divides all frequencies by `factor`; `llama3`
//! (arXiv 2407.21783, sec. 3.4.3) divides the slow ones and blends between; `longrope` (arXiv 2402.13753) divides
//! each by its own factor. Scalings that depend on the length of the sequence are not supported: of `longrope`,
//! the short factors are used and the context ends where they do.

use super::keys::Keys;
use crate::model::config::{Family, Rotation, Shape};
use crate::model::{ModelError, Result};

/// Base of the frequencies where a configuration names none.
const BASE: f64 = 10_000.0;

/// The one rotation of a family whose blocks do not differ; `longrope` shortens the context of `shape`.
pub fn shared(keys: &mut Keys<'_>, shape: &mut Shape, family: Family) -> Result<Rotation> {
    let base = keys.positive("rope_theta")?.unwrap_or(BASE);
    let share = keys.positive("partial_rotary_factor")?;
    let original = if family == Family::Phi3 {
        keys.default("original_max_position_embeddings", 4096);
        keys.size("original_max_position_embeddings")?
    } else {
        None
    };
    let mut rope = match (keys.object("rope_scaling")?, keys.object("rope_parameters")?) {
        (Some(_), Some(_)) => return Err(both(keys)),
        (Some(rope), None) | (None, Some(rope)) => rope,
        (None, None) => return rotation(keys, None, base, share, original, shape, family),
    };
    let base = rope.positive("rope_theta")?.unwrap_or(base);
    let share = rope.positive("partial_rotary_factor")?.or(share);
    let kind = kind(&mut rope)?;
    let found = rotation(&mut rope, kind.as_deref(), base, share, original, shape, family)?;
    rope.finish()?;
    Ok(found)
}

/// An error where a file has the old and the new key, which transformers would not join.
pub fn both(keys: &Keys<'_>) -> ModelError {
    keys.refuse("rope_scaling", "set beside rope_parameters", "one of the two")
}

/// A rotation of its own, such as that of Gemma 3's sliding blocks; `base` holds where `rope` names none.
pub fn single(mut rope: Keys<'_>, base: f64, shape: &mut Shape) -> Result<Rotation> {
    let base = rope.positive("rope_theta")?.unwrap_or(base);
    let share = rope.positive("partial_rotary_factor")?;
    let kind = kind(&mut rope)?;
    let found = rotation(&mut rope, kind.as_deref(), base, share, None, shape, Family::Gemma3)?;
    rope.finish()?;
    Ok(found)
}

/// `rope_type`, or `type` in older files; some have both.
fn kind(rope: &mut Keys<'_>) -> Result<Option<String>> {
    let old = rope.text("type")?;
    Ok(rope.text("rope_type")?.or(old))
}

fn rotation(
    rope: &mut Keys<'_>,
    kind: Option<&str>,
    base: f64,
    share: Option<f64>,
    original: Option<usize>,
    shape: &mut Shape,
    family: Family,
) -> Result<Rotation> {
    let share = share.unwrap_or(1.0);
    if share > 1.0 || (share < 1.0 && family != Family::Phi3) {
        return Err(rope.refuse("partial_rotary_factor", share, "1, or below in Phi-3 and Phi-4"));
    }
    let dim = (shape.heads.dim as f64 * share) as usize;
    if dim == 0 || !dim.is_multiple_of(2) {
        return Err(rope.refuse("head_dim", format!("{dim} in its rotated part"), "an even number"));
    }
    let mut found = Rotation::plain(dim, base);
    match kind {
        None | Some("default") => {
            // Newer files repeat the context here; without a scaling it has no effect.
            rope.size("original_max_position_embeddings")?;
        }
        Some("linear") => {
            let factor = rope.positive("factor")?;
            let factor = rope.need("factor", factor)?;
            found.frequencies.iter_mut().for_each(|f| *f /= factor);
        }
        Some("llama3") => llama3(rope, &mut found, shape.context)?,
        Some("longrope" | "su") => longrope(rope, &mut found, original, shape)?,
        Some(other) => {
            return Err(rope.refuse("rope_type", format!("`{other}`"), "default, linear, llama3 and longrope"));
        }
    }
    Ok(found)
}

/// With wavelength `l = 2 pi / f` and the original context `c`: `f` where `l < c / high`, `f / factor` where
/// `l > c / low`, and between them the mean of both, weighted by `s = (c / l - low) / (high - low)`.
fn llama3(rope: &mut Keys<'_>, found: &mut Rotation, context: usize) -> Result<()> {
    let mut need = |key| {
        let number = rope.positive(key)?;
        rope.need(key, number)
    };
    let [factor, low, high] = [need("factor")?, need("low_freq_factor")?, need("high_freq_factor")?];
    if high <= low {
        return Err(rope.refuse("high_freq_factor", high, &format!("a number above low_freq_factor, {low}")));
    }
    let original = rope.size("original_max_position_embeddings")?.unwrap_or(context) as f64;
    for f in &mut found.frequencies {
        let turns = original * *f / std::f64::consts::TAU;
        let s = ((turns - low) / (high - low)).clamp(0.0, 1.0);
        *f = (1.0 - s) * *f / factor + s * *f;
    }
    Ok(())
}

/// Each frequency over its short factor; cosines and sines times `sqrt(1 + ln(factor) / ln(original))` where
/// `factor`, the growth of the context, is above 1 and `attention_factor` says nothing else.
fn longrope(rope: &mut Keys<'_>, found: &mut Rotation, original: Option<usize>, shape: &mut Shape) -> Result<()> {
    let inner = rope.size("original_max_position_embeddings")?;
    let original = original.or(inner).unwrap_or(shape.context);
    let growth = rope.positive("factor")?.unwrap_or(shape.context as f64 / original as f64);
    let mut factors = |key| -> Result<Vec<f64>> {
        let numbers = rope.numbers(key)?;
        let numbers = rope.need(key, numbers)?;
        if numbers.len() != found.frequencies.len() || numbers.iter().any(|n| !n.is_finite() || *n <= 0.0) {
            let supported = format!("{} numbers above 0", found.frequencies.len());
            return Err(rope.refuse(key, format!("a list of {}", numbers.len()), &supported));
        }
        Ok(numbers)
    };
    let short = factors("short_factor")?;
    factors("long_factor")?;
    found.frequencies.iter_mut().zip(short).for_each(|(f, short)| *f /= short);
    found.factor = match rope.positive("attention_factor")? {
        Some(factor) => factor,
        None if growth > 1.0 => (1.0 + growth.ln() / (original as f64).ln()).sqrt(),
        None => 1.0,
    };
    shape.context = shape.context.min(original);
    Ok(())
}
