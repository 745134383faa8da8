//! The bridge to faer, which is seen nowhere else: products and decompositions, the same bits on any number of processors.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::linalg::matmul::triangular::{BlockStructure, matmul as matmul_triangle};
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::prelude::{Reborrow, ReborrowMut};
use faer::{Accum, Mat, MatMut, MatRef, Par};

use crate::error::{StatsError, check_finite};
use crate::matrix::Matrix;

mod definite;
mod krylov;
mod leading;
mod products;

pub(crate) use leading::{Wanted, leading_eigen};

/// Columns above which a product `aᵀ a` is made in tiles.
const TILED: usize = 1024;

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

/// `aᵀ a`, `cols x cols`; both triangles are filled.
pub(crate) fn gram(a: &Matrix) -> Result<Matrix, StatsError> {
    let d = a.cols();
    let mut data = vec![0.0; d * d];
    if d > TILED {
        add_gram(&mut data, a);
        mirror(&mut data, d);
        return Matrix::from_vec(d, d, data);
    }
    let a = view(a);
    matmul_triangle(
        MatMut::from_row_major_slice_mut(&mut data, d, d),
        BlockStructure::TriangularLower,
        Accum::Replace,
        a.transpose(),
        BlockStructure::Rectangular,
        a,
        BlockStructure::Rectangular,
        1.0,
        Par::Seq,
    );
    mirror(&mut data, d);
    Matrix::from_vec(d, d, data)
}

/// Adds `aᵀ a` to the lower triangle of `sum`, `cols x cols` and row-major; the upper one is left undefined.
pub(crate) fn add_gram(sum: &mut [f64], a: &Matrix) {
    let d = a.cols();
    products::add_square(MatMut::from_row_major_slice_mut(sum, d, d), view(a).transpose(), 1.0);
}

/// `a aᵀ`, `rows x rows`; both triangles are filled.
pub(crate) fn outer(a: &Matrix) -> Result<Matrix, StatsError> {
    let n = a.rows();
    let mut data = vec![0.0; n * n];
    products::add_square(MatMut::from_row_major_slice_mut(&mut data, n, n), view(a), 1.0);
    mirror(&mut data, n);
    Matrix::from_vec(n, n, data)
}

/// Copies the lower triangle of a row-major `d x d` matrix to the upper one.
pub(crate) fn mirror(data: &mut [f64], d: usize) {
    // In squares, so that what is read down a column stays in the cache.
    const SIDE: usize = 64;
    for rows in (0..d).step_by(SIDE) {
        for columns in (0..=rows).step_by(SIDE) {
            for i in rows..(rows + SIDE).min(d) {
                for j in columns..(columns + SIDE).min(i) {
                    data[j * d + i] = data[i * d + j];
                }
            }
        }
    }
}

/// Eigenvalues of a symmetric matrix, largest first, and their vectors as rows.
pub(crate) fn eigen(a: &Matrix, what: &'static str) -> Result<RightSvd, StatsError> {
    let d = a.rows();
    let mut values = Diag::<f64>::zeros(d);
    let mut u = Mat::<f64>::zeros(d, d);
    let scratch = self_adjoint_evd_scratch::<f64>(d, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    let mut memory = MemBuffer::new(scratch);
    let stack = MemStack::new(&mut memory);
    self_adjoint_evd(view(a), values.as_mut(), Some(u.as_mut()), Par::Seq, stack, Default::default())
        .map_err(|_| StatsError::NoConvergence { what })?;
    let values: Vec<f64> = values.column_vector().iter().rev().copied().collect();
    let vectors: Vec<f64> = (0..d).rev().flat_map(|j| (0..d).map(move |i| (i, j))).map(|at| u[at]).collect();
    check_finite(what, &values)?;
    check_finite(what, &vectors)?;
    Ok(RightSvd { values, vectors })
}

/// Solves `(a + shift I) x = b` for a symmetric positive definite `a` by Cholesky's factor; `None` when it is not
/// positive definite or so close to singular that the solution would have few digits.
pub(crate) fn solve_shifted(a: &Matrix, shift: f64, b: &[f64]) -> Option<Vec<f64>> {
    let d = a.rows();
    let mut factor = a.as_slice().to_vec();
    (0..d).for_each(|i| factor[i * d + i] += shift);
    let mut memory = MemBuffer::new(llt::factor::cholesky_in_place_scratch::<f64>(d, Par::Seq, Default::default()));
    // The slice is symmetric: read column by column, it is the same matrix.
    let mut view = MatMut::from_column_major_slice_mut(&mut factor, d, d);
    let stack = MemStack::new(&mut memory);
    llt::factor::cholesky_in_place(view.rb_mut(), Default::default(), Par::Seq, stack, Default::default()).ok()?;
    let pivots = (0..d).map(|i| view[(i, i)]);
    let (smallest, largest) = pivots.fold((f64::INFINITY, 0.0_f64), |(low, high), p| (low.min(p), high.max(p)));
    // The square of the pivots' ratio bounds the condition number from below.
    if smallest <= largest * 1e-6 {
        return None;
    }
    let mut x = b.to_vec();
    let stack = MemStack::new(&mut memory);
    llt::solve::solve_in_place(view.rb(), MatMut::from_column_major_slice_mut(&mut x, d, 1), Par::Seq, stack);
    Some(x)
}

fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Result<Matrix, StatsError> {
    let (rows, cols) = (a.nrows(), b.ncols());
    let mut data = vec![0.0; rows * cols];
    products::multiply(MatMut::from_row_major_slice_mut(&mut data, rows, cols), Accum::Replace, a, b, 1.0);
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
