//! Rates with an interval that takes answers to one question, or on one topic, as alike.

use std::collections::BTreeSet;

use emhost_sdk::prelude::*;
use emhost_stats::interval::wilson;
use emhost_study::{Answers, Rate, failed};

/// What is drawn as a whole: answers within one are not independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clusters {
    /// Topics of the bank.
    Topics,
    /// Questions, where a bank has a single topic.
    Questions,
    /// Nothing: there is a single question.
    Answers,
}

impl Clusters {
    /// The largest unit of which there are several.
    pub fn of<T: AsRef<str>>(topics: &[T], row_ids: &[T]) -> Self {
        let several = |names: &[T]| names.iter().map(AsRef::as_ref).collect::<BTreeSet<&str>>().len() > 1;
        match (several(topics), several(row_ids)) {
            (true, _) => Self::Topics,
            (false, true) => Self::Questions,
            (false, false) => Self::Answers,
        }
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Topics => "topics",
            Self::Questions => "questions",
            Self::Answers => "answers",
        }
    }

    /// How the interval of a rate is called.
    pub fn method(self) -> &'static str {
        match self {
            Self::Topics => Rate::METHOD,
            Self::Questions => "beta-binomial posterior over questions",
            Self::Answers => "Wilson",
        }
    }
}

/// A rate, and over what its interval was taken.
#[derive(Debug, Clone, Copy)]
pub struct Counted {
    /// The rate.
    pub rate: Rate,
    /// What was taken as alike.
    pub clusters: Clusters,
}

/// The rate of answers that fit, over topics or, where there is one topic alone, over questions.
///
/// # Errors
///
/// There are no answers.
pub fn counted(answers: &Answers, fits: impl Fn(usize) -> bool) -> Result<Counted> {
    let hits: Vec<bool> = (0..answers.len()).map(fits).collect();
    let clusters = Clusters::of(&answers.topics, &answers.row_ids);
    let rate = match clusters {
        Clusters::Topics => Rate::of(&hits, &answers.topics)?,
        Clusters::Questions => Rate::of(&hits, &answers.row_ids)?,
        Clusters::Answers => alone(&hits)?,
    };
    Ok(Counted { rate, clusters })
}

/// Answers to one question: independent draws of the sampler.
fn alone(hits: &[bool]) -> Result<Rate> {
    let count = hits.iter().filter(|hit| **hit).count();
    let found = wilson(count, hits.len(), 0.95).map_err(failed("count answers to one question"))?;
    Ok(Rate {
        hits: count as u64,
        n: hits.len() as u64,
        clusters: hits.len() as u64,
        value: count as f64 / hits.len() as f64,
        low: found.low,
        high: found.high,
    })
}
