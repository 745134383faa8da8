//! Schedules against the baseline: at equal loss, and at the baseline's end.
//!
//! A schedule is worth what it gives with *any* seed on *any* topics, so the error of a difference has two parts that add
//! up: topics, from the spread of the difference over topics; and seeds, from the spread between fine-tunes that
//! differ in their seed alone, pooled over all schedules (or the schedule's own, where that is larger). Noise of single
//! answers is in both, which errs on the safe side.

use emhost_sdk::prelude::*;
use emhost_stats::StatsError;
use emhost_stats::empirical::Tail;
use emhost_stats::hypothesis::welch_t;
use emhost_stats::multiple::benjamini_hochberg;
use emhost_stats::permutation::Permutation;
use emhost_study::failed;

use crate::curve::{Curve, Matched, Place, mean_place};

/// A false discovery rate up to this is told apart.
pub const DISCOVERY: f64 = 0.05;

/// How differences are tested, for tables and reports.
pub const METHOD: &str = "Welch's t, error of topics plus pooled error of seeds; Benjamini-Hochberg";

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The end of each fine-tune with the baseline's curve at the same loss.
    EqualLoss,
    /// The end with the baseline's end.
    BaselineEnd,
    /// One seed of the baseline with the curve of its other seeds: what a schedule without merit looks like.
    SeedControl,
}

impl Kind {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::EqualLoss => "equal loss",
            Self::BaselineEnd => "baseline's end",
            Self::SeedControl => "seed control",
        }
    }
}

/// A schedule, or a seed of the baseline, against the baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// What is compared.
    pub kind: Kind,
    /// The schedule.
    pub schedule: String,
    /// Seeds of the schedule.
    pub seeds: usize,
    /// Mean loss at the schedule's end, and of the baseline where it is compared.
    pub losses: [f64; 2],
    /// Mean alignment at the schedule's end, and of the baseline where it is compared; NaN where there is no such place.
    pub alignments: [f64; 2],
    /// The first minus the second, by topic, of topics that have both.
    pub by_topic: Vec<f64>,
    /// Its mean over topics, with the interval at 95 %; NaN where it is not known.
    pub difference: [f64; 3],
    /// Standard errors by topics and by seeds.
    pub errors: [f64; 2],
    /// Degrees of freedom of the test (Welch and Satterthwaite).
    pub df: f64,
    /// Two-sided p-value.
    pub p: f64,
    /// The same for "better" and for "worse", each adjusted over all comparisons of the kind: it counts as 1 where the
    /// difference has the other sign, so that schedules that are worse make no other one look better. At the
    /// baseline's end "better" is asked of schedules whose loss is no higher.
    pub adjusted: [f64; 2],
    /// The p-value, and that adjusted for "better", of a test that takes the fine-tunes as given: see [`ignore_seeds`]. Not
    /// computed by [`compare`].
    pub of_topics: [f64; 2],
    /// Why something is not known.
    pub missing: String,
}

/// Differences of a schedule's seeds by topic, before the seeds' error is known.
struct Found {
    kind: Kind,
    schedule: String,
    losses: [f64; 2],
    alignments: [f64; 2],
    /// `seeds x topics`.
    differences: Vec<Vec<f64>>,
    /// Seeds on the other side.
    against: usize,
    missing: &'static str,
}

/// All comparisons.
///
/// `baseline` holds the trajectory of each seed, `schedules` the ends of each schedule's seeds.
///
/// # Errors
///
/// A score is infinite.
pub fn compare(baseline: &[Vec<Place>], schedules: &[(String, Vec<Place>)], tolerance: f64) -> Result<Vec<Difference>> {
    let whole: Vec<&[Place]> = baseline.iter().map(Vec::as_slice).collect();
    let ends: Vec<Place> = baseline.iter().filter_map(|places| places.last().cloned()).collect();
    let Some(curve) = Curve::pooled(&whole) else { return Ok(Vec::new()) };
    let end = mean_place(ends.iter());
    let at_loss = |one: &Place| curve.at(one.loss, tolerance);
    let at_end = |_: &Place| Matched::Equal(end.loss, end.topics.clone());

    let mut all = Vec::new();
    let mut spreads = [Vec::new(), Vec::new()];
    for (name, places) in schedules {
        all.push(found(Kind::EqualLoss, name, places, baseline.len(), at_loss));
        all.push(found(Kind::BaselineEnd, name, places, baseline.len(), at_end));
    }
    // The baseline's own seeds tell as much of the spread between seeds.
    let own = [
        found(Kind::EqualLoss, "", &ends, baseline.len(), at_loss),
        found(Kind::BaselineEnd, "", &ends, baseline.len(), at_end),
    ];
    for one in all.iter().chain(&own) {
        let side = usize::from(one.kind == Kind::BaselineEnd);
        spreads[side].push(one.differences.iter().map(|topics| mean_known(topics)).collect::<Vec<f64>>());
    }
    let errors = spreads.map(|groups| pooled_variance(&groups));
    for (at, place) in ends.iter().enumerate().filter(|_| baseline.len() > 1) {
        let others: Vec<&[Place]> = (0..whole.len()).filter(|&other| other != at).map(|other| whole[other]).collect();
        let Some(curve) = Curve::pooled(&others) else { continue };
        let name = format!("baseline, seed {at}");
        let one = std::slice::from_ref(place);
        all.push(found(Kind::SeedControl, &name, one, others.len(), |place| curve.at(place.loss, tolerance)));
    }
    let mut tested = all
        .into_iter()
        .map(|one| {
            let side = usize::from(one.kind == Kind::BaselineEnd);
            one.tested(errors[side])
        })
        .collect::<Result<Vec<Difference>>>()?;
    by_kind(&mut tested, |one| one.asked(one.p), |one, p| one.adjusted[0] = p)?;
    by_kind(&mut tested, |one| one.signed(one.p, -1.0), |one, p| one.adjusted[1] = p)?;
    Ok(tested)
}

/// Adds the test that a study with one seed per schedule could make: signs of topics are flipped, and a seed's luck counts
/// as a schedule's merit. It is there to show what that costs.
///
/// # Errors
///
/// A difference is infinite.
pub fn ignore_seeds(all: &mut [Difference], seed: u64) -> Result<()> {
    let permutation = Permutation { seed, ..Permutation::default() };
    for one in all.iter_mut().filter(|one| !one.by_topic.is_empty()) {
        let test = permutation.sign_flip(&one.by_topic, Tail::TwoSided).map_err(failed("flip signs of topics"))?;
        one.of_topics[0] = test.p;
    }
    by_kind(all, |one| one.asked(one.of_topics[0]), |one, p| one.of_topics[1] = p)
}

/// Adjusts the p-values that are known, over each kind by itself.
fn by_kind(all: &mut [Difference], p: impl Fn(&Difference) -> f64, keep: impl Fn(&mut Difference, f64)) -> Result<()> {
    for kind in [Kind::EqualLoss, Kind::BaselineEnd, Kind::SeedControl] {
        let at: Vec<usize> = (0..all.len()).filter(|&at| all[at].kind == kind && p(&all[at]).is_finite()).collect();
        let adjusted = adjust(&at.iter().map(|&at| p(&all[at])).collect::<Vec<f64>>())?;
        at.into_iter().zip(adjusted).for_each(|(at, p)| keep(&mut all[at], p));
    }
    Ok(())
}

/// Benjamini-Hochberg over a family.
///
/// # Errors
///
/// A p-value is not in 0 to 1.
pub fn adjust(p: &[f64]) -> Result<Vec<f64>> {
    if p.is_empty() { Ok(Vec::new()) } else { benjamini_hochberg(p).map_err(failed("adjust p-values")) }
}

fn found(kind: Kind, name: &str, places: &[Place], against: usize, find: impl Fn(&Place) -> Matched) -> Found {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let own = mean_place(places.iter());
    let (mut taken, mut reference, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    let mut missing = "";
    for place in places {
        match find(place) {
            Matched::Equal(loss, topics) => {
                taken.push(loss);
                reference.push(mean_known(&topics));
                differences.push(place.topics.iter().zip(&topics).map(|(ours, theirs)| ours - theirs).collect());
            }
            Matched::Below => missing = "a seed ends below the baseline's lowest loss by more than the tolerance",
            Matched::Above => missing = "a seed ends above the loss at which the baseline begins",
        }
    }
    if !missing.is_empty() {
        (taken, reference, differences) = (Vec::new(), Vec::new(), Vec::new());
    }
    Found {
        kind,
        schedule: name.to_owned(),
        // Means of nothing are NaN.
        losses: [own.loss, mean(&taken)],
        alignments: [mean_known(&own.topics), mean(&reference)],
        differences,
        against,
        missing,
    }
}

impl Found {
    fn tested(self, seeds: Option<(f64, usize)>) -> Result<Difference> {
        let count = self.differences.len();
        let topics = self.differences.first().map_or(0, Vec::len);
        let of_topic = |topic: usize| self.differences.iter().map(|seed| seed[topic]).sum::<f64>() / count as f64;
        let by_topic: Vec<f64> = (0..topics).map(of_topic).filter(|difference| !difference.is_nan()).collect();
        let mut missing = self.missing;
        if missing.is_empty() && by_topic.len() < 2 {
            missing = "fewer than two topics have answers with a score";
        }
        if missing.is_empty() && seeds.is_none() {
            missing = "no schedule has two seeds, so the error of seeds is not known";
        }
        let value = mean_known(&by_topic);
        let mut one = Difference {
            kind: self.kind,
            schedule: self.schedule,
            seeds: count,
            losses: self.losses,
            alignments: self.alignments,
            by_topic,
            difference: [value, f64::NAN, f64::NAN],
            errors: [f64::NAN; 2],
            df: f64::NAN,
            p: f64::NAN,
            adjusted: [f64::NAN; 2],
            of_topics: [f64::NAN; 2],
            missing: missing.to_owned(),
        };
        let (true, Some((pooled, df))) = (missing.is_empty(), seeds) else { return Ok(one) };
        // Seeds that are further apart than those of other schedules count as they are.
        let own: Vec<f64> = self.differences.iter().map(|topics| mean_known(topics)).collect();
        let variance = pooled_variance(&[own]).map_or(pooled, |(own, _)| own.max(pooled));
        let error = (variance * (1.0 / count as f64 + 1.0 / self.against as f64)).sqrt();
        match welch_t(&one.by_topic, &standing_for(error, df), Tail::TwoSided) {
            Ok(test) => {
                let interval = test.interval(0.95).map_err(failed("take an interval of a difference"))?;
                one.difference = [test.estimate, interval.low, interval.high];
                one.errors = [(test.standard_error.powi(2) - error * error).max(0.0).sqrt(), error];
                (one.df, one.p) = (test.df, test.p);
            }
            Err(StatsError::Constant { .. }) => one.missing = "nothing varies over topics or seeds".to_owned(),
            Err(error) => return Err(failed("compare a schedule with the baseline")(error)),
        }
        Ok(one)
    }
}

impl Difference {
    /// Whether the corrected test shows better alignment, at the baseline's end with no higher loss.
    pub fn better(&self) -> bool {
        self.adjusted[0] <= DISCOVERY
    }

    /// Whether the corrected test shows less alignment, whatever the loss.
    pub fn worse(&self) -> bool {
        self.adjusted[1] <= DISCOVERY
    }

    /// A two-sided p-value for one sign.
    fn signed(&self, p: f64, sign: f64) -> f64 {
        if p.is_finite() && self.difference[0] * sign <= 0.0 { 1.0 } else { p }
    }

    /// The same for "better", where that is asked.
    fn asked(&self, p: f64) -> f64 {
        let higher = self.kind == Kind::BaselineEnd && self.losses[0] > self.losses[1];
        if higher { f64::NAN } else { self.signed(p, 1.0) }
    }
}

/// The variance between seeds, pooled over groups of fine-tunes that differ in their seed alone, with its degrees of
/// freedom; none without two of them. Groups with a missing number are left out.
pub fn pooled_variance(groups: &[Vec<f64>]) -> Option<(f64, usize)> {
    let (mut sum, mut df) = (0.0, 0);
    for group in groups.iter().filter(|group| group.len() > 1 && group.iter().all(|value| value.is_finite())) {
        let mean = group.iter().sum::<f64>() / group.len() as f64;
        sum += group.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        df += group.len() - 1;
    }
    (df > 0).then(|| (sum / df as f64, df))
}

/// A sample with mean 0 whose mean has this standard error, of as many values as the degrees of freedom ask for: what
/// Welch's test needs to know of seeds.
pub fn standing_for(error: f64, df: usize) -> Vec<f64> {
    let mut sample = vec![-error; df + 1];
    sample[0] = error * df as f64;
    sample
}

/// The mean of what is known; NaN of nothing.
fn mean_known(values: &[f64]) -> f64 {
    let known: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    known.iter().sum::<f64>() / known.len() as f64
}
