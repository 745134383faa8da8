//! Principal component analysis with the conventions of scikit-learn.

use crate::basis::{Basis, rank_cut};
use crate::error::{StatsError, check_finite, check_len, check_range};
use crate::linalg::{RightSvd, dot, eigen, gram, right_svd};
use crate::matrix::Matrix;

mod leading;
mod scatter;

pub use leading::Leading;
pub use scatter::Scatter;

/// The principal components of the rows of a matrix.
///
/// Same figures as `sklearn.decomposition.PCA` (sample variance with n - 1; each component's entry of largest magnitude
/// is positive, `svd_flip` with `u_based_decision=False`), with one difference: components without variance, which are
/// arbitrary, are left out, so there are at most `min(n - 1, d)` of them.
///
/// | data | fit |
/// |---|---|
/// | up to some hundred rows or columns, or every component wanted to its last digit | [`Pca::fit`] |
/// | thousands of rows and columns, the leading components wanted | [`Pca::fit_leading`] |
/// | the same, in batches, without all rows in memory | [`Scatter`] |
#[derive(Debug, Clone, PartialEq)]
pub struct Pca {
    n: usize,
    mean: Vec<f64>,
    basis: Basis,
    variances: Vec<f64>,
    ratios: Vec<f64>,
    /// Sum of all variances, and of their squares.
    total: f64,
    squares: f64,
    complete: bool,
}

impl Pca {
    /// Fits the components of `rows` (`n x d`).
    ///
    /// With at least as many rows as columns, first by the eigenvectors of the `d x d` covariance, which is several times
    /// faster than an SVD; its relative error in a variance is about `eps` times its ratio to the largest. Where a ratio is
    /// above 1e6 (or there are fewer rows than columns), by a thin SVD of the centred rows, which keeps small variances
    /// that a product matrix loses to rounding. The same bits on any number of processors.
    ///
    /// # Errors
    /// [`StatsError::TooFew`] below 2 rows, [`StatsError::Constant`] when all rows are equal,
    /// [`StatsError::Overflow`] when a variance exceeds f64 or vanishes in it.
    pub fn fit(rows: &Matrix) -> Result<Self, StatsError> {
        rows.check_rows("rows for a PCA", 2)?;
        let mean = rows.mean_row();
        let centered = rows.center(&mean)?;
        if !varies(rows) {
            return Err(StatsError::Constant { what: "the rows of a PCA", n: rows.rows(), value: rows.row(0)[0] });
        }
        let RightSvd { values, mut vectors } = match covariance_route(&centered)? {
            Some(found) => found,
            None => right_svd(&centered, "the rows of a PCA")?,
        };
        let cut = rank_cut(&centered, values[0]);
        let k = values.iter().take_while(|&&value| value > cut).count();
        let freedom = (rows.rows() - 1) as f64;
        let variances: Vec<f64> = values[..k].iter().map(|value| value * value / freedom).collect();
        let total = variances.iter().sum();
        let squares = variances.iter().map(|variance| variance * variance).sum();
        vectors.truncate(k * rows.cols());
        Self::assemble(rows.rows(), mean, variances, vectors, Spread { total, squares, complete: true })
    }

    /// From the variances and as many rows of `vectors`.
    fn assemble(
        n: usize,
        mean: Vec<f64>,
        variances: Vec<f64>,
        mut vectors: Vec<f64>,
        spread: Spread,
    ) -> Result<Self, StatsError> {
        let Spread { total, squares, complete } = spread;
        if !total.is_finite() || variances.last().is_none_or(|&smallest| smallest == 0.0) {
            return Err(StatsError::Overflow { what: "the variances of a PCA" });
        }
        vectors.chunks_exact_mut(mean.len()).for_each(fix_sign);
        let basis = Basis::trusted(Matrix::from_vec(variances.len(), mean.len(), vectors)?);
        let ratios = variances.iter().map(|variance| variance / total).collect();
        Ok(Self { n, mean, basis, variances, ratios, total, squares, complete })
    }

    /// Number of rows that were fitted.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The mean of the fitted rows, of length `d`.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Whether these are all components with variance, as of [`Pca::fit`], or only the leading ones.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// The variances of all directions together, those without a component here included, in squared units of the input.
    pub fn total_variance(&self) -> f64 {
        self.total
    }

    /// `(Σ λ)² / Σ λ²` over all variances `λ`, also where only the leading components are here: the number of dimensions
    /// that equal variances would need for the same figure.
    ///
    /// `NaN` where a squared variance exceeds f64.
    pub fn participation(&self) -> f64 {
        self.total / (self.squares / self.total)
    }

    /// The components that were found, `k x d`, orthonormal rows, largest variance first.
    pub fn components(&self) -> &Matrix {
        self.basis.matrix()
    }

    /// Sample variance along each component, in squared units of the input; positive, largest first.
    pub fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// Share of the total variance per component; sums to 1 when all components are here.
    pub fn ratios(&self) -> &[f64] {
        &self.ratios
    }

    /// The smallest number of leading components whose ratios add up to at least `share`.
    ///
    /// scikit-learn's `PCA(n_components=0.95)` asks for *more* than the share; the two differ only when a partial sum
    /// equals it to the last bit. Where rounding keeps the sum of all ratios below `share`, the answer is all.
    ///
    /// # Errors
    /// [`StatsError::NotInRange`] unless `0 < share <= 1`, and when only the leading components are here and hold less.
    ///
    /// ```
    /// use emhost_stats::{Matrix, Pca};
    /// let rows = Matrix::from_rows(&[[-3.0, 0.0], [3.0, 0.0], [0.0, -1.0], [0.0, 1.0]])?;
    /// let pca = Pca::fit(&rows)?;
    /// assert_eq!(pca.components_for_variance(0.85)?, 1); // the ratios are 0.9 and 0.1
    /// assert_eq!(pca.components_for_variance(0.95)?, 2);
    /// # Ok::<(), emhost_stats::StatsError>(())
    /// ```
    pub fn components_for_variance(&self, share: f64) -> Result<usize, StatsError> {
        if !(share > 0.0 && share <= 1.0) {
            return Err(StatsError::NotInRange {
                what: "share of variance",
                range: "above 0 and at most 1",
                got: share,
            });
        }
        let mut sum = 0.0;
        let reached = self.ratios.iter().position(|ratio| {
            sum += ratio;
            sum >= share
        });
        match reached {
            Some(index) => Ok(index + 1),
            None if self.complete => Ok(self.ratios.len()),
            None => Err(StatsError::NotInRange {
                what: "share of variance",
                range: "at most what the components that were asked for hold",
                got: share,
            }),
        }
    }

    /// The number of components up to the elbow of the ratios: the component farthest below the chord from the first to
    /// the last (Satopaa et al. 2011, "Finding a 'kneedle' in a haystack").
    ///
    /// Where only the leading components are here, the last of all is taken to be number `min(n - 1, d)` with a ratio
    /// between 0 and the last one here; `None` where the elbow depends on what it is.
    pub fn elbow(&self) -> Option<usize> {
        let (first, k) = (self.ratios[0], self.ratios.len());
        let smallest = self.ratios[k - 1];
        let last = if self.complete { k } else { self.mean.len().min(self.n - 1) } - 1;
        // The chord falls by this much per component.
        let [least, most] = [first - smallest, first].map(|fall| fall / last.max(1) as f64);
        let above = |slope: f64, i: usize| self.ratios[i] + slope * i as f64;
        let elbow = |slope| (0..k).fold(0, |best, i| if above(slope, i) < above(slope, best) { i } else { best });
        let at = elbow(least);
        let sure = self.complete || at == elbow(most) && above(most, at) <= least * k as f64;
        sure.then_some(at + 1)
    }

    /// The first `k` components as a basis.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] unless `k` is between 1 and the number of components.
    pub fn basis(&self, k: usize) -> Result<Basis, StatsError> {
        self.basis.leading(k)
    }

    /// Mahalanobis distance of `vector` from the mean within the first `k` components:
    /// `sqrt(sum_i (c_i . (x - mean))² / variance_i)`, in standard deviations.
    ///
    /// What `vector` has outside these components does not count.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] for `k`, [`StatsError::LengthMismatch`] and [`StatsError::NonFinite`] for `vector`,
    /// [`StatsError::Overflow`] when the distance exceeds f64.
    pub fn mahalanobis(&self, vector: &[f64], k: usize) -> Result<f64, StatsError> {
        check_range("k", 1, self.variances.len(), k)?;
        check_len("width of a vector and a PCA", self.mean.len(), vector.len())?;
        check_finite("a vector", vector)?;
        let offset: Vec<f64> = vector.iter().zip(&self.mean).map(|(v, m)| v - m).collect();
        let squared: f64 = self
            .components()
            .iter_rows()
            .zip(&self.variances)
            .take(k)
            .map(|(component, variance)| dot(component, &offset).powi(2) / variance)
            .sum();
        if squared.is_finite() {
            Ok(squared.sqrt())
        } else {
            Err(StatsError::Overflow { what: "a Mahalanobis distance" })
        }
    }
}

/// Sums over all variances, and whether each of them has its component.
struct Spread {
    total: f64,
    squares: f64,
    complete: bool,
}

/// Singular values and vectors of the centred rows by way of their product matrix, where that costs no digits that count.
fn covariance_route(centered: &Matrix) -> Result<Option<RightSvd>, StatsError> {
    if centered.rows() <= centered.cols() {
        return Ok(None);
    }
    let Ok(product) = gram(centered) else {
        return Ok(None); // Overflow: the SVD scales and says what is wrong.
    };
    let found = eigen(&product, "the covariance of a PCA")?;
    let (largest, smallest) = (found.values[0], found.values[found.values.len() - 1]);
    // Squares near the smallest numbers lose their digits.
    if smallest < 1e-6 * largest || smallest < 1e-250 {
        return Ok(None);
    }
    Ok(Some(RightSvd { values: found.values.iter().map(|v| v.sqrt()).collect(), vectors: found.vectors }))
}

/// Whether any row differs from the first.
fn varies(rows: &Matrix) -> bool {
    rows.iter_rows().any(|row| row != rows.row(0))
}

/// Makes the entry of largest magnitude positive; the first one decides a tie.
fn fix_sign(component: &mut [f64]) {
    let largest = component.iter().fold(0.0_f64, |best, &v| if v.abs() > best.abs() { v } else { best });
    if largest < 0.0 {
        component.iter_mut().for_each(|v| *v = -*v);
    }
}
