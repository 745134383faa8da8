//! Whether two fine-tunes are the same one.

use std::path::Path;

use serde_json::Value;

use crate::model::{ModelError, Result};

/// BLAKE3 of the tensors of a PEFT folder.
pub(super) fn file_digest(folder: &str) -> Result<String> {
    let path = Path::new(folder).join("adapter_model.safetensors");
    let bytes = std::fs::read(&path).map_err(|source| ModelError::Read { path, source })?;
    Ok(blake3::hash(&bytes).to_hex().to_string())
}

/// What differs between two identities: `recipe.learning_rate is 0.001 there and 0.002 now`.
pub(super) fn differences(there: &Value, now: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", there, now, &mut found);
    found
}

fn compare(path: &str, there: &Value, now: &Value, found: &mut Vec<String>) {
    if let (Value::Object(a), Value::Object(b)) = (there, now) {
        let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
        for name in names {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or(Value::Null);
            compare(&path, &of(a), &of(b), found);
        }
    } else if there != now {
        found.push(match path {
            "model" => "the model or one of its adapters is another".to_owned(),
            "data" => "the training rows are others, or are tokenised in another way".to_owned(),
            "held_out" => "the held-out rows are others".to_owned(),
            "kl_rows" => "the rows of `kl` are others".to_owned(),
            "start" => "the adapter that it starts from is another".to_owned(),
            "interventions" => "the interventions or their vectors are others".to_owned(),
            "numerics" => "the arithmetic is another: device or version of emhost".to_owned(),
            path => format!("{path} is {} there and {} now", short(there), short(now)),
        });
    }
}

fn short(value: &Value) -> String {
    let text = if value.is_null() { "not set".to_owned() } else { value.to_string() };
    if text.chars().count() > 60 { text.chars().take(57).chain("...".chars()).collect() } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_difference_is_named_with_both_values() {
        let there = json!({"data": "a", "recipe": {"learning_rate": 0.1, "steps": 3}});
        let now = json!({"data": "b", "recipe": {"learning_rate": 0.2, "steps": 3, "sam": 0.5}});
        let expected = [
            "the training rows are others, or are tokenised in another way",
            "recipe.learning_rate is 0.1 there and 0.2 now",
            "recipe.sam is not set there and 0.5 now",
        ];
        assert_eq!(differences(&there, &now), expected);
        assert!(differences(&now, &now).is_empty());
    }
}
