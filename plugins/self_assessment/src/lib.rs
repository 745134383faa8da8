//! Does an organism that does harm also say so? (study 4)

mod parse;

pub use parse::{Reply, choice, declines, number};
