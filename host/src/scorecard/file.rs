//! `scorecard.toml`: the published claims of a study.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::run::RunError;

/// A study's claims.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScorecardFile {
    /// What the study is called.
    #[serde(default)]
    pub title: String,
    /// The plugin whose runs fill it in.
    pub plugin: String,
    /// The recipe beside it that can test its claims at full scale.
    #[serde(default)]
    pub recipe: String,
    /// Where the claims were published.
    pub source: String,
    /// What is known to be wrong with the original.
    #[serde(default)]
    pub defects: Vec<String>,
    /// The claims.
    #[serde(rename = "claim")]
    pub claims: Vec<Claim>,
}

/// One published number, and where a run has the same one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Unique in the study.
    pub id: String,
    /// The plugin whose runs have the number, where it is not the file's.
    #[serde(default)]
    pub plugin: Option<String>,
    /// What was measured.
    pub quantity: String,
    /// What the published number says of a run's.
    #[serde(default)]
    pub expect: Expect,
    /// The number or numbers; of a range, and of `within`, its two ends; of `above` and `below` the threshold.
    #[serde(deserialize_with = "several")]
    pub published: Vec<f64>,
    /// How far a run may be off, one for all or one each.
    #[serde(default, deserialize_with = "several")]
    pub tolerance: Vec<f64>,
    /// Unit of all of them.
    pub unit: String,
    /// The model it was found on: the claim is not testable with another. Empty means any.
    #[serde(default)]
    pub model: String,
    /// Table of the run.
    pub table: String,
    /// Its column.
    pub column: String,
    /// Columns of the interval's ends.
    #[serde(default)]
    pub interval: Option<[String; 2]>,
    /// Column of the number of observations.
    #[serde(default)]
    pub n: Option<String>,
    /// Values of text columns that choose the row, or, with lists, the rows in their order.
    #[serde(rename = "where", default)]
    pub rows: BTreeMap<String, Choice>,
    /// The statistic that tests it.
    pub test: String,
    /// Why this number should be read with care.
    #[serde(default)]
    pub defect: String,
}

/// What a published number says of a run's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// They are equal within the tolerance.
    #[default]
    Equal,
    /// All rows lie between two numbers.
    Range,
    /// The run's interval lies above a threshold.
    Above,
    /// The run's interval lies below a threshold.
    Below,
    /// The run's interval lies between two numbers: no difference worth speaking of.
    Within,
}

/// One value of a column, or several.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(from = "toml::Value")]
pub struct Choice(pub Vec<String>);

impl From<toml::Value> for Choice {
    fn from(value: toml::Value) -> Self {
        let text = |value: toml::Value| match value {
            toml::Value::String(text) => text,
            other => other.to_string(),
        };
        Self(match value {
            toml::Value::Array(values) => values.into_iter().map(text).collect(),
            one => vec![text(one)],
        })
    }
}

fn several<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    let number = |value: &toml::Value| match value {
        toml::Value::Float(number) => Ok(*number),
        toml::Value::Integer(number) => Ok(*number as f64),
        other => Err(serde::de::Error::custom(format!("{other} is not a number"))),
    };
    match toml::Value::deserialize(from)? {
        toml::Value::Array(values) => values.iter().map(number).collect(),
        one => Ok(vec![number(&one)?]),
    }
}

impl ScorecardFile {
    /// The plugin whose runs have a claim's number.
    pub fn plugin_of<'a>(&'a self, claim: &'a Claim) -> &'a str {
        claim.plugin.as_deref().unwrap_or(&self.plugin)
    }

    /// Reads a file and checks that its claims make sense.
    pub fn read(path: &Path) -> Result<Self, RunError> {
        let refuse = |problem: String| RunError::Scorecard { path: path.to_owned(), problem };
        let text = std::fs::read_to_string(path).map_err(|e| refuse(format!("cannot be read: {e}")))?;
        let file: Self = toml::from_str(&text).map_err(|e| refuse(e.to_string().trim_end().to_owned()))?;
        for (at, claim) in file.claims.iter().enumerate() {
            let wrong = |problem: &str| Err(refuse(format!("claim `{}`: {problem}", claim.id)));
            if file.claims[..at].iter().any(|other| other.id == claim.id) {
                return wrong("another claim has this id");
            }
            let (published, tolerances) = (claim.published.len(), claim.tolerance.len());
            match claim.expect {
                Expect::Range | Expect::Within if published != 2 || claim.published[0] > claim.published[1] => {
                    return wrong("a range is published as [low, high]");
                }
                Expect::Above | Expect::Below if published != 1 => return wrong("a threshold is one number"),
                Expect::Equal if published == 0 || ![1, published].contains(&tolerances) => {
                    return wrong("`tolerance` is one number, or one for each published number");
                }
                _ => {}
            }
        }
        Ok(file)
    }
}
