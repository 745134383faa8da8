//! A thin row-major f64 matrix: one observation per row, always finite and never empty.

use crate::error::{StatsError, check_count, check_finite, check_len, check_range};

/// A dense row-major matrix with at least one row and one column and only finite values.
///
/// Rows are observations (prompts, responses, directions), columns are dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Matrix {
    rows: usize,
    cols: usize,
    data: Vec<f64>,
}

impl Matrix {
    /// A `rows x cols` matrix from its values in row-major order.
    ///
    /// # Errors
    /// [`StatsError::Empty`] without rows or columns, [`StatsError::LengthMismatch`] when `data` does not hold
    /// `rows * cols` values, [`StatsError::NonFinite`] for NaN or an infinity.
    pub fn from_vec(rows: usize, cols: usize, data: Vec<f64>) -> Result<Self, StatsError> {
        let expected = rows.checked_mul(cols).ok_or(StatsError::Overflow { what: "the size of a matrix" })?;
        if expected == 0 {
            return Err(StatsError::Empty { what: "a matrix" });
        }
        check_len("values of a matrix", expected, data.len())?;
        check_finite("a matrix", &data)?;
        Ok(Self { rows, cols, data })
    }

    /// A matrix from rows of equal length.
    ///
    /// # Errors
    /// As [`Matrix::from_vec`]; [`StatsError::LengthMismatch`] when a row differs in length from the first.
    ///
    /// ```
    /// use emhost_stats::Matrix;
    /// let m = Matrix::from_rows(&[[1.0, 2.0], [3.0, 4.0], [5.0, 9.0]])?;
    /// assert_eq!((m.rows(), m.cols()), (3, 2));
    /// assert_eq!(m.mean_row(), [3.0, 5.0]);
    /// # Ok::<(), emhost_stats::StatsError>(())
    /// ```
    pub fn from_rows<R: AsRef<[f64]>>(rows: &[R]) -> Result<Self, StatsError> {
        let cols = rows.first().map_or(0, |row| row.as_ref().len());
        let mut data = Vec::with_capacity(rows.len().saturating_mul(cols));
        for row in rows {
            check_len("columns of a row", cols, row.as_ref().len())?;
            data.extend_from_slice(row.as_ref());
        }
        Self::from_vec(rows.len(), cols, data)
    }

    /// A matrix from f32 values in row-major order, the type in which activations are stored.
    ///
    /// # Errors
    /// As [`Matrix::from_vec`].
    pub fn from_f32(rows: usize, cols: usize, data: &[f32]) -> Result<Self, StatsError> {
        Self::from_vec(rows, cols, data.iter().map(|&v| f64::from(v)).collect())
    }

    /// Number of rows, at least 1.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of columns, at least 1.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// Row `i`, of length [`Matrix::cols`].
    ///
    /// # Panics
    /// When `i` is not below [`Matrix::rows`], as indexing a slice does.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.cols..][..self.cols]
    }

    /// All rows in order.
    pub fn iter_rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.data.chunks_exact(self.cols)
    }

    /// All values in row-major order.
    pub fn as_slice(&self) -> &[f64] {
        &self.data
    }

    /// All values in row-major order, without a copy.
    pub(crate) fn into_vec(self) -> Vec<f64> {
        self.data
    }

    /// The given rows in the given order, repeats allowed.
    ///
    /// # Errors
    /// [`StatsError::Empty`] without indices, [`StatsError::OutOfRange`] for a row that does not exist.
    pub fn select_rows(&self, indices: &[usize]) -> Result<Self, StatsError> {
        let mut data = Vec::with_capacity(indices.len().saturating_mul(self.cols));
        for &i in indices {
            check_range("row", 0, self.rows - 1, i)?;
            data.extend_from_slice(self.row(i));
        }
        Self::from_vec(indices.len(), self.cols, data)
    }

    /// `self - other`, element by element: the per-prompt change when the rows are the same prompts.
    ///
    /// # Errors
    /// [`StatsError::LengthMismatch`] for unequal shapes, [`StatsError::NonFinite`] when a difference overflows.
    pub fn sub(&self, other: &Self) -> Result<Self, StatsError> {
        check_len("rows of two matrices", self.rows, other.rows)?;
        check_len("columns of two matrices", self.cols, other.cols)?;
        let data = self.data.iter().zip(&other.data).map(|(a, b)| a - b).collect();
        Self::from_vec(self.rows, self.cols, data)
    }

    /// The mean of the rows, of length [`Matrix::cols`]. Always finite.
    pub fn mean_row(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.cols];
        for row in self.iter_rows() {
            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
        }
        let n = self.rows as f64;
        if sums.iter().all(|sum| sum.is_finite()) {
            sums.iter_mut().for_each(|sum| *sum /= n);
            return sums;
        }
        let mut means = vec![0.0; self.cols];
        for row in self.iter_rows() {
            means.iter_mut().zip(row).for_each(|(mean, v)| *mean += v / n);
        }
        means
    }

    /// Every row minus `mean`.
    ///
    /// # Errors
    /// [`StatsError::LengthMismatch`] when `mean` is not [`Matrix::cols`] long, [`StatsError::NonFinite`] when it holds
    /// NaN or a difference overflows.
    pub fn center(&self, mean: &[f64]) -> Result<Self, StatsError> {
        check_len("columns of a matrix and its mean", self.cols, mean.len())?;
        check_finite("a mean", mean)?;
        let data = self.iter_rows().flat_map(|row| row.iter().zip(mean).map(|(v, m)| v - m)).collect();
        Self::from_vec(self.rows, self.cols, data)
    }

    /// Refuses fewer than `needed` rows.
    pub(crate) fn check_rows(&self, what: &'static str, needed: usize) -> Result<(), StatsError> {
        check_count(what, needed, self.rows)
    }
}
