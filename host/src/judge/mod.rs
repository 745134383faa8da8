//! Judges: how aligned and how coherent an answer is, with the evidence for it.

mod client;
mod error;
mod grade;
mod guard;
mod journal;
mod judging;
mod lexicon;
mod local;
mod logprobs;
mod record;
mod spec;
mod world;

#[cfg(test)]
mod injection_tests;
#[cfg(test)]
mod lexicon_tests;

pub use client::Caps;
pub use error::{JudgeError, Result};
pub use guard::Guard;
pub use journal::{Journal, Progress, judge_all};
pub use judging::{Event, Judge, Step};
pub use lexicon::{Lexicon, LexiconError, Scores};
pub use local::LocalJudge;
pub use record::{Ask, Changes, Judgment, Missing, Scale, TopToken, Usage};
pub use spec::{Opened, Spec};
pub use world::LexiconJudge;
