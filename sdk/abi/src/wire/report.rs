//! The words and numbers that open a run's report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a plugin says of its result; the host adds figures, tables, recipe and provenance.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The question, as a sentence.
    pub question: String,
    /// The answer that the numbers give, in two or three sentences.
    pub verdict: String,
    /// What was run: model, data, sizes, seeds.
    pub setting: String,
    /// The few numbers that a reader needs first, in order.
    pub headline: Vec<Headline>,
    /// Every reason to read the numbers with care.
    pub caveats: Vec<String>,
    /// Tables to show, in order; others are only linked.
    pub tables: Vec<TableNote>,
    /// Tables of answers with their judgments, to read through.
    #[serde(default)]
    pub answers: Vec<AnswersNote>,
}

/// One number of the headline table.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Headline {
    /// What was measured.
    pub quantity: String,
    /// Under which condition: organism, site, pooling.
    pub condition: String,
    /// The value.
    pub value: f64,
    /// Interval at 95 %, where one is defined.
    #[serde(default)]
    pub interval: Option<[f64; 2]>,
    /// The same quantity under the control.
    #[serde(default)]
    pub control: Option<f64>,
    /// p-value against the control.
    #[serde(default)]
    pub p: Option<f64>,
    /// Number of observations.
    pub n: u64,
    /// Name of the interval and of the test.
    pub method: String,
}

/// A table to show in the report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TableNote {
    /// Name under which it was emitted.
    pub table: String,
    /// What a row is, and what the columns mean.
    pub caption: String,
}

/// A table whose rows are answers of a model, which the report lets a person filter and read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AnswersNote {
    /// Name under which it was emitted.
    pub table: String,
    /// What was asked, and who judged.
    pub caption: String,
    /// Column of the question.
    pub question: String,
    /// Column of the answer.
    pub answer: String,
    /// Columns that say under which condition an answer was given: organism, seed, strength.
    pub conditions: Vec<String>,
    /// Columns of judgments; a null is a missing one.
    pub scores: Vec<String>,
}
