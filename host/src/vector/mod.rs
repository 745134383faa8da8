//! Directions in files: emhost's own form, and the forms of other projects.

mod direction;
mod error;
mod gguf;
mod layers;
mod native;
mod reading;
mod reference;
mod torch;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

pub use direction::{Direction, Named, Provenance, select};
pub use error::VectorError;
pub use layers::{Convention, Part, Pooling, layer, site};
pub use native::write as to_native;
pub use reading::Reading;
pub use reference::{DIRECTIONS, Reference, read, read_all, read_as, write};
