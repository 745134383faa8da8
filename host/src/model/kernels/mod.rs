//! The few operations of a forward pass that candle lacks or computes wastefully, each with its gradient.

mod add;
mod attention;
mod attention_gradient;
mod composed_attention;
mod cross_entropy;
mod frozen;
mod gated;
mod gemm;
mod low_rank;
mod math;
mod pages;
mod panels;
mod product;
mod rms_norm;
mod rope;
mod slices;
mod threads;
mod tile;
mod transpose;

pub use add::add_scaled;
pub use attention::{Heads, Look, Seen, attend, causal_attention};
pub use composed_attention::composed_attention;
pub use cross_entropy::{Wanted, cross_entropy};
pub use frozen::frozen_matmul;
pub use gated::gated;
pub use low_rank::{add_low_rank, inner_products};
pub use math::{exp, largest, sum_of, tanh};
pub use pages::{PAGE, Pages};
pub use panels::Panels;
pub use product::{frozen_product, product, slopes};
pub use rms_norm::rms_norm;
pub use rope::{Rope, rotate};
pub use slices::with_numbers;
pub use threads::keep_candle_on_one_thread;
pub use tile::COLUMNS as PANEL;

#[cfg(test)]
mod tests;
