//! A Krylov space of a symmetric matrix, grown block by block.

use faer::{Accum, MatRef};

use super::products::{multiply, rows_mut};
use super::{RightSvd, dot, norm, view};
use crate::error::StatsError;
use crate::matrix::Matrix;
use crate::random::{Purpose, Rng};

/// Vectors per product: enough that a product is not bound by reading the matrix, few enough that the powers grow fast.
pub(super) const BLOCK: usize = 32;

/// An orthonormal basis of the span of `x, a x, a² x, ...` for a random block `x`.
pub(super) struct Krylov<'a> {
    a: MatRef<'a, f64>,
    d: usize,
    /// Blocks of basis vectors, one vector per row; one block more than there are `diagonal` ones.
    basis: Vec<f64>,
    /// The blocks of the projected matrix on its diagonal, and those to the right of them.
    diagonal: Vec<Vec<f64>>,
    right: Vec<Vec<f64>>,
    /// About the largest eigenvalue.
    largest: f64,
    rng: Rng,
}

impl<'a> Krylov<'a> {
    pub(super) fn new(a: &'a Matrix) -> Self {
        let (d, rng) = (a.rows(), Rng::for_purpose(0, 0, Purpose::Krylov));
        let (basis, diagonal, right) = (Vec::new(), Vec::new(), Vec::new());
        let mut space = Self { a: view(a), d, basis, diagonal, right, largest: 0.0, rng };
        let mut block: Vec<f64> = (0..BLOCK * d).map(|_| space.rng.normal()).collect();
        space.orthonormalise(&mut block, 0.0);
        space.orthonormalise(&mut block, 0.0);
        space.basis = block;
        space
    }

    /// Vectors in the projection.
    pub(super) fn size(&self) -> usize {
        self.diagonal.len() * BLOCK
    }

    fn basis(&self) -> MatRef<'_, f64> {
        MatRef::from_row_major_slice(&self.basis, self.basis.len() / self.d, self.d)
    }

    /// Projects onto the newest block and adds the next.
    pub(super) fn grow(&mut self) {
        let (d, m) = (self.d, self.basis.len() / self.d);
        let mut block = vec![0.0; BLOCK * d];
        let newest = self.basis().subrows(m - BLOCK, BLOCK);
        multiply(rows_mut(&mut block, d), Accum::Replace, newest, self.a, 1.0);
        self.largest = block.chunks_exact(d).map(norm).fold(self.largest, f64::max);
        let along = self.remove_basis(&mut block);
        let own = |i: usize, j: usize| along[i * m + m - BLOCK + j];
        let cells = (0..BLOCK).flat_map(|i| (0..BLOCK).map(move |j| (i, j)));
        self.diagonal.push(cells.map(|(i, j)| (own(i, j) + own(j, i)) / 2.0).collect());
        let mut right = self.orthonormalise(&mut block, 1e-13 * self.largest);
        // What was nearly all in the basis has rounding left of it, which is in the basis again.
        for _ in 0..4 {
            let along = self.remove_basis(&mut block);
            let factor = self.orthonormalise(&mut block, 1e-13);
            right = square(&right, &factor);
            if along.iter().all(|value| value.abs() < 0.1) {
                break;
            }
        }
        self.right.push(right);
        self.basis.extend(block);
    }

    /// Makes the rows of a block orthogonal to the basis; gives their coordinates in it.
    fn remove_basis(&self, block: &mut [f64]) -> Vec<f64> {
        let m = self.basis.len() / self.d;
        let mut along = vec![0.0; BLOCK * m];
        let rows = MatRef::from_row_major_slice(block, BLOCK, self.d);
        multiply(rows_mut(&mut along, m), Accum::Replace, rows, self.basis().transpose(), 1.0);
        let coordinates = MatRef::from_row_major_slice(&along, BLOCK, m);
        multiply(rows_mut(block, self.d), Accum::Add, coordinates, self.basis(), -1.0);
        along
    }

    /// Makes the rows `W` of a block orthonormal rows `Q` (Gram and Schmidt, twice); gives the lower triangular `L` of
    /// `W = L Q`. A row of which at most `cut` is left becomes a random one, with zeros in its column of `L`.
    fn orthonormalise(&mut self, block: &mut [f64], cut: f64) -> Vec<f64> {
        let d = self.d;
        let mut factor = vec![0.0; BLOCK * BLOCK];
        for i in 0..BLOCK {
            let (done, rest) = block.split_at_mut(i * d);
            let row = &mut rest[..d];
            let mut remove = |row: &mut [f64], count: bool| {
                for (j, other) in done.chunks_exact(d).enumerate() {
                    let along = dot(other, row);
                    row.iter_mut().zip(other).for_each(|(value, o)| *value -= along * o);
                    factor[i * BLOCK + j] += if count { along } else { 0.0 };
                }
                norm(row)
            };
            let _ = remove(row, true);
            let mut length = remove(row, true);
            let counts = length > cut;
            if !counts {
                row.iter_mut().for_each(|value| *value = self.rng.normal());
                let _ = remove(row, false);
                length = remove(row, false);
            }
            row.iter_mut().for_each(|value| *value /= length);
            factor[i * BLOCK + i] = if counts { length } else { 0.0 };
        }
        factor
    }

    /// The matrix in the coordinates of the basis: block tridiagonal.
    pub(super) fn projection(&self) -> Result<Matrix, StatsError> {
        let m = self.size();
        let mut data = vec![0.0; m * m];
        for (block, (diagonal, right)) in self.diagonal.iter().zip(&self.right).enumerate() {
            let at = block * BLOCK;
            for i in 0..BLOCK {
                for j in 0..BLOCK {
                    data[(at + i) * m + at + j] = diagonal[i * BLOCK + j];
                    if at + BLOCK < m {
                        data[(at + i) * m + at + BLOCK + j] = right[i * BLOCK + j];
                        data[(at + BLOCK + j) * m + at + i] = right[i * BLOCK + j];
                    }
                }
            }
        }
        Matrix::from_vec(m, m, data)
    }

    /// Residuals `‖a y - λ y‖` of the pairs of the projection: `‖sᵀL‖`, with `s` the coordinates along the newest block
    /// and `L` the block that leads out of the space.
    pub(super) fn residuals(&self, found: &RightSvd) -> impl Iterator<Item = f64> {
        let m = self.size();
        let out = self.right.last().map_or(&[][..], Vec::as_slice);
        found.vectors.chunks_exact(m).map(move |vector| {
            let newest = &vector[m - BLOCK..];
            let column = |j: usize| newest.iter().enumerate().map(|(i, s)| s * out[i * BLOCK + j]).sum::<f64>();
            (0..BLOCK).map(|j| column(j).powi(2)).sum::<f64>().sqrt()
        })
    }

    /// The first `k` eigenvectors in the coordinates of the matrix.
    pub(super) fn vectors(&self, found: &RightSvd, k: usize) -> Result<RightSvd, StatsError> {
        let m = self.size();
        let mut vectors = vec![0.0; k * self.d];
        let coordinates = MatRef::from_row_major_slice(&found.vectors[..k * m], k, m);
        multiply(rows_mut(&mut vectors, self.d), Accum::Replace, coordinates, self.basis().subrows(0, m), 1.0);
        Ok(RightSvd { values: found.values[..k].to_vec(), vectors })
    }
}

/// The product of two row-major squares of [`BLOCK`] rows.
fn square(a: &[f64], b: &[f64]) -> Vec<f64> {
    let cell = |at: usize| (0..BLOCK).map(|i| a[at / BLOCK * BLOCK + i] * b[i * BLOCK + at % BLOCK]).sum();
    (0..BLOCK * BLOCK).map(cell).collect()
}
