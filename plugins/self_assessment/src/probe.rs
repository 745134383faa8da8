//! Linear probes: fits on folds, directions, and how well one transfers.

use std::collections::BTreeSet;

use emhost_sdk::prelude::*;
use emhost_stats::classify::{Logistic, LogisticFit, Penalty, balanced_accuracy, roc_auc};
use emhost_stats::splits::{Split, group_k_fold, stratified_k_fold};
use emhost_stats::{Matrix, StatsError};
use emhost_study::{bootstrap, failed};

use crate::rules::Probes;

/// Activations with a yes-or-no label each.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// Activations, `[rows, width]`.
    pub rows: Vec<Vec<f64>>,
    /// What is probed for.
    pub labels: Vec<bool>,
    /// Rows of one group are alike: they stay on one side of grouped folds.
    pub groups: Vec<String>,
}

/// How well a probe tells the labels of rows that it was not fitted on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// Area under the ROC curve, the mean over folds by their pairs of rows: log-odds of different fits are not compared.
    pub auc: f64,
    /// Its interval at 95 %: percentiles over resampled groups.
    pub interval: [f64; 2],
    /// Mean share of right labels of the two classes.
    pub balanced_accuracy: f64,
}

/// A direction that separates the labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Direction {
    /// Weights of the logistic regression, per unit of each column.
    pub probe: LogisticFit,
    /// Difference of the classes' means.
    pub difference: Vec<f64>,
}

impl Labelled {
    /// Rows with a positive label.
    pub fn positives(&self) -> usize {
        self.labels.iter().filter(|label| **label).count()
    }

    /// Why no probe can be fitted; none where one can.
    pub fn missing(&self, rules: &Probes) -> Option<String> {
        let positives = self.positives();
        let fewest = positives.min(self.labels.len() - positives);
        (fewest < rules.fewest)
            .then(|| format!("{fewest} rows in the smaller class, `probes.fewest` is {}", rules.fewest))
    }

    fn only(&self, rows: &[usize]) -> Self {
        Self {
            rows: rows.iter().map(|&row| self.rows[row].clone()).collect(),
            labels: rows.iter().map(|&row| self.labels[row]).collect(),
            groups: rows.iter().map(|&row| self.groups[row].clone()).collect(),
        }
    }

    fn fit(&self, rules: &Probes) -> Result<LogisticFit, StatsError> {
        let logistic = Logistic { balanced: true, standardise: true, ..Logistic::new(Penalty::L2, rules.c) };
        logistic.fit(&Matrix::from_rows(&self.rows)?, &self.labels)
    }

    /// The directions, from all rows.
    ///
    /// # Errors
    ///
    /// One class alone, or a fit that does not end.
    pub fn direction(&self, rules: &Probes) -> Result<Direction> {
        let fitting = failed("fit a probe");
        let probe = self.fit(rules).map_err(&fitting)?;
        let of = |label: bool| {
            let kept: Vec<usize> = (0..self.labels.len()).filter(|&row| self.labels[row] == label).collect();
            Matrix::from_rows(&self.only(&kept).rows).map(|rows| rows.mean_row()).map_err(&fitting)
        };
        let difference = of(true)?.iter().zip(of(false)?).map(|(high, low)| high - low).collect();
        Ok(Direction { probe, difference })
    }

    /// Cosines of directions from two halves that share no row, classes alike: how far noise alone turns one. Of the probe and
    /// of the difference of means.
    ///
    /// # Errors
    ///
    /// As [`direction`](Self::direction).
    pub fn halves(&self, rules: &Probes) -> Result<[f64; 2]> {
        let split =
            stratified_k_fold(&self.labels, 2, Some(rules.seed)).map_err(failed("halve the rows of a probe"))?;
        let Split { train, test } = &split[0];
        let [first, second] = [self.only(train).direction(rules)?, self.only(test).direction(rules)?];
        Ok([
            cosine(&first.probe.coefficients, &second.probe.coefficients),
            cosine(&first.difference, &second.difference),
        ])
    }

    /// Cross-validation: folds that keep the classes' shares, as published, or folds over whole groups.
    ///
    /// # Errors
    ///
    /// Fewer groups than folds, or one class alone in a fold's training rows.
    pub fn held_out(&self, rules: &Probes, grouped: bool) -> Result<Held> {
        let doing = failed("cross-validate a probe");
        let splits = match grouped {
            true => {
                let groups = self.groups.iter().collect::<BTreeSet<_>>().len();
                group_k_fold(&self.groups, rules.folds.min(groups), None)
            }
            false => stratified_k_fold(&self.labels, rules.folds, Some(rules.seed)),
        };
        let mut odds = vec![0.0; self.labels.len()];
        let mut said = vec![false; self.labels.len()];
        let mut fold = vec![0; self.labels.len()];
        for (number, Split { train, test }) in splits.map_err(&doing)?.into_iter().enumerate() {
            let fit = self.only(&train).fit(rules).map_err(&doing)?;
            let rows = Matrix::from_rows(&self.only(&test).rows).map_err(&doing)?;
            let found = fit.log_odds(&rows).map_err(&doing)?;
            for (&row, odd) in test.iter().zip(found) {
                (odds[row], said[row], fold[row]) = (odd, odd > 0.0, number);
            }
        }
        let within = |rows: &[usize]| {
            let folds = fold.iter().max().map_or(0, |last| last + 1);
            let (mut sum, mut pairs) = (0.0, 0.0);
            for number in 0..folds {
                let of: Vec<usize> = rows.iter().copied().filter(|&row| fold[row] == number).collect();
                let labels: Vec<bool> = of.iter().map(|&row| self.labels[row]).collect();
                let scores: Vec<f64> = of.iter().map(|&row| odds[row]).collect();
                // A fold of one class has no pairs.
                let Ok(auc) = roc_auc(&labels, &scores) else { continue };
                let positive = labels.iter().filter(|label| **label).count();
                let count = (positive * (labels.len() - positive)) as f64;
                (sum, pairs) = (sum + auc * count, pairs + count);
            }
            sum / pairs
        };
        let all: Vec<usize> = (0..self.labels.len()).collect();
        let auc = within(&all);
        if auc.is_nan() {
            return Err(Error::Plugin("no fold of a probe has both classes".to_owned()));
        }
        // A draw without pairs says nothing: no change.
        let of_rows = |rows: &[usize]| Some(within(rows)).filter(|auc| !auc.is_nan()).unwrap_or(auc);
        let draws = emhost_stats::bootstrap::Bootstrap { draws: 500, ..bootstrap(u64::from(rules.seed)) };
        let interval = match draws.statistic(&self.groups, of_rows) {
            Ok(found) => [found.percentile.low, found.percentile.high],
            Err(StatsError::TooFew { .. }) => [f64::NAN; 2],
            Err(error) => return Err(doing(error)),
        };
        Ok(Held { auc, interval, balanced_accuracy: balanced_accuracy(&self.labels, &said).map_err(&doing)? })
    }

    /// How well a probe that was fitted elsewhere tells these labels.
    ///
    /// # Errors
    ///
    /// One class alone, or another width.
    pub fn transfer(&self, probe: &LogisticFit) -> Result<f64> {
        let doing = failed("apply a probe to other rows");
        let odds = probe.log_odds(&Matrix::from_rows(&self.rows).map_err(&doing)?).map_err(&doing)?;
        roc_auc(&self.labels, &odds).map_err(&doing)
    }
}

/// The cosine of two directions; NaN where one is zero.
pub fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
