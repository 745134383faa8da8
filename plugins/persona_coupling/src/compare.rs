//! Is a second stage on bad data different from one on benign data? A difference with an interval, against a margin that was
//! fixed before.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::interval::difference;
use emhost_study::Rate;

use crate::changes::interval;
use crate::params::Margins;

/// A cell's answers of the persona that the marker is coupled to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Runs {
    /// Source and seed of the coupling.
    pub coupling: String,
    /// Seed of the second stage.
    pub seed: u64,
    /// The questions.
    pub questions: Vec<Asked>,
}

/// What became of one question.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Asked {
    /// Its row.
    pub row_id: String,
    /// What it is about.
    pub topic: String,
    /// Answers.
    pub n: u64,
    /// Answers with the marker.
    pub hits: u64,
    /// The marker's log-odds after the fixed answer, in nats; NaN where there is none.
    pub log_odds: f64,
}

/// A difference, EM minus benign.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// `marker rate` or `log-odds`.
    pub quantity: &'static str,
    /// Under EM.
    pub em: f64,
    /// Under benign data.
    pub benign: f64,
    /// The difference with its interval at 95 %; ends are NaN where there is none.
    pub difference: [f64; 3],
    /// The largest difference that counts as none.
    pub margin: f64,
    /// `equivalent`, `different` or `undecided`.
    pub outcome: &'static str,
    /// Pairs of cells.
    pub pairs: usize,
    /// Couplings that the pairs are from.
    pub couplings: usize,
    /// Couplings whose own difference is inside the margin.
    pub agreeing: usize,
    /// Whether both are so rare that rates could not differ by more than the margin.
    pub floor: bool,
    /// Answers, or scored questions, of both together.
    pub n: u64,
    /// How the interval was got.
    pub method: &'static str,
}

/// Compares cells that differ in the data of the second stage alone. Empty where nothing pairs up.
///
/// The interval is the wider, at each end, of two: over topics, which cells share, and over couplings, which are trained
/// anew. Where it lies inside the margin the two are equivalent (stricter than two one-sided tests at 5 %, whose interval is
/// at 90 %); where it holds no zero they are different, unless inside the margin.
///
/// # Errors
///
/// A statistic fails.
pub fn equivalence(em: &[Runs], benign: &[Runs], margins: &Margins) -> Result<Vec<Finding>> {
    let pair = |ours: &Runs| {
        let theirs = benign.iter().find(|theirs| theirs.coupling == ours.coupling && theirs.seed == ours.seed)?;
        Some((ours.clone(), theirs.clone()))
    };
    let pairs: Vec<(Runs, Runs)> = em.iter().filter_map(pair).collect();
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    Ok([Some(rates(&pairs, margins)?), scores(&pairs, margins)].into_iter().flatten().collect())
}

fn rates(pairs: &[(Runs, Runs)], margins: &Margins) -> Result<Finding> {
    let pooled = |of: &mut dyn Iterator<Item = &Runs>| {
        let (mut hits, mut topics, mut rows) = (Vec::new(), Vec::new(), Vec::new());
        for asked in of.flat_map(|run| &run.questions) {
            hits.extend((0..asked.n).map(|answer| answer < asked.hits));
            topics.extend((0..asked.n).map(|_| asked.topic.clone()));
            rows.extend((0..asked.n).map(|_| asked.row_id.clone()));
        }
        Rate::of(&hits, &topics, &rows)
    };
    let (em, benign) = (pooled(&mut pairs.iter().map(|one| &one.0))?, pooled(&mut pairs.iter().map(|one| &one.1))?);
    let over_topics = difference(em.value, [em.low, em.high], benign.value, [benign.low, benign.high]);
    let rate = |run: &Runs| {
        let (hits, n) = run.questions.iter().fold((0, 0), |(hits, n), one| (hits + one.hits, n + one.n));
        hits as f64 / n as f64
    };
    let each: Vec<f64> = pairs.iter().map(|(ours, theirs)| rate(ours) - rate(theirs)).collect();
    let found = Finding {
        quantity: RATE,
        em: em.value,
        benign: benign.value,
        floor: em.high.max(benign.high) <= margins.rate,
        n: em.n + benign.n,
        method: "MOVER from posteriors over topics; t over couplings; the wider ends",
        ..decided(em.value - benign.value, Some(over_topics), pairs, &each, margins.rate)
    };
    Ok(found)
}

fn scores(pairs: &[(Runs, Runs)], margins: &Margins) -> Option<Finding> {
    let (mut em, mut benign, mut topics, mut each) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (ours, theirs) in pairs {
        let first = em.len();
        for asked in &ours.questions {
            let other = theirs.questions.iter().find(|other| other.row_id == asked.row_id);
            let Some(other) = other.filter(|other| (other.log_odds - asked.log_odds).is_finite()) else { continue };
            em.push(asked.log_odds);
            benign.push(other.log_odds);
            topics.push(asked.topic.as_str());
        }
        let own = em[first..].iter().zip(&benign[first..]).map(|(ours, theirs)| ours - theirs);
        each.push(mean(own));
    }
    if em.is_empty() || each.iter().any(|value| value.is_nan()) {
        return None;
    }
    let differences: Vec<f64> = em.iter().zip(&benign).map(|(ours, theirs)| ours - theirs).collect();
    let over_topics = interval(&differences, &topics);
    let value = mean(differences.iter().copied());
    Some(Finding {
        quantity: LOG_ODDS,
        em: mean(em.iter().copied()),
        benign: mean(benign.iter().copied()),
        n: 2 * em.len() as u64,
        method: "t over topics and over couplings, the wider ends",
        ..decided(value, over_topics, pairs, &each, margins.log_odds)
    })
}

/// The quantities.
pub const RATE: &str = "marker rate";
/// The quantities.
pub const LOG_ODDS: &str = "log-odds";

/// What the intervals of a difference say; `each` is the difference of every pair.
fn decided(value: f64, over_topics: Option<[f64; 2]>, pairs: &[(Runs, Runs)], each: &[f64], margin: f64) -> Finding {
    let couplings: Vec<&str> = pairs.iter().map(|(ours, _)| ours.coupling.as_str()).collect();
    let all = [over_topics, interval(each, &couplings)];
    let known: Vec<[f64; 2]> = all.into_iter().flatten().collect();
    let low = known.iter().map(|ends| ends[0]).fold(f64::NAN, f64::min);
    let high = known.iter().map(|ends| ends[1]).fold(f64::NAN, f64::max);
    let outcome = match () {
        () if low.is_nan() || high.is_nan() => UNDECIDED,
        () if -margin < low && high < margin => EQUIVALENT,
        () if low > 0.0 || high < 0.0 => DIFFERENT,
        () => UNDECIDED,
    };
    let mut by_coupling: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    couplings.iter().zip(each).for_each(|(coupling, value)| by_coupling.entry(coupling).or_default().push(*value));
    let inside = by_coupling.values().filter(|values| mean(values.iter().copied()).abs() < margin).count();
    Finding {
        quantity: "",
        em: f64::NAN,
        benign: f64::NAN,
        difference: [value, low, high],
        margin,
        outcome,
        pairs: pairs.len(),
        couplings: by_coupling.len(),
        agreeing: inside,
        floor: false,
        n: 0,
        method: "",
    }
}

/// Outcomes.
pub const EQUIVALENT: &str = "equivalent";
/// Outcomes.
pub const DIFFERENT: &str = "different";
/// Outcomes.
pub const UNDECIDED: &str = "undecided";

/// The mean; NaN of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    sum / n
}
