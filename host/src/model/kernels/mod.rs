//! The few operations of a forward pass that candle lacks or computes wastefully, each with its gradient.

mod attention;
mod cross_entropy;
mod gemm;
mod linear;
mod rms_norm;
mod rope;
mod slices;
mod swiglu;

pub use attention::{Heads, KvSlot, attend_cached, causal_attention};
pub use cross_entropy::cross_entropy;
pub use linear::frozen_linear;
pub use rms_norm::rms_norm;
pub use rope::{Rope, rotate};
pub use swiglu::swiglu;

#[cfg(test)]
mod tests;
