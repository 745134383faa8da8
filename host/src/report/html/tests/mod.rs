//! What the pages keep.

mod answers;
mod colours;
mod comparison;
mod run;
mod safety;
mod scorecard;
