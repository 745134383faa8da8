//! The families of models: how each writes its description and names its tensors.

mod qwen2;

pub use qwen2::read;
