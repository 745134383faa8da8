//! The few operations of a forward pass that candle lacks or computes wastefully, each with its gradient.

mod add;
mod attention;
mod attention_gradient;
mod composed_attention;
mod cross_entropy;
mod gated;
mod gemm;
mod math;
mod pages;
mod panels;
mod product;
mod rms_norm;
mod rope;
mod slices;
mod tile;

pub use add::add_scaled;
pub use attention::{Heads, Look, Seen, attend, causal_attention};
pub use composed_attention::composed_attention;
pub use cross_entropy::cross_entropy;
pub use gated::gated;
pub use math::{exp, largest, sum_of, tanh};
pub use pages::{PAGE, Pages};
pub use panels::Panels;
pub use product::frozen_product;
pub use rms_norm::rms_norm;
pub use rope::{Rope, rotate};
pub use slices::with_numbers;
pub use tile::COLUMNS as PANEL;

#[cfg(test)]
mod tests;
