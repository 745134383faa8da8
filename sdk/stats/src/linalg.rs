//! The bridge to faer, which is seen nowhere else: products and singular values on one thread.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::matmul;
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::{Accum, Mat, MatMut, MatRef, Par};

use crate::error::{StatsError, check_finite};
use crate::matrix::Matrix;

/// The thin singular value decomposition of a matrix, right side only.
pub(crate) struct RightSvd {
    /// min(rows, cols) singular values, largest first.
    pub(crate) values: Vec<f64>,
    /// One right singular vector per row, `min(rows, cols) x cols`, row-major.
    pub(crate) vectors: Vec<f64>,
}

/// Singular values and right singular vectors of `a`.
///
/// The same bits at any thread count, because the work stays on the calling thread.
pub(crate) fn right_svd(a: &Matrix, what: &'static str) -> Result<RightSvd, StatsError> {
    let size = a.rows().min(a.cols());
    let mut v = Mat::<f64>::zeros(a.cols(), size);
    let values = decompose(a, Some(v.as_mut()), what)?;
    let vectors: Vec<f64> = (0..size).flat_map(|j| (0..a.cols()).map(move |i| (i, j))).map(|at| v[at]).collect();
    check_finite(what, &vectors)?;
    Ok(RightSvd { values, vectors })
}

/// Singular values of `a`, largest first.
pub(crate) fn singular_values(a: &Matrix, what: &'static str) -> Result<Vec<f64>, StatsError> {
    decompose(a, None, what)
}

fn decompose(a: &Matrix, v: Option<MatMut<'_, f64>>, what: &'static str) -> Result<Vec<f64>, StatsError> {
    let (rows, cols) = (a.rows(), a.cols());
    let vectors = if v.is_some() { ComputeSvdVectors::Thin } else { ComputeSvdVectors::No };
    let mut values = Diag::<f64>::zeros(rows.min(cols));
    let scratch = svd_scratch::<f64>(rows, cols, ComputeSvdVectors::No, vectors, Par::Seq, Default::default());
    svd(view(a), values.as_mut(), None, v, Par::Seq, MemStack::new(&mut MemBuffer::new(scratch)), Default::default())
        .map_err(|_| StatsError::NoConvergence { what })?;
    let values: Vec<f64> = values.column_vector().iter().copied().collect();
    check_finite(what, &values)?;
    Ok(values)
}

/// `a * bᵀ`: the inner products of the rows of `a` with the rows of `b`, which have equal width.
pub(crate) fn times_transpose(a: &Matrix, b: &Matrix) -> Result<Matrix, StatsError> {
    product(view(a), view(b).transpose())
}

/// `a * b`.
pub(crate) fn times(a: &Matrix, b: &Matrix) -> Result<Matrix, StatsError> {
    product(view(a), view(b))
}

fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Result<Matrix, StatsError> {
    let (rows, cols) = (a.nrows(), b.ncols());
    let mut data = vec![0.0; rows * cols];
    let out = MatMut::from_row_major_slice_mut(&mut data, rows, cols);
    matmul(out, Accum::Replace, a, b, 1.0, Par::Seq);
    Matrix::from_vec(rows, cols, data)
}

fn view(a: &Matrix) -> MatRef<'_, f64> {
    MatRef::from_row_major_slice(a.as_slice(), a.rows(), a.cols())
}

/// Inner product of two slices of equal length, summed in a fixed order: the same bits on every platform.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_whole, a_rest) = a.as_chunks::<LANES>();
    let (b_whole, b_rest) = b.as_chunks::<LANES>();
    for (x, y) in a_whole.iter().zip(b_whole) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(x, y)| x * y).sum();
    ((sums[0] + sums[4]) + (sums[1] + sums[5])) + ((sums[2] + sums[6]) + (sums[3] + sums[7])) + rest
}

/// Euclidean norm.
pub(crate) fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
