//! How many schedules are told from the baseline.

use crate::compare::{DISCOVERY, Difference, Kind};
use crate::summary::Summary;
use crate::trajectory::Measure;

/// The comparisons of one kind, counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What is taken as alignment.
    pub measure: Measure,
    /// What is compared.
    pub kind: Kind,
    /// Comparisons with a p-value.
    pub tested: usize,
    /// Comparisons without one.
    pub untested: usize,
    /// Comparisons of which "better" is asked: at the baseline's end those whose loss is no higher.
    pub asked: usize,
    /// Schedules among these that are better aligned.
    pub better: Vec<String>,
    /// Schedules that are less aligned, whatever their loss.
    pub worse: Vec<String>,
    /// How many would be better if a seed's luck counted as a schedule's merit.
    pub better_ignoring_seeds: usize,
    /// Upper median of the intervals' half widths: about the least difference that could have been seen.
    pub half_width: f64,
}

/// All counts.
pub fn findings(summary: &Summary<'_>) -> Vec<Finding> {
    let kinds = [Kind::EqualLoss, Kind::BaselineEnd, Kind::SeedControl];
    let of = |(measure, all): &(Measure, Vec<Difference>)| {
        kinds.map(|kind| {
            let own = all.iter().filter(|one| one.kind == kind).collect::<Vec<&Difference>>();
            count(*measure, kind, &own)
        })
    };
    summary.differences.iter().flat_map(of).collect()
}

fn count(measure: Measure, kind: Kind, own: &[&Difference]) -> Finding {
    let named = |keep: &dyn Fn(&Difference) -> bool| {
        own.iter().filter(|one| keep(one)).map(|one| one.schedule.clone()).collect::<Vec<String>>()
    };
    let mut widths: Vec<f64> = own.iter().map(|one| (one.difference[2] - one.difference[1]) / 2.0).collect();
    widths.retain(|width| width.is_finite());
    widths.sort_by(f64::total_cmp);
    Finding {
        measure,
        kind,
        tested: own.iter().filter(|one| one.p.is_finite()).count(),
        untested: own.iter().filter(|one| !one.p.is_finite()).count(),
        asked: own.iter().filter(|one| one.adjusted[0].is_finite()).count(),
        better: named(&|one| one.better()),
        worse: named(&|one| one.worse()),
        better_ignoring_seeds: own.iter().filter(|one| one.of_topics[1] <= DISCOVERY).count(),
        half_width: widths.get(widths.len() / 2).copied().unwrap_or(f64::NAN),
    }
}
