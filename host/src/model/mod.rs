//! Models: checkpoints, the forward pass with its sites, adapters, tokenizers and chat templates.

pub mod activations;
pub mod adapter;
pub mod config;
mod error;
pub mod families;
pub mod files;
pub mod hub;
pub mod intervene;
pub mod kernels;
pub mod linear;
pub mod mlp;
pub mod network;
pub mod organism;
pub mod packed;
pub mod parallel;
pub mod site;
pub mod template;
pub mod text;
pub mod weights;

#[cfg(test)]
pub(crate) mod golden_tests;
#[cfg(test)]
mod text_tests;

pub use error::{ModelError, Result};

/// Where models run.
pub use candle_core::Device;

/// Version of the engine's arithmetic: part of every stage's key, raised when results change.
pub const NUMERICS: u32 = 2;
