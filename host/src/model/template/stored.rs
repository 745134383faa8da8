//! Where a checkpoint keeps its chat template.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::error::Result;
use super::super::files::Files;
use super::chat::ChatTemplate;

/// Tokens that a template may use by name.
const TOKENS: [&str; 7] = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The chat template of a checkpoint with this `tokenizer_config.json`, or `None` where it has none.
///
/// `chat_template.jinja` counts before the configuration's own, as in transformers; `chat_template.json` comes last.
pub fn read(files: &Files, config: &Value) -> Result<Option<ChatTemplate>> {
    const FILES: [&str; 3] = ["chat_template.jinja", "tokenizer_config.json", "chat_template.json"];
    let jinja = match files.read(FILES[0])? {
        Some(bytes) => {
            let text = String::from_utf8(bytes.into_owned());
            Some(text.map_err(|e| files.unsupported(FILES[0], format!("it is not UTF-8: {e}")))?)
        }
        None => None,
    };
    let mut found = jinja.map(|source| (FILES[0], source));
    if found.is_none() {
        let source = choose(&config["chat_template"]).map_err(|e| files.unsupported(FILES[1], e))?;
        found = source.map(|source| (FILES[1], source));
    }
    if found.is_none() && files.read(FILES[2])?.is_some() {
        let stored: Value = files.json(FILES[2])?;
        let source = choose(&stored["chat_template"]).map_err(|e| files.unsupported(FILES[2], e))?;
        found = source.map(|source| (FILES[2], source));
    }
    let Some((file, source)) = found else { return Ok(None) };
    let tokens = TOKENS.iter().filter_map(|name| Some(((*name).to_owned(), token(config, name)?))).collect();
    ChatTemplate::new(&source, tokens)
        .map(Some)
        .map_err(|e| files.unsupported(file, format!("the chat template {e}; minijinja renders it, a part of Jinja2")))
}

/// A special token of `tokenizer_config.json`, written as text or as an object.
pub fn token(config: &Value, name: &str) -> Option<String> {
    let value = &config[name];
    value.as_str().or_else(|| value["content"].as_str()).map(str::to_owned)
}

/// A template's text; of several that have names, the one called `default`.
fn choose(value: &Value) -> std::result::Result<Option<String>, String> {
    let named: BTreeMap<&str, &str> = match value {
        Value::Null => return Ok(None),
        Value::String(source) => return Ok(Some(source.clone())),
        Value::Array(list) => {
            list.iter().filter_map(|one| Some((one["name"].as_str()?, one["template"].as_str()?))).collect()
        }
        Value::Object(map) => map.iter().filter_map(|(name, one)| Some((name.as_str(), one.as_str()?))).collect(),
        _ => BTreeMap::new(),
    };
    match named.get("default") {
        Some(source) => Ok(Some((*source).to_owned())),
        None => Err(format!(
            "chat_template has no template called `default`; it has: {}",
            named.into_keys().collect::<Vec<_>>().join(", ")
        )),
    }
}
