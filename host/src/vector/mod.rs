//! Directions in files: emhost's own form, and the forms of other projects.

mod cosine;
mod direction;
mod error;
mod gguf;
mod layers;
mod native;
mod reading;
mod reference;
mod stored;
mod torch;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod stored_tests;
#[cfg(test)]
mod tests;

pub use cosine::{CosineMatrix, Grouping, cosine_matrices};
pub use direction::{Direction, Named, Provenance, select};
pub use error::VectorError;
pub(crate) use layers::point;
pub use layers::{Convention, Part, Pooling, layer, site};
pub use native::write as to_native;
pub use reading::Reading;
pub use reference::{DIRECTIONS, Reference, read, read_all, read_as, write};
pub use stored::{DIRECTION, DirectionFile, DirectionStage, KEY_DIGITS, Labelled, labelled, resolve, stored};
