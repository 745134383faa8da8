//! The measures of one organism: every site, view, bank and subspace.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::empirical::{Tail, empirical_p};
use emhost_stats::overlap::{Coordinates, cosine, row_cosines, row_overlaps};
use emhost_stats::{Leading, Pca, StatsError};

use crate::activations::{Activations, Pair, Split};
use crate::analysis::clusters::{Clusters, correlate};
use crate::analysis::spaces::{Spaces, Spec, means};
use crate::control::{Null, Planes, RandomControl, ascending_degrees, expected_fraction};
use crate::params::{Params, REFERENCE, Seen, TRAIN};
use crate::tables::{Angle, Correlation, Dimension, MeanDelta, Overlap, Prompt};

pub mod clusters;
mod spaces;

/// What a cell found.
#[derive(Default)]
pub struct Found {
    pub overlaps: Vec<Overlap>,
    pub angles: Vec<Angle>,
    pub prompts: Vec<Prompt>,
    pub correlations: Vec<Correlation>,
    pub mean_deltas: Vec<MeanDelta>,
    pub dimensions: Vec<Dimension>,
    /// The mean training deltas at the headline site.
    pub directions: BTreeMap<Seen, Vec<f64>>,
    /// The control's group of each overlap, and the dimensions of each angle.
    groups: Vec<usize>,
    planes: Vec<Planes>,
}

/// Measures everything, one site, view and split at a time. The random control comes last, because its draws are shared.
///
/// # Errors
///
/// The dataset cannot be read, nothing moves at a site, or the run was stopped.
pub fn analyse(lab: &Lab, params: &Params, activations: &Activations) -> Result<Found> {
    let mut found = Found::default();
    let mut control = RandomControl::new(params.random_draws, params.seed);
    let total = (activations.sites.len() * activations.views().len()) as u64;
    let mut done = 0;
    for site in &activations.sites {
        for (view, splits) in activations.views() {
            lab.progress(done, total, &format!("compare subspaces at {site}, {}", view.name()))?;
            done += 1;
            let at = At { params, activations, site, view: *view };
            at.measure(lab, &mut found, &mut control, splits)?;
        }
    }
    let null = control.finish(lab)?;
    found.compare(&null).map_err(|error| Error::Plugin(format!("failed to {error} (random control)")))?;
    Ok(found)
}

impl Found {
    /// Emits the cell's tables of the analysis.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn emit(&self, lab: &Lab) -> Result<()> {
        lab.emit("overlap", Overlap::table(&self.overlaps))?;
        lab.emit("prompts", Prompt::table(&self.prompts))?;
        lab.emit("correlation", Correlation::table(&self.correlations))?;
        lab.emit("mean_delta", MeanDelta::table(&self.mean_deltas))?;
        lab.emit("dimension", Dimension::table(&self.dimensions))?;
        if self.angles.is_empty() { Ok(()) } else { lab.emit("angles", Angle::table(&self.angles)) }
    }

    /// Fills in what the random subspaces gave.
    fn compare(&mut self, null: &Null) -> Result<(), StatsError> {
        for (row, &group) in self.overlaps.iter_mut().zip(&self.groups) {
            if row.available {
                let draws = null.fractions(group, row.k as usize);
                [row.random, row.random_low, row.random_high] = spread(draws);
                row.p = empirical_p(row.fraction, draws, Tail::Upper)?;
            }
        }
        for (row, &planes) in self.angles.iter_mut().zip(&self.planes) {
            let draws = null.angles(planes, row.index as usize - 1);
            [row.random_degrees, row.random_low, row.random_high] = spread(&draws);
            row.p = empirical_p(row.degrees, &draws, Tail::Lower)?;
        }
        Ok(())
    }
}

/// Mean, 2.5 % and 97.5 % quantile (nearest rank) of draws.
fn spread(draws: &[f64]) -> [f64; 3] {
    let mut sorted = draws.to_vec();
    sorted.sort_by(f64::total_cmp);
    let quantile = |q: f64| sorted[((sorted.len() - 1) as f64 * q).round() as usize];
    [mean(draws.iter().copied()), quantile(0.025), quantile(0.975)]
}

/// One organism, site and view.
struct At<'a> {
    params: &'a Params,
    activations: &'a Activations,
    site: &'a str,
    view: Seen,
}

/// One bank there.
struct Bank<'a> {
    split: &'a Split,
    pair: Pair,
    clusters: Clusters<'a>,
    /// Its deltas along the training components.
    coordinates: Coordinates,
}

impl At<'_> {
    fn measure(&self, lab: &Lab, found: &mut Found, control: &mut RandomControl, splits: &[Split]) -> Result<()> {
        let read = |split: &Split| self.activations.read(lab, self.site, self.view, split);
        let of = |name: &str| splits.iter().find(|split| split.name == name);
        let train = read(of(TRAIN).ok_or("no training prompts were captured")?)?;
        let mut spaces = Spaces::fit(self.params, train).map_err(|error| self.failed(TRAIN, error))?;
        if let Some(split) = of(REFERENCE) {
            spaces.refer(&read(split)?.delta).map_err(|error| self.failed(REFERENCE, error))?;
        }
        for (vectors, pca) in spaces.fitted() {
            found.dimensions.push(self.dimension(vectors, pca));
        }
        if self.site == self.activations.headline_site {
            found.directions.insert(self.view, spaces.train.mean().to_vec());
        }
        for split in splits.iter().filter(|split| ![TRAIN, REFERENCE].contains(&split.name.as_str())) {
            let pair = read(split)?;
            self.bank(lab, found, control, &spaces, (split, pair))?;
        }
        Ok(())
    }

    fn bank(
        &self,
        lab: &Lab,
        found: &mut Found,
        control: &mut RandomControl,
        spaces: &Spaces,
        (split, pair): (&Split, Pair),
    ) -> Result<()> {
        let failed = |error| self.failed(&split.name, error);
        let clusters = Clusters::new(split, self.params);
        let coordinates = spaces.coordinates(&pair.delta).map_err(failed)?;
        let bank = Bank { split, pair, clusters, coordinates };
        let centered = bank.pair.delta.center(spaces.train.mean()).map_err(failed)?;
        let ks = spaces.specs.iter().map(|spec| spec.k).filter(|&k| k <= spaces.rank());
        let group = control.add_rows(lab, &centered, ks)?;
        drop(centered);
        let rows = self.overlaps(spaces, &bank).map_err(failed)?;
        found.groups.extend(rows.iter().map(|_| group));
        found.overlaps.extend(rows);
        if self.params.angles_k > 0 {
            self.angles(found, control, spaces, &bank).map_err(failed)?;
        }
        self.prompts(found, spaces, &bank).map_err(failed)?;
        found.mean_deltas.push(self.mean_delta(spaces, &bank).map_err(failed)?);
        Ok(())
    }

    fn overlaps(&self, spaces: &Spaces, bank: &Bank<'_>) -> Result<Vec<Overlap>, StatsError> {
        let deltas = &bank.pair.delta;
        let labels = |spec: &Spec| Overlap {
            organism: self.activations.organism.clone(),
            site: self.site.to_owned(),
            view: self.view.name(),
            bank: bank.split.name.clone(),
            subspace: spec.name.clone(),
            k: spec.k as u64,
            width: deltas.cols() as u64,
            n: deltas.rows() as u64,
            clusters: bank.clusters.count as u64,
            reference: self.activations.reference.clone(),
            ..Overlap::default()
        };
        // The same rows, centred alike, in the other subspaces.
        let before = spaces.along(&spaces.before, deltas)?;
        let reference = spaces.reference.as_ref().map(|pca| spaces.along(pca, deltas)).transpose()?;
        let row = |spec: &Spec| {
            let Some(train) = spaces.trained.get(&spec.k) else { return Ok(labels(spec)) };
            self.overlap(labels(spec), spaces, bank, *train, [Some(&before), reference.as_ref()])
        };
        spaces.specs.iter().map(row).collect()
    }

    fn overlap(
        &self,
        labels: Overlap,
        spaces: &Spaces,
        bank: &Bank<'_>,
        [train_fraction, train_mahalanobis]: [f64; 2],
        others: [Option<&Coordinates>; 2],
    ) -> Result<Overlap, StatsError> {
        let (k, clusters) = (labels.k as usize, &bank.clusters);
        let rows = bank.coordinates.row_overlaps(k)?;
        let fractions: Vec<f64> = rows.iter().map(|row| row.fraction()).collect();
        let [fraction, fraction_low, fraction_high] = clusters.mean(&fractions)?;
        let [mahalanobis, reconstruction_cosine] = means(&bank.coordinates, k, spaces.train.variances())?;
        let against = |other: Option<&Coordinates>| -> Result<[f64; 4], StatsError> {
            let Some(other) = other.filter(|other| k <= other.k()) else { return Ok([f64::NAN; 4]) };
            let there: Vec<f64> = other.row_overlaps(k)?.iter().map(|row| row.fraction()).collect();
            let differences: Vec<f64> = fractions.iter().zip(&there).map(|(here, there)| here - there).collect();
            let [difference, low, high] = clusters.mean(&differences)?;
            Ok([mean(there.into_iter()), difference, low, high])
        };
        let [before, reference] = others;
        let [before_fraction, before_difference, before_difference_low, before_difference_high] = against(before)?;
        let [reference_fraction, reference_difference, reference_difference_low, reference_difference_high] =
            against(reference)?;
        Ok(Overlap {
            available: true,
            fraction,
            fraction_low,
            fraction_high,
            squared_fraction: mean(rows.iter().map(|row| row.squared_fraction())),
            explained_l2: mean(rows.iter().map(|row| row.explained_l2().unwrap_or(f64::NAN))),
            mahalanobis,
            reconstruction_cosine,
            train_fraction,
            train_mahalanobis,
            reference_fraction,
            reference_difference,
            reference_difference_low,
            reference_difference_high,
            before_fraction,
            before_difference,
            before_difference_low,
            before_difference_high,
            ..labels
        })
    }

    fn angles(
        &self,
        found: &mut Found,
        control: &mut RandomControl,
        spaces: &Spaces,
        bank: &Bank<'_>,
    ) -> Result<(), StatsError> {
        let eval = Pca::fit_leading(&bank.pair.delta, Leading { k: self.params.angles_k, share: 0.0 })?;
        found.dimensions.push(self.dimension(&bank.split.name, &eval));
        let of = |pca: &Pca| self.params.angles_k.min(pca.variances().len());
        let planes = Planes { width: bank.pair.delta.cols(), a: of(&spaces.train), b: of(&eval) };
        control.add_planes(planes);
        let degrees = ascending_degrees(&spaces.train.basis(planes.a)?, &eval.basis(planes.b)?)?;
        for (at, degrees) in degrees.into_iter().enumerate() {
            found.angles.push(Angle {
                organism: self.activations.organism.clone(),
                site: self.site.to_owned(),
                view: self.view.name(),
                bank: bank.split.name.clone(),
                n: bank.pair.delta.rows() as u64,
                k: planes.a.min(planes.b) as u64,
                index: at as u64 + 1,
                degrees,
                cosine: degrees.to_radians().cos(),
                ..Angle::default()
            });
            found.planes.push(planes);
        }
        Ok(())
    }

    fn prompts(&self, found: &mut Found, spaces: &Spaces, bank: &Bank<'_>) -> Result<(), StatsError> {
        let Bank { split, pair, clusters, coordinates } = bank;
        let prompt_k = spaces.before.components_for_variance(self.params.prompt_variance)?;
        let like = row_overlaps(&pair.before, spaces.before.mean(), &spaces.before.basis(prompt_k)?)?;
        let like: Vec<f64> = like.iter().map(|row| row.fraction()).collect();
        let cosines = row_cosines(&pair.delta, spaces.train.mean())?;
        let k = self.params.headline_k;
        for (i, row) in coordinates.row_overlaps(k.min(coordinates.k()))?.iter().enumerate() {
            found.prompts.push(Prompt {
                organism: self.activations.organism.clone(),
                site: self.site.to_owned(),
                view: self.view.name(),
                bank: split.name.clone(),
                row_id: split.row_ids[i].clone(),
                topic: split.topics[i].clone(),
                prompt_overlap: like[i],
                delta_cosine: cosines[i],
                fraction: if k <= spaces.rank() { row.fraction() } else { f64::NAN },
                delta_norm: row.norm,
            });
        }
        let (pearson, spearman) = correlate(&like, &cosines)?;
        let (topics, topic) = clusters.topic_correlation(&like, &cosines)?;
        found.correlations.push(Correlation {
            organism: self.activations.organism.clone(),
            site: self.site.to_owned(),
            view: self.view.name(),
            bank: split.name.clone(),
            n: like.len() as u64,
            prompt_k: prompt_k as u64,
            prompt_overlap: mean(like.iter().copied()),
            random_prompt_overlap: expected_fraction(pair.before.cols(), prompt_k),
            pearson: pearson.r,
            pearson_low: pearson.interval.map_or(f64::NAN, |interval| interval.low),
            pearson_high: pearson.interval.map_or(f64::NAN, |interval| interval.high),
            pearson_p: pearson.p,
            spearman: spearman.r,
            spearman_p: spearman.p,
            topics: topics as u64,
            topic_pearson: topic.r,
            topic_p: topic.p,
            ..Correlation::default()
        });
        Ok(())
    }

    fn mean_delta(&self, spaces: &Spaces, bank: &Bank<'_>) -> Result<MeanDelta, StatsError> {
        let Pair { before, delta } = &bank.pair;
        let direction = spaces.train.mean();
        let eval = delta.mean_row();
        let [cosine_low, cosine_high] = bank.clusters.cosine_interval(delta, direction);
        let reference = spaces.reference.as_ref();
        Ok(MeanDelta {
            organism: self.activations.organism.clone(),
            site: self.site.to_owned(),
            view: self.view.name(),
            bank: bank.split.name.clone(),
            n_train: spaces.train.n() as u64,
            n_eval: delta.rows() as u64,
            cosine: cosine(&eval, direction)?,
            cosine_low,
            cosine_high,
            norm_train: norm(direction),
            norm_eval: norm(&eval),
            relative_eval: norm(&eval) / mean(before.iter_rows().map(norm)),
            reference: self.activations.reference.clone(),
            reference_cosine: reference.map_or(Ok(f64::NAN), |pca| cosine(&eval, pca.mean()))?,
        })
    }

    fn dimension(&self, vectors: &str, pca: &Pca) -> Dimension {
        Dimension {
            organism: self.activations.organism.clone(),
            site: self.site.to_owned(),
            view: self.view.name(),
            vectors: vectors.to_owned(),
            n: pca.n() as u64,
            rank: if pca.is_complete() { pca.variances().len() as f64 } else { f64::NAN },
            elbow: pca.elbow().map_or(f64::NAN, |elbow| elbow as f64),
            participation: pca.participation(),
            first_share: pca.ratios()[0],
        }
    }

    fn failed(&self, what: &str, error: StatsError) -> Error {
        let place = format!(
            "failed to {error} (organism `{}`, site `{}`, view `{}`, `{what}`)",
            self.activations.organism,
            self.site,
            self.view.name()
        );
        match error {
            StatsError::Constant { .. } | StatsError::ZeroVector { .. } => {
                Error::Input(format!("{place}: nothing varies or nothing moves there, leave that site out of `sites`"))
            }
            _ => Error::Plugin(place),
        }
    }
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}
