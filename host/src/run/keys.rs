//! Mistyped parameters: found against the plugin's schema before anything runs, with the name that was meant.

use serde_json::{Map, Value};

/// The first key of `params` that a JSON Schema does not know: its path, the names that there are, and the nearest.
pub fn unknown_key(schema: &Value, params: &Map<String, Value>) -> Option<String> {
    unknown(schema, schema, &Value::Object(params.clone()), "")
}

/// The name that is most like `word`, if one is like it at all.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &&str| strsim::damerau_levenshtein(word, name);
    names.into_iter().filter(|name| distance(name) <= 1 + word.len().max(name.len()) / 4).min_by_key(distance)
}

fn unknown(root: &Value, schema: &Value, value: &Value, path: &str) -> Option<String> {
    let schema = resolve(root, schema);
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(given) => {
            let known = schema.get("properties").and_then(Value::as_object);
            let open = schema.get("additionalProperties") != Some(&Value::Bool(false));
            given.iter().find_map(|(key, value)| match known.and_then(|known| known.get(key)) {
                Some(below_it) => unknown(root, below_it, value, &below(key)),
                None if open => None,
                None => {
                    let names: Vec<&str> = known.into_iter().flat_map(Map::keys).map(String::as_str).collect();
                    let near = match nearest(key, names.iter().copied()) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => format!("there are {}", names.join(", ")),
                    };
                    Some(format!("there is no parameter `{}`; {near}", below(key)))
                }
            })
        }
        Value::Array(values) => {
            let items = schema.get("items")?;
            values.iter().enumerate().find_map(|(at, value)| unknown(root, items, value, &below(&at.to_string())))
        }
        _ => None,
    }
}

/// The schema that a reference means; of something optional, the schema of what it is when it is there.
fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    if let Some(pointer) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
        return root.pointer(pointer).map_or(schema, |found| resolve(root, found));
    }
    let optional = schema.get("anyOf").and_then(Value::as_array);
    let real = optional.map(|any| any.iter().filter(|one| one.get("type") != Some(&"null".into())).collect::<Vec<_>>());
    match real.as_deref() {
        Some([only]) => resolve(root, only),
        _ => schema,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_mistyped_parameter_is_named_with_the_nearest() {
        let schema = json!({
            "properties": {"seed": {}, "recipe": {"$ref": "#/$defs/Recipe"}, "train": {"items": {"anyOf": [{"$ref": "#/$defs/Recipe"}, {"type": "null"}]}}},
            "additionalProperties": false,
            "$defs": {"Recipe": {"properties": {"learning_rate": {}, "free": {}}, "additionalProperties": false}},
        });
        let check = |params: Value, expected: Option<&str>| {
            let found = unknown_key(&schema, params.as_object().expect("an object"));
            assert_eq!(found.is_some(), expected.is_some(), "{params}: {found:?}");
            assert!(found.unwrap_or_default().contains(expected.unwrap_or_default()), "{params}");
        };
        check(json!({"seed": 1, "recipe": {"learning_rate": 1, "free": {"any": 1}}}), None);
        check(json!({"sead": 1}), Some("`sead`; did you mean `seed`?"));
        check(json!({"recipe": {"lerning_rate": 1}}), Some("`recipe.lerning_rate`; did you mean `learning_rate`?"));
        check(json!({"train": [{"rate_of_learning": 1}]}), Some("`train.0.rate_of_learning`; there are"));
    }
}
