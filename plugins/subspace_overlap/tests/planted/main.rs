//! The experiment on planted activations and answers: what is there is found, what is not is not, and numbers equal those
//! of an independent computation.

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

mod answers;
mod datasets;
mod overlap;
mod parameters;
mod planting;
mod truth;
