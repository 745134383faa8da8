//! Statistics of emergent-misalignment studies: subspaces of activations, honest intervals, tests and small models.
//!
//! | for | see |
//! |---|---|
//! | rates and means | [`clusters`] (samples of one question), [`interval`] (independent), [`bootstrap`], [`missing`] |
//! | tests | [`hypothesis`], [`permutation`], [`correlation`], [`empirical`], [`multiple`], [`power`] |
//! | judges | [`agreement`] |
//! | models | [`classify`], [`regression`], [`splits`], [`StandardScaler`] |
//! | subspaces | [`Pca`], [`Scatter`] for rows in batches, [`Basis`], [`overlap`] |
//! | random draws | [`random`] |
//!
//! Everything here is pure and in f64: no file, no clock, no global state. Large products are shared by all processors, in
//! pieces whose size depends on the input alone: the same input gives the same bits on any number of processors. Vectors are slices, sets of
//! vectors are the rows of a [`Matrix`], subspaces are a [`Basis`]. Input that has no answer (too few rows, a constant
//! column, NaN, a `k` out of range, unequal lengths) is a [`StatsError`] that carries the offending numbers.
//!
//! How far a fine-tune moved new prompts along the directions in which it moved its training prompts:
//!
//! ```
//! use emhost_stats::{overlap, random, Matrix, Pca};
//!
//! # fn main() -> Result<(), emhost_stats::StatsError> {
//! let train = random::normal_matrix(50, 8, 1)?; // 50 prompts x width 8, after minus before
//! let eval = random::normal_matrix(20, 8, 2)?;
//!
//! let pca = Pca::fit(&train)?;
//! let basis = pca.basis(pca.components_for_variance(0.80)?)?;
//! let rows = overlap::row_overlaps(&eval, pca.mean(), &basis)?;
//! let mean = rows.iter().map(|row| row.fraction()).sum::<f64>() / rows.len() as f64;
//!
//! let control = random::random_orthonormal(8, basis.k(), 7)?;
//! let chance = overlap::energy_fraction(eval.row(0), pca.mean(), &control)?;
//! assert!(mean > 0.0 && mean < 1.0 && chance < 1.0);
//! # Ok(())
//! # }
//! ```
#![warn(missing_docs)]
#![forbid(unsafe_code)]

pub mod agreement;
mod basis;
pub mod bootstrap;
pub mod classify;
pub mod clusters;
pub mod correlation;
mod distributions;
pub mod empirical;
mod error;
pub mod hypothesis;
pub mod interval;
mod linalg;
mod matrix;
pub mod missing;
pub mod multiple;
pub mod overlap;
mod parallel;
mod pca;
pub mod permutation;
pub mod power;
pub mod random;
mod rate_posterior;
pub mod regression;
mod scaler;
pub mod splits;

pub use basis::Basis;
pub use error::StatsError;
pub use interval::Interval;
pub use matrix::Matrix;
pub use pca::{Leading, Pca, Scatter};
pub use scaler::StandardScaler;
