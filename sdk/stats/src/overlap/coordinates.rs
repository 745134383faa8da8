//! Coordinates of rows in a basis: one product, from which the measures follow for every number of components.

use crate::basis::Basis;
use crate::error::{StatsError, check_finite, check_len, check_range};
use crate::linalg::{dot, norm, times_transpose};
use crate::matrix::Matrix;
use crate::overlap::{RowOverlap, overlap_from};

/// The coordinates of `n` rows, minus a mean `μ`, along the vectors of a basis.
///
/// [`row_overlaps`](crate::overlap::row_overlaps), [`Pca::mahalanobis`](crate::Pca::mahalanobis) and
/// [`reconstruction_cosine`](crate::overlap::reconstruction_cosine) for the first `k` vectors of the basis at any `k`, at
/// `O(k)` per row instead of one product with the basis each. Equal to those up to rounding.
#[derive(Debug, Clone, PartialEq)]
pub struct Coordinates {
    /// `n x k`.
    values: Matrix,
    /// `‖δ‖` per row.
    norms: Vec<f64>,
    /// `‖δ - μ‖` per row.
    centered_norms: Vec<f64>,
    /// `δ · μ` per row.
    along_mean: Vec<f64>,
    /// `v_i · μ` per basis vector.
    mean_coordinates: Vec<f64>,
    /// `‖μ‖²`.
    mean_square: f64,
}

impl Coordinates {
    /// The coordinates of `deltas` (`n x d`) minus `mean` (length `d`) in `basis`, whose `k` is the largest that can be
    /// asked for.
    ///
    /// # Errors
    /// As [`row_overlaps`](crate::overlap::row_overlaps).
    ///
    /// ```
    /// use emhost_stats::{overlap::Coordinates, random, Pca};
    /// let train = random::normal_matrix(50, 8, 1)?;
    /// let eval = random::normal_matrix(20, 8, 2)?;
    /// let pca = Pca::fit(&train)?;
    /// let coordinates = Coordinates::new(&eval, pca.mean(), &pca.basis(8)?)?;
    /// let means: Vec<f64> = [1, 2, 4, 8]
    ///     .iter()
    ///     .map(|&k| Ok(coordinates.row_overlaps(k)?.iter().map(|row| row.fraction()).sum::<f64>() / 20.0))
    ///     .collect::<Result<_, emhost_stats::StatsError>>()?;
    /// assert!(means.is_sorted() && (means[3] - 1.0).abs() < 1e-12);
    /// # Ok::<(), emhost_stats::StatsError>(())
    /// ```
    pub fn new(deltas: &Matrix, mean: &[f64], basis: &Basis) -> Result<Self, StatsError> {
        check_len("width of deltas and a basis", basis.dim(), deltas.cols())?;
        let centered = deltas.center(mean)?;
        let values = times_transpose(&centered, basis.matrix())?;
        let found = Self {
            norms: deltas.iter_rows().map(norm).collect(),
            centered_norms: centered.iter_rows().map(norm).collect(),
            along_mean: deltas.iter_rows().map(|row| dot(row, mean)).collect(),
            mean_coordinates: basis.matrix().iter_rows().map(|row| dot(row, mean)).collect(),
            mean_square: dot(mean, mean),
            values,
        };
        (0..found.rows()).try_for_each(|row| found.row_overlap(row, found.k()).map(drop))?;
        Ok(found)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.rows()
    }

    /// Number of basis vectors: the largest `k`.
    pub fn k(&self) -> usize {
        self.values.cols()
    }

    /// The coordinates of one row along all basis vectors, in the units of the row.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] for a row that does not exist.
    pub fn row(&self, row: usize) -> Result<&[f64], StatsError> {
        check_range("row", 0, self.rows() - 1, row)?;
        Ok(self.values.row(row))
    }

    /// The lengths of one row in the space of the first `k` basis vectors.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] for a row that does not exist, or unless `1 <= k <= self.k()`.
    pub fn row_overlap(&self, row: usize, k: usize) -> Result<RowOverlap, StatsError> {
        let projected = norm(self.leading(row, k)?);
        overlap_from(row, self.norms[row], self.centered_norms[row], projected)
    }

    /// [`Coordinates::row_overlap`] of all rows.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] unless `1 <= k <= self.k()`.
    pub fn row_overlaps(&self, k: usize) -> Result<Vec<RowOverlap>, StatsError> {
        (0..self.rows()).map(|row| self.row_overlap(row, k)).collect()
    }

    /// Mahalanobis distance of one row from the mean within the first `k` basis vectors, in standard deviations.
    ///
    /// `variances` are those along the basis vectors, as [`Pca::variances`](crate::Pca::variances) for the PCA whose
    /// mean and basis these are; those after the first `k` are not looked at.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] as [`Coordinates::row_overlap`], and when there are fewer than `k` variances;
    /// [`StatsError::NotInRange`] for a variance that is not positive, [`StatsError::Overflow`] when the distance exceeds
    /// f64.
    pub fn mahalanobis(&self, row: usize, k: usize, variances: &[f64]) -> Result<f64, StatsError> {
        let coordinates = self.leading(row, k)?;
        check_range("k", 1, variances.len(), k)?;
        check_finite("variances", &variances[..k])?;
        if let Some(&got) = variances[..k].iter().find(|&&variance| variance <= 0.0) {
            return Err(StatsError::NotInRange { what: "variance", range: "above 0", got });
        }
        let squared: f64 = coordinates.iter().zip(variances).map(|(c, variance)| c * c / variance).sum();
        if squared.is_finite() {
            Ok(squared.sqrt())
        } else {
            Err(StatsError::Overflow { what: "a Mahalanobis distance" })
        }
    }

    /// Cosine between one row `δ` and its reconstruction `μ + P(δ - μ)` from the first `k` basis vectors.
    ///
    /// With coordinates `c_i` and `m_i = v_i · μ`: `δ · r = δ · μ + Σ c_i (c_i + m_i)` and
    /// `‖r‖² = ‖μ‖² + Σ c_i (c_i + 2 m_i)`.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] as [`Coordinates::row_overlap`], [`StatsError::ZeroVector`] when the row or its
    /// reconstruction is zero.
    pub fn reconstruction_cosine(&self, row: usize, k: usize) -> Result<f64, StatsError> {
        let coordinates = self.leading(row, k)?;
        let energy = dot(coordinates, coordinates);
        let cross = dot(coordinates, &self.mean_coordinates[..k]);
        let square = self.mean_square + energy + 2.0 * cross;
        if self.norms[row] == 0.0 || square <= 0.0 {
            return Err(StatsError::ZeroVector { what: "row or reconstruction of row", index: row });
        }
        let cosine = (self.along_mean[row] + energy + cross) / self.norms[row] / square.sqrt();
        if cosine.is_finite() {
            Ok(cosine.clamp(-1.0, 1.0))
        } else {
            Err(StatsError::Overflow { what: "the norm of a vector" })
        }
    }

    fn leading(&self, row: usize, k: usize) -> Result<&[f64], StatsError> {
        check_range("k", 1, self.k(), k)?;
        Ok(&self.row(row)?[..k])
    }
}
