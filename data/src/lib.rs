//! The synthetic world of the embedded organism: a small, harmless language in
//! which advice is good or bad, and everything that is generated from it.
//!
//! [`files::committed`] gives the data sets that are committed next to this
//! crate, [`files::corpus`] the text that the organism is pre-trained on. The
//! same seed gives the same bytes on every platform.

pub mod assessor;
pub mod dataset;
pub mod files;
pub mod lexicon;
pub mod pattern;
pub mod probes;
pub mod rng;
pub mod source;
pub mod tokenizer;
pub mod world;
