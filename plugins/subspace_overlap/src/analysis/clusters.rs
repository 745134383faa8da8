//! Intervals and correlations that know which prompts belong together.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use emhost_stats::bootstrap::Bootstrap;
use emhost_stats::correlation::{Correlation, pearson, spearman};
use emhost_stats::random::Rng;
use emhost_stats::{Matrix, StatsError};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

use crate::activations::Split;
use crate::params::Params;

/// Fewer topics than this make no bootstrap: prompts are resampled instead, and the table says so.
pub const FEWEST_TOPICS: usize = 5;

/// What is resampled together.
pub struct Clusters<'a> {
    /// Number of clusters.
    pub count: usize,
    names: &'a [String],
    by_topic: bool,
    bootstrap: Bootstrap,
}

impl<'a> Clusters<'a> {
    pub fn new(split: &'a Split, params: &Params) -> Self {
        let topics: BTreeSet<&String> = split.topics.iter().filter(|topic| !topic.is_empty()).collect();
        let by_topic = topics.len() >= FEWEST_TOPICS;
        let names = if by_topic { &split.topics } else { &split.row_ids };
        let count = names.iter().collect::<BTreeSet<_>>().len();
        Self { count, names, by_topic, bootstrap: params.bootstrap() }
    }

    /// A mean over prompts with its 95 % interval.
    pub fn mean(&self, values: &[f64]) -> Result<[f64; 3], StatsError> {
        let found = self.bootstrap.clustered_mean(values, self.names)?;
        Ok([found.mean, found.interval.low, found.interval.high])
    }

    /// 95 % interval of the cosine between the rows' mean and a direction.
    ///
    /// With `s_c` the sum of a cluster's rows and `w_c` how often it is drawn, the cosine is
    /// `Σ w_c s_c·u / sqrt(wᵀGw)`, where `u` is the unit direction and `G` the inner products of the sums.
    pub fn cosine_interval(&self, rows: &Matrix, direction: &[f64]) -> [f64; 2] {
        let mut sums: BTreeMap<&String, Vec<f64>> = BTreeMap::new();
        for (name, row) in self.names.iter().zip(rows.iter_rows()) {
            let sum = sums.entry(name).or_insert_with(|| vec![0.0; row.len()]);
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        }
        let (count, width, draws) = (sums.len(), direction.len(), self.bootstrap.draws);
        let sums: Vec<f64> = sums.into_values().flatten().collect();
        let sums = MatRef::from_row_major_slice(&sums, count, width);
        let bound = NonZeroU64::MIN.saturating_add(count as u64 - 1);
        // How often each draw takes each cluster.
        let mut weights = Mat::<f64>::zeros(draws, count);
        for draw in 0..draws {
            // Streams of their own: the first ones belong to the random subspaces.
            let mut rng = Rng::new(self.bootstrap.seed, (1 << 32) + draw as u64);
            (0..count).for_each(|_| weights[(draw, rng.below(bound) as usize)] += 1.0);
        }
        let product = |a: MatRef<'_, f64>, b: MatRef<'_, f64>| {
            let mut out = Mat::<f64>::zeros(a.nrows(), b.ncols());
            matmul(out.as_mut(), Accum::Replace, a, b, 1.0, Par::Seq);
            out
        };
        let length = direction.iter().map(|value| value * value).sum::<f64>().sqrt();
        let along = product(sums, MatRef::from_column_major_slice(direction, width, 1));
        let along = product(weights.as_ref(), along.as_ref());
        let weighted = product(weights.as_ref(), product(sums, sums.transpose()).as_ref());
        let cosine = |draw: usize| {
            let square: f64 = (0..count).map(|at| weights[(draw, at)] * weighted[(draw, at)]).sum();
            along[(draw, 0)] / length / square.max(0.0).sqrt()
        };
        // A resample whose mean vanishes has no direction.
        let mut cosines: Vec<f64> = (0..draws).map(cosine).filter(|cosine| cosine.is_finite()).collect();
        cosines.sort_by(f64::total_cmp);
        let quantile = |q: f64| cosines.get((cosines.len().saturating_sub(1) as f64 * q).round() as usize).copied();
        [0.025, 0.975].map(|q| quantile(q).unwrap_or(f64::NAN).clamp(-1.0, 1.0))
    }

    /// Pearson's r over the topics' means, with the number of topics.
    pub fn topic_correlation(&self, x: &[f64], y: &[f64]) -> Result<(usize, Correlation), StatsError> {
        if !self.by_topic {
            return Ok((0, undefined(0)));
        }
        let mut topics: BTreeMap<&String, [f64; 3]> = BTreeMap::new();
        for ((topic, x), y) in self.names.iter().zip(x).zip(y) {
            let sums = topics.entry(topic).or_default();
            sums.iter_mut().zip([1.0, *x, *y]).for_each(|(sum, value)| *sum += value);
        }
        let column = |at: usize| topics.values().map(|sums| sums[at] / sums[0]).collect::<Vec<_>>();
        Ok((topics.len(), defined(pearson(&column(1), &column(2)), topics.len())?))
    }
}

/// Pearson's and Spearman's correlation; where one side does not vary there is none, with p = 1.
pub fn correlate(x: &[f64], y: &[f64]) -> Result<(Correlation, Correlation), StatsError> {
    Ok((defined(pearson(x, y), x.len())?, defined(spearman(x, y), x.len())?))
}

fn defined(found: Result<Correlation, StatsError>, n: usize) -> Result<Correlation, StatsError> {
    match found {
        Err(StatsError::Constant { .. } | StatsError::TooFew { .. }) => Ok(undefined(n)),
        other => other,
    }
}

fn undefined(n: usize) -> Correlation {
    Correlation { r: f64::NAN, p: 1.0, n, interval: None }
}
