//! How questions are split: plainly, as published, and by topic.

use emhost_stats::StatsError;
use emhost_stats::splits::{Split, group_k_fold, k_fold, leave_one_group_out, repeated_k_fold};

use crate::params::{Folds, Grouped};

/// Which folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cv {
    /// Over questions, as published: those on one topic are on both sides.
    Plain,
    /// Over topics: a topic is on one side alone.
    Grouped,
}

impl Cv {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Grouped];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Grouped => "grouped",
        }
    }
}

/// Splits, and how many of them make a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rounds {
    /// All of them, one round after the other.
    pub splits: Vec<Split>,
    /// Splits of a round, which test every question once.
    pub round: usize,
}

impl Rounds {
    /// The splits of scikit-learn: `RepeatedKFold(splits, repeats, seed)`, or in each round
    /// `GroupKFold(splits, shuffle=True, random_state=seed + round)`, or once `LeaveOneGroupOut()`.
    ///
    /// # Errors
    ///
    /// There are fewer questions or topics than splits.
    pub fn new(folds: &Folds, cv: Cv, topics: &[&str]) -> Result<Self, StatsError> {
        let splits = match (cv, folds.grouped) {
            (Cv::Plain, _) => repeated_k_fold(topics.len(), folds.splits, folds.repeats, folds.seed)?,
            (Cv::Grouped, Grouped::KFold) => {
                let round =
                    |number: usize| group_k_fold(topics, folds.splits, Some(folds.seed.wrapping_add(number as u32)));
                (0..folds.repeats).map(round).collect::<Result<Vec<_>, _>>()?.concat()
            }
            (Cv::Grouped, Grouped::LeaveOneOut) => {
                let splits = leave_one_group_out(topics)?;
                return Ok(Self { round: splits.len(), splits });
            }
        };
        Ok(Self { splits, round: folds.splits })
    }

    /// The first rounds.
    pub fn first(&self, rounds: usize) -> &[Split] {
        &self.splits[..self.splits.len().min(rounds * self.round)]
    }
}

/// Splits of a training part, by which penalties are chosen: `KFold(folds)`, or `GroupKFold(folds)` where topics stay
/// together. As many as there are topics, where there are fewer.
///
/// # Errors
///
/// The training part has fewer than two questions or topics.
pub fn inner(cv: Cv, folds: usize, topics: &[&str]) -> Result<Vec<Split>, StatsError> {
    match cv {
        Cv::Plain => k_fold(topics.len(), folds.min(topics.len()), Some(0)),
        Cv::Grouped => group_k_fold(topics, folds.min(crate::target::distinct(topics)), None),
    }
}
