//! How loss and alignment move together: over steps, over schedules, over data, over seeds.

use emhost_sdk::prelude::*;
use emhost_stats::StatsError;
use emhost_stats::correlation::{Correlation, pearson, ranks, spearman};
use emhost_stats::empirical::Tail;
use emhost_stats::permutation::Permutation;
use emhost_study::failed;

use crate::resample::{Draw, Measured, percentiles, undrawn};

/// A correlation of loss and alignment; positive where lower loss goes with less alignment.
#[derive(Debug, Clone, PartialEq)]
pub struct Together {
    /// Over what.
    pub over: &'static str,
    /// Family, data, schedule and seed that it is within; `all` where it is over several.
    pub within: [String; 4],
    /// Points.
    pub n: usize,
    /// Pearson's coefficient with its interval.
    pub pearson: [f64; 3],
    /// Its p-value.
    pub pearson_p: f64,
    /// Spearman's coefficient with its interval.
    pub spearman: [f64; 3],
    /// Its p-value.
    pub spearman_p: f64,
    /// How interval and p-value came about.
    pub method: &'static str,
    /// Why something is not known.
    pub missing: String,
}

/// Over the checkpoints of a fine-tune.
pub const STEPS: &str = "steps";
/// Over the ends of schedules.
pub const SCHEDULES: &str = "schedules";
/// Over the ends on different data.
pub const DATA: &str = "data";
/// Over the ends of seeds, within family, data and schedule.
pub const SEEDS: &str = "seeds";

/// Over the checkpoints of a trajectory, whose points are means over seeds. Checkpoints of one fine-tune are not
/// independent, so that there is no p-value; the interval is over drawn topics, held-out questions and seeds.
///
/// `seeds` holds the checkpoints of each seed.
pub fn over_steps(within: [String; 4], seeds: &[Vec<&Measured>], draws: usize, seed: u64) -> Together {
    let checkpoints = seeds.iter().map(Vec::len).min().unwrap_or(0);
    let mut one = Together::unknown(STEPS, within, checkpoints);
    one.method = "percentile bootstrap over topics, held-out questions and seeds";
    let Some(first) = seeds.first().and_then(|places| places.first()) else { return one };
    let points: Vec<[f64; 2]> =
        (0..checkpoints).map(|at| undrawn(seeds.iter().map(move |places| places[at]))).collect();
    let Some(found) = one.coefficients(&points) else { return one };
    let drawn = (0..draws as u64).map(|draw| {
        let mut draw = Draw::new(seed, draw, first.questions.len(), first.topics.len());
        let chosen = draw.seeds(seeds.len());
        let at_checkpoint = |at: usize| draw.drawn(chosen.iter().map(move |&seed| seeds[seed][at]));
        let points: Vec<[f64; 2]> = (0..checkpoints).map(at_checkpoint).collect();
        both(&points).map_or([f64::NAN; 2], |found| found.map(|one| one.r))
    });
    let drawn: Vec<[f64; 2]> = drawn.collect();
    let interval = |part: usize| {
        let [low, high] = percentiles(drawn.iter().map(|draw| draw[part]).collect());
        [found[part].r, low, high]
    };
    (one.pearson, one.spearman) = (interval(0), interval(1));
    one
}

/// Over independent points, each a loss and an alignment: Fisher's interval, Student's t, and a permutation of ranks.
///
/// # Errors
///
/// A number is infinite.
pub fn over_points(over: &'static str, within: [String; 4], points: &[[f64; 2]], seed: u64) -> Result<Together> {
    let mut one = Together::unknown(over, within, points.len());
    one.method = "Fisher's interval, Student's t; of ranks a permutation and no interval";
    let Some([straight, ranked]) = one.coefficients(points) else { return Ok(one) };
    let [low, high] = straight.interval.map_or([f64::NAN; 2], |interval| [interval.low, interval.high]);
    (one.pearson, one.pearson_p) = ([straight.r, low, high], straight.p);
    let [losses, alignments] = columns(points).map(|values| ranks(&values));
    let permutation = Permutation { seed, ..Permutation::default() };
    let test = losses
        .and_then(|losses| permutation.correlation(&losses, &alignments?, Tail::TwoSided))
        .map_err(failed("permute ranks"))?;
    (one.spearman[0], one.spearman_p) = (ranked.r, test.p);
    Ok(one)
}

/// Over points within groups: differences from the group's means, and a permutation within groups.
///
/// # Errors
///
/// A number is infinite.
pub fn within_groups(over: &'static str, within: [String; 4], groups: &[Vec<[f64; 2]>], seed: u64) -> Result<Together> {
    let groups: Vec<&Vec<[f64; 2]>> = groups.iter().filter(|group| group.len() > 1).collect();
    let centred = groups.iter().flat_map(|group| {
        let mean = |part: usize| group.iter().map(|point| point[part]).sum::<f64>() / group.len() as f64;
        let means = [mean(0), mean(1)];
        group.iter().map(move |point| [point[0] - means[0], point[1] - means[1]])
    });
    let points: Vec<[f64; 2]> = centred.collect();
    let mut one = Together::unknown(over, within, points.len());
    one.method = "differences from the group's means; permutation within groups; no interval";
    let Some([straight, ranked]) = one.coefficients(&points) else { return Ok(one) };
    let names: Vec<usize> = groups.iter().enumerate().flat_map(|(at, group)| vec![at; group.len()]).collect();
    let [losses, alignments] = columns(&points);
    let permutation = Permutation { seed, ..Permutation::default() };
    let test = permutation
        .stratified_correlation(&losses, &alignments, &names, Tail::TwoSided)
        .map_err(failed("permute within groups"))?;
    (one.pearson[0], one.pearson_p, one.spearman[0]) = (straight.r, test.p, ranked.r);
    Ok(one)
}

impl Together {
    fn unknown(over: &'static str, within: [String; 4], n: usize) -> Self {
        let nothing = [f64::NAN; 3];
        Self {
            over,
            within,
            n,
            pearson: nothing,
            pearson_p: f64::NAN,
            spearman: nothing,
            spearman_p: f64::NAN,
            method: "",
            missing: String::new(),
        }
    }

    /// Both coefficients, or none and the reason.
    fn coefficients(&mut self, points: &[[f64; 2]]) -> Option<[Correlation; 2]> {
        match both(points) {
            Ok(found) => return Some(found),
            Err(StatsError::TooFew { .. }) => self.missing = "fewer than three points".to_owned(),
            Err(StatsError::Constant { .. }) => self.missing = "loss or alignment does not change".to_owned(),
            Err(error) => self.missing = error.to_string(),
        }
        None
    }
}

/// Pearson's and Spearman's coefficients of loss and alignment.
fn both(points: &[[f64; 2]]) -> Result<[Correlation; 2], StatsError> {
    let [losses, alignments] = columns(points);
    Ok([pearson(&losses, &alignments)?, spearman(&losses, &alignments)?])
}

/// Losses and alignments apart.
fn columns(points: &[[f64; 2]]) -> [Vec<f64>; 2] {
    [0, 1].map(|part| points.iter().map(|point| point[part]).collect())
}
