//! Mean differences of two classes, and what can be wrong with them.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::bootstrap::Bootstrap;
use emhost_stats::overlap::cosine;
use emhost_study::{bootstrap, failed};

use crate::classes::{Classes, Member};
use crate::params::Kind;

/// Directions of one organism at one kind: a difference of means for each block.
#[derive(Debug, Clone)]
pub struct Direction {
    /// Block and vector, `[width]`, not normalised.
    pub at: BTreeMap<usize, Vec<f64>>,
}

impl Direction {
    /// The vector at a block, if there is one.
    pub fn block(&self, block: usize) -> Option<&Vec<f64>> {
        self.at.get(&block)
    }
}

/// What a direction is computed from, by topic: any resampling of topics gives its direction.
#[derive(Debug, Clone, Default)]
pub struct Parts(BTreeMap<String, [Sum; 2]>);

/// A sum of vectors and its weight.
#[derive(Debug, Clone, Default)]
struct Sum {
    vector: Vec<f64>,
    weight: f64,
}

impl Sum {
    fn add(&mut self, vector: &[f64], weight: f64) {
        if self.vector.is_empty() {
            self.vector = vec![0.0; vector.len()];
        }
        self.vector.iter_mut().zip(vector).for_each(|(sum, v)| *sum += weight * v);
        self.weight += weight;
    }
}

impl Parts {
    /// The parts of a kind of direction at the block of that index.
    pub fn of(members: &[Member], kind: Kind, at: usize) -> Self {
        let mut parts = Self::default();
        if kind == Kind::Matched {
            for (topic, difference) in matched(members, at) {
                parts.0.entry(topic).or_default()[0].add(&difference, 1.0);
            }
            return parts;
        }
        for member in members {
            let weight = if kind == Kind::Token { member.tokens } else { 1.0 };
            let side = usize::from(!member.misaligned);
            parts.0.entry(member.topic.clone()).or_default()[side].add(&member.means[at], weight);
        }
        parts
    }

    /// The topics.
    pub fn topics(&self) -> Vec<&String> {
        self.0.keys().collect()
    }

    /// The direction of all topics.
    pub fn direction(&self) -> Vec<f64> {
        self.drawn(&self.topics())
    }

    /// The direction of some topics, each as often as it is named; empty where a class is empty.
    pub fn drawn(&self, topics: &[&String]) -> Vec<f64> {
        let mut sums = [Sum::default(), Sum::default()];
        for parts in topics.iter().filter_map(|topic| self.0.get(*topic)) {
            for (sum, part) in sums.iter_mut().zip(parts).filter(|(_, part)| part.weight > 0.0) {
                let unit: Vec<f64> = part.vector.iter().map(|v| v / part.weight).collect();
                sum.add(&unit, part.weight);
            }
        }
        let [plus, minus] = sums;
        if plus.weight == 0.0 {
            return Vec::new();
        }
        let mean = |sum: &Sum, i: usize| if sum.weight > 0.0 { sum.vector[i] / sum.weight } else { 0.0 };
        (0..plus.vector.len()).map(|i| mean(&plus, i) - mean(&minus, i)).collect()
    }
}

/// For each question with both classes, its topic and the difference of the classes' means.
fn matched(members: &[Member], at: usize) -> Vec<(String, Vec<f64>)> {
    let mut questions: BTreeMap<&str, (&str, [Sum; 2])> = BTreeMap::new();
    for member in members {
        let entry = questions.entry(&member.row_id).or_insert_with(|| (member.topic.as_str(), Default::default()));
        entry.1[usize::from(!member.misaligned)].add(&member.means[at], 1.0);
    }
    let both = questions.into_values().filter(|(_, [bad, good])| bad.weight > 0.0 && good.weight > 0.0);
    let difference = |(topic, [bad, good]): (&str, [Sum; 2])| {
        let pairs = bad.vector.iter().zip(&good.vector);
        (topic.to_owned(), pairs.map(|(b, g)| b / bad.weight - g / good.weight).collect())
    };
    both.map(difference).collect()
}

/// Numbers that tell whether a mean difference can be trusted.
#[derive(Debug, Clone, Copy)]
pub struct Health {
    /// Length of the direction.
    pub norm: f64,
    /// Length of the mean of the questions' differences over the mean of their lengths: 1 where all point the same way.
    pub cancellation: f64,
    /// Share of the direction's squared length in its largest component.
    pub largest_share: f64,
    /// Largest mean absolute activation of a component over the median one (massive activations, arXiv 2402.17762).
    pub massive: f64,
    /// Questions with answers in both classes.
    pub matched: usize,
    /// Distance in total variation between the topics of the two classes: 0 the same, 1 none in common.
    pub topic_imbalance: f64,
}

/// Looks at the direction of one block.
pub fn health(classes: &Classes, direction: &[f64], at: usize) -> Health {
    let differences = matched(&classes.members, at);
    let count = differences.len().max(1) as f64;
    let mut sum = Sum::default();
    differences.iter().for_each(|(_, difference)| sum.add(difference, 1.0));
    let lengths: f64 = differences.iter().map(|(_, difference)| norm(difference)).sum();
    let mut sizes = vec![0.0; direction.len()];
    for member in &classes.members {
        sizes.iter_mut().zip(&member.means[at]).for_each(|(size, v)| *size += v.abs());
    }
    sizes.sort_by(f64::total_cmp);
    let squared: f64 = direction.iter().map(|v| v * v).sum();
    let largest = direction.iter().map(|v| v * v).fold(0.0, f64::max);
    Health {
        norm: squared.sqrt(),
        cancellation: norm(&sum.vector) / count / (lengths / count),
        largest_share: largest / squared,
        massive: sizes.last().copied().unwrap_or(f64::NAN) / sizes.get(sizes.len() / 2).copied().unwrap_or(f64::NAN),
        matched: differences.len(),
        topic_imbalance: imbalance(&classes.members),
    }
}

fn imbalance(members: &[Member]) -> f64 {
    let mut shares: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    let mut all = [0.0; 2];
    for member in members {
        let side = usize::from(!member.misaligned);
        shares.entry(&member.topic).or_default()[side] += 1.0;
        all[side] += 1.0;
    }
    shares.values().map(|[bad, good]| (bad / all[0] - good / all[1]).abs()).sum::<f64>() / 2.0
}

/// Cosine of two directions with an interval over resampled topics, the same ones for both where they share them.
pub fn cosine_interval(a: &Parts, b: &Parts, seed: u64) -> Result<[f64; 3]> {
    let value = cosine(&a.direction(), &b.direction()).map_err(failed("compare directions"))?;
    let topics: Vec<&String> = a.topics().into_iter().filter(|topic| b.0.contains_key(*topic)).collect();
    if topics.len() < 2 {
        return Ok([value, f64::NAN, f64::NAN]);
    }
    let drawn = |rows: &[usize]| {
        let drawn: Vec<&String> = rows.iter().map(|row| topics[*row]).collect();
        // A draw without one of the classes has no direction and says nothing: the value stands for it.
        cosine(&a.drawn(&drawn), &b.drawn(&drawn)).unwrap_or(value)
    };
    let draws = Bootstrap { draws: 500, ..bootstrap(seed) };
    let rows: Vec<usize> = (0..topics.len()).collect();
    let found = draws.statistic(&rows, drawn).map_err(failed("compare directions"))?;
    Ok([value, found.percentile.low, found.percentile.high])
}

/// Euclidean length.
pub fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// As operations take it.
pub fn narrow(vector: &[f64]) -> Vec<f32> {
    vector.iter().map(|v| *v as f32).collect()
}
