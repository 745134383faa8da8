//! Recipes: which plugin runs with which parameters.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::RunError;

/// A recipe as a person writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    plugin: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    params: Map<String, Value>,
}

/// A recipe with everything set.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Plugin name or path.
    pub plugin: String,
    /// First part of the run's id.
    pub name: String,
    /// The parameters, an object; what is absent takes the plugin's default.
    pub params: Map<String, Value>,
}

impl Recipe {
    /// Reads TOML text; `origin` names it in messages.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, RunError> {
        let refuse = |problem: String| RunError::Recipe { path: origin.to_owned(), problem };
        let written: Written = toml::from_str(text).map_err(|e| refuse(e.to_string().trim_end().to_owned()))?;
        let name = written.name.unwrap_or_else(|| stem(&written.plugin));
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return Err(refuse(format!("name `{name}` may hold letters, digits, `_` and `-` only")));
        }
        Ok(Self { plugin: written.plugin, name, params: written.params })
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        let text = std::fs::read_to_string(path).map_err(|source| RunError::Recipe {
            path: path.to_owned(),
            problem: format!("cannot be read: {source}"),
        })?;
        Self::parse(&text, path)
    }

    /// A recipe without parameters.
    pub fn bare(plugin: &str) -> Self {
        Self { plugin: plugin.to_owned(), name: stem(plugin), params: Map::new() }
    }

    /// Sets one parameter from `path.to.key=value`; the value is TOML, or else text.
    pub fn set(&mut self, assignment: &str) -> Result<(), RunError> {
        assign(&mut self.params, assignment)
    }

    /// The recipe as TOML that runs again.
    pub fn to_toml(&self) -> String {
        let mut table = toml::Table::new();
        table.insert("plugin".to_owned(), self.plugin.clone().into());
        table.insert("name".to_owned(), self.name.clone().into());
        if let Ok(params) = toml::Value::try_from(&self.params) {
            table.insert("params".to_owned(), params);
        }
        toml::to_string_pretty(&table).unwrap_or_default()
    }
}

/// Sets one value from `path.to.key=value`; the value is TOML, or else text.
pub fn assign(params: &mut Map<String, Value>, assignment: &str) -> Result<(), RunError> {
    let refuse = |problem: &str| RunError::Recipe { path: PathBuf::from("--set"), problem: problem.to_owned() };
    let (key, value) =
        assignment.split_once('=').ok_or_else(|| refuse(&format!("`{assignment}`: write `key=value`")))?;
    let text = value;
    let value =
        toml::from_str::<toml::Table>(&format!("value = {text}")).ok().and_then(|mut table| table.remove("value"));
    if let Some(toml::Value::Float(number)) = value.as_ref()
        && !number.is_finite()
    {
        return Err(refuse(&format!("`{key}` is {number}, expected a finite number")));
    }
    let value = value
        .map_or_else(|| Ok(Value::String(text.to_owned())), serde_json::to_value)
        .map_err(|e| refuse(&e.to_string()))?;
    let mut keys: Vec<&str> = key.trim().split('.').collect();
    let last = keys.pop().filter(|last| !last.is_empty()).ok_or_else(|| refuse("the key is empty"))?;
    let mut table = params;
    for key in keys {
        let entry = table.entry(key).or_insert_with(|| Value::Object(Map::new()));
        table = entry.as_object_mut().ok_or_else(|| refuse(&format!("`{key}` is not a table")))?;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

/// `path/libmy_probe.so` and `my_probe` are both named `my_probe`.
fn stem(plugin: &str) -> String {
    let file = Path::new(plugin).file_stem().map_or_else(|| plugin.into(), |s| s.to_string_lossy());
    file.strip_prefix(std::env::consts::DLL_PREFIX).unwrap_or(&file).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_reads_back_what_it_wrote() {
        let text = "plugin = \"probe\"\n[params]\nsites = [\"embed\"]\n[params.recipe]\nsteps = 3\n";
        let mut recipe = Recipe::parse(text, Path::new("test")).unwrap();
        recipe.set("recipe.steps=5").unwrap();
        recipe.set("model=embedded").unwrap();
        recipe.set("rates=[0.5, 1]").unwrap();
        assert_eq!(recipe.params["recipe"]["steps"], 5);
        assert_eq!(recipe.params["model"], "embedded");
        assert_eq!(Recipe::parse(&recipe.to_toml(), Path::new("again")).unwrap(), recipe);
    }

    #[test]
    fn a_wrong_recipe_is_refused_by_name() {
        for (text, part) in
            [("plugins = 1", "plugins"), ("plugin = \"a\"\nname = \"a/b\"", "a/b"), ("plugin = ", "plugin")]
        {
            let error = Recipe::parse(text, Path::new("r.toml")).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(Recipe::bare("x").set("novalue").is_err());
    }
}
