//! Whether the engine computes: the embedded organism answers a question.

use std::time::Instant;

use emhost_abi::wire::{Message, Row};

use super::Finding;
use crate::model::files::Files;
use crate::model::organism::Organism;
use crate::model::site::Site;
use crate::model::text::Text;
use crate::model::{Device, Result};

pub(super) fn examine() -> Finding {
    match next_word() {
        Ok((word, rate)) => Finding::good(
            "engine",
            format!("the embedded organism computes {rate:.0} tokens/s and begins with `{word}`"),
        ),
        Err(problem) => Finding::bad(
            "engine",
            4,
            problem,
            "this build does not compute on this processor; please report it with this page",
        ),
    }
}

/// The most probable first word of an answer, and the tokens that the CPU computes in a second, without a batch.
fn next_word() -> std::result::Result<(String, f64), String> {
    let compute = || -> Result<(Vec<f32>, usize, f64, Text)> {
        let files = Files::find("embedded")?;
        let organism = Organism::load(&files, &[], &Device::Cpu)?;
        let text = Text::read(&files)?;
        let question = Message { role: "user".to_owned(), content: "my day is dull . any advice ?".to_owned() };
        let prompt = text.encode_prompt(&Row { messages: Some(vec![question]), ..Row::default() })?;
        let begun = Instant::now();
        let logits = organism.capture(&[&prompt.tokens], &[Site::Logits])?.take(Site::Logits)?;
        Ok((logits, prompt.tokens.len(), begun.elapsed().as_secs_f64(), text))
    };
    let (logits, tokens, seconds, text) = compute().map_err(|e| e.to_string())?;
    let last = &logits[logits.len() - logits.len() / tokens..];
    if !last.iter().all(|logit| logit.is_finite()) {
        return Err("the embedded organism's logits are not all finite".to_owned());
    }
    let best = last.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(token, _)| token as u32);
    Ok((text.decode_all(&[best]).map_err(|e| e.to_string())?, tokens as f64 / seconds))
}
