//! The random control: the same rows in random subspaces, and random subspaces against each other.
//!
//! Each draw is one Haar-distributed orthonormal basis per width, whose first k vectors are the draw's subspace of
//! dimension k. It is shared by all sites, views and banks: the basis is drawn once for many of them, and one product of
//! each bank's rows with it serves every k.

use std::collections::{BTreeMap, BTreeSet};

use emhost_sdk::prelude::*;
use emhost_stats::overlap::principal_angles;
use emhost_stats::random::{Rng, random_orthonormal_from};
use emhost_stats::{Basis, Matrix, StatsError};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

/// Rows of one site, view and bank that wait for the draws.
struct Group {
    number: usize,
    width: usize,
    /// Rows of norm 1, row-major.
    units: Vec<f64>,
}

/// Dimensions of two subspaces of a space of that width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Planes {
    /// Width of the space.
    pub width: usize,
    /// Dimension of the one.
    pub a: usize,
    /// Dimension of the other.
    pub b: usize,
}

/// Collects what is to be compared with random subspaces, and draws them when enough is there: the draws are the same
/// each time, so that only the time depends on how often.
pub struct RandomControl {
    draws: usize,
    seed: u64,
    waiting: Vec<Group>,
    planes: BTreeSet<Planes>,
    null: Null,
}

/// The null distributions.
#[derive(Default)]
pub struct Null {
    /// Per group and k: the mean fraction of each draw.
    fractions: Vec<BTreeMap<usize, Vec<f64>>>,
    /// Per pair of dimensions: the angles of each draw in degrees, smallest first.
    angles: BTreeMap<Planes, Vec<Vec<f64>>>,
}

/// Values that wait at most, half a gigabyte.
const MOST_WAITING: usize = 1 << 26;

impl RandomControl {
    /// Nothing to compare yet.
    pub fn new(draws: usize, seed: u64) -> Self {
        Self { draws, seed, waiting: Vec::new(), planes: BTreeSet::new(), null: Null::default() }
    }

    /// Adds rows (`n x width`, none of them zero) and the dimensions at which their mean fraction is wanted.
    ///
    /// # Errors
    ///
    /// The run was stopped.
    pub fn add_rows(&mut self, lab: &Lab, centered: &Matrix, ks: impl IntoIterator<Item = usize>) -> Result<usize> {
        let values = centered.rows() * centered.cols();
        if self.waiting.iter().map(|group| group.units.len()).sum::<usize>() + values > MOST_WAITING {
            self.draw(lab)?;
        }
        let mut units = Vec::with_capacity(values);
        for row in centered.iter_rows() {
            let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            units.extend(row.iter().map(|value| value / norm));
        }
        let number = self.null.fractions.len();
        self.waiting.push(Group { number, width: centered.cols(), units });
        self.null.fractions.push(ks.into_iter().map(|k| (k, Vec::new())).collect());
        Ok(number)
    }

    /// Adds a pair of dimensions whose principal angles are wanted. A fixed subspace against a random one has the same
    /// law as any other, so the leading coordinate axes stand for it.
    pub fn add_planes(&mut self, planes: Planes) {
        self.planes.insert(planes);
    }

    /// Draws what is left.
    ///
    /// # Errors
    ///
    /// The run was stopped.
    pub fn finish(mut self, lab: &Lab) -> Result<Null> {
        self.draw(lab)?;
        for &planes in &self.planes {
            let angles = (0..self.draws).map(|draw| angles_to_axes(planes, &self.basis(draw, planes.width, planes.b)?));
            let angles = angles.collect::<Result<_, StatsError>>().map_err(failed)?;
            self.null.angles.insert(planes, angles);
        }
        Ok(self.null)
    }

    /// The first `k` vectors of a draw.
    fn basis(&self, draw: usize, width: usize, k: usize) -> Result<Basis, StatsError> {
        random_orthonormal_from(&mut Rng::new(self.seed, draw as u64), width, k)
    }

    /// Compares what waits with all draws.
    fn draw(&mut self, lab: &Lab) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let widths: BTreeSet<usize> = waiting.iter().map(|group| group.width).collect();
        for width in widths {
            let groups: Vec<&Group> = waiting.iter().filter(|group| group.width == width).collect();
            let ks = groups.iter().flat_map(|group| self.null.fractions[group.number].keys().copied());
            let most = ks.filter(|&k| k < width).max().unwrap_or(1);
            for draw in 0..self.draws {
                if draw % 16 == 0 || width > 1024 {
                    lab.progress(draw as u64, self.draws as u64, "random subspaces")?;
                }
                let basis = self.basis(draw, width, most).map_err(failed)?;
                for group in &groups {
                    project(group, &basis, &mut self.null.fractions[group.number]);
                }
            }
        }
        Ok(())
    }
}

/// Mean fraction of a group's rows at each of its ks: running sums of squared coordinates.
fn project(group: &Group, basis: &Basis, fractions: &mut BTreeMap<usize, Vec<f64>>) {
    let width = basis.dim();
    let Some(most) = fractions.keys().copied().filter(|&k| k < width).max() else { return whole(width, fractions) };
    let rows = group.units.len() / width;
    let mut coordinates = Mat::<f64>::zeros(rows, most);
    let units = MatRef::from_row_major_slice(&group.units, rows, width);
    let axes = MatRef::from_row_major_slice(&basis.matrix().as_slice()[..most * width], most, width);
    matmul(coordinates.as_mut(), Accum::Replace, units, axes.transpose(), 1.0, Par::Seq);
    let mut energy = vec![0.0; rows];
    for k in 1..=most {
        energy.iter_mut().zip(coordinates.col(k - 1).iter()).for_each(|(sum, value)| *sum += value * value);
        if let Some(draws) = fractions.get_mut(&k) {
            let sum: f64 = energy.iter().map(|energy| energy.sqrt().min(1.0)).sum();
            draws.push(sum / rows as f64);
        }
    }
    whole(width, fractions);
}

/// The whole space holds everything, in every draw.
fn whole(width: usize, fractions: &mut BTreeMap<usize, Vec<f64>>) {
    fractions.range_mut(width..).for_each(|(_, draws)| draws.push(1.0));
}

impl Null {
    /// Mean fraction of each draw.
    pub fn fractions(&self, group: usize, k: usize) -> &[f64] {
        self.fractions[group].get(&k).map_or(&[], Vec::as_slice)
    }

    /// The angle of that index (0 for the smallest) in each draw, in degrees.
    pub fn angles(&self, planes: Planes, index: usize) -> Vec<f64> {
        self.angles.get(&planes).into_iter().flatten().map(|angles| angles[index]).collect()
    }
}

/// The exact mean of `‖P x‖ / ‖x‖` over random k-dimensional subspaces of a d-dimensional space.
///
/// The square is Beta(k/2, (d-k)/2) distributed, so the mean is g(k) / g(d) with g(m) = Γ((m+1)/2) / Γ(m/2), for which
/// g(m+1) = (m/2) / g(m).
pub fn expected_fraction(d: usize, k: usize) -> f64 {
    let g = |m: usize| (1..m).fold(std::f64::consts::PI.powf(-0.5), |g, m| m as f64 / 2.0 / g);
    if k >= d { 1.0 } else { g(k) / g(d) }
}

fn angles_to_axes(planes: Planes, basis: &Basis) -> Result<Vec<f64>, StatsError> {
    let Planes { width, a, b } = planes;
    let mut axes = vec![0.0; a * width];
    (0..a).for_each(|i| axes[i * width + i] = 1.0);
    let axes = Basis::from_orthonormal(Matrix::from_vec(a, width, axes)?)?;
    ascending_degrees(&axes, &basis.leading(b)?)
}

/// Principal angles in degrees, smallest first.
pub fn ascending_degrees(a: &Basis, b: &Basis) -> Result<Vec<f64>, StatsError> {
    Ok(principal_angles(a, b)?.into_iter().rev().map(f64::to_degrees).collect())
}

fn failed(error: StatsError) -> Error {
    Error::Plugin(format!("failed to {error} (random subspaces)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(d: usize, k: usize, expected: f64) {
        // A few roundings per factor.
        assert!((expected_fraction(d, k) - expected).abs() < 1e-12, "{}", expected_fraction(d, k));
    }

    #[test]
    fn the_expected_fraction_is_the_mean_over_the_sphere() {
        check(2, 1, 2.0 / std::f64::consts::PI);
        check(3, 1, 0.5);
        check(3, 2, std::f64::consts::FRAC_PI_4);
        check(5, 5, 1.0);
        // sqrt(k/d) bounds it from above, by Jensen, and is close in high dimensions.
        assert!((expected_fraction(5120, 584) - (584.0_f64 / 5120.0).sqrt()).abs() < 1e-3);
    }
}
