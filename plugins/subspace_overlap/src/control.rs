//! The random control: the same rows in random subspaces, and random subspaces against each other.
//!
//! Each draw is one Haar-distributed orthonormal basis per width, whose first k vectors are the draw's subspace of
//! dimension k. It is shared by all sites, views and banks, so that one matrix product per draw serves them all.

use std::collections::{BTreeMap, BTreeSet};

use emhost_sdk::prelude::*;
use emhost_stats::overlap::principal_angles;
use emhost_stats::random::{Rng, random_orthonormal_from};
use emhost_stats::{Basis, Matrix, StatsError};
use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};

/// Rows of one site, view and bank.
struct Group {
    width: usize,
    /// Rows of norm 1, row-major.
    units: Vec<f64>,
    ks: BTreeSet<usize>,
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

/// Collects what is to be drawn, then draws it.
#[derive(Default)]
pub struct RandomControl {
    groups: Vec<Group>,
    planes: BTreeSet<Planes>,
}

/// The null distributions.
pub struct Null {
    /// Per group and k: the mean fraction of each draw.
    fractions: Vec<BTreeMap<usize, Vec<f64>>>,
    /// Per pair of dimensions: the angles of each draw in degrees, smallest first.
    angles: BTreeMap<Planes, Vec<Vec<f64>>>,
}

impl RandomControl {
    /// Adds rows (`n x width`, none of them zero) and the dimensions at which their mean fraction is wanted.
    pub fn add_rows(&mut self, centered: &Matrix, ks: impl IntoIterator<Item = usize>) -> usize {
        let unit = |row: &[f64]| {
            let norm = row.iter().map(|value| value * value).sum::<f64>().sqrt();
            row.iter().map(|value| value / norm).collect::<Vec<_>>()
        };
        let units = centered.iter_rows().flat_map(unit).collect();
        self.groups.push(Group { width: centered.cols(), units, ks: ks.into_iter().collect() });
        self.groups.len() - 1
    }

    /// Adds a pair of dimensions whose principal angles are wanted. A fixed subspace against a random one has the same
    /// law as any other, so the leading coordinate axes stand for it.
    pub fn add_planes(&mut self, planes: Planes) {
        self.planes.insert(planes);
    }

    /// Draws everything.
    pub fn draw(&self, lab: &Lab, draws: usize, seed: u64) -> Result<Null> {
        let fractions = self.groups.iter().map(|group| group.ks.iter().map(|&k| (k, Vec::new())).collect());
        let mut null = Null { fractions: fractions.collect(), angles: BTreeMap::new() };
        let widths: BTreeSet<usize> = self.groups.iter().map(|group| group.width).collect();
        for &width in &widths {
            let groups: Vec<usize> = (0..self.groups.len()).filter(|&at| self.groups[at].width == width).collect();
            let stack: Vec<f64> = groups.iter().flat_map(|&at| &self.groups[at].units).copied().collect();
            let wanted = groups.iter().flat_map(|&at| &self.groups[at].ks).copied().filter(|&k| k < width);
            let planes: Vec<Planes> = self.planes.iter().copied().filter(|planes| planes.width == width).collect();
            let most = wanted.chain(planes.iter().map(|planes| planes.b)).max().unwrap_or(1);
            for draw in 0..draws {
                if draw % 16 == 0 {
                    lab.progress(draw as u64, draws as u64, "random subspaces")?;
                }
                let basis = random_orthonormal_from(&mut Rng::new(seed, draw as u64), width, most).map_err(failed)?;
                self.project(&groups, &stack, &basis, &mut null);
                for &planes in &planes {
                    let angles = angles_to_axes(planes, &basis).map_err(failed)?;
                    null.angles.entry(planes).or_default().push(angles);
                }
            }
        }
        Ok(null)
    }

    /// Mean fraction of each group's rows at each of its ks: running sums of squared coordinates.
    fn project(&self, groups: &[usize], stack: &[f64], basis: &Basis, null: &mut Null) {
        let (width, most) = (basis.dim(), basis.k());
        let rows = stack.len() / width;
        let mut coordinates = Mat::<f64>::zeros(rows, most);
        let stack = MatRef::from_row_major_slice(stack, rows, width);
        let axes = MatRef::from_row_major_slice(basis.matrix().as_slice(), most, width);
        matmul(coordinates.as_mut(), Accum::Replace, stack, axes.transpose(), 1.0, Par::Seq);
        let mut energy = vec![0.0; rows];
        for k in 1..=most {
            energy.iter_mut().zip(coordinates.col(k - 1).iter()).for_each(|(sum, value)| *sum += value * value);
            let mut start = 0;
            for &at in groups {
                let n = self.groups[at].units.len() / width;
                if let Some(draws) = null.fractions[at].get_mut(&k).filter(|_| k < width) {
                    let sum: f64 = energy[start..start + n].iter().map(|energy| energy.sqrt().min(1.0)).sum();
                    draws.push(sum / n as f64);
                }
                start += n;
            }
        }
        // The whole space holds everything, in every draw.
        for &at in groups {
            null.fractions[at].range_mut(width..).for_each(|(_, draws)| draws.push(1.0));
        }
    }
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
