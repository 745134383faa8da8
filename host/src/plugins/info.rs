//! What `emhost plugin list` and `emhost plugin info` show.

use std::path::{Path, PathBuf};

use emhost_abi::wire::Manifest;
use serde::Serialize;
use serde_json::Value;

use super::check::{Refusal, check};
use super::find::plugin_name;
use super::{LoadedPlugin, Origin, Place, PluginError};

/// A library in one of the places. It was not loaded.
#[derive(Debug, Clone, Serialize)]
pub struct Found {
    /// The name that `--plugin` takes.
    pub name: String,
    /// The library.
    pub path: PathBuf,
    /// Why its folder was searched.
    pub origin: Origin,
    /// BLAKE3 of the library; empty where it was refused.
    pub digest: String,
    /// Why it would be refused.
    pub refusal: Option<String>,
    /// A plugin of the same name comes first in the search.
    pub shadowed: bool,
}

/// The plugins in the places, in the order of the search. Libraries that are no plugins are left out.
pub fn list(places: &[Place]) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    // Cargo's `deps` holds the same libraries again, and those of every dependency.
    for place in places.iter().filter(|place| !place.folder.ends_with("deps")) {
        for path in libraries(&place.folder) {
            let name = plugin_name(&path).unwrap_or_default().to_owned();
            let (digest, refusal) = match check(&path) {
                Ok(checked) => (checked.digest, None),
                Err(PluginError::Refused { refusal: Refusal::NoTag, .. }) => continue,
                Err(PluginError::Refused { refusal, .. }) => (String::new(), Some(refusal.to_string())),
                Err(error) => (String::new(), Some(error.to_string())),
            };
            let shadowed = found.iter().any(|other| other.name == name);
            found.push(Found { name, path, origin: place.origin, digest, refusal, shadowed });
        }
    }
    found
}

fn libraries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.path()).filter(|path| plugin_name(path).is_some()).collect();
    paths.sort();
    paths
}

/// What a plugin says about itself, and what the host knows of its file.
#[derive(Debug, Clone, Serialize)]
pub struct Info {
    /// The plugin's own words.
    pub manifest: Manifest,
    /// The library.
    pub path: PathBuf,
    /// BLAKE3 of the library.
    pub digest: String,
    /// The ABI that it was built for, such as `1.1`.
    pub abi: String,
    /// The parameters, one by one.
    pub parameters: Vec<Parameter>,
}

impl From<&LoadedPlugin> for Info {
    fn from(plugin: &LoadedPlugin) -> Self {
        let tag = plugin.tag();
        Self {
            manifest: plugin.manifest().clone(),
            path: plugin.path().clone(),
            digest: plugin.digest().to_owned(),
            abi: format!("{}.{}", tag.major, tag.minor),
            parameters: parameters(&plugin.manifest().params),
        }
    }
}

/// One parameter, as its JSON Schema describes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it takes, such as `integer`, `array of string` or `a | b`.
    pub takes: String,
    /// What it means.
    pub about: String,
    /// Its value where the user gives none.
    pub default: Option<Value>,
    /// The user must give one.
    pub required: bool,
}

/// The parameters at the top of a JSON Schema.
pub fn parameters(schema: &Value) -> Vec<Parameter> {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let parameter = |(name, property): (&String, &Value)| Parameter {
        name: name.clone(),
        takes: takes(property, schema),
        about: property["description"].as_str().unwrap_or_default().to_owned(),
        default: property.get("default").cloned(),
        required: required.contains(&name.as_str()),
    };
    properties.map(parameter).collect()
}

fn takes(property: &Value, schema: &Value) -> String {
    if let Some(path) = property["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
        let name = path.rsplit('/').next().unwrap_or(path);
        return match schema.pointer(path) {
            Some(target) if target.get("properties").is_none() => takes(target, schema),
            _ => name.to_owned(),
        };
    }
    if let Some(value) = property.get("const") {
        return value.to_string();
    }
    if let Some(values) = property["enum"].as_array() {
        return join(values.iter().map(Value::to_string));
    }
    if let Some(choices) = property["oneOf"].as_array().or_else(|| property["anyOf"].as_array()) {
        return join(choices.iter().map(|choice| takes(choice, schema)));
    }
    match &property["type"] {
        Value::String(kind) if kind == "array" => format!("array of {}", takes(&property["items"], schema)),
        Value::String(kind) if kind == "object" && property.get("properties").is_some() => {
            let names = property["properties"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
            format!("{{{}}}", names.collect::<Vec<_>>().join(", "))
        }
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => join(kinds.iter().filter_map(Value::as_str).map(str::to_owned)),
        _ => "anything".to_owned(),
    }
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_are_read_from_the_schema() {
        let schema = json!({
            "required": ["rank"],
            "properties": {
                "rank": {"type": "integer", "description": "How many."},
                "sites": {"type": "array", "items": {"type": "string"}, "default": []},
                "mode": {"$ref": "#/$defs/Mode"},
                "seed": {"type": ["integer", "null"]},
            },
            "$defs": {"Mode": {"oneOf": [{"const": "fast"}, {"enum": ["slow"]}]}},
        });
        let shown: Vec<String> = parameters(&schema)
            .iter()
            .map(|p| format!("{} ({}) {:?} {}", p.name, p.takes, p.default.as_ref().map(Value::to_string), p.required))
            .collect();
        let mut expected = [
            "rank (integer) None true",
            "sites (array of string) Some(\"[]\") false",
            "mode (\"fast\" | \"slow\") None false",
            "seed (integer | null) None false",
        ];
        expected.sort_unstable();
        let mut shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        shown.sort_unstable();
        assert_eq!(shown, expected);
    }
}
