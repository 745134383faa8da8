//! Plots as data: a plugin describes a figure, the host draws it. A value that is NaN is left out of the drawing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One figure of a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// File name without extension: `[a-z0-9_]+`.
    pub name: String,
    /// What the figure shows, as a sentence.
    pub title: String,
    /// How to read it: n, intervals, controls.
    pub caption: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// What is drawn.
    pub plot: Plot,
}

/// An axis.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Linear or logarithmic.
    #[serde(default)]
    pub scale: Scale,
    /// Fixed range; otherwise the data's.
    #[serde(default)]
    pub range: Option<[f64; 2]>,
}

impl Axis {
    /// A linear axis over the data's range.
    pub fn linear(label: impl Into<String>) -> Self {
        Self { label: label.into(), ..Self::default() }
    }

    /// A logarithmic axis over the data's range.
    pub fn log(label: impl Into<String>) -> Self {
        Self { label: label.into(), scale: Scale::Log, range: None }
    }

    /// The same axis with a fixed range.
    pub fn range(self, low: f64, high: f64) -> Self {
        Self { range: Some([low, high]), ..self }
    }
}

/// How values map to positions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// Proportional.
    #[default]
    Linear,
    /// Logarithmic; values must be positive.
    Log,
}

/// What is drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Plot {
    /// Lines, each with an optional band.
    Lines(Vec<Line>),
    /// Point clouds.
    Points(Vec<Points>),
    /// Groups of bars with error bars.
    Bars {
        /// Names of the groups along the horizontal axis.
        groups: Vec<String>,
        /// One series per colour, each with a value per group.
        series: Vec<Bars>,
    },
    /// A matrix of values with its numbers written in.
    Heatmap {
        /// Names of the rows, top first.
        rows: Vec<String>,
        /// Names of the columns.
        columns: Vec<String>,
        /// `rows x columns` values; NaN is left blank.
        #[serde(with = "super::gaps::rows")]
        #[schemars(with = "Vec<Vec<Option<f64>>>")]
        values: Vec<Vec<f64>>,
        /// Centre the colours on zero.
        diverging: bool,
    },
}

/// One line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Name in the legend.
    pub label: String,
    /// Horizontal positions.
    #[serde(with = "super::gaps")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub x: Vec<f64>,
    /// Vertical positions.
    #[serde(with = "super::gaps")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub y: Vec<f64>,
    /// Lower edge of the band; empty for none.
    #[serde(default, with = "super::gaps")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub low: Vec<f64>,
    /// Upper edge of the band; empty for none.
    #[serde(default, with = "super::gaps")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub high: Vec<f64>,
    /// Drawn dashed and grey: a control or a reference.
    #[serde(default)]
    pub control: bool,
}

/// One cloud of points.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Points {
    /// Name in the legend.
    pub label: String,
    /// Horizontal positions.
    #[serde(with = "super::gaps")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub x: Vec<f64>,
    /// Vertical positions.
    #[serde(with = "super::gaps")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub y: Vec<f64>,
}

/// One series of bars.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bars {
    /// Name in the legend.
    pub label: String,
    /// A value per group.
    #[serde(with = "super::gaps")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub values: Vec<f64>,
    /// Lower ends of the error bars; empty for none.
    #[serde(default, with = "super::gaps")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub low: Vec<f64>,
    /// Upper ends of the error bars; empty for none.
    #[serde(default, with = "super::gaps")]
    #[schemars(with = "Vec<Option<f64>>")]
    pub high: Vec<f64>,
    /// Drawn grey: a control or a reference.
    #[serde(default)]
    pub control: bool,
}
