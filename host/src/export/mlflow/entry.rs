//! What is sent, in the words of MLflow's REST interface.

use serde::{Deserialize, Serialize};

/// Settings of an export to MLflow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The experiment; none means the plugin's name.
    pub experiment: Option<String>,
    /// Longest value of a parameter in characters; none means 6,000. Servers before 2.8 take 500.
    pub longest_param: Option<usize>,
}

/// One request, or a few that belong together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// Finds or makes experiment and run.
    Run(NewRun),
    /// Metrics, parameters and tags.
    Batch(Batch),
    /// A file that is kept beside the run.
    Artifact(Artifact),
    /// How the run ended.
    End(End),
}

/// A run, by its tag `emhost.run_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRun {
    /// The experiment's name.
    pub experiment: String,
    /// The run's own id, which is also its name.
    pub id: String,
    /// Milliseconds since 1970.
    pub start_time: i64,
}

/// What one request to `log-batch` holds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// At most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// At most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Pair>,
    /// At most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
}

/// A number at a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name.
    pub key: String,
    /// The number.
    #[serde(with = "number")]
    pub value: f64,
    /// Milliseconds since 1970: of the run and not of the sending, so that a point sent again is the same point.
    pub timestamp: i64,
    /// The step.
    #[serde(default)]
    pub step: i64,
}

/// A parameter or a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Its name.
    pub key: String,
    /// Its text.
    pub value: String,
}

/// A file that is kept beside the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Artifact {
    /// Its path beside the run.
    pub path: String,
    /// Its name in the spool.
    pub file: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// `FINISHED` or `RUNNING`.
    pub status: String,
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_time: Option<i64>,
}

impl Batch {
    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty() && self.params.is_empty() && self.tags.is_empty()
    }
}

/// Numbers as protocol buffers' JSON has them: what is not finite is text.
pub mod number {
    use serde::de::{Error, Visitor};
    use serde::{Deserializer, Serializer};

    use crate::export::value::not_finite;

    /// A number, or `NaN`, `Infinity`, `-Infinity`.
    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        if value.is_finite() { serializer.serialize_f64(*value) } else { serializer.serialize_str(not_finite(*value)) }
    }

    /// Reads both.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = f64;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number, `NaN`, `Infinity` or `-Infinity`")
            }

            fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
                Ok(value)
            }

            fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
                Ok(value as f64)
            }

            fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
                Ok(value as f64)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
                match text {
                    "NaN" => Ok(f64::NAN),
                    "Infinity" => Ok(f64::INFINITY),
                    "-Infinity" => Ok(f64::NEG_INFINITY),
                    _ => Err(E::custom(format!("`{text}` is no number"))),
                }
            }
        }

        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_what_mlflow_takes_and_comes_back() {
        let cases = [
            (0.1, "0.1"),
            (-0.0, "-0.0"),
            (1e300, "1e+300"),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ];
        for (value, text) in cases {
            let metric = Metric { key: "a".to_owned(), value, timestamp: 7, step: 3 };
            let json = serde_json::to_string(&metric).unwrap();
            assert_eq!(json, format!(r#"{{"key":"a","value":{text},"timestamp":7,"step":3}}"#));
            let back: Metric = serde_json::from_str(&json).unwrap();
            assert!(back.value.to_bits() == value.to_bits() || back.value.is_nan() && value.is_nan(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Metric>(r#"{"key":"a","value":2,"timestamp":7}"#).unwrap().value, 2.0);
    }
}
