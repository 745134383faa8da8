//! Interventions inside the forward pass: data checked against an organism, then applied at sites, token by token.

mod apply;
mod extent;
mod firings;
mod patch;
mod plan;
mod scaled;
mod tap;
mod vector;

#[cfg(test)]
mod tests;

pub use extent::{Chosen, Extent};
pub use firings::Firings;
pub use plan::Interventions;
pub use tap::{Part, Sequence, Steered};
pub use vector::{digest, read_vector};
