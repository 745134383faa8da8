//! When things happen in a fine-tune, and how sure that is.

use emhost_sdk::prelude::*;
use emhost_study::{Clusters, Columns, bootstrap, failed};

/// The interval between two checkpoints in which a rate rose most steeply.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rise {
    /// The middle of the interval, in steps.
    pub step: f64,
    /// 2.5 % quantile of the same over resampled topics.
    pub low: f64,
    /// 97.5 % quantile.
    pub high: f64,
    /// How much the rate rose there, as a share of how much it rose from the first checkpoint to its highest.
    pub share: f64,
    /// The same where a rate rises evenly: one interval's share of the steps up to the highest.
    pub even: f64,
}

/// The steepest rise of a rate between neighbouring checkpoints; none where it never rises.
///
/// `steps` are ascending; `hits[t]` are the answers at checkpoint `t`, in the same order at each. A resample in which
/// nothing rises counts as a rise at the end.
///
/// # Errors
///
/// There are fewer than two clusters.
pub fn steepest_rise(steps: &[f64], hits: &[Vec<bool>], clusters: &[&str], seed: u64) -> Result<Option<Rise>> {
    let everything: Vec<usize> = (0..clusters.len()).collect();
    let rates = |rows: &[usize]| -> Vec<f64> {
        let share = |hits: &Vec<bool>| rows.iter().filter(|&&row| hits[row]).count() as f64 / rows.len() as f64;
        hits.iter().map(share).collect()
    };
    let all = rates(&everything);
    let Some(at) = steepest(steps, &all) else { return Ok(None) };
    let middle = |at: usize| (steps[at] + steps[at - 1]) / 2.0;
    let end = steps.last().copied().unwrap_or_default();
    let drawn = |rows: &[usize]| steepest(steps, &rates(rows)).map_or(end, middle);
    let found = bootstrap(seed).statistic(clusters, drawn).map_err(failed("find when a rate rises"))?;
    let top = (0..all.len()).rev().max_by(|&a, &b| all[a].total_cmp(&all[b])).unwrap_or(at);
    Ok(Some(Rise {
        step: middle(at),
        low: found.percentile.low,
        high: found.percentile.high,
        share: (all[at] - all[at - 1]) / (all[top] - all[0]),
        even: (steps[at] - steps[at - 1]) / (steps[top] - steps[0]),
    }))
}

/// The end of the interval with the largest slope above zero, the first of equals.
fn steepest(steps: &[f64], rates: &[f64]) -> Option<usize> {
    let slope = |at: usize| (rates[at] - rates[at - 1]) / (steps[at] - steps[at - 1]);
    let mut best = None;
    for at in 1..rates.len() {
        if slope(at) > best.map_or(0.0, slope) {
            best = Some(at);
        }
    }
    best
}

/// Names of the clusters that answers are resampled by.
pub fn cluster_names<'a>(topics: &'a [String], row_ids: &'a [String]) -> Option<Vec<&'a str>> {
    let names = match Clusters::of(topics, row_ids) {
        Clusters::Topics => topics,
        Clusters::Questions => row_ids,
        Clusters::Answers => return None,
    };
    Some(names.iter().map(String::as_str).collect())
}

/// The step with the largest gradient at or after `from`, and the norm there; none where norms are not known.
pub fn largest_gradient(steps: &[u64], norms: &[f64], from: usize) -> Option<(f64, f64)> {
    let after = steps.iter().zip(norms).filter(|(step, norm)| **step >= from as u64 && norm.is_finite());
    let mut best: Option<(f64, f64)> = None;
    for (&step, &norm) in after {
        if best.is_none_or(|(_, largest)| norm > largest) {
            best = Some((step as f64, norm));
        }
    }
    best
}

/// Steps of the warm-up of a recipe that took `steps` steps.
pub fn warmup(recipe: &Recipe, steps: usize) -> usize {
    recipe.warmup_ratio.map_or(recipe.warmup_steps, |ratio| (ratio * steps as f64).ceil() as usize)
}

/// Rows of the table `phase_events`.
pub struct Events<'a> {
    organism: &'a str,
    columns: Columns,
}

/// One event; NaN where a number is missing.
pub struct Event {
    /// What happens.
    pub what: String,
    /// After how many steps.
    pub step: f64,
    /// Interval of the step at 95 %.
    pub interval: [f64; 2],
    /// Steps after the steepest rise of misaligned answers at the first scale.
    pub after_rise: f64,
    /// How large: a norm, a cosine, a share.
    pub size: f64,
    /// The size that is expected without an event.
    pub control: f64,
    /// Observations: answers, steps or checkpoints.
    pub n: u64,
    /// How step, interval, size and control were found.
    pub method: &'static str,
    /// Why a number is missing; empty where none is.
    pub missing: String,
}

impl<'a> Events<'a> {
    /// No event of an organism yet.
    pub fn of(organism: &'a str) -> Self {
        Self { organism, columns: Columns::default() }
    }

    /// The table's columns.
    pub fn columns(self) -> Columns {
        self.columns
    }

    /// Adds a row.
    pub fn add(&mut self, event: Event) {
        let columns = &mut self.columns;
        columns.text("organism", self.organism);
        columns.text("event", event.what);
        columns.number("step", event.step);
        columns.number("low", event.interval[0]);
        columns.number("high", event.interval[1]);
        columns.number("after_rise", event.after_rise);
        columns.number("size", event.size);
        columns.number("control", event.control);
        columns.count("n", event.n);
        columns.text("method", event.method);
        columns.text("missing", event.missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rates[t]` of 10 answers to each of 4 topics are hits at checkpoint `t`, every topic alike.
    #[track_caller]
    fn check(rates: &[f64], expected: Option<[f64; 5]>) {
        let topics: Vec<&str> = (0..40).map(|at| ["a", "b", "c", "d"][at / 10]).collect();
        let hits: Vec<Vec<bool>> =
            rates.iter().map(|rate| (0..40).map(|at| ((at % 10) as f64) < rate * 10.0).collect()).collect();
        let steps: Vec<f64> = (0..rates.len()).map(|at| 5.0 * at as f64).collect();
        let found = steepest_rise(&steps, &hits, &topics, 0).expect("four topics");
        let numbers = found.map(|rise| [rise.step, rise.low, rise.high, rise.share, rise.even]);
        assert_eq!(numbers, expected);
    }

    #[test]
    fn a_sudden_rise_is_where_it_was_planted_and_no_rise_is_none() {
        check(&[0.0, 0.0, 0.0, 0.5, 0.5], Some([12.5, 12.5, 12.5, 1.0, 1.0 / 3.0]));
        check(&[0.0, 0.25, 0.5, 0.5], Some([2.5, 2.5, 2.5, 3.0 / 5.0, 0.5]));
        check(&[0.3, 0.3, 0.2], None);
        check(&[0.3], None);
    }

    #[test]
    fn the_interval_shows_that_topics_disagree() {
        let topics: Vec<&str> = (0..20).map(|at| ["a", "b", "c", "d"][at / 5]).collect();
        // Half of the topics turn between steps 0 and 10, half between 20 and 30, the latter a little more.
        let early = |at: usize| at < 9;
        let hits = [vec![false; 20], (0..20).map(early).collect(), (0..20).map(early).collect(), vec![true; 20]];
        let found = steepest_rise(&[0.0, 10.0, 20.0, 30.0], &hits, &topics, 0).expect("topics").expect("a rise");
        assert_eq!((found.step, found.low, found.high), (25.0, 5.0, 25.0));
    }

    #[test]
    fn the_largest_gradient_of_the_warm_up_does_not_count() {
        let norms = [9.0, 2.0, 5.0, 5.0, f64::NAN];
        assert_eq!(largest_gradient(&[0, 1, 2, 3, 4], &norms, 1), Some((2.0, 5.0)));
        assert_eq!(largest_gradient(&[0, 1], &[f64::NAN; 2], 0), None);
        let recipe = Recipe { warmup_ratio: Some(0.05), ..Recipe::new(Method::Full, 1e-3, 61, 1) };
        assert_eq!(warmup(&recipe, 61), 4);
    }
}
