//! Everything that is fitted for one organism on one bank.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::StatsError;
use emhost_study::Columns;

use crate::check::WORDS;
use crate::features::{Components, Features, design};
use crate::fit::{Parts, Penalties};
use crate::identity::{Alike, Pair, refuse};
use crate::params::{Model, Params, Projection};
use crate::permute;
use crate::score_table::{Outcome, Setting};
use crate::source::{Input, Kind, Place, Source};
use crate::splits::{Cv, Rounds};
use crate::target::Targets;
use crate::validate::{Design, Task, Validated, validate};

/// The tables of a cell, filled bank by bank.
#[derive(Default)]
pub struct Tables {
    /// Every fold.
    pub folds: Columns,
    /// Every model over its folds.
    pub scores: Columns,
    /// What the headline's model predicts of each question.
    pub predictions: Columns,
    /// Pairs of artefacts.
    pub identity: Columns,
    /// The headline's features, by source and projection.
    pub features: Vec<Exported>,
}

/// Features as scikit-learn may read them again.
pub struct Exported {
    /// Bank, source and projection.
    pub of: [String; 3],
    /// Row ids.
    pub row_ids: Vec<String>,
    /// `n x k`.
    pub rows: emhost_stats::Matrix,
}

/// One organism on one bank.
pub struct Analysis<'a> {
    /// The parameters.
    pub params: &'a Params,
    /// Name and role of the organism, and the bank.
    pub of: [&'a str; 3],
    /// What is predicted.
    pub targets: &'a Targets,
    y: Vec<f64>,
    topics: Vec<&'a str>,
    penalties: Penalties,
    rounds: BTreeMap<Cv, Result<Rounds, StatsError>>,
    /// The bag of words, by folds and model.
    words: BTreeMap<(Cv, String), Validated>,
    /// Predictions of the headline's model at the headline's place, by source.
    predicted: Vec<(String, Cv, Projection, Vec<f64>)>,
}

impl<'a> Analysis<'a> {
    /// Nothing is fitted yet.
    pub fn new(params: &'a Params, of: [&'a str; 3], targets: &'a Targets) -> Self {
        let topics = targets.topics();
        let rounds = Cv::ALL.map(|cv| (cv, Rounds::new(&params.folds, cv, &topics))).into();
        let (words, predicted) = (BTreeMap::new(), Vec::new());
        Self { params, of, targets, y: targets.values(), topics, penalties: params.into(), rounds, words, predicted }
    }

    /// Fits everything on a source. The bag of words comes first: others are compared with it.
    ///
    /// # Errors
    ///
    /// The user stopped the run.
    pub fn source(&mut self, lab: &Lab, tables: &mut Tables, source: &Source) -> Result<()> {
        for (at, place) in source.places.iter().enumerate() {
            for cv in Cv::ALL {
                let done =
                    || lab.progress(at as u64, source.places.len() as u64, &format!("predict from {}", source.name));
                self.place(tables, source, place, cv, &done)?;
            }
        }
        Ok(())
    }

    fn at_headline(&self, place: &Place) -> bool {
        let headline = &self.params.headline;
        // Baselines and random activations are in no place, and in every one.
        place.pooled.is_none() || place.site == headline.site && place.pooled == Some(headline.pooling)
    }

    fn features(&self, place: &Place) -> Vec<Features> {
        if let Input::Given(_) = place.input {
            return vec![Features::Given];
        }
        let mut features: Vec<Features> = Projection::ALL.map(Features::Pca).into();
        if self.at_headline(place) {
            features.push(Features::Activations);
            for &seed in &self.params.random_seeds {
                features.extend(Projection::ALL.map(|projection| Features::Random(seed, projection)));
            }
        }
        features
    }

    fn models(&self, place: &Place, features: Features) -> Vec<Model> {
        let headline = self.params.headline.model;
        if !self.at_headline(place) || matches!(features, Features::Random(..)) {
            return vec![headline];
        }
        let mut models = self.params.fitted();
        if features == Features::Activations {
            // Neighbouring dimensions are so alike that a lasso of small penalty takes a thousand times as many passes.
            models.retain(|model| *model == headline || !matches!(model, Model::LassoCv | Model::Tree(_)));
        }
        models
    }

    fn place(
        &mut self,
        tables: &mut Tables,
        source: &Source,
        place: &Place,
        cv: Cv,
        progress: &dyn Fn() -> Result<()>,
    ) -> Result<()> {
        let headline = self.at_headline(place);
        let components = match (&place.input, &self.rounds[&cv]) {
            (Input::Activations { rows, train }, Ok(rounds)) => {
                Some(Components::fit(self.params, rows, train.as_ref(), rounds))
            }
            _ => None,
        };
        for features in self.features(place) {
            let prepared = self.rounds[&cv].clone().and_then(|rounds| {
                let components = components.as_ref().map(|found| found.as_ref().map_err(Clone::clone)).transpose()?;
                let design = design(&place.input, features, components)?;
                Ok((design.parts(&rounds)?, design))
            });
            for model in self.models(place, features) {
                progress()?;
                let setting = Setting {
                    organism: self.of[0],
                    role: self.of[1],
                    bank: self.of[2],
                    source: &source.name,
                    kind: source.kind,
                    site: &place.site,
                    pooled: place.pooled,
                    headline,
                    features,
                    model,
                    cv,
                };
                let outcome = match &prepared {
                    Ok((parts, _)) => self.fit(tables, &setting, parts),
                    Err(error) => Err(error.clone()),
                };
                setting.note_score(&mut tables.scores, &outcome.map_err(|error| format!("failed to {error}")));
            }
            if let (true, Cv::Plain, Ok((_, design))) = (headline, cv, &prepared) {
                self.export(tables, source, features, design);
            }
        }
        Ok(())
    }

    fn fit(&mut self, tables: &mut Tables, setting: &Setting<'_>, parts: &[Parts]) -> Result<Outcome, StatsError> {
        let params = self.params;
        let rounds = self.rounds[&setting.cv].as_ref().map_err(Clone::clone)?;
        let (cv, inner_folds) = (setting.cv, params.inner_folds);
        let task = Task { y: &self.y, topics: &self.topics, cv, rounds, inner_folds, penalties: &self.penalties };
        let validated = validate(&task, parts, setting.model)?;
        let score = validated.score(&self.y)?;
        let key = (cv, setting.model.name());
        let words = match self.words.get(&key) {
            Some(words) if setting.source != WORDS => Some(validated.against(words)?),
            _ => None,
        };
        let read = self.is_read(setting);
        // Baselines are what others are compared with: they are not permuted.
        let asked = read && setting.kind != Kind::Baseline && params.permutations.draws > 0;
        let permuted = match asked {
            true => permute::test(&task, parts, setting.model, &params.permutations)?,
            false => None,
        };
        setting.note_folds(&mut tables.folds, &validated);
        if read {
            setting.note_predictions(&mut tables.predictions, self.targets, &validated);
        }
        if setting.headline
            && setting.model == params.headline.model
            && let Features::Pca(projection) = setting.features
        {
            self.predicted.push((setting.source.to_owned(), cv, projection, validated.predicted.clone()));
        }
        if setting.source == WORDS {
            self.words.insert(key, validated);
        }
        Ok(Outcome { score, words, not_exchangeable: asked && permuted.is_none(), permuted })
    }

    /// Whether this is the headline's model on the headline's features, or on a baseline.
    fn is_read(&self, setting: &Setting<'_>) -> bool {
        let headline = &self.params.headline;
        let features = match setting.features {
            Features::Pca(projection) => projection == headline.projection,
            Features::Given => true,
            _ => false,
        };
        setting.headline && setting.model == headline.model && features
    }

    fn export(&self, tables: &mut Tables, source: &Source, features: Features, design: &Design) {
        // Features that differ from fold to fold are those of no single table.
        let (Some(rows), 1) = (design.0.first(), design.0.len()) else { return };
        let name = match features {
            Features::Pca(projection) => projection.name().to_owned(),
            Features::Random(seed, projection) => format!("random {seed} {}", projection.name()),
            Features::Activations => "activations".to_owned(),
            Features::Given => "given".to_owned(),
        };
        tables.features.push(Exported {
            of: [self.of[2].to_owned(), source.name.clone(), name],
            row_ids: self.targets.questions.iter().map(|question| question.row_id.clone()).collect(),
            rows: rows.clone(),
        });
    }

    /// Compares features and predictions of every two sources, and features of every two seeds.
    ///
    /// # Errors
    ///
    /// Features of two models are the same numbers.
    pub fn identity(&self, tables: &mut Tables, sources: &[Source]) -> Result<()> {
        let of = [self.of[0], self.of[2]];
        let headline = &self.params.headline;
        let place = [headline.site.as_str(), headline.pooling.name()];
        let kind = |name: &str| sources.iter().find(|source| source.name == name).map(|source| source.kind);
        let here: Vec<&Exported> =
            tables.features.iter().filter(|one| one.of[0] == self.of[2] && one.of[2] != "given").collect();
        for (number, second) in here.iter().enumerate() {
            for first in &here[..number] {
                let names = [first.of[1].as_str(), second.of[1].as_str()];
                let same_source = names[0] == names[1];
                let seeds = |one: &Exported| {
                    one.of[2].strip_prefix("random ")?.split_once(' ').map(|(_, kind)| kind.to_owned())
                };
                let comparable = if same_source {
                    seeds(first).is_some() && seeds(first) == seeds(second)
                } else {
                    first.of[2] == second.of[2]
                };
                if !comparable {
                    continue;
                }
                let which =
                    if same_source { format!("{} and {}", first.of[2], second.of[2]) } else { first.of[2].clone() };
                let alike = Alike::of(&first.rows, &second.rows);
                Pair { of, artefact: "features", place: [place[0], place[1], &which], names }
                    .note(&mut tables.identity, alike);
                let models = names.map(kind) == [Some(Kind::Prior); 2];
                if alike.identical() && (models || same_source) {
                    return refuse(names, &format!(" as features ({which})"));
                }
            }
        }
        for (number, (second, cv, projection, values)) in self.predicted.iter().enumerate() {
            for (first, other_cv, other, others) in &self.predicted[..number] {
                if (cv, projection) != (other_cv, other) {
                    continue;
                }
                let which = format!("{}, {} folds", projection.name(), cv.name());
                let alike = Alike::of_values(Some((others, values)));
                Pair { of, artefact: "predictions", place: [place[0], place[1], &which], names: [first, second] }
                    .note(&mut tables.identity, alike);
            }
        }
        Ok(())
    }
}
