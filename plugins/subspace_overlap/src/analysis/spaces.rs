//! The subspaces that evaluation deltas are compared with, and how many components of them.

use std::collections::BTreeMap;

use emhost_stats::overlap::Coordinates;
use emhost_stats::{Leading, Matrix, Pca, StatsError};

use crate::activations::Pair;
use crate::params::{Params, REFERENCE, TRAIN};

/// A number of components.
pub struct Spec {
    /// `variance:0.95` or `k=8`.
    pub name: String,
    /// Components.
    pub k: usize,
}

/// The subspaces at one site and view.
pub struct Spaces {
    /// Of the training deltas.
    pub train: Pca,
    /// Of the training prompts before the fine-tune.
    pub before: Pca,
    /// Of the reference's training deltas, where there is one.
    pub reference: Option<Pca>,
    /// The numbers of components, in the order of the parameters.
    pub specs: Vec<Spec>,
    /// By number of components that there are: mean fraction and Mahalanobis distance of the training deltas themselves.
    pub trained: BTreeMap<usize, [f64; 2]>,
    most: usize,
}

impl Spaces {
    /// Fits those of the training prompts, as many components as any number of components needs.
    pub fn fit(params: &Params, train: Pair) -> Result<Self, StatsError> {
        let Pair { before, delta } = train;
        let largest = params.ks.iter().copied().max().unwrap_or(1);
        let share = params.variance.iter().copied().fold(0.0, f64::max);
        let train = Pca::fit_leading(&delta, Leading { k: largest, share })?;
        let mut specs = Vec::new();
        for &share in &params.variance {
            specs.push(Spec { name: format!("variance:{share}"), k: train.components_for_variance(share)? });
        }
        specs.extend(params.ks.iter().map(|&k| Spec { name: format!("k={k}"), k }));
        let rank = train.variances().len();
        let most = specs.iter().map(|spec| spec.k).filter(|&k| k <= rank).max().unwrap_or(1);
        let own = Coordinates::new(&delta, train.mean(), &train.basis(most)?)?;
        drop(delta);
        let before = Pca::fit_leading(&before, Leading { k: most, share: params.prompt_variance })?;
        let mut spaces = Self { train, before, reference: None, specs, trained: BTreeMap::new(), most };
        for k in spaces.specs.iter().map(|spec| spec.k).filter(|&k| k <= rank) {
            let rows = own.row_overlaps(k)?;
            let fraction = rows.iter().map(|row| row.fraction()).sum::<f64>() / rows.len() as f64;
            let [mahalanobis, _] = means(&own, k, spaces.train.variances())?;
            spaces.trained.insert(k, [fraction, mahalanobis]);
        }
        Ok(spaces)
    }

    /// Number of training components.
    pub fn rank(&self) -> usize {
        self.train.variances().len()
    }

    /// Rows along as many training components as any number of components needs.
    pub fn coordinates(&self, deltas: &Matrix) -> Result<Coordinates, StatsError> {
        self.along(&self.train, deltas)
    }

    /// Fits the reference's training deltas.
    pub fn refer(&mut self, deltas: &Matrix) -> Result<(), StatsError> {
        self.reference = Some(Pca::fit_leading(deltas, Leading { k: self.most, share: 0.0 })?);
        Ok(())
    }

    /// Rows, centred by the mean training delta, along the components of another subspace.
    pub fn along(&self, pca: &Pca, deltas: &Matrix) -> Result<Coordinates, StatsError> {
        Coordinates::new(deltas, self.train.mean(), &pca.basis(self.most.min(pca.variances().len()))?)
    }

    /// The fits, by what they are of.
    pub fn fitted(&self) -> impl Iterator<Item = (&'static str, &Pca)> {
        let both = [(TRAIN, &self.train), ("train before", &self.before)];
        both.into_iter().chain(self.reference.as_ref().map(|pca| (REFERENCE, pca)))
    }
}

/// Mean Mahalanobis distance and mean cosine with the reconstruction, in the first `k` components.
pub fn means(coordinates: &Coordinates, k: usize, variances: &[f64]) -> Result<[f64; 2], StatsError> {
    let mut sums = [0.0; 2];
    for row in 0..coordinates.rows() {
        sums[0] += coordinates.mahalanobis(row, k, variances)?;
        sums[1] += coordinates.reconstruction_cosine(row, k)?;
    }
    Ok(sums.map(|sum| sum / coordinates.rows() as f64))
}
