//! An orthonormal basis of a subspace, checked once so that projections need not check again.

use crate::error::{StatsError, check_finite, check_len, check_range};
use crate::linalg::{dot, right_svd, times_transpose};
use crate::matrix::Matrix;

/// `k` orthonormal rows of width `dim`: a k-dimensional subspace of a residual stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Basis {
    rows: Matrix,
}

/// Inner products may differ from 0 and 1 by this much: room for rows that were stored as f32.
const TOLERANCE: f64 = 1e-5;

impl Basis {
    /// A basis from rows that are orthonormal already, such as stored principal components.
    ///
    /// # Errors
    /// [`StatsError::NotOrthonormal`] when an inner product is off by more than 1e-5 (f32 storage passes).
    pub fn from_orthonormal(rows: Matrix) -> Result<Self, StatsError> {
        let products = times_transpose(&rows, &rows)?;
        for (first, row) in products.iter_rows().enumerate() {
            for (second, &product) in row.iter().enumerate() {
                let expected = if first == second { 1.0 } else { 0.0 };
                if (product - expected).abs() > TOLERANCE {
                    return Err(StatsError::NotOrthonormal { first, second, product, expected });
                }
            }
        }
        Ok(Self { rows })
    }

    /// An orthonormal basis of the space that the rows of `vectors` span, as `scipy.linalg.orth` of its transpose.
    ///
    /// Directions with a singular value of at most `eps * max(rows, cols)` times the largest are dropped, so `k` is the
    /// numerical rank.
    ///
    /// # Errors
    /// [`StatsError::ZeroVector`] when all rows are zero.
    pub fn spanning(vectors: &Matrix) -> Result<Self, StatsError> {
        let svd = right_svd(vectors, "the vectors of a basis")?;
        let cut = rank_cut(vectors, svd.values[0]);
        let k = svd.values.iter().take_while(|&&value| value > cut).count();
        if k == 0 {
            return Err(StatsError::ZeroVector { what: "row", index: 0 });
        }
        let mut vectors_of_rank = svd.vectors;
        vectors_of_rank.truncate(k * vectors.cols());
        Ok(Self { rows: Matrix::from_vec(k, vectors.cols(), vectors_of_rank)? })
    }

    /// The caller promises orthonormal rows.
    pub(crate) fn trusted(rows: Matrix) -> Self {
        Self { rows }
    }

    /// Dimension of the subspace, at least 1.
    pub fn k(&self) -> usize {
        self.rows.rows()
    }

    /// Dimension of the space around it: the width of a row.
    pub fn dim(&self) -> usize {
        self.rows.cols()
    }

    /// The basis vectors, `k x dim`.
    pub fn matrix(&self) -> &Matrix {
        &self.rows
    }

    /// The first `k` basis vectors.
    ///
    /// # Errors
    /// [`StatsError::OutOfRange`] unless `1 <= k <= self.k()`.
    pub fn leading(&self, k: usize) -> Result<Self, StatsError> {
        check_range("k", 1, self.k(), k)?;
        let data = self.rows.as_slice()[..k * self.dim()].to_vec();
        Ok(Self { rows: Matrix::from_vec(k, self.dim(), data)? })
    }

    /// The `k` coordinates of `vector` along the basis vectors, in the units of `vector`.
    ///
    /// # Errors
    /// [`StatsError::LengthMismatch`] for another width, [`StatsError::NonFinite`] for NaN.
    pub fn coordinates(&self, vector: &[f64]) -> Result<Vec<f64>, StatsError> {
        check_len("width of a vector and a basis", self.dim(), vector.len())?;
        check_finite("a vector", vector)?;
        Ok(self.rows.iter_rows().map(|row| dot(row, vector)).collect())
    }

    /// The orthogonal projection of `vector` onto the subspace, of length `dim`.
    ///
    /// # Errors
    /// As [`Basis::coordinates`].
    pub fn project(&self, vector: &[f64]) -> Result<Vec<f64>, StatsError> {
        let mut projection = vec![0.0; self.dim()];
        for (coordinate, row) in self.coordinates(vector)?.into_iter().zip(self.rows.iter_rows()) {
            projection.iter_mut().zip(row).for_each(|(p, v)| *p += coordinate * v);
        }
        Ok(projection)
    }
}

/// Singular values of `a` up to this one count as zero (numpy's and scipy's rule).
pub(crate) fn rank_cut(a: &Matrix, largest: f64) -> f64 {
    f64::EPSILON * a.rows().max(a.cols()) as f64 * largest
}
