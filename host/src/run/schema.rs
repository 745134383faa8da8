//! The JSON Schema of recipe files, for editors.

use emhost_abi::wire::Manifest;
use serde_json::{Value, json};

/// What a recipe of a plugin may hold.
pub fn recipe_schema(manifest: &Manifest) -> Value {
    let mut params = manifest.params.clone();
    // References are from the root, so the definitions go there.
    let definitions = params.as_object_mut().and_then(|params| {
        params.remove("$schema");
        params.remove("$defs")
    });
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Recipe of {}", manifest.name),
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "extends": { "type": "string", "description": "Another recipe, relative to this one, which this one changes." },
            "plugin": { "type": "string", "description": "Name of the plugin, or path of its library." },
            "name": { "type": "string", "pattern": "^[A-Za-z0-9_-]+$", "description": "First part of the run's id." },
            "params": params,
            "grid": {
                "type": "object",
                "description": "Lists of values by the path of a parameter; each combination is a run.",
            },
        },
        "$defs": definitions.unwrap_or_else(|| json!({})),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::unknown_key;

    #[test]
    fn a_recipes_schema_finds_wrong_keys_at_every_depth() {
        let params = json!({
            "$schema": "x",
            "properties": { "recipe": { "$ref": "#/$defs/Recipe" } },
            "additionalProperties": false,
            "$defs": { "Recipe": { "properties": { "steps": {} }, "additionalProperties": false } },
        });
        let manifest = Manifest {
            name: "probe".into(),
            version: String::new(),
            about: String::new(),
            params,
            operations: Vec::new(),
            recipe: String::new(),
        };
        let schema = recipe_schema(&manifest);
        let check = |recipe: Value, wrong: Option<&str>| {
            let found = unknown_key(&schema, recipe.as_object().expect("an object"));
            assert_eq!(found.is_some(), wrong.is_some(), "{recipe}: {found:?}");
            assert!(found.unwrap_or_default().contains(wrong.unwrap_or_default()));
        };
        check(json!({ "plugin": "probe", "params": { "recipe": { "steps": 1 } }, "grid": { "any": [1] } }), None);
        check(json!({ "plugins": "probe" }), Some("`plugins`"));
        check(json!({ "params": { "recipe": { "step": 1 } } }), Some("`params.recipe.step`"));
    }
}
