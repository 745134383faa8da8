//! Nested tables as one list of names and values.

use serde_json::{Map, Value};

/// `a.b.c` with its value; lists stay whole.
pub fn flat(params: &Map<String, Value>) -> Vec<(String, &Value)> {
    let mut all = Vec::new();
    params.iter().for_each(|(name, value)| add(name.clone(), value, &mut all));
    all
}

fn add<'a>(name: String, value: &'a Value, all: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(field, value)| add(format!("{name}.{field}"), value, all));
        }
        _ => all.push((name, value)),
    }
}

/// A value as text: text as it is, anything else as JSON.
pub fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tables_become_names_and_lists_stay() {
        let params = json!({ "a": { "b": { "c": 1 }, "d": [1, { "e": 2 }] }, "f": {}, "g": "x", "h": null });
        let params = params.as_object().unwrap();
        let flat: Vec<(String, String)> = flat(params).into_iter().map(|(name, value)| (name, shown(value))).collect();
        let expected = [("a.b.c", "1"), ("a.d", r#"[1,{"e":2}]"#), ("f", "{}"), ("g", "x"), ("h", "null")];
        assert_eq!(flat, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
