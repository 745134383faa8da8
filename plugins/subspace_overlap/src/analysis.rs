//! The measures of one organism: every site, view, bank and subspace.

use emhost_sdk::prelude::*;
use emhost_stats::empirical::{Tail, empirical_p};
use emhost_stats::overlap::{cosine, reconstruction_cosine, row_cosines, row_overlaps};
use emhost_stats::{Matrix, Pca, StatsError};

use crate::analysis::clusters::{Clusters, correlate};
use crate::capture::{Captured, Pair, Split, VIEWS};
use crate::control::{Null, Planes, RandomControl, ascending_degrees, expected_fraction};
use crate::params::{Params, REFERENCE, TRAIN, Trained};
use crate::tables::{Angle, Correlation, Dimension, MeanDelta, Overlap, Prompt};

pub mod clusters;

/// What a cell found.
#[derive(Default)]
pub struct Found {
    pub overlaps: Vec<Overlap>,
    pub angles: Vec<Angle>,
    pub prompts: Vec<Prompt>,
    pub correlations: Vec<Correlation>,
    pub mean_deltas: Vec<MeanDelta>,
    pub dimensions: Vec<Dimension>,
    control: RandomControl,
    /// The control's group of each overlap, and the dimensions of each angle.
    groups: Vec<usize>,
    planes: Vec<Planes>,
}

/// Measures everything; the random control comes last, because its draws are shared.
pub fn analyse(lab: &Lab, params: &Params, trained: &Trained, captured: &Captured) -> Result<Found> {
    let mut found = Found::default();
    let total = (captured.sites.len() * VIEWS.len()) as u64;
    let mut done = 0;
    for site in &captured.sites {
        for view in VIEWS.map(View::name) {
            lab.progress(done, total, &format!("compare subspaces at {site}, {view}"))?;
            done += 1;
            let at = At { params, trained, site, view: &view };
            let pairs = captured.read(lab, site, &view)?;
            at.measure(&mut found, &captured.splits, &pairs)?;
        }
    }
    let null = found.control.draw(lab, params.random_draws, params.seed)?;
    found.compare(&null).map_err(|error| Error::Plugin(format!("failed to {error} (random control)")))?;
    Ok(found)
}

impl Found {
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
    trained: &'a Trained,
    site: &'a str,
    view: &'a str,
}

/// The subspaces that evaluation deltas are compared with.
struct Spaces {
    /// Of the training deltas.
    train: Pca,
    /// Of the training prompts before the fine-tune.
    before: Pca,
    /// Of the reference's training deltas.
    reference: Option<Pca>,
    train_deltas: Matrix,
}

impl At<'_> {
    fn measure(&self, found: &mut Found, splits: &[Split], pairs: &[Pair]) -> Result<()> {
        let of = |name: &str| splits.iter().zip(pairs).find(|(split, _)| split.name == name).map(|(_, pair)| pair);
        let train = of(TRAIN).ok_or("no training prompts were captured")?;
        let fit = |rows: &Matrix, what| Pca::fit(rows).map_err(|error| self.failed(what, error));
        let spaces = Spaces {
            train: fit(&train.delta, TRAIN)?,
            before: fit(&train.before, "train before")?,
            reference: of(REFERENCE).map(|pair| fit(&pair.delta, REFERENCE)).transpose()?,
            train_deltas: train.delta.clone(),
        };
        found.dimensions.push(self.dimension(TRAIN, &spaces.train));
        found.dimensions.push(self.dimension("train before", &spaces.before));
        found.dimensions.extend(spaces.reference.iter().map(|pca| self.dimension(REFERENCE, pca)));
        for (split, pair) in splits.iter().zip(pairs).filter(|(split, _)| ![TRAIN, REFERENCE].contains(&&*split.name)) {
            let clusters = Clusters::new(split, self.params);
            self.bank(found, &spaces, split, pair, &clusters).map_err(|error| self.failed(&split.name, error))?;
        }
        Ok(())
    }

    fn bank(
        &self,
        found: &mut Found,
        spaces: &Spaces,
        split: &Split,
        pair: &Pair,
        clusters: &Clusters<'_>,
    ) -> Result<(), StatsError> {
        let rank = spaces.train.variances().len();
        let mut specs = Vec::new();
        for &share in &self.params.variance {
            specs.push((format!("variance:{share}"), spaces.train.components_for_variance(share)?));
        }
        specs.extend(self.params.ks.iter().map(|&k| (format!("k={k}"), k)));
        let ks = specs.iter().map(|&(_, k)| k).filter(|&k| k <= rank);
        let group = found.control.add_rows(&pair.delta.center(spaces.train.mean())?, ks);
        for (subspace, k) in specs {
            let labels = Overlap {
                organism: self.trained.name.clone(),
                site: self.site.to_owned(),
                view: self.view.to_owned(),
                bank: split.name.clone(),
                subspace,
                k: k as u64,
                n: pair.delta.rows() as u64,
                clusters: clusters.count as u64,
                reference: self.trained.reference.clone().unwrap_or_default(),
                ..Overlap::default()
            };
            let row = if k <= rank { self.overlap(labels, k, spaces, &pair.delta, clusters)? } else { labels };
            found.overlaps.push(row);
            found.groups.push(group);
        }
        self.angles(found, spaces, split, pair)?;
        self.prompts(found, spaces, split, pair, clusters)?;
        found.mean_deltas.push(self.mean_delta(spaces, split, pair, clusters)?);
        Ok(())
    }

    fn overlap(
        &self,
        labels: Overlap,
        k: usize,
        spaces: &Spaces,
        deltas: &Matrix,
        clusters: &Clusters<'_>,
    ) -> Result<Overlap, StatsError> {
        let center = spaces.train.mean();
        let basis = spaces.train.basis(k)?;
        let rows = row_overlaps(deltas, center, &basis)?;
        let fractions: Vec<f64> = rows.iter().map(|row| row.fraction()).collect();
        let [fraction, fraction_low, fraction_high] = clusters.mean(&fractions)?;
        let (mut mahalanobis, mut cosines) = (Vec::new(), Vec::new());
        for delta in deltas.iter_rows() {
            mahalanobis.push(spaces.train.mahalanobis(delta, k)?);
            cosines.push(reconstruction_cosine(delta, center, &basis)?);
        }
        // The same rows, centred alike, in another subspace of equal dimension.
        let against = |other: Option<&Pca>| -> Result<[f64; 4], StatsError> {
            let Some(other) = other.filter(|other| k <= other.variances().len()) else { return Ok([f64::NAN; 4]) };
            let there: Vec<f64> =
                row_overlaps(deltas, center, &other.basis(k)?)?.iter().map(|row| row.fraction()).collect();
            let differences: Vec<f64> = fractions.iter().zip(&there).map(|(here, there)| here - there).collect();
            let [difference, low, high] = clusters.mean(&differences)?;
            Ok([mean(there.into_iter()), difference, low, high])
        };
        let [reference_fraction, reference_difference, reference_difference_low, reference_difference_high] =
            against(spaces.reference.as_ref())?;
        let [before_fraction, before_difference, before_difference_low, before_difference_high] =
            against(Some(&spaces.before))?;
        let train_rows = row_overlaps(&spaces.train_deltas, center, &basis)?;
        Ok(Overlap {
            available: true,
            fraction,
            fraction_low,
            fraction_high,
            squared_fraction: mean(rows.iter().map(|row| row.squared_fraction())),
            explained_l2: mean(rows.iter().map(|row| row.explained_l2().unwrap_or(f64::NAN))),
            mahalanobis: mean(mahalanobis.into_iter()),
            reconstruction_cosine: mean(cosines.into_iter()),
            train_fraction: mean(train_rows.iter().map(|row| row.fraction())),
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

    fn angles(&self, found: &mut Found, spaces: &Spaces, split: &Split, pair: &Pair) -> Result<(), StatsError> {
        let eval = Pca::fit(&pair.delta)?;
        found.dimensions.push(self.dimension(&split.name, &eval));
        let of = |pca: &Pca| self.params.headline_k.min(pca.variances().len());
        let planes = Planes { width: pair.delta.cols(), a: of(&spaces.train), b: of(&eval) };
        found.control.add_planes(planes);
        let degrees = ascending_degrees(&spaces.train.basis(planes.a)?, &eval.basis(planes.b)?)?;
        for (at, degrees) in degrees.into_iter().enumerate() {
            found.angles.push(Angle {
                organism: self.trained.name.clone(),
                site: self.site.to_owned(),
                view: self.view.to_owned(),
                bank: split.name.clone(),
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

    fn prompts(
        &self,
        found: &mut Found,
        spaces: &Spaces,
        split: &Split,
        pair: &Pair,
        clusters: &Clusters<'_>,
    ) -> Result<(), StatsError> {
        let prompt_k = spaces.before.components_for_variance(self.params.prompt_variance)?;
        let like = row_overlaps(&pair.before, spaces.before.mean(), &spaces.before.basis(prompt_k)?)?;
        let like: Vec<f64> = like.iter().map(|row| row.fraction()).collect();
        let cosines = row_cosines(&pair.delta, spaces.train.mean())?;
        let k = self.params.headline_k;
        let rows = row_overlaps(
            &pair.delta,
            spaces.train.mean(),
            &spaces.train.basis(k.min(spaces.train.variances().len()))?,
        )?;
        for (i, row) in rows.iter().enumerate() {
            found.prompts.push(Prompt {
                organism: self.trained.name.clone(),
                site: self.site.to_owned(),
                view: self.view.to_owned(),
                bank: split.name.clone(),
                row_id: split.row_ids[i].clone(),
                topic: split.topics[i].clone(),
                prompt_overlap: like[i],
                delta_cosine: cosines[i],
                fraction: if k <= spaces.train.variances().len() { row.fraction() } else { f64::NAN },
                delta_norm: row.norm,
            });
        }
        let (pearson, spearman) = correlate(&like, &cosines)?;
        let (topics, topic) = clusters.topic_correlation(&like, &cosines)?;
        found.correlations.push(Correlation {
            organism: self.trained.name.clone(),
            site: self.site.to_owned(),
            view: self.view.to_owned(),
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

    fn mean_delta(
        &self,
        spaces: &Spaces,
        split: &Split,
        pair: &Pair,
        clusters: &Clusters<'_>,
    ) -> Result<MeanDelta, StatsError> {
        let direction = spaces.train.mean();
        let eval = pair.delta.mean_row();
        let [cosine_low, cosine_high] = clusters.cosine_interval(&pair.delta, direction);
        let reference = spaces.reference.as_ref();
        Ok(MeanDelta {
            organism: self.trained.name.clone(),
            site: self.site.to_owned(),
            view: self.view.to_owned(),
            bank: split.name.clone(),
            n_train: spaces.train.n() as u64,
            n_eval: pair.delta.rows() as u64,
            cosine: cosine(&eval, direction)?,
            cosine_low,
            cosine_high,
            norm_train: norm(direction),
            norm_eval: norm(&eval),
            relative_eval: norm(&eval) / mean(pair.before.iter_rows().map(norm)),
            reference: self.trained.reference.clone().unwrap_or_default(),
            reference_cosine: reference.map_or(Ok(f64::NAN), |pca| cosine(&eval, pca.mean()))?,
        })
    }

    fn dimension(&self, vectors: &str, pca: &Pca) -> Dimension {
        Dimension {
            organism: self.trained.name.clone(),
            site: self.site.to_owned(),
            view: self.view.to_owned(),
            vectors: vectors.to_owned(),
            n: pca.n() as u64,
            rank: pca.variances().len() as u64,
            elbow: elbow(pca.ratios()) as u64,
            // The ratios sum to 1.
            participation: 1.0 / pca.ratios().iter().map(|ratio| ratio * ratio).sum::<f64>(),
            first_share: pca.ratios()[0],
        }
    }

    fn failed(&self, what: &str, error: StatsError) -> Error {
        let place = format!(
            "failed to {error} (organism `{}`, site `{}`, view `{}`, `{what}`)",
            self.trained.name, self.site, self.view
        );
        match error {
            StatsError::Constant { .. } | StatsError::ZeroVector { .. } => {
                Error::Input(format!("{place}: nothing varies or nothing moves there, leave that site out of `sites`"))
            }
            _ => Error::Plugin(place),
        }
    }
}

/// Number of components up to the elbow of the explained variance: the one farthest below the chord from the first to
/// the last (Satopaa et al. 2011).
fn elbow(ratios: &[f64]) -> usize {
    let last = ratios.len() - 1;
    let below = |i: usize| ratios[0] + (ratios[last] - ratios[0]) * i as f64 / last.max(1) as f64 - ratios[i];
    (0..ratios.len()).fold(0, |best, i| if below(i) > below(best) { i } else { best }) + 1
}

fn norm(vector: &[f64]) -> f64 {
    vector.iter().map(|value| value * value).sum::<f64>().sqrt()
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let n = values.len() as f64;
    values.sum::<f64>() / n
}
