//! Judges: how aligned and how coherent an answer is.

mod lexicon;

#[cfg(test)]
mod lexicon_tests;

pub use lexicon::{Lexicon, LexiconError, Scores};
