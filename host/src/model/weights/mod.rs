//! Named tensors of a checkpoint or an adapter, read one by one as a model is put together.

mod header;
mod numbers;
mod rewrite;
mod set;
mod source;
#[cfg(test)]
mod tests;
mod write;

pub use header::Unique;
pub use numbers::{Numbers, first_not_finite};
pub use rewrite::rewrite;
pub use set::Weights;
pub use source::{Source, read_file};
pub use write::to_safetensors;
