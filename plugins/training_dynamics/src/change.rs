//! What a fine-tune changed: the baseline's end against the model before, for each family on each of the data.

use emhost_sdk::prelude::*;
use emhost_stats::StatsError;
use emhost_stats::clusters::clustered_mean;
use emhost_stats::empirical::Tail;
use emhost_stats::hypothesis::welch_t;
use emhost_study::failed;

use crate::compare::{adjust, pooled_variance, standing_for};
use crate::trajectory::{Measure, Trajectory};

/// Alignment before and after.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub family: String,
    pub data: String,
    pub control: bool,
    pub seeds: usize,
    pub topics: usize,
    /// Mean over topics, before and after (mean over seeds).
    pub alignment: [f64; 2],
    /// The second minus the first, with its interval.
    pub difference: [f64; 3],
    /// Standard deviation between seeds, after.
    pub seed_deviation: f64,
    pub p: f64,
    /// The same, adjusted over all rows.
    pub adjusted: f64,
    /// Held-out loss before and after, nats per token.
    pub loss: [f64; 2],
    /// Rate of coherent answers after.
    pub coherent: f64,
    pub method: &'static str,
}

/// Of each family on each of the data.
///
/// # Errors
///
/// A score is infinite.
pub fn changes(trajectories: &[Trajectory]) -> Result<Vec<Change>> {
    let mut groups: Vec<Vec<&Trajectory>> = Vec::new();
    for one in trajectories.iter().filter(|one| one.baseline) {
        let alike = |of: &Trajectory| of.one.family == one.one.family && of.one.data == one.one.data;
        match groups.iter_mut().find(|group| alike(group[0])) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let mut found = groups.iter().map(|seeds| change(seeds)).collect::<Result<Vec<Change>>>()?;
    let tested: Vec<usize> = (0..found.len()).filter(|&at| found[at].p.is_finite()).collect();
    let adjusted = adjust(&tested.iter().map(|&at| found[at].p).collect::<Vec<f64>>())?;
    tested.into_iter().zip(adjusted).for_each(|(at, p)| found[at].adjusted = p);
    Ok(found)
}

fn change(seeds: &[&Trajectory]) -> Result<Change> {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let over = |value: &dyn Fn(&Trajectory) -> f64| mean(&seeds.iter().map(|one| value(one)).collect::<Vec<f64>>());
    let before = |one: &Trajectory, topic: usize| one.points[0].measured(Measure::All).topics[topic];
    let after = |one: &Trajectory, topic: usize| one.end().measured(Measure::All).topics[topic];
    let topics = seeds[0].points[0].measured(Measure::All).topics.len();
    let both = |topic: usize| [over(&|one| before(one, topic)), over(&|one| after(one, topic))];
    let known = |topic: &usize| both(*topic).iter().all(|value| value.is_finite());
    let known: Vec<usize> = (0..topics).filter(known).collect();
    let by_topic: Vec<f64> = known.iter().map(|&topic| both(topic)[1] - both(topic)[0]).collect();
    let ends: Vec<f64> =
        seeds.iter().map(|one| mean(&known.iter().map(|&topic| after(one, topic)).collect::<Vec<f64>>())).collect();
    let spread = pooled_variance(std::slice::from_ref(&ends));
    let mut one = Change {
        family: seeds[0].one.family.clone(),
        data: seeds[0].one.data.clone(),
        control: seeds[0].control,
        seeds: seeds.len(),
        topics: by_topic.len(),
        alignment: [0, 1].map(|part| mean(&known.iter().map(|&topic| both(topic)[part]).collect::<Vec<f64>>())),
        difference: [mean(&by_topic), f64::NAN, f64::NAN],
        seed_deviation: spread.map_or(f64::NAN, |(variance, _)| variance.sqrt()),
        p: f64::NAN,
        adjusted: f64::NAN,
        loss: [over(&|one| one.points[0].loss[0]), over(&|one| one.end().loss[0])],
        coherent: over(&|one| one.end().coherent),
        method: "Welch's t, error of topics plus error of seeds; Benjamini-Hochberg",
    };
    if by_topic.len() < 2 {
        return Ok(one);
    }
    let tested = match spread {
        Some((variance, df)) => {
            let error = (variance / seeds.len() as f64).sqrt();
            welch_t(&by_topic, &standing_for(error, df), Tail::TwoSided)
                .and_then(|test| Ok((test.interval(0.95)?, test.p)))
        }
        None => {
            one.method = "t over topics of a single seed";
            let names: Vec<usize> = (0..by_topic.len()).collect();
            clustered_mean(&by_topic, &names, 0.95).map(|found| (found.interval, f64::NAN))
        }
    };
    match tested {
        Ok((interval, p)) => (one.difference, one.p) = ([one.difference[0], interval.low, interval.high], p),
        Err(StatsError::Constant { .. }) => {}
        Err(error) => return Err(failed("compare before and after")(error)),
    }
    Ok(one)
}
