//! Reading a description from `config.json` and `generation_config.json`.

use super::keys::Keys;
use super::{gemma2, gemma3, llama, mistral, phi3, qwen2, qwen3, qwen3_moe};
use crate::model::Result;
use crate::model::config::Config;
use crate::model::files::Files;

/// Reads `config.json` and the end tokens of `generation_config.json`.
///
/// Both the forms of transformers 4 (`rope_theta`, `rope_scaling`) and of 5 (`rope_parameters`) are read, and
/// absent keys have the values that transformers gives them. A key that is not known to be without effect, a
/// quantised checkpoint, or an unknown `model_type` is an error that names it.
pub fn read(files: &Files) -> Result<Config> {
    let mut keys = Keys::open(files, "config.json")?;
    let family = keys.text("model_type")?;
    let family = keys.need("model_type", family)?;
    for key in ["quantization_config", "quantization"] {
        if keys.value(key).is_some() {
            return Err(keys.refuse(key, "set", "weights in f32, f16 or bf16, without quantisation"));
        }
    }
    let written = keys.tokens("eos_token_id")?;
    let mut config = match family.as_str() {
        "qwen2" => qwen2::config(&mut keys),
        "llama" => llama::config(&mut keys),
        "qwen3" => qwen3::config(&mut keys),
        "qwen3_moe" => qwen3_moe::config(&mut keys),
        "gemma2" => gemma2::config(&mut keys),
        "gemma3_text" => gemma3::config(&mut keys),
        "gemma3" => gemma3::multimodal(&mut keys),
        "phi3" => phi3::config(&mut keys),
        "mistral" => mistral::config(&mut keys),
        other => Err(keys.refuse(
            "model_type",
            format!("`{other}`"),
            "qwen2, llama, qwen3, qwen3_moe, gemma2, gemma3_text, gemma3, phi3 and mistral",
        )),
    }?;
    keys.finish()?;
    if let Some(tokens) = generation_end(files)?.or(written) {
        config.end_tokens = tokens;
    }
    Ok(config)
}

/// `eos_token_id` of `generation_config.json`: what ends an answer, where a checkpoint has both.
fn generation_end(files: &Files) -> Result<Option<Vec<u32>>> {
    const FILE: &str = "generation_config.json";
    match files.read(FILE)? {
        Some(_) => Keys::open(files, FILE)?.tokens("eos_token_id"),
        None => Ok(None),
    }
}
