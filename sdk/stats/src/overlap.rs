//! How much of a change lies in a subspace, and how two subspaces lie to each other.
//!
//! The measures of "What Shapes Emergent Misalignment?" (arXiv 2606.20814): with `δ = after - before` per prompt and `P`
//! the projection onto the leading principal components of the training deltas with mean `μ`, the overlap of a new
//! prompt is `‖P(δ - μ)‖ / ‖δ - μ‖`. Prompt overlap is the same with activations *before* fine-tuning in place of `δ`.

use crate::basis::Basis;
use crate::error::{StatsError, check_finite, check_len};
use crate::linalg::{dot, norm, singular_values, times, times_transpose};
use crate::matrix::Matrix;

mod coordinates;
pub use coordinates::Coordinates;

/// The lengths from which the measures of one row follow, in the units of the activations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowOverlap {
    /// `‖δ‖`.
    pub norm: f64,
    /// `‖δ - μ‖`, positive.
    pub centered_norm: f64,
    /// `‖P(δ - μ)‖`.
    pub projected_norm: f64,
}

impl RowOverlap {
    /// `‖P(δ - μ)‖ / ‖δ - μ‖`, between 0 and 1. The square root of the expected square is `sqrt(k/d)` for a random
    /// subspace.
    pub fn fraction(&self) -> f64 {
        (self.projected_norm / self.centered_norm).min(1.0)
    }

    /// `‖P(δ - μ)‖² / ‖δ - μ‖²`: the share of energy; `k/d` on average for a random subspace.
    pub fn squared_fraction(&self) -> f64 {
        self.fraction().powi(2)
    }

    /// Plain explained L2, `1 - ‖δ - μ - P(δ - μ)‖² / ‖δ‖²`: how well mean plus projection rebuilds the row itself.
    /// Negative when the mean is worse than nothing; `None` for `δ = 0`.
    pub fn explained_l2(&self) -> Option<f64> {
        let residual = (self.centered_norm - self.projected_norm).max(0.0) * (self.centered_norm + self.projected_norm);
        (self.norm > 0.0).then(|| 1.0 - residual / self.norm.powi(2))
    }
}

/// The overlap of every row of `deltas` (`n x d`) with `basis`, centred by `mean` (length `d`).
///
/// # Errors
/// [`StatsError::LengthMismatch`] for unequal widths, [`StatsError::ZeroVector`] with the row that equals the mean,
/// [`StatsError::NonFinite`] for NaN in `mean`, [`StatsError::Overflow`] when a squared norm exceeds f64.
pub fn row_overlaps(deltas: &Matrix, mean: &[f64], basis: &Basis) -> Result<Vec<RowOverlap>, StatsError> {
    check_len("width of deltas and a basis", basis.dim(), deltas.cols())?;
    let centered = deltas.center(mean)?;
    let coordinates = times_transpose(&centered, basis.matrix())?;
    let rows = deltas.iter_rows().zip(centered.iter_rows()).zip(coordinates.iter_rows());
    rows.enumerate().map(|(index, ((raw, centered), coordinates))| lengths(index, raw, centered, coordinates)).collect()
}

fn lengths(index: usize, raw: &[f64], centered: &[f64], coordinates: &[f64]) -> Result<RowOverlap, StatsError> {
    overlap_from(index, norm(raw), norm(centered), norm(coordinates))
}

/// Refuses a row without direction or with lengths beyond f64.
fn overlap_from(index: usize, norm: f64, centered_norm: f64, projected_norm: f64) -> Result<RowOverlap, StatsError> {
    if centered_norm == 0.0 {
        return Err(StatsError::ZeroVector { what: "row minus mean", index });
    }
    if [norm, centered_norm, projected_norm].iter().all(|length| length.is_finite()) {
        Ok(RowOverlap { norm, centered_norm, projected_norm })
    } else {
        Err(StatsError::Overflow { what: "the norm of a row" })
    }
}

/// `‖P(δ - μ)‖ / ‖δ - μ‖` of one row; `delta` and `mean` have the width of the basis.
///
/// # Errors
/// As [`row_overlaps`].
///
/// ```
/// use emhost_stats::{overlap::energy_fraction, Basis, Matrix};
/// let plane = Basis::from_orthonormal(Matrix::from_rows(&[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])?)?;
/// assert_eq!(energy_fraction(&[1.0, 3.0, 4.0], &[1.0, 0.0, 0.0], &plane)?, 0.6);
/// # Ok::<(), emhost_stats::StatsError>(())
/// ```
pub fn energy_fraction(delta: &[f64], mean: &[f64], basis: &Basis) -> Result<f64, StatsError> {
    Ok(overlap_of(delta, mean, basis)?.fraction())
}

/// The square of [`energy_fraction`].
///
/// # Errors
/// As [`row_overlaps`].
pub fn squared_energy_fraction(delta: &[f64], mean: &[f64], basis: &Basis) -> Result<f64, StatsError> {
    Ok(overlap_of(delta, mean, basis)?.squared_fraction())
}

fn overlap_of(delta: &[f64], mean: &[f64], basis: &Basis) -> Result<RowOverlap, StatsError> {
    let centered = centered(delta, mean)?;
    lengths(0, delta, &centered, &basis.coordinates(&centered)?)
}

fn centered(delta: &[f64], mean: &[f64]) -> Result<Vec<f64>, StatsError> {
    check_len("width of a delta and a mean", mean.len(), delta.len())?;
    check_finite("a delta", delta)?;
    check_finite("a mean", mean)?;
    Ok(delta.iter().zip(mean).map(|(d, m)| d - m).collect())
}

/// Cosine between `δ` and its reconstruction `μ + P(δ - μ)`.
///
/// # Errors
/// [`StatsError::LengthMismatch`], [`StatsError::NonFinite`], [`StatsError::ZeroVector`] when either is zero.
pub fn reconstruction_cosine(delta: &[f64], mean: &[f64], basis: &Basis) -> Result<f64, StatsError> {
    let mut rebuilt = basis.project(&centered(delta, mean)?)?;
    rebuilt.iter_mut().zip(mean).for_each(|(r, m)| *r += m);
    cosine(delta, &rebuilt)
}

/// Cosine of the angle between two vectors of equal length.
///
/// # Errors
/// [`StatsError::LengthMismatch`], [`StatsError::NonFinite`], [`StatsError::ZeroVector`] (index 0 or 1, the first or the
/// second), [`StatsError::Overflow`] when a squared norm exceeds f64.
pub fn cosine(a: &[f64], b: &[f64]) -> Result<f64, StatsError> {
    check_len("width of two vectors", a.len(), b.len())?;
    check_finite("the first vector", a)?;
    check_finite("the second vector", b)?;
    let norms = [norm(a), norm(b)];
    if let Some(index) = norms.iter().position(|&n| n == 0.0) {
        return Err(StatsError::ZeroVector { what: "vector", index });
    }
    let cosine = dot(a, b) / norms[0] / norms[1];
    if norms.iter().all(|n| n.is_finite()) && cosine.is_finite() {
        Ok(cosine.clamp(-1.0, 1.0))
    } else {
        Err(StatsError::Overflow { what: "the norm of a vector" })
    }
}

/// Cosine between the mean rows of two sets of deltas, such as training and evaluation prompts.
///
/// # Errors
/// As [`cosine`]; the numbers of rows may differ.
pub fn mean_delta_cosine(a: &Matrix, b: &Matrix) -> Result<f64, StatsError> {
    cosine(&a.mean_row(), &b.mean_row())
}

/// Cosine of every row of `rows` (`n x d`) with `direction` (length `d`), such as each prompt's delta with the mean
/// training delta.
///
/// # Errors
/// As [`cosine`], where [`StatsError::ZeroVector`] names the row.
pub fn row_cosines(rows: &Matrix, direction: &[f64]) -> Result<Vec<f64>, StatsError> {
    rows.iter_rows()
        .enumerate()
        .map(|(index, row)| {
            cosine(row, direction).map_err(|error| match error {
                StatsError::ZeroVector { index: 0, .. } => StatsError::ZeroVector { what: "row", index },
                StatsError::ZeroVector { .. } => StatsError::ZeroVector { what: "direction", index: 0 },
                other => other,
            })
        })
        .collect()
}

/// Principal angles between two subspaces in radians, largest first, `min(a.k(), b.k())` of them.
///
/// Small angles come from the sine and large ones from the cosine (Knyazev and Argentati 2002, algorithm 3.1), so that
/// both are accurate to rounding, as `scipy.linalg.subspace_angles`.
///
/// # Errors
/// [`StatsError::LengthMismatch`] when the spaces around them differ, [`StatsError::NoConvergence`] of the SVD.
pub fn principal_angles(a: &Basis, b: &Basis) -> Result<Vec<f64>, StatsError> {
    check_len("width of two bases", a.dim(), b.dim())?;
    let (large, small) = if a.k() >= b.k() { (a, b) } else { (b, a) };
    let products = times_transpose(small.matrix(), large.matrix())?;
    let outside = small.matrix().sub(&times(&products, large.matrix())?)?;
    let mut cosines = singular_values(&products, "the products of two bases")?;
    cosines.reverse();
    let sines = singular_values(&outside, "the residuals of two bases")?;
    let angle = |(cosine, sine): (f64, f64)| {
        if cosine * cosine >= 0.5 { sine.min(1.0).asin() } else { cosine.min(1.0).acos() }
    };
    Ok(cosines.into_iter().zip(sines).map(angle).collect())
}
