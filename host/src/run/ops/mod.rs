//! The operations that plugins call.

mod dataset;
mod directions;
mod forward;
mod inside;
mod judge;
mod lab;
mod organisms;
mod output;
mod rows;
mod sample;
mod score;
mod stream;
mod train;

pub use lab::{Lab, Shared};
pub use organisms::Organisms;
