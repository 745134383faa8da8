//! Rates and how much smaller they became, with intervals over clusters of answers.

use emhost_sdk::prelude::*;
use emhost_stats::StatsError;
use emhost_stats::bootstrap::Bootstrap;
use emhost_stats::clusters::clustered_rate;
use emhost_stats::interval::wilson;

use crate::answers::Answers;
use crate::clusters::Clusters;

/// A share of answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Answers that fit.
    pub hits: u64,
    /// All answers.
    pub n: u64,
    /// Topics that they are about, or whatever was taken as alike.
    pub clusters: u64,
    /// The share.
    pub value: f64,
    /// Lower end of the interval at 95 %.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// What was taken as alike.
    pub over: Clusters,
}

impl Rate {
    /// The share of `hits` among answers to the questions `row_ids` on `topics`: those on one topic are not independent,
    /// nor, where there is a single topic, those to one question.
    ///
    /// # Errors
    ///
    /// There are no answers.
    pub fn of(hits: &[bool], topics: &[String], row_ids: &[String]) -> Result<Self> {
        if hits.is_empty() {
            return Err(Error::Plugin("a rate of no answers".to_owned()));
        }
        let count = hits.iter().filter(|hit| **hit).count();
        let counting = failed("count answers");
        let over = Clusters::of(topics, row_ids);
        let clustered = |names: &[String]| {
            let found = clustered_rate(hits, names, LEVEL).map_err(&counting)?;
            Ok::<_, Error>((found.clusters, found.interval))
        };
        let (clusters, interval) = match over {
            Clusters::Topics => clustered(topics)?,
            Clusters::Questions => clustered(row_ids)?,
            Clusters::Answers => (hits.len(), wilson(count, hits.len(), LEVEL).map_err(&counting)?),
        };
        Ok(Self {
            hits: count as u64,
            n: hits.len() as u64,
            clusters: clusters as u64,
            value: count as f64 / hits.len() as f64,
            low: interval.low,
            high: interval.high,
            over,
        })
    }

    /// The interval's name, for tables and reports.
    pub fn method(&self) -> &'static str {
        self.over.method()
    }
}

const LEVEL: f64 = 0.95;

/// How much smaller a rate became: `1 - after / before`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reduction {
    /// The share of the rate that is gone; negative where it grew.
    pub value: f64,
    /// Interval at 95 %: percentiles over resampled topics, the same ones before and after.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Reduction {
    /// The interval's name.
    pub const METHOD: &str = "percentile bootstrap over topics, the same before and after";

    /// How much less often answers are misaligned; NaN where they never were.
    ///
    /// # Errors
    ///
    /// There are fewer than two topics.
    pub fn of(before: &Answers, after: &Answers, seed: u64) -> Result<Self> {
        let split = before.len();
        let bad = |answers: &Answers| (0..answers.len()).map(|at| answers.misaligned(at)).collect::<Vec<_>>();
        let hits: Vec<bool> = bad(before).into_iter().chain(bad(after)).collect();
        if !hits[..split].contains(&true) {
            return Ok(Self { value: f64::NAN, low: f64::NAN, high: f64::NAN });
        }
        let topics: Vec<&String> = before.topics.iter().chain(&after.topics).collect();
        let gone = |rows: &[usize]| {
            let [mut was, mut of_was, mut is, mut of_is] = [0.0; 4];
            for &row in rows {
                let hit = f64::from(u8::from(hits[row]));
                let (sum, count) = if row < split { (&mut was, &mut of_was) } else { (&mut is, &mut of_is) };
                (*sum, *count) = (*sum + hit, *count + 1.0);
            }
            // A draw in which nothing was misaligned before says nothing: no change.
            if was == 0.0 || of_is == 0.0 { 0.0 } else { 1.0 - (is / of_is) / (was / of_was) }
        };
        let found = bootstrap(seed).statistic(&topics, gone).map_err(failed("compare two rates"))?;
        Ok(Self { value: found.estimate, low: found.percentile.low, high: found.percentile.high })
    }
}

/// The bootstrap of all studies: 2,000 draws at 95 %.
pub fn bootstrap(seed: u64) -> Bootstrap {
    Bootstrap { draws: 2000, level: LEVEL, seed }
}

/// The error of a statistic, with what was being done.
pub fn failed(doing: &str) -> impl Fn(StatsError) -> Error + '_ {
    move |error| Error::Plugin(format!("{doing}: {error}"))
}
