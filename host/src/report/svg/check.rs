//! What a plot spec must satisfy to be drawn.

use emhost_abi::wire::{Axis, Figure, Plot, Scale};

/// Why a figure cannot be drawn.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FigureError {
    /// The name cannot be a file name.
    #[error("draw figure `{figure}`: the name must be made of a-z, 0-9 and _")]
    BadName {
        /// The figure's name.
        figure: String,
    },
    /// A part without which there is nothing to draw.
    #[error("draw figure `{figure}`: it has no {what}")]
    Empty {
        /// The figure's name.
        figure: String,
        /// The missing part.
        what: &'static str,
    },
    /// Two lists that belong together differ in length.
    #[error("draw figure `{figure}`: `{field}` of `{series}` has {got} values, expected {expected}")]
    UnequalLengths {
        /// The figure's name.
        figure: String,
        /// The series, or the row of a matrix.
        series: String,
        /// The list at fault.
        field: &'static str,
        /// Length of the list that it belongs to.
        expected: usize,
        /// Its own length.
        got: usize,
    },
    /// A value that a logarithmic axis has no place for.
    #[error(
        "draw figure `{figure}`: `{series}` has {value} on the logarithmic {axis} axis, expected positive values; leave them out as NaN or use a linear axis"
    )]
    NotPositive {
        /// The figure's name.
        figure: String,
        /// The series, or `range`.
        series: String,
        /// `x` or `y`.
        axis: &'static str,
        /// The value.
        value: f64,
    },
    /// A fixed range that is empty, reversed or not finite.
    #[error("draw figure `{figure}`: the {axis} range is [{low}, {high}], expected two finite numbers in rising order")]
    BadRange {
        /// The figure's name.
        figure: String,
        /// `x` or `y`.
        axis: &'static str,
        /// The range's start.
        low: f64,
        /// The range's end.
        high: f64,
    },
    /// An interval whose ends are swapped.
    #[error("draw figure `{figure}`: interval {index} of `{series}` is [{low}, {high}], expected low <= high")]
    InvertedInterval {
        /// The figure's name.
        figure: String,
        /// The series.
        series: String,
        /// Position in the series, from 0.
        index: usize,
        /// Its `low`.
        low: f64,
        /// Its `high`.
        high: f64,
    },
    /// A logarithmic scale or a range on an axis that has names, not numbers.
    #[error("draw figure `{figure}`: the {axis} axis holds names, so it has no logarithmic scale and no range")]
    NamedAxis {
        /// The figure's name.
        figure: String,
        /// `x` or `y`.
        axis: &'static str,
    },
}

/// Finds the first reason not to draw a figure.
pub fn check(figure: &Figure) -> Result<(), FigureError> {
    let c = Checker { figure };
    let named = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if figure.name.is_empty() || !figure.name.bytes().all(named) {
        return Err(FigureError::BadName { figure: figure.name.clone() });
    }
    c.range("x", &figure.x)?;
    c.range("y", &figure.y)?;
    let mut finite = false;
    match &figure.plot {
        Plot::Lines(lines) => {
            c.some("lines", lines.len())?;
            for line in lines {
                c.equal(&line.label, "y", line.x.len(), line.y.len())?;
                c.interval(&line.label, &line.low, &line.high, line.x.len())?;
                c.positive("x", &line.label, &[&line.x])?;
                c.positive("y", &line.label, &[&line.y, &line.low, &line.high])?;
                finite |= line.x.iter().zip(&line.y).any(|(x, y)| x.is_finite() && y.is_finite());
            }
        }
        Plot::Points(clouds) => {
            c.some("points", clouds.len())?;
            for cloud in clouds {
                c.equal(&cloud.label, "y", cloud.x.len(), cloud.y.len())?;
                c.positive("x", &cloud.label, &[&cloud.x])?;
                c.positive("y", &cloud.label, &[&cloud.y])?;
                finite |= cloud.x.iter().zip(&cloud.y).any(|(x, y)| x.is_finite() && y.is_finite());
            }
        }
        Plot::Bars { groups, series } => {
            c.some("groups", groups.len())?;
            c.some("series", series.len())?;
            c.names("x", &figure.x)?;
            for bars in series {
                c.equal(&bars.label, "values", groups.len(), bars.values.len())?;
                c.interval(&bars.label, &bars.low, &bars.high, groups.len())?;
                c.positive("y", &bars.label, &[&bars.values, &bars.low, &bars.high])?;
                finite |= bars.values.iter().any(|v| v.is_finite());
            }
        }
        Plot::Heatmap { rows, columns, values, .. } => {
            c.some("rows", rows.len())?;
            c.some("columns", columns.len())?;
            c.names("x", &figure.x)?;
            c.names("y", &figure.y)?;
            c.equal("matrix", "values", rows.len(), values.len())?;
            for (row, values) in rows.iter().zip(values) {
                c.equal(row, "values", columns.len(), values.len())?;
                finite |= values.iter().any(|v| v.is_finite());
            }
        }
    }
    c.some("finite value", usize::from(finite))
}

struct Checker<'a> {
    figure: &'a Figure,
}

impl Checker<'_> {
    fn name(&self) -> String {
        self.figure.name.clone()
    }

    fn some(&self, what: &'static str, n: usize) -> Result<(), FigureError> {
        if n == 0 { Err(FigureError::Empty { figure: self.name(), what }) } else { Ok(()) }
    }

    fn names(&self, axis: &'static str, spec: &Axis) -> Result<(), FigureError> {
        let plain = spec.scale == Scale::Linear && spec.range.is_none();
        if plain { Ok(()) } else { Err(FigureError::NamedAxis { figure: self.name(), axis }) }
    }

    fn equal(&self, series: &str, field: &'static str, expected: usize, got: usize) -> Result<(), FigureError> {
        if expected == got {
            return Ok(());
        }
        Err(FigureError::UnequalLengths { figure: self.name(), series: series.into(), field, expected, got })
    }

    fn interval(&self, series: &str, low: &[f64], high: &[f64], expected: usize) -> Result<(), FigureError> {
        if low.is_empty() && high.is_empty() {
            return Ok(());
        }
        self.equal(series, "low", expected, low.len())?;
        self.equal(series, "high", expected, high.len())?;
        match low.iter().zip(high).position(|(low, high)| low > high) {
            Some(index) => Err(FigureError::InvertedInterval {
                figure: self.name(),
                series: series.into(),
                index,
                low: low[index],
                high: high[index],
            }),
            None => Ok(()),
        }
    }

    fn positive(&self, axis: &'static str, series: &str, lists: &[&[f64]]) -> Result<(), FigureError> {
        let spec = if axis == "x" { &self.figure.x } else { &self.figure.y };
        let bad = lists.iter().flat_map(|list| list.iter()).find(|v| **v <= 0.0);
        match bad {
            Some(&value) if spec.scale == Scale::Log => {
                Err(FigureError::NotPositive { figure: self.name(), series: series.into(), axis, value })
            }
            _ => Ok(()),
        }
    }

    fn range(&self, axis: &'static str, spec: &Axis) -> Result<(), FigureError> {
        let Some([low, high]) = spec.range else { return Ok(()) };
        if !(low.is_finite() && high.is_finite() && low < high) {
            return Err(FigureError::BadRange { figure: self.name(), axis, low, high });
        }
        self.positive(axis, "range", &[&[low]])
    }
}
