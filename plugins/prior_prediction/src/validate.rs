//! Cross-validation: errors of a model on every fold beside those of the training fold's mean.

use emhost_stats::correlation::spearman;
use emhost_stats::empirical::Tail;
use emhost_stats::hypothesis::corrected_resampled_t;
use emhost_stats::{Matrix, StatsError};

use crate::fit::{Parts, Penalties, fit};
use crate::params::Model;
use crate::splits::{Cv, Rounds, inner};

/// The rows of a bank, how they are split and what is predicted.
pub struct Task<'a> {
    /// Target of each row.
    pub y: &'a [f64],
    /// Topic of each row.
    pub topics: &'a [&'a str],
    /// Which folds.
    pub cv: Cv,
    /// The folds.
    pub rounds: &'a Rounds,
    /// Folds of a training part, by which penalties are chosen.
    pub inner_folds: usize,
    /// Penalties to choose from.
    pub penalties: &'a Penalties,
}

/// Features of all rows, `n x k`: the same in every fold, or one matrix for each.
#[derive(Debug, Clone, PartialEq)]
pub struct Design(pub Vec<Matrix>);

impl Design {
    /// Features of the rows in a fold.
    pub fn of(&self, fold: usize) -> &Matrix {
        &self.0[if self.0.len() == 1 { 0 } else { fold }]
    }

    /// Both parts of every split, scaled.
    ///
    /// # Errors
    ///
    /// As [`Parts::new`].
    pub fn parts(&self, rounds: &Rounds) -> Result<Vec<Parts>, StatsError> {
        rounds.splits.iter().enumerate().map(|(at, split)| Parts::new(self.of(at), split)).collect()
    }
}

/// One fold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fold {
    /// Number of its round.
    pub repeat: usize,
    /// Number in its round.
    pub fold: usize,
    /// Rows to fit on.
    pub n_train: usize,
    /// Rows that were asked about.
    pub n_test: usize,
    /// Features.
    pub k: usize,
    /// Sum of squared errors.
    pub errors: f64,
    /// The same of the training fold's mean.
    pub mean_errors: f64,
    /// Sum of squared deviations from the test fold's own mean.
    pub spread: f64,
    /// The penalty, where inner folds chose it.
    pub alpha: Option<f64>,
}

impl Fold {
    /// `1 - errors / errors of the training fold's mean`; NaN where the latter has none.
    pub fn r2(&self) -> f64 {
        ratio(self.errors, self.mean_errors)
    }

    /// `1 - errors / spread`, scikit-learn's `r2_score` of the fold; NaN without spread.
    pub fn r2_test(&self) -> f64 {
        ratio(self.errors, self.spread)
    }

    /// How much smaller the mean squared error is than that of the training fold's mean.
    pub fn gain(&self) -> f64 {
        difference(self.mean_errors, self.errors) / self.n_test as f64
    }
}

/// `first - second`, 0 where they differ by rounding: a model that predicts the mean by another sum is no better than it.
fn difference(first: f64, second: f64) -> f64 {
    if (first - second).abs() <= 1e-12 * first.max(second) { 0.0 } else { first - second }
}

fn ratio(errors: f64, total: f64) -> f64 {
    if total > 0.0 { 1.0 - errors / total } else { f64::NAN }
}

/// A model on all folds.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated {
    /// Every fold.
    pub folds: Vec<Fold>,
    /// The mean over rounds of what was predicted of each row while it was in the test part.
    pub predicted: Vec<f64>,
}

/// Fits a model on every fold.
///
/// # Errors
///
/// A fit does not converge, or a fold is too small.
pub fn validate(task: &Task<'_>, parts: &[Parts], model: Model) -> Result<Validated, StatsError> {
    let mut predicted = vec![0.0; task.y.len()];
    let mut seen = vec![0.0; task.y.len()];
    let mut folds = Vec::with_capacity(parts.len());
    for (at, (split, parts)) in task.rounds.splits.iter().zip(parts).enumerate() {
        let y: Vec<f64> = split.train.iter().map(|&row| task.y[row]).collect();
        let inner_splits = || {
            let topics: Vec<&str> = split.train.iter().map(|&row| task.topics[row]).collect();
            inner(task.cv, task.inner_folds, &topics)
        };
        let found = fit(model, parts, &y, task.penalties, inner_splits)?;
        for (&row, value) in split.test.iter().zip(&found.values) {
            predicted[row] += value;
            seen[row] += 1.0;
        }
        let test: Vec<f64> = split.test.iter().map(|&row| task.y[row]).collect();
        let (centre, own) = (mean(&y), mean(&test));
        folds.push(Fold {
            repeat: at / task.rounds.round,
            fold: at % task.rounds.round,
            n_train: split.train.len(),
            n_test: split.test.len(),
            k: parts.train.cols(),
            errors: test.iter().zip(&found.values).map(|(y, p)| (y - p).powi(2)).sum(),
            mean_errors: test.iter().map(|y| (y - centre).powi(2)).sum(),
            spread: test.iter().map(|y| (y - own).powi(2)).sum(),
            alpha: found.alpha,
        });
    }
    predicted.iter_mut().zip(seen).for_each(|(sum, n)| *sum /= n);
    Ok(Validated { folds, predicted })
}

/// What a comparison over folds gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// Mean over folds.
    pub estimate: f64,
    /// Interval at 95 %; NaN where folds do not differ.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Two-sided.
    pub p: f64,
}

/// The interval and the test of means over folds, in tables and reports.
pub const CORRECTED: &str = "corrected resampled t over folds (Nadeau and Bengio 2003), two-sided";

/// Nadeau and Bengio's corrected resampled t of one difference per fold. Differences that are all 0, as those of a model that
/// predicts the mean, have p = 1 and no interval.
///
/// # Errors
///
/// There are fewer than two folds.
pub fn corrected(differences: &[f64], test_to_train: f64) -> Result<Compared, StatsError> {
    match corrected_resampled_t(differences, test_to_train, Tail::TwoSided) {
        Ok(found) => {
            let interval = found.interval(0.95)?;
            Ok(Compared { estimate: found.estimate, low: interval.low, high: interval.high, p: found.p })
        }
        Err(StatsError::Constant { value: 0.0, .. }) => {
            Ok(Compared { estimate: 0.0, low: f64::NAN, high: f64::NAN, p: 1.0 })
        }
        Err(error) => Err(error),
    }
}

/// A model's scores over all folds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Score {
    /// Rows.
    pub n: usize,
    /// Folds.
    pub folds: usize,
    /// Mean number of features.
    pub k: f64,
    /// Mean sizes of the two parts.
    pub sizes: [f64; 2],
    /// `1 - errors / errors of the training folds' means`, both summed over folds.
    pub r2: f64,
    /// Interval at 95 %: that of the gain over the mean squared error of the training folds' means.
    pub r2_interval: [f64; 2],
    /// Mean of the folds' own.
    pub r2_folds: f64,
    /// Mean of the folds' `r2_score`; NaN where a fold's targets are all alike.
    pub r2_test: f64,
    /// Root of the mean squared error, in the target's units.
    pub rmse: f64,
    /// The same of the training folds' means.
    pub rmse_mean: f64,
    /// How much smaller the mean squared error is than that of the training folds' means.
    pub gain: Compared,
    /// Spearman's correlation of target and mean prediction; NaN where all predictions are alike.
    pub spearman: f64,
}

impl Validated {
    /// Scores over all folds.
    ///
    /// # Errors
    ///
    /// There are fewer than two folds, or the target does not vary.
    pub fn score(&self, y: &[f64]) -> Result<Score, StatsError> {
        let folds = &self.folds;
        let total = |of: fn(&Fold) -> f64| folds.iter().map(of).sum::<f64>();
        let average = |of: fn(&Fold) -> f64| total(of) / folds.len() as f64;
        let tests = total(|fold| fold.n_test as f64);
        let (errors, mean_errors) = (total(|fold| fold.errors), total(|fold| fold.mean_errors));
        if mean_errors == 0.0 {
            return Err(StatsError::Constant { what: "the target", n: y.len(), value: y[0] });
        }
        let gains: Vec<f64> = folds.iter().map(Fold::gain).collect();
        let gain = corrected(&gains, self.test_to_train())?;
        let of_mean = average(|fold| fold.mean_errors / fold.n_test as f64);
        Ok(Score {
            n: y.len(),
            folds: folds.len(),
            k: average(|fold| fold.k as f64),
            sizes: [average(|fold| fold.n_train as f64), average(|fold| fold.n_test as f64)],
            r2: 1.0 - errors / mean_errors,
            r2_interval: [gain.low / of_mean, gain.high / of_mean],
            r2_folds: average(Fold::r2),
            r2_test: average(Fold::r2_test),
            rmse: (errors / tests).sqrt(),
            rmse_mean: (mean_errors / tests).sqrt(),
            gain,
            spearman: spearman(y, &self.predicted).map_or(f64::NAN, |found| found.r),
        })
    }

    /// How much smaller the mean squared error is than another model's on the same folds.
    ///
    /// # Errors
    ///
    /// There are fewer than two folds.
    pub fn against(&self, other: &Self) -> Result<Compared, StatsError> {
        let better = |(own, other): (&Fold, &Fold)| difference(other.errors, own.errors) / own.n_test as f64;
        let gains: Vec<f64> = self.folds.iter().zip(&other.folds).map(better).collect();
        corrected(&gains, self.test_to_train())
    }

    fn test_to_train(&self) -> f64 {
        let sum = |of: fn(&Fold) -> usize| self.folds.iter().map(of).sum::<usize>() as f64;
        sum(|fold| fold.n_test) / sum(|fold| fold.n_train)
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
