//! The leading components only: at thousands of rows and columns a small part of the work of all.

use crate::error::{StatsError, check_share};
use crate::linalg::{RightSvd, Wanted, eigen, leading_eigen, outer, times, times_transpose};
use crate::matrix::Matrix;
use crate::pca::{Pca, Scatter, Spread, varies};

/// With at most this many rows or columns, all components are fitted.
const SMALL: usize = 512;
/// Up to this size, a matrix is decomposed whole.
const WHOLE: usize = 1024;
/// A component whose variance is below this share of the largest is left to the SVD.
const RESOLVED: f64 = 1e-8;

/// Which components are wanted: at least the first `k`, and at least as many as hold `share` of the total variance.
///
/// There may be more in the result, and there are fewer where there are fewer with variance.
///
/// ```
/// use emhost_stats::{random, Leading, Pca};
/// let rows = random::normal_matrix(600, 700, 1)?;
/// let pca = Pca::fit_leading(&rows, Leading { k: 8, share: 0.05 })?;
/// assert!(pca.variances().len() >= 8 && pca.components_for_variance(0.05)? >= 8);
/// # Ok::<(), emhost_stats::StatsError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leading {
    /// Number of components; 0 where only the share counts.
    pub k: usize,
    /// Share of the total variance, from 0, where only `k` counts, to 1.
    pub share: f64,
}

/// Leading eigenpairs of a product matrix, the vectors as rows.
pub(super) struct Found {
    pub(super) values: Vec<f64>,
    pub(super) vectors: Vec<f64>,
    /// Of the eigenvalues over the degrees of freedom.
    pub(super) spread: Spread,
}

impl Pca {
    /// The leading components of `rows` (`n x d`), with the total variance of all.
    ///
    /// Where rows and columns are more than 512, by the smaller product matrix (`n x n` or `d x d`, f64) and a block
    /// Krylov method from a fixed seed. It checks itself: each pair's residual is at most 1e-10 of its eigenvalue, or 1e-14
    /// of the largest, and a Cholesky decomposition proves that no component with more variance was passed over (by more
    /// than 1e-6 of the smallest that was found). Where that fails, or the components asked for are so many that it
    /// does not pay, the product matrix is decomposed whole; where a component asked for has less than 1e-8 of the
    /// largest variance, which a product matrix blurs, and for smaller data, all are fitted as by [`Pca::fit`]. Total
    /// variance, ratios and [`Pca::participation`] are exact in every case. The same bits on any number of processors.
    ///
    /// # Errors
    /// As [`Pca::fit`], and [`StatsError::NotInRange`] unless `0 <= share <= 1`.
    pub fn fit_leading(rows: &Matrix, wanted: Leading) -> Result<Self, StatsError> {
        wanted.check()?;
        let (n, d) = (rows.rows(), rows.cols());
        if n.min(d) <= SMALL || !varies(rows) {
            return Self::fit(rows);
        }
        let found = if n > d {
            let mut scatter = Scatter::new(d)?;
            scatter.push(rows.as_slice()).and_then(|()| scatter.pca_leading(wanted))
        } else {
            by_rows(rows, wanted)
        };
        match found {
            // Overflow: the SVD scales and says what is wrong.
            Err(StatsError::Overflow { .. }) => Self::fit(rows),
            Ok(pca) if wanted.smallest(&pca) < RESOLVED * pca.variances[0] => Self::fit(rows),
            other => other,
        }
    }
}

/// By the inner products of the centred rows: `X Xᵀ = U Σ² Uᵀ`, components `Σ⁻¹ Uᵀ X`.
fn by_rows(rows: &Matrix, wanted: Leading) -> Result<Pca, StatsError> {
    let mean = rows.mean_row();
    let centered = rows.center(&mean)?;
    let mut found = wanted.of(outer(&centered)?, rows.rows())?;
    // What the product blurs is no component.
    let k = found.values.iter().take_while(|&&value| value >= RESOLVED * found.values[0]).count();
    found.spread.complete &= k == found.values.len();
    found.values.truncate(k);
    let scaled = found.vectors.chunks_exact(rows.rows()).zip(&found.values);
    let scaled = scaled.flat_map(|(row, value)| row.iter().map(|u| u / value.sqrt())).collect();
    let components = orthonormal(&times(&Matrix::from_vec(k, rows.rows(), scaled)?, &centered)?)?;
    let freedom = (rows.rows() - 1) as f64;
    let variances = found.values.iter().map(|value| value / freedom).collect();
    Pca::assemble(rows.rows(), mean, variances, components.into_vec(), found.spread)
}

/// Nearly orthonormal rows `V` made orthonormal to rounding: `(3 I - V Vᵀ) V / 2`, which squares the error.
fn orthonormal(rows: &Matrix) -> Result<Matrix, StatsError> {
    let k = rows.rows();
    let mut factor = times_transpose(rows, rows)?.into_vec();
    for (at, value) in factor.iter_mut().enumerate() {
        *value = (if at / k == at % k { 3.0 } else { 0.0 } - *value) / 2.0;
    }
    times(&Matrix::from_vec(k, k, factor)?, rows)
}

impl Leading {
    pub(super) fn check(self) -> Result<(), StatsError> {
        check_share("share of variance", self.share)
    }

    /// The smallest variance that was asked for, 0 where it is not there.
    fn smallest(self, pca: &Pca) -> f64 {
        let all = pca.mean.len().min(pca.n - 1);
        let share = if self.share > 0.0 { pca.components_for_variance(self.share) } else { Ok(1) };
        let k = share.map_or(all, |k| k.max(self.k.min(all)));
        pca.variances.get(k - 1).copied().unwrap_or(0.0)
    }

    /// The leading eigenpairs of a product matrix, both triangles filled, of `n` centred rows.
    pub(super) fn of(self, product: Matrix, n: usize) -> Result<Found, StatsError> {
        let what = "the covariance of a PCA";
        let (size, freedom) = (product.rows(), (n - 1) as f64);
        let trace: f64 = (0..size).map(|i| product.row(i)[i]).sum();
        let all = size.min(n - 1);
        let wanted = Wanted { k: self.k.min(all), sum: self.share * trace };
        let scale = trace.recip();
        let squares = product.as_slice().iter().map(|value| (value * scale).powi(2)).sum::<f64>();
        if !(trace.is_finite() && scale.is_finite()) {
            return Err(StatsError::Overflow { what: "the variances of a PCA" });
        }
        let worth_it = size > WHOLE && self.share < 1.0;
        let leading = if worth_it { leading_eigen(&product, wanted, what)? } else { None };
        let whole = leading.is_none();
        let RightSvd { mut values, mut vectors } = match leading {
            Some(found) => found,
            None => eigen(&product, what)?,
        };
        let cut = f64::EPSILON * size.max(n) as f64 * values[0];
        let k = values.iter().take_while(|&&value| value > cut).count();
        let complete = whole || k < values.len();
        values.truncate(k);
        vectors.truncate(k * size);
        let total = trace / freedom;
        Ok(Found { values, vectors, spread: Spread { total, squares: squares * total * total, complete } })
    }
}
