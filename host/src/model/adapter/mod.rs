//! LoRA adapters, in PEFT's folder format.

mod adapted;
mod arithmetic;
mod merge;
mod peft;
mod read;
mod write;

#[cfg(test)]
mod tests;

pub use adapted::Adapter;
pub use arithmetic::{Matrices, Norms, Selection};
pub use merge::{Merge, merge};
