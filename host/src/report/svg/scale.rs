//! Where a value lies on an axis.

use emhost_abi::wire::{Axis, Scale};

use super::ticks::nice_step;

/// A map from values to pixels.
#[derive(Debug, Clone, Copy)]
pub struct Map {
    scale: Scale,
    /// Smallest value of the axis.
    pub low: f64,
    /// Largest value of the axis.
    pub high: f64,
    from: f64,
    to: f64,
}

impl Map {
    /// Places `low` at pixel `from` and `high` at pixel `to`.
    pub fn new(scale: Scale, [low, high]: [f64; 2], from: f64, to: f64) -> Self {
        Self { scale, low, high, from, to }
    }

    /// The same axis at other pixels.
    pub fn between(self, from: f64, to: f64) -> Self {
        Self { from, to, ..self }
    }

    /// The pixel of a value.
    pub fn at(&self, v: f64) -> f64 {
        let t = |v: f64| if self.scale == Scale::Log { v.log10() } else { v };
        self.from + (t(v) - t(self.low)) / (t(self.high) - t(self.low)) * (self.to - self.from)
    }

    /// Whether a value lies inside the axis.
    pub fn holds(&self, v: f64) -> bool {
        // A hair of slack: a fixed range such as [0, 0.3] must hold the 0.1 + 0.2 of its data.
        let slack = (self.high - self.low) * 1e-9;
        v >= self.low - slack && v <= self.high + slack
    }

    /// The scale.
    pub fn scale(&self) -> Scale {
        self.scale
    }
}

/// The range of an axis: the fixed one, or the data's.
///
/// `rounded` widens the data's range to whole ticks; `zero` makes it reach zero.
pub fn domain(axis: &Axis, values: impl Iterator<Item = f64>, rounded: bool, zero: bool) -> [f64; 2] {
    if let Some(range) = axis.range {
        return range;
    }
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for v in values.filter(|v| v.is_finite()) {
        low = low.min(v);
        high = high.max(v);
    }
    if low > high {
        return [0.1, 1.0];
    }
    match axis.scale {
        Scale::Linear => linear_domain(low, high, rounded, zero),
        Scale::Log => log_domain(low, high, rounded),
    }
}

fn linear_domain(mut low: f64, mut high: f64, rounded: bool, zero: bool) -> [f64; 2] {
    // Zero is shown when asked for, and when it is near enough to cost little room.
    if low > 0.0 && (zero || low < 0.4 * high && rounded) {
        low = 0.0;
    }
    if high < 0.0 && (zero || high > 0.4 * low && rounded) {
        high = 0.0;
    }
    if low == high {
        let margin = if low == 0.0 { 1.0 } else { low.abs() * 0.1 };
        (low, high) = (low - margin, high + margin);
    }
    if !rounded {
        return [low, high];
    }
    let step = nice_step((high - low) / 5.0);
    [(low / step + 1e-9).floor() * step, (high / step - 1e-9).ceil() * step]
}

fn log_domain(low: f64, high: f64, rounded: bool) -> [f64; 2] {
    if !rounded && low < high {
        return [low, high];
    }
    let down = |v: f64| {
        let decade = 10f64.powf(v.log10().floor());
        [5.0, 2.0, 1.0].into_iter().map(|m| m * decade).find(|t| *t <= v * (1.0 + 1e-9)).unwrap_or(decade)
    };
    let up = |v: f64| {
        let decade = 10f64.powf(v.log10().floor());
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * decade).find(|t| *t >= v * (1.0 - 1e-9)).unwrap_or(10.0 * decade)
    };
    if low == high { [down(low / 2.0), up(high * 2.0)] } else { [down(low), up(high)] }
}
