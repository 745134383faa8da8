//! Which answers are not independent of each other.

use std::collections::BTreeSet;

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
            Self::Topics => "beta-binomial posterior over topics",
            Self::Questions => "beta-binomial posterior over questions",
            Self::Answers => "Wilson",
        }
    }
}
