//! Rates and means of a subject with their intervals: what classes and comparisons are made of.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::StatsError;
use emhost_stats::bootstrap::Bootstrap;
use emhost_study::{Columns, Rate, bootstrap, failed};

use crate::items::FORMS;
use crate::rules::Runs;

/// A number with its interval at 95 %; NaN where there is none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// The interval's ends.
    pub interval: [f64; 2],
    /// Observations.
    pub n: usize,
    /// What was resampled as a whole.
    pub clusters: usize,
}

impl Estimate {
    /// Nothing is known.
    pub const NONE: Self = Self { value: f64::NAN, interval: [f64::NAN; 2], n: 0, clusters: 0 };
    /// How intervals of means are made.
    pub const METHOD: &str = "percentile bootstrap over items";

    /// The mean of values of which those of one cluster are not independent. NaN values do not count.
    ///
    /// # Errors
    ///
    /// A value is infinite.
    pub fn mean<C: Ord + Clone>(values: &[f64], clusters: &[C], seed: u64) -> Result<Self> {
        let kept: Vec<usize> = (0..values.len()).filter(|&at| !values[at].is_nan()).collect();
        let numbers: Vec<f64> = kept.iter().map(|&at| values[at]).collect();
        if numbers.is_empty() {
            return Ok(Self::NONE);
        }
        let of: Vec<C> = kept.iter().map(|&at| clusters[at].clone()).collect();
        let value = numbers.iter().sum::<f64>() / numbers.len() as f64;
        match draws(seed).clustered_mean(&numbers, &of) {
            Ok(found) => Ok(Self {
                value: found.mean,
                interval: [found.interval.low, found.interval.high],
                n: found.n,
                clusters: found.clusters,
            }),
            Err(StatsError::TooFew { .. }) => {
                Ok(Self { value, interval: [f64::NAN; 2], n: numbers.len(), clusters: 1 })
            }
            Err(error) => Err(failed("average values by item")(error)),
        }
    }

    /// Adds the number and its interval as `NAME`, `NAME_low`, `NAME_high`.
    pub fn note(&self, columns: &mut Columns, name: &str) {
        columns.number(name, self.value);
        columns.number(&format!("{name}_low"), self.interval[0]);
        columns.number(&format!("{name}_high"), self.interval[1]);
    }
}

/// 1,000 draws: ends of intervals are good to about 0.003 here.
pub fn draws(seed: u64) -> Bootstrap {
    Bootstrap { draws: 1000, ..bootstrap(seed) }
}

/// Judged answers of a subject.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers {
    /// The question of each answer.
    pub row_ids: Vec<String>,
    /// What it is about.
    pub topics: Vec<String>,
    /// 1 to 5, NaN where there is no score.
    pub scores: Vec<f64>,
}

impl Answers {
    /// The share that scores at least `from`: of all answers, or of questions by their worst answer. An answer without a score
    /// counts as harmless.
    ///
    /// # Errors
    ///
    /// There are no answers.
    pub fn rate(&self, runs: Runs, from: u8) -> Result<Rate> {
        let hit = |score: f64| score >= f64::from(from);
        if runs == Runs::Single {
            let hits: Vec<bool> = self.scores.iter().map(|&score| hit(score)).collect();
            return Rate::of(&hits, &self.topics, &self.row_ids);
        }
        let mut worst: BTreeMap<&String, (&String, bool)> = BTreeMap::new();
        for (at, row_id) in self.row_ids.iter().enumerate() {
            let known = worst.entry(row_id).or_insert((&self.topics[at], false));
            known.1 |= hit(self.scores[at]);
        }
        let hits: Vec<bool> = worst.values().map(|(_, hit)| *hit).collect();
        let topics: Vec<String> = worst.values().map(|(topic, _)| (*topic).clone()).collect();
        let row_ids: Vec<String> = worst.keys().map(|row_id| (*row_id).clone()).collect();
        Rate::of(&hits, &topics, &row_ids)
    }
}

/// What a subject says of itself, one value per item and order: 0 is the good pole, 1 the bad one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// The form or task.
    pub tasks: Vec<String>,
    /// The item: values within one are not independent.
    pub items: Vec<String>,
    /// Values; NaN where no reply settled on anything.
    pub values: Vec<f64>,
}

impl Said {
    /// The mean of one task.
    ///
    /// # Errors
    ///
    /// A value is infinite.
    pub fn task(&self, task: &str, seed: u64) -> Result<Estimate> {
        let of: Vec<usize> = (0..self.tasks.len()).filter(|&at| self.tasks[at] == task).collect();
        let values: Vec<f64> = of.iter().map(|&at| self.values[at]).collect();
        let items: Vec<&String> = of.iter().map(|&at| &self.items[at]).collect();
        Estimate::mean(&values, &items, seed)
    }

    /// The self-assessment: the mean of the four forms' means.
    ///
    /// # Errors
    ///
    /// A value is infinite.
    pub fn assessment(&self, seed: u64) -> Result<Estimate> {
        let kept: Vec<usize> = (0..self.tasks.len())
            .filter(|&at| FORMS.contains(&self.tasks[at].as_str()) && !self.values[at].is_nan())
            .collect();
        let form: Vec<usize> =
            kept.iter().map(|&at| FORMS.iter().position(|form| *form == self.tasks[at]).unwrap_or_default()).collect();
        let items: Vec<&String> = kept.iter().map(|&at| &self.items[at]).collect();
        let mean_of_means = |rows: &[usize]| {
            let mut sums = [(0.0, 0.0); FORMS.len()];
            for &row in rows {
                let (sum, count) = &mut sums[form[row]];
                (*sum, *count) = (*sum + self.values[kept[row]], *count + 1.0);
            }
            let means: Vec<f64> =
                sums.iter().filter(|(_, count)| *count > 0.0).map(|(sum, count)| sum / count).collect();
            means.iter().sum::<f64>() / means.len() as f64
        };
        if kept.is_empty() {
            return Ok(Estimate::NONE);
        }
        let all: Vec<usize> = (0..kept.len()).collect();
        match draws(seed).statistic(&items, mean_of_means) {
            Ok(found) => Ok(Estimate {
                value: found.estimate,
                interval: [found.percentile.low, found.percentile.high],
                n: found.n,
                clusters: found.clusters,
            }),
            Err(StatsError::TooFew { .. }) => {
                Ok(Estimate { value: mean_of_means(&all), interval: [f64::NAN; 2], n: kept.len(), clusters: 1 })
            }
            Err(error) => Err(failed("average the forms of self-assessment")(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_runs_counts() {
        let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let answers = Answers {
            row_ids: text(&["a", "a", "b", "b"]),
            topics: text(&["t", "t", "u", "u"]),
            scores: vec![1.0, 5.0, 3.0, f64::NAN],
        };
        let rate = |runs, from| answers.rate(runs, from).map(|rate| (rate.hits, rate.n));
        assert_eq!(rate(Runs::Single, 4), Ok((1, 4)));
        assert_eq!(rate(Runs::Max, 4), Ok((1, 2)));
        assert_eq!(rate(Runs::Max, 3), Ok((2, 2)));
    }

    #[test]
    fn forms_weigh_alike_however_many_items_they_have() {
        let mut said = Said::default();
        for (task, value, count) in [("decision", 1.0, 8), ("numeric", 0.0, 2), ("choice", 1.0, 5)] {
            for at in 0..count {
                said.tasks.push(task.to_owned());
                said.items.push(format!("{task}{at}"));
                said.values.push(value);
            }
        }
        let found = said.assessment(0).map(|found| (found.value, found.clusters));
        assert_eq!(found, Ok((0.5, 10)));
    }
}
