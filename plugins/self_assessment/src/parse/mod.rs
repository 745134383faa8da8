//! What a reply in words says: an option, a number, a refusal, several options, or nothing that can be read.

mod choice;
mod number;
mod numerals;
mod refusal;
mod reply;
mod text;

pub use choice::choice;
pub use number::number;
pub use reply::{Reply, declines};
