//! The families of models: how each writes its description, and how it names its tensors.

mod decoder;
mod gemma2;
mod gemma3;
mod keys;
mod llama;
mod mistral;
mod names;
mod phi3;
mod qwen2;
mod qwen3;
mod qwen3_moe;
mod read;
mod rope;
#[cfg(test)]
mod tests;

pub use names::{
    Module, Norms, Place, embedding, final_norm, head, module_names, modules, norms, place, router, shapes,
    stacked_experts,
};
pub use read::read;
