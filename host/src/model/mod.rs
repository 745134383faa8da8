//! Models: checkpoints, the forward pass with its sites, adapters, tokenizers and chat templates.

pub mod activations;
pub mod adapter;
pub mod config;
mod error;
pub mod files;
pub mod hub;
pub mod kernels;
pub mod linear;
pub mod organism;
pub mod packed;
pub mod qwen2;
pub mod site;
pub mod template;
pub mod text;
pub mod weights;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod text_tests;

pub use error::{ModelError, Result};

/// Where models run.
pub use candle_core::Device;

/// Version of the engine's arithmetic: part of every stage's key, raised when results change.
pub const NUMERICS: u32 = 1;
