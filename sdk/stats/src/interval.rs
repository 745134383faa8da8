//! Confidence intervals in closed form: proportions, zero counts and means.

use crate::distributions::{normal_half_width, t_half_width};
use crate::error::{StatsError, check_count, check_finite, check_level, check_range};

/// A confidence interval, in the units of what it estimates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// The confidence level, such as 0.95.
    pub level: f64,
}

/// Wilson's score interval of a proportion (Wilson 1927), good also near 0 and 1 and for few trials.
///
/// # Errors
/// [`StatsError::TooFew`] without trials, [`StatsError::OutOfRange`] for more successes than trials,
/// [`StatsError::NotInRange`] for a level outside (0, 1).
///
/// ```
/// use emhost_stats::interval::wilson;
/// let rate = wilson(3, 50, 0.95)?; // 3 misaligned of 50 independent answers
/// assert!((rate.low - 0.0206).abs() < 1e-4 && (rate.high - 0.1622).abs() < 1e-4);
/// # Ok::<(), emhost_stats::StatsError>(())
/// ```
pub fn wilson(successes: usize, trials: usize, level: f64) -> Result<Interval, StatsError> {
    check_level(level)?;
    check_count("trials", 1, trials)?;
    check_range("successes", 0, trials, successes)?;
    let n = trials as f64;
    let p = successes as f64 / n;
    let z = normal_half_width(level);
    let scale = 1.0 + z * z / n;
    let middle = (p + z * z / (2.0 * n)) / scale;
    let half_width = z / scale * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let low = if successes == 0 { 0.0 } else { (middle - half_width).max(0.0) };
    let high = if successes == trials { 1.0 } else { (middle + half_width).min(1.0) };
    Ok(Interval { low, high, level })
}

/// The rule of three: the upper 95 % limit `3 / n` of a rate that was seen 0 times in `n` independent trials (Hanley and
/// Lippman-Hand 1983), at most 1. One-sided: the lower limit is 0.
///
/// # Errors
/// [`StatsError::TooFew`] without trials.
pub fn rule_of_three(trials: usize) -> Result<f64, StatsError> {
    check_count("trials", 1, trials)?;
    Ok((3.0 / trials as f64).min(1.0))
}

/// The interval of `first - second` from the intervals `[low, high]` of two independent estimates at the same level: MOVER,
/// the method of variance estimates recovery (Zou and Donner 2008, Stat. Med. 27:1693). The intervals need not be symmetric.
///
/// ```
/// use emhost_stats::interval::{difference, wilson};
/// // Newcombe 1998, table II: 56 of 70 and 48 of 80 with Wilson's intervals.
/// let (first, second) = (wilson(56, 70, 0.95)?, wilson(48, 80, 0.95)?);
/// let [low, high] = difference(0.8, [first.low, first.high], 0.6, [second.low, second.high]);
/// assert!((low - 0.0524).abs() < 1e-4 && (high - 0.3339).abs() < 1e-4);
/// # Ok::<(), emhost_stats::StatsError>(())
/// ```
pub fn difference(first: f64, first_interval: [f64; 2], second: f64, second_interval: [f64; 2]) -> [f64; 2] {
    let ([low1, high1], [low2, high2]) = (first_interval, second_interval);
    let middle = first - second;
    [middle - (first - low1).hypot(high2 - second), middle + (high1 - first).hypot(second - low2)]
}

/// A mean with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanInterval {
    /// The mean of the observations.
    pub mean: f64,
    /// The interval around it.
    pub interval: Interval,
    /// Number of observations.
    pub n: usize,
    /// Number of independent clusters among them; equals `n` without clusters.
    pub clusters: usize,
}

/// The mean of independent observations with its t interval, `mean ± t s / sqrt(n)`.
///
/// # Errors
/// [`StatsError::TooFew`] below 2 observations, [`StatsError::NonFinite`], [`StatsError::Constant`] when all are equal
/// (the width would be 0, which no data supports), [`StatsError::Overflow`], [`StatsError::NotInRange`] for the level.
pub fn mean_t(values: &[f64], level: f64) -> Result<MeanInterval, StatsError> {
    check_level(level)?;
    check_count("values for a t interval", 2, values.len())?;
    check_finite("values for a t interval", values)?;
    if values.iter().all(|v| *v == values[0]) {
        return Err(StatsError::Constant { what: "values for a t interval", n: values.len(), value: values[0] });
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let half_width = t_half_width(level, n - 1.0) * (variance / n).sqrt();
    let interval = Interval { low: mean - half_width, high: mean + half_width, level };
    if !(interval.low.is_finite() && interval.high.is_finite()) {
        return Err(StatsError::Overflow { what: "a t interval" });
    }
    Ok(MeanInterval { mean, interval, n: values.len(), clusters: values.len() })
}
