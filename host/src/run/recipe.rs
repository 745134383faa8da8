//! Recipes: which plugin runs with which parameters.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::RunError;
use super::keys::nearest;

/// A recipe as a person writes it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default)]
    extends: Option<PathBuf>,
    #[serde(default)]
    plugin: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    params: Map<String, Value>,
    #[serde(default)]
    grid: Map<String, Value>,
    #[serde(default)]
    part: Vec<Part>,
}

/// One plugin of a study that takes several.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    plugin: String,
    #[serde(default)]
    params: Map<String, Value>,
    #[serde(default)]
    grid: Map<String, Value>,
}

const KEYS: [&str; 6] = ["extends", "plugin", "name", "params", "grid", "part"];

/// What a file asks for: one recipe, or the recipes of a study's parts.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// The name of the file's recipe.
    pub name: String,
    /// The recipes in order, each named by its plugin; a single one where the file has no `[[part]]`.
    pub parts: Vec<Recipe>,
}

impl Study {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        Self::parse(&file(path)?, path)
    }

    /// Reads TOML text; `origin` names it in messages, and `extends` is relative to its folder.
    ///
    /// What stands beside the parts holds for each of them, and what a part says itself stands above.
    fn parse(text: &str, origin: &Path) -> Result<Self, RunError> {
        let refuse = |problem: String| RunError::Recipe { path: origin.to_owned(), problem };
        let written = resolved(text, origin, DEEPEST)?;
        if written.part.is_empty() {
            let recipe = Recipe::of(written, origin)?;
            return Ok(Self { name: recipe.name.clone(), parts: vec![recipe] });
        }
        if let Some(plugin) = &written.plugin {
            return Err(refuse(format!("it has `plugin = \"{plugin}\"` and parts: give each part its plugin")));
        }
        let name = written.name.clone().unwrap_or_else(|| stem(&origin.to_string_lossy()));
        let part = |part: &Part| {
            let written = Written {
                plugin: Some(part.plugin.clone()),
                name: Some(format!("{name}-{}", stem(&part.plugin))),
                params: over(written.params.clone(), part.params.clone()),
                grid: over(written.grid.clone(), part.grid.clone()),
                ..Written::default()
            };
            Recipe::of(written, origin)
        };
        let parts = written.part.iter().map(part).collect::<Result<Vec<_>, _>>()?;
        if let Some(twice) =
            parts.iter().enumerate().find(|(at, part)| parts[..*at].iter().any(|p| p.name == part.name))
        {
            return Err(refuse(format!("it has two parts with `{}`", twice.1.plugin)));
        }
        Ok(Self { name, parts })
    }
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
    /// Parameters that take several values, by path such as `recipe.learning_rate`; each combination is a run.
    pub grid: Vec<(String, Vec<Value>)>,
}

/// Recipes that extend one another, at most.
const DEEPEST: usize = 16;

impl Recipe {
    /// Reads TOML text; `origin` names it in messages, and `extends` is relative to its folder.
    pub fn parse(text: &str, origin: &Path) -> Result<Self, RunError> {
        let written = resolved(text, origin, DEEPEST)?;
        if !written.part.is_empty() {
            let problem = "it has several parts, expected one recipe".to_owned();
            return Err(RunError::Recipe { path: origin.to_owned(), problem });
        }
        Self::of(written, origin)
    }

    fn of(written: Written, origin: &Path) -> Result<Self, RunError> {
        let refuse = |problem: String| RunError::Recipe { path: origin.to_owned(), problem };
        let plugin =
            written.plugin.ok_or_else(|| refuse("`plugin` is missing: write `plugin = \"NAME\"`".to_owned()))?;
        let name = written.name.unwrap_or_else(|| stem(&plugin));
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return Err(refuse(format!("name `{name}` may hold letters, digits, `_` and `-` only")));
        }
        let mut grid = Vec::new();
        axes("", &written.grid, &mut grid).map_err(refuse)?;
        Ok(Self { plugin, name, params: written.params, grid })
    }

    /// A recipe without parameters.
    pub fn bare(plugin: &str) -> Self {
        Self { plugin: plugin.to_owned(), name: stem(plugin), params: Map::new(), grid: Vec::new() }
    }

    /// Sets one parameter from `path.to.key=value`; the value is TOML, or else text. `grid.path.to.key=[1, 2]` makes it
    /// an axis of the grid.
    pub fn set(&mut self, assignment: &str) -> Result<(), RunError> {
        match assignment.strip_prefix("grid.").and_then(|rest| rest.split_once('=')) {
            None => assign(&mut self.params, assignment),
            Some((key, value)) => {
                let mut set = Map::new();
                assign(&mut set, &format!("axis={value}"))?;
                let values = set.remove("axis").unwrap_or_default();
                let axis = axis(key.trim(), values).map_err(RunError::Usage)?;
                self.grid.retain(|(known, _)| *known != axis.0);
                self.grid.push(axis);
                Ok(())
            }
        }
    }

    /// One recipe for each combination of the grid, the last axis running fastest; without a grid the recipe itself.
    pub fn points(&self) -> Result<Vec<Self>, RunError> {
        let mut points = vec![Self { grid: Vec::new(), ..self.clone() }];
        for (path, values) in &self.grid {
            let mut next = Vec::with_capacity(points.len() * values.len());
            for point in &points {
                for value in values {
                    let mut point = point.clone();
                    put(&mut point.params, path, value.clone())?;
                    next.push(point);
                }
            }
            points = next;
        }
        Ok(points)
    }

    /// The recipe as TOML that runs again.
    pub fn to_toml(&self) -> String {
        let mut table = toml::Table::new();
        table.insert("plugin".to_owned(), self.plugin.clone().into());
        table.insert("name".to_owned(), self.name.clone().into());
        if let Ok(params) = toml::Value::try_from(&self.params) {
            table.insert("params".to_owned(), params);
        }
        let grid: Map<String, Value> =
            self.grid.iter().map(|(key, values)| (key.clone(), values.clone().into())).collect();
        if let (false, Ok(grid)) = (grid.is_empty(), toml::Value::try_from(grid)) {
            table.insert("grid".to_owned(), grid);
        }
        toml::to_string_pretty(&table).unwrap_or_default()
    }
}

fn file(path: &Path) -> Result<String, RunError> {
    std::fs::read_to_string(path)
        .map_err(|source| RunError::Recipe { path: path.to_owned(), problem: format!("cannot be read: {source}") })
}

/// What is written, over what it extends.
fn resolved(text: &str, origin: &Path, deepest: usize) -> Result<Written, RunError> {
    let refuse = |problem: String| RunError::Recipe { path: origin.to_owned(), problem };
    let table: toml::Table = toml::from_str(text).map_err(|e| refuse(e.to_string().trim_end().to_owned()))?;
    if let Some(key) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let near = nearest(key, KEYS).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        return Err(refuse(format!("`{key}` is no key of a recipe, there are {}{near}", KEYS.join(", "))));
    }
    let mut written: Written = toml::from_str(text).map_err(|e| refuse(e.to_string().trim_end().to_owned()))?;
    let Some(base) = written.extends.take() else { return Ok(written) };
    if deepest == 0 {
        return Err(refuse("recipes extend one another in a circle, or too deeply".to_owned()));
    }
    let path = origin.parent().unwrap_or(Path::new("")).join(base);
    let base = resolved(&file(&path)?, &path, deepest - 1)?;
    Ok(Written {
        extends: None,
        plugin: written.plugin.or(base.plugin),
        name: written.name.or(base.name),
        params: over(base.params, written.params),
        grid: over(base.grid, written.grid),
        part: changed(base.part, written.part),
    })
}

/// Parts are told apart by their plugin; new ones come last.
fn changed(mut base: Vec<Part>, top: Vec<Part>) -> Vec<Part> {
    for part in top {
        match base.iter_mut().find(|known| known.plugin == part.plugin) {
            None => base.push(part),
            Some(known) => {
                known.params = over(std::mem::take(&mut known.params), part.params);
                known.grid = over(std::mem::take(&mut known.grid), part.grid);
            }
        }
    }
    base
}

/// Tables are merged key by key; anything else is replaced.
fn over(mut base: Map<String, Value>, top: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in top {
        let merged = match (base.remove(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => Value::Object(over(below, above)),
            (_, value) => value,
        };
        base.insert(key, merged);
    }
    base
}

/// The axes of a grid: `seed = [1, 2]`, `"recipe.steps" = [10, 20]`, or the same as tables.
fn axes(path: &str, table: &Map<String, Value>, grid: &mut Vec<(String, Vec<Value>)>) -> Result<(), String> {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Object(table) => axes(&path, table, grid)?,
            value => grid.push(axis(&path, value.clone())?),
        }
    }
    Ok(())
}

fn axis(path: &str, values: Value) -> Result<(String, Vec<Value>), String> {
    match values {
        Value::Array(values) if !values.is_empty() => Ok((path.to_owned(), values)),
        other => Err(format!("grid.{path} is {other}, expected a list of values such as [42, 137, 256]")),
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
    put(params, key.trim(), value)
}

/// Sets the value at a path such as `recipe.steps`.
fn put(params: &mut Map<String, Value>, path: &str, value: Value) -> Result<(), RunError> {
    let refuse = |problem: String| RunError::Recipe { path: PathBuf::from("--set"), problem };
    let mut keys: Vec<&str> = path.split('.').collect();
    let last = keys.pop().filter(|last| !last.is_empty()).ok_or_else(|| refuse("the key is empty".to_owned()))?;
    let mut table = params;
    for key in keys {
        let entry = table.entry(key).or_insert_with(|| Value::Object(Map::new()));
        table = entry
            .as_object_mut()
            .ok_or_else(|| refuse(format!("`{key}` is not a table: set it as a whole, such as `{key}=[1, 2]`")))?;
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
    use serde_json::json;

    #[test]
    fn a_recipe_reads_back_what_it_wrote() {
        let text =
            "plugin = \"probe\"\n[params]\nsites = [\"embed\"]\n[params.recipe]\nsteps = 3\n[grid]\nseed = [1, 2]\n";
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
        for (text, part) in [
            ("plugins = 1", "did you mean `plugin`"),
            ("plugin = \"a\"\nname = \"a/b\"", "a/b"),
            ("plugin = ", "plugin"),
            ("[params]", "`plugin` is missing"),
            ("plugin = \"a\"\n[grid]\nseed = 1", "grid.seed"),
            ("plugin = \"a\"\n[grid]\nseed = []", "grid.seed"),
            ("extends = \"nowhere.toml\"", "nowhere.toml"),
        ] {
            let error = Recipe::parse(text, Path::new("r.toml")).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(Recipe::bare("x").set("novalue").is_err());
    }

    #[test]
    fn a_recipe_extends_another_key_by_key() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "base.toml",
            "plugin = \"probe\"\nname = \"base\"\n[params]\nsites = [\"a\", \"b\"]\n[params.recipe]\nsteps = 3\nrank = 8\n",
        );
        write(
            "top.toml",
            "extends = \"base.toml\"\nname = \"top\"\n[params]\nsites = [\"c\"]\n[params.recipe]\nsteps = 5\n",
        );
        let read = |name: &str| Study::read(&folder.path().join(name)).map(|mut study| study.parts.remove(0));
        let recipe = read("top.toml").unwrap();
        assert_eq!((recipe.plugin.as_str(), recipe.name.as_str()), ("probe", "top"));
        assert_eq!(Value::Object(recipe.params), json!({"sites": ["c"], "recipe": {"steps": 5, "rank": 8}}));
        write("loop.toml", "extends = \"loop.toml\"");
        assert!(read("loop.toml").unwrap_err().to_string().contains("circle"));
    }

    #[test]
    fn a_study_has_parts_that_share_parameters() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "base.toml",
            "name = \"s\"\n[params]\nmodel = \"m\"\nseed = 1\n[[part]]\nplugin = \"a\"\n[part.params]\nseed = 2\n\
             [[part]]\nplugin = \"b\"\n",
        );
        write("top.toml", "extends = \"base.toml\"\n[[part]]\nplugin = \"b\"\n[part.params]\nk = 3\n");
        let study = Study::read(&folder.path().join("top.toml")).unwrap();
        let found: Vec<(String, Value)> =
            study.parts.into_iter().map(|part| (part.name, Value::Object(part.params))).collect();
        let expected = [("s-a", json!({"model": "m", "seed": 2})), ("s-b", json!({"model": "m", "seed": 1, "k": 3}))];
        assert_eq!(found, expected.map(|(name, params)| (name.to_owned(), params)));
        for (text, part) in [
            ("plugin = \"a\"\n[[part]]\nplugin = \"b\"", "give each part its plugin"),
            ("[[part]]\nplugin = \"b\"\n[[part]]\nplugin = \"b\"", "two parts"),
        ] {
            let error = Study::parse(text, Path::new("r.toml")).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
        }
        assert!(Recipe::parse("[[part]]\nplugin = \"b\"", Path::new("r.toml")).is_err());
    }

    #[test]
    fn a_grid_is_every_combination() {
        let text = "plugin = \"p\"\n[params.recipe]\nrank = 8\n[grid]\nseed = [1, 2, 3]\nrecipe.steps = [10, 20]\n";
        let mut recipe = Recipe::parse(text, Path::new("test")).unwrap();
        recipe.set("grid.seed=[7, 8]").unwrap();
        let points: Vec<Value> =
            recipe.points().unwrap().into_iter().map(|point| Value::Object(point.params)).collect();
        let point = |seed: u32, steps: u32| json!({"recipe": {"rank": 8, "steps": steps}, "seed": seed});
        assert_eq!(points, [point(7, 10), point(8, 10), point(7, 20), point(8, 20)]);
    }
}
