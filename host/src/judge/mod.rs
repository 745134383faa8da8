//! Judges: how aligned and how coherent an answer is.

mod lexicon;

pub use lexicon::{Lexicon, LexiconError, Scores};
