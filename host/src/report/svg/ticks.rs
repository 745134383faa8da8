//! Tick values that a reader can count in: steps of 1, 2 or 5 and powers of ten.

use emhost_abi::wire::Scale;

use super::scale::Map;
use crate::report::{number, text};

/// A labelled place on an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Tick {
    /// The value.
    pub value: f64,
    /// Its label.
    pub label: String,
}

/// The smallest 1, 2 or 5 times a power of ten that is at least `raw`.
pub fn nice_step(raw: f64) -> f64 {
    let exponent = raw.log10().floor() as i32;
    [(1.0, 0), (2.0, 0), (5.0, 0), (1.0, 1)]
        .into_iter()
        .map(|(mantissa, up)| scaled(mantissa, exponent + up))
        .find(|step| *step >= raw * (1.0 - 1e-9))
        .unwrap_or(raw)
}

/// At most `most` (and, where the axis allows, at least two) ticks between `low` and `high`.
pub fn ticks(scale: Scale, low: f64, high: f64, most: usize) -> Vec<Tick> {
    match scale {
        Scale::Linear => linear(low, high, most),
        Scale::Log => log(low, high, most),
    }
}

/// As many ticks as fit along a horizontal axis without their labels touching, at most `most`.
pub fn fitting(map: &Map, size: f64, most: usize) -> Vec<Tick> {
    const GAP: f64 = 10.0;
    let fits = |ticks: &[Tick]| {
        ticks.windows(2).all(|pair| {
            let room = (map.at(pair[1].value) - map.at(pair[0].value)).abs();
            room >= (text::width(&pair[0].label, size) + text::width(&pair[1].label, size)) / 2.0 + GAP
        })
    };
    let mut last = Vec::new();
    for most in (2..=most).rev() {
        last = ticks(map.scale(), map.low, map.high, most);
        if fits(&last) {
            return last;
        }
    }
    last.truncate(1);
    last
}

fn linear(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let mut step = nice_step((high - low) / most as f64);
    let count = |step: f64| ((high / step + 1e-6).floor() - (low / step - 1e-6).ceil()) as i64 + 1;
    while count(step) > most as i64 {
        step = nice_step(step * 1.5);
    }
    let exponent = step.log10().floor() as i32;
    let first = (low / step - 1e-6).ceil() as i64;
    let last = (high / step + 1e-6).floor() as i64;
    let mantissa = (step / 10f64.powi(exponent)).round();
    (first..=last)
        .map(|i| {
            let value = scaled(i as f64 * mantissa, exponent);
            Tick { value, label: linear_label(value, exponent, low.abs().max(high.abs())) }
        })
        .collect()
}

fn linear_label(value: f64, exponent: i32, largest: f64) -> String {
    if exponent < -4 || largest >= 1e7 {
        let digits = (largest.log10().floor() as i32 - exponent).clamp(0, 8) as usize + 1;
        return number::scientific(value, digits);
    }
    number::fixed(value, (-exponent).max(0) as usize)
}

fn log(low: f64, high: f64, most: usize) -> Vec<Tick> {
    let first = low.log10().floor() as i32;
    let last = high.log10().ceil() as i32;
    let within = |v: &f64| *v >= low * (1.0 - 1e-9) && *v <= high * (1.0 + 1e-9);
    let multiples = |mantissas: &[f64]| -> Vec<f64> {
        let all = (first..=last).flat_map(|e| mantissas.iter().map(move |m| scaled(*m, e)));
        all.filter(within).collect()
    };
    for mantissas in [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]] {
        let values = multiples(mantissas);
        if values.len() >= 3.min(most) && values.len() <= most {
            return values.into_iter().map(log_tick).collect();
        }
    }
    let decades: Vec<f64> = multiples(&[1.0]);
    if decades.len() >= 2 {
        return decades.iter().step_by(decades.len().div_ceil(most)).map(|v| log_tick(*v)).collect();
    }
    linear(low, high, most)
}

fn log_tick(value: f64) -> Tick {
    let exponent = value.log10().floor() as i32;
    let label = if (-3..6).contains(&exponent) {
        number::fixed(value, (-exponent).max(0) as usize)
    } else {
        number::scientific(value, 1)
    };
    Tick { value, label }
}

/// `mantissa * 10^exponent` without the rounding of a negative power.
fn scaled(mantissa: f64, exponent: i32) -> f64 {
    if exponent < 0 { mantissa / 10f64.powi(-exponent) } else { mantissa * 10f64.powi(exponent) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_numbers_inside_the_axis() {
        let check = |scale: Scale, low: f64, high: f64, most: usize, expected: &[&str]| {
            let found = ticks(scale, low, high, most);
            let labels: Vec<&str> = found.iter().map(|t| t.label.as_str()).collect();
            assert_eq!(labels, expected, "{scale:?} {low} {high}");
        };
        check(Scale::Linear, 0.0, 1.0, 6, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(Scale::Linear, -0.3, 0.3, 4, &["−0.2", "0.0", "0.2"]);
        check(Scale::Linear, 0.0, 12000.0, 7, &["0", "2000", "4000", "6000", "8000", "10,000", "12,000"]);
        check(Scale::Linear, 0.0, 3e-6, 4, &["0", "10⁻⁶", "2×10⁻⁶", "3×10⁻⁶"]);
        check(Scale::Linear, 0.97, 1.0, 4, &["0.97", "0.98", "0.99", "1.00"]);
        check(Scale::Log, 1.0, 1000.0, 5, &["1", "10", "100", "1000"]);
        check(Scale::Log, 1e-7, 1e-1, 4, &["10⁻⁷", "10⁻⁵", "0.001", "0.1"]);
        check(Scale::Log, 1.0, 10.0, 5, &["1", "2", "5", "10"]);
        check(Scale::Log, 40.0, 48.0, 5, &["40", "42", "44", "46", "48"]);
    }

    #[test]
    fn labels_on_a_horizontal_axis_never_touch() {
        for scale in [Scale::Linear, Scale::Log] {
            for [low, high] in [[0.001, 1.0], [1.0, 65536.0], [99_990.0, 100_010.0], [1e-9, 1e9], [3.0, 3.00001]] {
                for pixels in [60.0, 200.0, 500.0] {
                    let map = Map::new(scale, [low, high], 0.0, pixels);
                    let found = fitting(&map, 12.0, 10);
                    assert!(!found.is_empty(), "{scale:?} [{low}, {high}] over {pixels} px");
                    for pair in found.windows(2) {
                        let room = map.at(pair[1].value) - map.at(pair[0].value);
                        let taken = (text::width(&pair[0].label, 12.0) + text::width(&pair[1].label, 12.0)) / 2.0;
                        assert!(room > taken, "{pair:?} over {pixels} px");
                    }
                    assert!(found.iter().all(|t| map.holds(t.value)), "{found:?}");
                }
            }
        }
    }
}
