//! The path of a matrix `B` through training: where it turns, and in which plane it runs.

use emhost_sdk::prelude::*;
use emhost_stats::overlap::cosine;
use emhost_stats::{Matrix, Pca};
use emhost_study::failed;

/// Whether the path goes straight on at a checkpoint, or turns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// `|B_t - B_{t-k}|`.
    pub before: f64,
    /// `|B_{t+k} - B_t|`.
    pub after: f64,
    /// `cos(B_t - B_{t-k}, B_{t+k} - B_t)`: 1 goes straight on, 0 is a right angle; NaN where a difference is too short.
    pub cosine: f64,
}

/// The local cosine of a path at checkpoint `at` with a reach of `k` checkpoints, each point a flattened matrix
/// (`phase_transitions` of clarifying-EM/model-organisms-for-EM). None where the path does not reach so far. A difference
/// shorter than `shortest` has no direction.
///
/// # Errors
///
/// Points differ in length or hold NaN.
///
/// ```
/// let corner = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
/// let turn = em_finetune::turn(&corner.map(Vec::from), 1, 1, 0.002)?.expect("one checkpoint on each side");
/// assert_eq!((turn.before, turn.after, turn.cosine), (1.0, 1.0, 0.0));
/// # Ok::<(), emhost_sdk::Error>(())
/// ```
pub fn turn(points: &[Vec<f64>], at: usize, k: usize, shortest: f64) -> Result<Option<Turn>> {
    let (Some(from), true) = (at.checked_sub(k), at + k < points.len()) else { return Ok(None) };
    let step = |from: &[f64], to: &[f64]| from.iter().zip(to).map(|(from, to)| to - from).collect::<Vec<f64>>();
    let (came, goes) = (step(&points[from], &points[at]), step(&points[at], &points[at + k]));
    let (before, after) = (length(&came), length(&goes));
    let directed = before >= shortest && after >= shortest && before > 0.0 && after > 0.0;
    let cosine = if directed { cosine(&came, &goes).map_err(failed("measure a turn"))? } else { f64::NAN };
    Ok(Some(Turn { before, after, cosine }))
}

/// A path seen in the plane of its first two principal components.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Coordinates of each point, from the path's mean; NaN along a component that the path does not have.
    pub points: Vec<[f64; 2]>,
    /// Share of the path's variance along each.
    pub shares: [f64; 2],
}

/// The path's principal components over time; none where it has fewer than two different points.
///
/// # Errors
///
/// Points differ in length or hold NaN.
pub fn path(points: &[Vec<f64>]) -> Result<Option<Path>> {
    let doing = failed("find the components of a path");
    if points.iter().all(|point| Some(point) == points.first()) {
        return Ok(None);
    }
    let pca = Pca::fit(&Matrix::from_rows(points).map_err(&doing)?).map_err(&doing)?;
    let known = pca.ratios().len().min(2);
    let basis = pca.basis(known).map_err(&doing)?;
    let place = |point: &Vec<f64>| -> Result<[f64; 2]> {
        let centred: Vec<f64> = point.iter().zip(pca.mean()).map(|(value, mean)| value - mean).collect();
        let found = basis.coordinates(&centred).map_err(&doing)?;
        Ok([found[0], found.get(1).copied().unwrap_or(f64::NAN)])
    };
    let share = |at: usize| pca.ratios().get(at).copied().unwrap_or(f64::NAN);
    Ok(Some(Path { points: points.iter().map(place).collect::<Result<_>>()?, shares: [share(0), share(1)] }))
}

/// How much a projection reads what it writes: `|A B|_F / (|A|_F |B|_F)` with `A` row-major `[rank, inputs]` and `B`
/// row-major `[outputs, rank]` (`|A^T B|_F` where `A` is stored as `[inputs, rank]`, as in clarifying-EM's
/// `phase_transitions`). NaN unless there are as many inputs as outputs, and where a matrix is zero.
pub fn composition(a: &[f32], b: &[f32], rank: usize) -> f64 {
    let whole = rank > 0 && a.len() == b.len() && a.len().is_multiple_of(rank);
    let lengths = norm(a) * norm(b);
    if !whole || lengths == 0.0 {
        return f64::NAN;
    }
    let width = a.len() / rank;
    let entry = |row: usize, column: usize| -> f64 {
        (0..width).map(|at| f64::from(a[row * width + at]) * f64::from(b[at * rank + column])).sum()
    };
    let squares = (0..rank).flat_map(|row| (0..rank).map(move |column| (row, column)));
    squares.map(|(row, column)| entry(row, column).powi(2)).sum::<f64>().sqrt() / lengths
}

/// The Frobenius norm of a matrix.
pub fn norm(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

fn length(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
