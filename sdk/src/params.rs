//! Parameters from JSON, with errors that name the parameter.

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Error, Result};

/// Reads parameters. An unknown name is refused even where the type would ignore it.
pub(crate) fn parse<P: DeserializeOwned + JsonSchema>(json: &str) -> Result<P> {
    let value: Value =
        serde_json::from_str(json).map_err(|error| Error::Input(format!("parameters are not JSON: {error}")))?;
    let Value::Object(given) = &value else {
        return Err(Error::Input("parameters are not a JSON object".to_owned()));
    };
    let schema = schemars::schema_for!(P).to_value();
    if let Some(allowed) = schema.get("properties").and_then(Value::as_object)
        && let Some(name) = given.keys().find(|name| !allowed.contains_key(*name))
    {
        return Err(Error::Input(format!("unknown parameter `{name}`: expected {}", list(allowed.keys()))));
    }
    serde_path_to_error::deserialize(&value).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        match path.as_str() {
            "." => Error::Input(format!("parameters: {reason}")),
            path => Error::Input(format!("parameter `{path}`: {reason}")),
        }
    })
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.len() {
        0 => "none".to_owned(),
        1 => names.concat(),
        _ => format!("one of {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only read from JSON")]
    struct Lenient {
        #[serde(default)]
        rank: usize,
        #[serde(default)]
        recipe: Option<Nested>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read from JSON")]
    struct Nested {
        steps: usize,
        rates: Vec<f64>,
    }

    #[track_caller]
    fn check(json: &str, expected: &str) {
        let error = parse::<Lenient>(json).expect_err("a wrong parameter");
        assert_eq!(error, Error::Input(expected.to_owned()));
    }

    #[test]
    fn a_wrong_parameter_is_named_with_what_is_allowed() {
        check("[]", "parameters are not a JSON object");
        check(r#"{"rnak": 1}"#, "unknown parameter `rnak`: expected one of `rank`, `recipe`");
        check(r#"{"rank": "one"}"#, r#"parameter `rank`: invalid type: string "one", expected usize"#);
        check(
            r#"{"recipe": {"steps": 1, "rates": [0.1, "x"]}}"#,
            r#"parameter `recipe.rates[1]`: invalid type: string "x", expected f64"#,
        );
        check(r#"{"recipe": {"steps": 1}}"#, "parameter `recipe`: missing field `rates`");
        check(
            r#"{"recipe": {"step": 1}}"#,
            "parameter `recipe.step`: unknown field `step`, expected `steps` or `rates`",
        );
    }
}
