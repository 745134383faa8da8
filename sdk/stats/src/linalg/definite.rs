//! Whether a symmetric matrix is positive definite, by Cholesky's decomposition in tiles.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::prelude::ReborrowMut;
use faer::{Mat, MatMut, Par};

use super::products::{TILE, add_square, tiles};
use crate::matrix::Matrix;
use crate::parallel;

/// Whether Cholesky's decomposition of a symmetric matrix, of which the lower triangle is read, finds only positive
/// pivots. Up to rounding of about `eps` times the largest entry, that is whether all eigenvalues are positive.
pub(crate) fn is_positive_definite(a: Matrix) -> bool {
    let d = a.rows();
    let mut data = a.into_vec();
    let mut rest = MatMut::from_row_major_slice_mut(&mut data, d, d);
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<f64>(TILE, Par::Seq, Default::default()));
    loop {
        let size = rest.nrows().min(TILE);
        let (top, mut below) = rest.split_at_row_mut(size);
        let mut factor: Mat<f64> = top.as_ref().subcols(0, size).to_owned();
        let stack = MemStack::new(&mut memory);
        if cholesky_in_place(factor.as_mut(), Default::default(), Par::Seq, stack, Default::default()).is_err() {
            return false;
        }
        if below.nrows() == 0 {
            return true;
        }
        // The panel X of the factor below the block: X Lᵀ = A, that is L Xᵀ = Aᵀ.
        let mut panel: Mat<f64> = below.rb_mut().subcols_mut(0, size).to_owned();
        parallel::for_each(tiles(panel.as_mut(), TILE), |tile| {
            solve_lower_triangular_in_place(factor.as_ref(), tile.out.transpose_mut(), Par::Seq);
        });
        rest = below.split_at_col_mut(size).1;
        add_square(rest.rb_mut(), panel.as_ref(), -1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::gram;
    use crate::random::normal_matrix;

    /// A matrix of that size whose smallest eigenvalue is `smallest`.
    fn shifted(d: usize, smallest: f64) -> Matrix {
        let product = gram(&normal_matrix(d + 50, d, 1).expect("not empty")).expect("finite");
        let found = crate::linalg::eigen(&product, "a test").expect("converges");
        let shift = smallest - found.values[d - 1];
        let mut data = product.into_vec();
        (0..d).for_each(|i| data[i * d + i] += shift);
        Matrix::from_vec(d, d, data).expect("finite")
    }

    #[test]
    fn the_sign_of_the_smallest_eigenvalue_decides() {
        for d in [3, 256, 257, 600] {
            // The largest eigenvalue is about 4 d; rounding is about 1e-13 of it.
            assert!(is_positive_definite(shifted(d, 1e-6)), "{d}");
            assert!(!is_positive_definite(shifted(d, -1e-6)), "{d}");
        }
    }
}
