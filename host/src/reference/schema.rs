//! JSON Schema as Markdown tables.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::plugins::parameters;

/// A longer default is told by the sections of its parts.
const LONGEST_DEFAULT: usize = 60;

/// A schema with its definitions.
pub struct Schema<'a> {
    root: &'a Value,
    definitions: Map<String, Value>,
}

impl<'a> Schema<'a> {
    /// The schema and what its `$defs` define.
    pub fn new(root: &'a Value) -> Self {
        Self { root, definitions: root["$defs"].as_object().cloned().unwrap_or_default() }
    }

    /// A table of an object's fields: name, what it takes, default, meaning.
    pub fn fields(&self, object: &Value, text: &mut String) {
        let mut object = object.clone();
        // References are from the root.
        object["$defs"] = self.root["$defs"].clone();
        let fields = parameters(&object);
        if fields.is_empty() {
            text.push_str("Nothing.\n");
            return;
        }
        text.push_str("| name | takes | default | what it means |\n|---|---|---|---|\n");
        for field in fields {
            let default = match field.default.map(|value| value.to_string()) {
                None if field.required => "required".to_owned(),
                None => "–".to_owned(),
                Some(value) if value.len() > LONGEST_DEFAULT => "see below".to_owned(),
                Some(value) => format!("`{}`", escaped(&value)),
            };
            let named = self.named(&object["properties"][&field.name]);
            let (takes, about) = (named.unwrap_or_else(|| self.linked(&field.takes)), one_line(&field.about));
            let _ = writeln!(text, "| `{}` | {takes} | {default} | {about} |", field.name);
        }
    }

    /// A section for each definition, with its fields or its choices.
    pub fn definitions(&self, level: usize, text: &mut String) {
        for (name, definition) in &self.definitions {
            let about = definition["description"].as_str().unwrap_or_default().trim();
            let _ = write!(text, "\n{} {name}\n\n{about}\n\n", "#".repeat(level));
            match definition["oneOf"].as_array().or_else(|| definition["anyOf"].as_array()) {
                Some(choices) => choices.iter().for_each(|choice| self.choice(choice, text)),
                None if definition.get("properties").is_some() => self.fields(definition, text),
                None => {
                    let object = serde_json::json!({ "properties": { "value": definition } });
                    let takes = parameters(&object).remove(0).takes;
                    let _ = writeln!(text, "Takes {}.", self.linked(&takes));
                }
            }
        }
    }

    fn choice(&self, choice: &Value, text: &mut String) {
        let about = one_line(choice["description"].as_str().unwrap_or_default());
        let names = match (choice.get("const"), choice["enum"].as_array(), choice["properties"].as_object()) {
            (Some(value), ..) => vec![value.to_string()],
            (_, Some(values), _) => values.iter().map(Value::to_string).collect(),
            (_, _, Some(fields)) => fields.iter().map(|(name, field)| self.variant(name, field)).collect(),
            _ => vec![parameters(&serde_json::json!({ "properties": { "value": choice } })).remove(0).takes],
        };
        let names: Vec<String> = names.iter().map(|name| format!("`{}`", escaped(name))).collect();
        let _ = writeln!(text, "- {}: {about}", names.join(" or "));
        for (name, field) in choice["properties"].as_object().into_iter().flatten() {
            for (inner, property) in field["properties"].as_object().into_iter().flatten() {
                let about = one_line(property["description"].as_str().unwrap_or_default());
                let _ = writeln!(text, "  - `{name}.{inner}`: {about}");
            }
        }
    }

    fn variant(&self, name: &str, field: &Value) -> String {
        let object = serde_json::json!({ "properties": { "value": field }, "$defs": self.root["$defs"] });
        format!("{{ {name} = {} }}", parameters(&object).remove(0).takes)
    }

    /// A link to the type of a field, where that is a choice between objects, which would not fit into a cell.
    fn named(&self, property: &Value) -> Option<String> {
        let reference = |property: &Value| Some(property["$ref"].as_str()?.rsplit('/').next()?.to_owned());
        let (prefix, name) = match reference(property) {
            Some(name) => ("", name),
            None => ("array of ", reference(&property["items"])?),
        };
        let choices = self.definitions.get(&name)?["oneOf"].as_array()?;
        let objects = choices.iter().any(|choice| choice.get("properties").is_some());
        objects.then(|| format!("{prefix}[{name}](#{})", name.to_lowercase()))
    }

    /// What a field takes, with links to the sections of the types in it.
    fn linked(&self, takes: &str) -> String {
        let words = |c: char| !c.is_alphanumeric() && c != '_';
        let known: BTreeSet<&str> = takes.split(words).filter(|word| self.definitions.contains_key(*word)).collect();
        let shown = escaped(takes);
        match known.first() {
            Some(word) if known.len() == 1 => format!("[{shown}](#{})", word.to_lowercase()),
            _ => shown,
        }
    }
}

/// Text for one cell of a table.
pub fn one_line(text: &str) -> String {
    escaped(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn escaped(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_choices_and_defaults_are_written_out() {
        let schema = json!({
            "properties": {
                "mode": { "$ref": "#/$defs/Mode", "default": "fast", "description": "How\nquick." },
                "parts": { "type": "array", "items": { "$ref": "#/$defs/Part" } },
            },
            "required": ["parts"],
            "$defs": {
                "Mode": { "description": "A way.", "oneOf": [{ "const": "fast", "description": "At once." },
                    { "properties": { "slow": { "properties": { "steps": { "type": "integer", "description": "How many." } } } },
                      "description": "By and by." }] },
                "Part": { "description": "A part.", "properties": { "a|b": { "type": "number", "description": "It." } } },
            },
        });
        let mut text = String::new();
        let schema = Schema::new(&schema);
        schema.fields(schema.root, &mut text);
        schema.definitions(3, &mut text);
        for line in [
            "| `mode` | [Mode](#mode) | `\"fast\"` | How quick. |",
            "| `parts` | [array of Part](#part) | required |  |",
            "### Mode\n\nA way.",
            "- `\"fast\"`: At once.",
            "  - `slow.steps`: How many.",
            "| `a|b` | number | – | It. |",
        ] {
            assert!(text.contains(line), "{line} is not in:\n{text}");
        }
    }
}
