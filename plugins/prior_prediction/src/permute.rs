//! Permutations of the target that anyone can repeat with numpy, and the test that they give.

use std::collections::BTreeMap;

use emhost_stats::StatsError;
use emhost_stats::empirical::{Tail, empirical_p};
use emhost_stats::splits::train_test_split;

use crate::fit::Parts;
use crate::params::{Model, Permutations};
use crate::splits::{Cv, Rounds};
use crate::validate::{Task, validate};

/// Seeds of what is drawn for one permutation are this far apart.
const APART: u32 = 1_000_000;

/// Fewest different arrangements of topics: fewer could not give a p-value of 0.05.
const ENOUGH: f64 = 20.0;

/// A permutation test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Permuted {
    /// R² on the first rounds.
    pub observed: f64,
    /// Mean R² of permuted targets.
    pub mean: f64,
    /// Share of permutations, the given target among them, with at least as large an R².
    pub p: f64,
    /// Permutations beside the given target.
    pub draws: usize,
}

/// The test's name.
pub fn method(cv: Cv) -> &'static str {
    match cv {
        Cv::Plain => "R² of as many permutations of the target over questions, one-sided",
        Cv::Grouped => "R² of as many permutations of the targets of whole topics, and within them, one-sided",
    }
}

/// `numpy.random.RandomState(seed).permutation(n)`.
///
/// # Errors
///
/// `n` is too large for the generator.
pub fn numpy_permutation(n: usize, seed: u32) -> Result<Vec<usize>, StatsError> {
    if n < 2 {
        return Ok((0..n).collect());
    }
    let split = train_test_split(n, 1, Some(seed))?;
    Ok([split.test, split.train].concat())
}

/// Which row's target each row gets in a draw; none where topics cannot be exchanged.
///
/// Plain: `RandomState(seed + draw).permutation(n)`. Grouped: topics of one size exchange their targets, topics in the order
/// of their names by `RandomState(seed + draw + 2000000 s).permutation(topics)` and the rows within each of them alike by
/// `RandomState(seed + draw + 2000000 s + 1000000).permutation(size)`, with `s` the number of the size in ascending order.
///
/// # Errors
///
/// There are too many rows for the generator.
pub fn arrangement(cv: Cv, topics: &[&str], seed: u32, draw: usize) -> Result<Option<Vec<usize>>, StatsError> {
    let seed = seed.wrapping_add(draw as u32);
    if cv == Cv::Plain {
        return numpy_permutation(topics.len(), seed).map(Some);
    }
    let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    topics.iter().enumerate().for_each(|(row, topic)| rows.entry(topic).or_default().push(row));
    let mut sizes: BTreeMap<usize, Vec<Vec<usize>>> = BTreeMap::new();
    rows.into_values().for_each(|rows| sizes.entry(rows.len()).or_default().push(rows));
    let different: f64 = sizes.values().map(|alike| (1..=alike.len()).map(|n| n as f64).product::<f64>()).product();
    if different < ENOUGH {
        return Ok(None);
    }
    let mut from: Vec<usize> = (0..topics.len()).collect();
    for (number, (size, alike)) in sizes.into_iter().enumerate() {
        let seed = seed.wrapping_add(2 * APART * number as u32);
        let order = numpy_permutation(alike.len(), seed)?;
        let within = numpy_permutation(size, seed.wrapping_add(APART))?;
        for (to, &other) in alike.iter().zip(&order) {
            to.iter().zip(&within).for_each(|(&row, &place)| from[row] = alike[other][place]);
        }
    }
    Ok(Some(from))
}

/// How often a permuted target is predicted as well as the given one, on the same folds.
///
/// The given target and its permutations are scored on the first `repeats` rounds. Where features tell nothing they are
/// exchangeable, so that p is exact whatever the model makes of them. None where topics cannot be exchanged.
///
/// # Errors
///
/// A fit does not converge.
pub fn test(
    task: &Task<'_>,
    parts: &[Parts],
    model: Model,
    permutations: &Permutations,
) -> Result<Option<Permuted>, StatsError> {
    let rounds = Rounds { splits: task.rounds.first(permutations.repeats).to_vec(), round: task.rounds.round };
    let r2 = |y: &[f64]| -> Result<f64, StatsError> {
        let permuted = Task { y, rounds: &rounds, ..*task };
        let folds = validate(&permuted, &parts[..rounds.splits.len()], model)?.folds;
        let [errors, total] =
            [folds.iter().map(|fold| fold.errors).sum::<f64>(), folds.iter().map(|f| f.mean_errors).sum()];
        Ok(1.0 - errors / total)
    };
    let observed = r2(task.y)?;
    let mut draws = Vec::with_capacity(permutations.draws);
    for draw in 0..permutations.draws {
        let Some(from) = arrangement(task.cv, task.topics, permutations.seed, draw)? else { return Ok(None) };
        draws.push(r2(&from.iter().map(|&row| task.y[row]).collect::<Vec<_>>())?);
    }
    let p = empirical_p(observed, &draws, Tail::Upper)?;
    Ok(Some(Permuted { observed, mean: draws.iter().sum::<f64>() / draws.len() as f64, p, draws: draws.len() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_permutation_is_numpys() {
        // numpy.random.RandomState(3).permutation(8)
        assert_eq!(numpy_permutation(8, 3).unwrap(), [5, 7, 4, 6, 3, 1, 0, 2]);
    }

    #[test]
    fn topics_are_exchanged_as_wholes_and_only_with_those_of_their_size() {
        let names = ["a", "b", "c", "d", "e"];
        let topics: Vec<&str> = (0..17).map(|row| if row < 15 { names[row % 5] } else { "few" }).collect();
        for draw in 0..50 {
            let from = arrangement(Cv::Grouped, &topics, 7, draw).unwrap().unwrap();
            let mut sorted = from.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..17).collect::<Vec<_>>());
            for row in 0..15 {
                assert_eq!(topics[from[row]], topics[from[row % 5]], "{from:?}");
            }
            assert!(from[15..].iter().all(|row| *row >= 15));
        }
        assert_eq!(arrangement(Cv::Grouped, &["a", "a", "b", "b", "c", "c"], 7, 0).unwrap(), None);
    }
}
