//! The leading eigenvectors of a large symmetric matrix, by products with blocks of vectors instead of a decomposition
//! of the whole.
//!
//! Block Lanczos with full re-orthogonalisation from a seeded random block (Golub and Underwood 1977; as a randomised
//! method Musco and Musco 2015, arXiv 1504.05477). Nothing is taken on trust: every pair's residual is bounded, and a
//! Cholesky decomposition proves that no larger eigenvalue was passed over.

use faer::MatRef;

use super::definite::is_positive_definite;
use super::krylov::{BLOCK, Krylov};
use super::products::{add_square, rows_mut};
use super::{RightSvd, eigen};
use crate::error::StatsError;
use crate::matrix::Matrix;

/// Residual of an accepted pair, relative to its eigenvalue.
const RESIDUAL: f64 = 1e-10;
/// The same relative to the largest eigenvalue: what rounding leaves.
const ROUNDING: f64 = 1e-14;
/// An eigenvalue that was passed over may exceed the last accepted one by this share of it.
const SLACK: f64 = 1e-6;

/// How many eigenvectors are wanted: at least `k`, and as many as hold `sum` of the trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) k: usize,
    pub(crate) sum: f64,
}

impl Wanted {
    /// The smallest number of leading `values` that is enough; `None` when all of them are not.
    pub(crate) fn enough(self, values: &[f64]) -> Option<usize> {
        let mut sum = 0.0;
        let mut reached = values.iter().map(|value| {
            sum += value;
            sum >= self.sum
        });
        let share = if self.sum > 0.0 { reached.position(|reached| reached)? + 1 } else { 0 };
        let k = self.k.max(share).max(1);
        (k <= values.len()).then_some(k)
    }
}

/// The leading eigenvalues, largest first, and eigenvectors (rows) of `a`, symmetric positive semidefinite with both
/// triangles filled; `None` when so many are wanted, or the eigenvalues lie so close, that a full decomposition is
/// cheaper, and when the proof fails.
///
/// Each eigenvalue is within 1e-10 of itself or 1e-14 of the largest, whichever is more, in most cases far closer. The
/// same bits on any number of processors.
pub(crate) fn leading_eigen(a: &Matrix, wanted: Wanted, what: &'static str) -> Result<Option<RightSvd>, StatsError> {
    let most = a.rows() / 2;
    let mut space = Krylov::new(a);
    let (mut check_at, mut before) = ((2 * wanted.k).max(8 * BLOCK), (0, 0));
    while space.size() + BLOCK <= most {
        space.grow();
        if space.size() < check_at.min(most - BLOCK) {
            continue;
        }
        let found = eigen(&space.projection()?, what)?;
        let small = |(residual, value): (f64, &f64)| residual <= (RESIDUAL * value).max(ROUNDING * found.values[0]);
        let converged = space.residuals(&found).zip(&found.values).take_while(|&pair| small(pair)).count();
        let accepted = &found.values[..converged];
        if let Some(k) = wanted.enough(accepted) {
            let found = space.vectors(&found, k)?;
            return Ok(is_all_that_is_large(a, &found)?.then_some(found));
        }
        // Each of those to come is at most as large as the last accepted one.
        let missing = (wanted.sum - accepted.iter().sum::<f64>()) / accepted.last().copied().unwrap_or(f64::INFINITY);
        let at_least = wanted.k.max(converged + missing.max(0.0) as usize);
        let goal = wanted.enough(&found.values).unwrap_or(at_least).max(at_least);
        let size = space.size();
        let (from, of) = before;
        let pace = if converged > of { (converged - of) as f64 / (size - from) as f64 } else { 0.4 };
        let ahead = (goal - converged.min(goal)) as f64 / pace;
        check_at = size + (ahead as usize).clamp(BLOCK, size);
        before = (size, converged);
        if 3 * at_least > 2 * most {
            return Ok(None);
        }
    }
    Ok(None)
}

/// Whether `a` without the pairs that were found has no eigenvalue above the smallest of them: `(1 + SLACK) λ - a +
/// Σ λ_i v_i v_iᵀ` is positive definite. Equal eigenvalues, more than a block, are what a Krylov space can pass over.
fn is_all_that_is_large(a: &Matrix, found: &RightSvd) -> Result<bool, StatsError> {
    let (d, k) = (a.rows(), found.values.len());
    let bound = (1.0 + SLACK) * found.values[k - 1] + 10.0 * ROUNDING * found.values[0];
    let mut data: Vec<f64> = a.as_slice().iter().map(|value| -value).collect();
    (0..d).for_each(|i| data[i * d + i] += bound);
    let scaled: Vec<f64> = found
        .vectors
        .chunks_exact(d)
        .zip(&found.values)
        .flat_map(|(row, value)| row.iter().map(|v| v * value.max(0.0).sqrt()))
        .collect();
    let scaled = MatRef::from_row_major_slice(&scaled, k, d);
    add_square(rows_mut(&mut data, d), scaled.transpose(), 1.0);
    Ok(is_positive_definite(Matrix::from_vec(d, d, data)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linalg::{gram, products::multiply};
    use crate::parallel::tests::on;
    use crate::random::normal_matrix;

    const WHAT: &str = "a test";

    fn diagonal(values: &[f64]) -> Matrix {
        let d = values.len();
        let mut data = vec![0.0; d * d];
        values.iter().enumerate().for_each(|(i, value)| data[i * d + i] = *value);
        Matrix::from_vec(d, d, data).expect("finite")
    }

    /// A start block is random, so a diagonal matrix is as good as any other.
    fn falling(d: usize) -> Vec<f64> {
        (0..d).map(|i| (i as f64 + 4.0).powf(-1.7)).collect()
    }

    #[test]
    fn leading_pairs_are_those_of_the_matrix() {
        let values = falling(1200);
        let sum = 0.9 * values.iter().sum::<f64>();
        let found = leading_eigen(&diagonal(&values), Wanted { k: 20, sum }, WHAT).expect("finite").expect("few");
        let k = found.values.len();
        assert!(values[..k].iter().sum::<f64>() >= sum && values[..k - 1].iter().sum::<f64>() < sum, "{k} pairs");
        for (i, (value, vector)) in found.values.iter().zip(found.vectors.chunks_exact(1200)).enumerate() {
            assert!((value / values[i] - 1.0).abs() < 1e-12, "value {i}: {value} is not {}", values[i]);
            // The residual of 1e-10 over the gap, which is at least 1.7 / (k + 4) of the value.
            assert!((vector[i].abs() - 1.0).abs() < 1e-12, "vector {i}: {}", vector[i]);
        }
    }

    #[test]
    fn more_equal_values_than_a_block_are_not_passed_over() {
        let mut values = falling(1200);
        values[..3 * BLOCK].fill(1.0);
        match leading_eigen(&diagonal(&values), Wanted { k: 2 * BLOCK, sum: 0.0 }, WHAT).expect("finite") {
            None => {}
            Some(found) => assert!(found.values.iter().all(|value| (value - 1.0).abs() < 1e-6), "{:?}", found.values),
        }
        // What a space that holds one block of the equal values would give.
        let k = 2 * BLOCK;
        let mut vectors = vec![0.0; k * 1200];
        let places: Vec<usize> = (0..BLOCK).chain(3 * BLOCK..4 * BLOCK).collect();
        places.iter().enumerate().for_each(|(row, &place)| vectors[row * 1200 + place] = 1.0);
        let found = RightSvd { values: places.iter().map(|&place| values[place]).collect(), vectors };
        assert!(!is_all_that_is_large(&diagonal(&values), &found).expect("finite"));
    }

    #[test]
    fn more_than_pay_are_left_to_the_whole_decomposition() {
        let values = falling(1200);
        let sum = 0.9999 * values.iter().sum::<f64>();
        assert!(leading_eigen(&diagonal(&values), Wanted { k: 1, sum }, WHAT).expect("finite").is_none());
        assert!(leading_eigen(&diagonal(&values), Wanted { k: 900, sum: 0.0 }, WHAT).expect("finite").is_none());
    }

    #[test]
    fn a_matrix_of_low_rank_gives_its_rank_and_zeros() {
        let mut values = falling(1200);
        values[50..].fill(0.0);
        let found = leading_eigen(&diagonal(&values), Wanted { k: 80, sum: 0.0 }, WHAT).expect("finite").expect("few");
        let zeros = found.values.iter().filter(|value| value.abs() < 1e-14).count();
        assert_eq!((found.values.len(), zeros), (80, 30));
    }

    #[test]
    fn the_number_of_processors_does_not_change_a_bit() {
        let normal = normal_matrix(1300, 1100, 3).expect("not empty");
        let scales = falling(1100).into_iter().map(f64::sqrt).cycle();
        let rows = normal.as_slice().iter().zip(scales).map(|(value, scale)| value * scale).collect();
        let rows = Matrix::from_vec(1300, 1100, rows).expect("finite");
        let bits = |count| {
            on(count, || {
                let product = gram(&rows).expect("finite");
                let (a, mut out) = (crate::linalg::view(&product), vec![0.0; 1100 * 1100]);
                multiply(rows_mut(&mut out, 1100), faer::Accum::Replace, a, a, 1.0);
                let found = leading_eigen(&product, Wanted { k: 10, sum: 0.0 }, WHAT).expect("finite").expect("few");
                (product, out, found.values, found.vectors)
            })
        };
        let one = bits(1);
        assert!(one == bits(2) && one == bits(5));
    }
}
