//! Interventions: edits of the forward pass, as data.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::Positions;

/// One edit of the forward pass.
///
/// A token is edited with the factor `f = strength * scale`, where the strength is the request's for this
/// pass times the row's own. A token with factor 0 stays as it is, to the bit. Edits at one site happen in
/// the order of the list, and what is captured there is the edited value.
///
/// ```
/// # use emhost_abi::wire::{EditOp, Intervention, Tokens};
/// let text = r#"{"op": "add", "sites": "blocks.1.resid_post", "vector": "bad.safetensors#mean", "scale": 3}"#;
/// let edit: Intervention = serde_json::from_str(text)?;
/// assert_eq!((edit.op, edit.positions), (EditOp::Add, Tokens::All));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Intervention {
    /// What happens.
    pub op: EditOp,
    /// Where: a site name or pattern such as `blocks.{2..4}.resid_post`, or a list of them.
    #[serde(default, deserialize_with = "one_or_many", skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "one_or_many_schema")]
    pub sites: Vec<String>,
    /// The vector of `add`, `project_out` and `replace`: a file and the name of a tensor in it,
    /// `direction.safetensors#vector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vector: Option<String>,
    /// The vector's numbers themselves, in place of `vector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<f32>>,
    /// Factor of the edit at strength 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub scale: f64,
    /// Which tokens.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    pub positions: Tokens,
    /// `patch`: the row whose values are put in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// `scale_adapter`: which adapter, 0 for the first; none means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<usize>,
    /// `scale_adapter`: projections such as `down_proj`; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<String>,
    /// `scale_adapter`: blocks, 0-based; none means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocks: Vec<usize>,
}

/// Which tokens of a row an intervention edits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tokens {
    /// Every token.
    All,
    /// The rendered prompt: everything before the last assistant turn's text.
    Prompt,
    /// The last assistant turn's text; in sampling the new tokens.
    Answer,
    /// The prompt's last token.
    LastPrompt,
    /// The row's last token; not in sampling, where no token is known to be the last.
    Last,
    /// These tokens: 0 is the row's first token, -1 the prompt's last one.
    At(Vec<i64>),
}

impl From<Positions> for Tokens {
    fn from(positions: Positions) -> Self {
        match positions {
            Positions::All => Self::All,
            Positions::Prompt => Self::Prompt,
            Positions::Answer => Self::Answer,
            Positions::LastPrompt => Self::LastPrompt,
            Positions::Last => Self::Last,
        }
    }
}

/// What an intervention does to a value `x` of width `d`, with factor `f` and vector `v`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EditOp {
    /// `x + f v`, with the vector as it is.
    Add,
    /// `x - f (x . u) u` with `u = v / |v|`: at factor 1 the component along `v` is gone.
    ProjectOut,
    /// `x + f (v - x)`: at factor 1 exactly `v`.
    Replace,
    /// The low-rank update of an adapter is multiplied by `1 + strength * (scale - 1)`: by `scale` at strength 1,
    /// not changed at strength 0. Every row has the same strength.
    ScaleAdapter,
    /// `x + f (y - x)` where `y` is what another row has at this site when nothing is edited, the first selected
    /// token from the first one there, and so on: both rows select equally many tokens. At factor 1 exactly `y`.
    Patch,
}

impl EditOp {
    /// The name in a file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::ProjectOut => "project_out",
            Self::Replace => "replace",
            Self::ScaleAdapter => "scale_adapter",
            Self::Patch => "patch",
        }
    }
}

impl Intervention {
    /// An edit with a vector, at every token, with scale 1.
    pub fn new(op: EditOp, sites: impl Into<String>, values: Vec<f32>) -> Self {
        Self {
            op,
            sites: vec![sites.into()],
            vector: None,
            values: Some(values),
            scale: 1.0,
            positions: Tokens::All,
            from: None,
            adapter: None,
            modules: Vec::new(),
            blocks: Vec::new(),
        }
    }
}

/// A file of interventions: `[[intervention]]` tables in TOML.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterventionFile {
    /// The edits, in order.
    pub intervention: Vec<Intervention>,
}

/// How often one intervention fired at one site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Firing {
    /// 0-based number of the intervention in the request.
    pub intervention: usize,
    /// The site; the projection for `scale_adapter`.
    pub site: String,
    /// Tokens that were edited.
    pub tokens: u64,
}

fn one() -> f64 {
    1.0
}

fn is_one(scale: &f64) -> bool {
    *scale == 1.0
}

fn all() -> Tokens {
    Tokens::All
}

fn is_all(positions: &Tokens) -> bool {
    *positions == Tokens::All
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Patterns;

    impl<'de> Visitor<'de> for Patterns {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a site pattern or a list of them")
        }

        fn visit_str<E>(self, pattern: &str) -> Result<Self::Value, E> {
            Ok(vec![pattern.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut patterns = Vec::new();
            while let Some(pattern) = list.next_element()? {
                patterns.push(pattern);
            }
            Ok(patterns)
        }
    }

    deserializer.deserialize_any(Patterns)
}

fn one_or_many_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "array"], "items": {"type": "string"}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_field_is_refused_and_defaults_are_left_out() {
        let read = serde_json::from_str::<Intervention>;
        assert!(read(r#"{"op": "add", "site": "embed"}"#).is_err());
        let edit = read(r#"{"op": "patch", "sites": ["embed", "logits"], "from": "a", "positions": {"at": [0, -1]}}"#);
        let edit = edit.expect("a complete intervention");
        assert_eq!(edit.positions, Tokens::At(vec![0, -1]));
        let text = serde_json::to_string(&edit).expect("JSON");
        assert_eq!(text, r#"{"op":"patch","sites":["embed","logits"],"positions":{"at":[0,-1]},"from":"a"}"#);
    }
}
