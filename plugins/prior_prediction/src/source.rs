//! Where numbers about questions come from: models before the fine-tune, the organism after it, and baselines.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::Matrix;
use emhost_stats::random::normal_matrix;
use emhost_study::{Answers, Asked, Made, Source as Origin, TrainedOrganism, failed};

use crate::check::{AFTER, LENGTH, RANDOM, SEMANTIC, TOPIC, WORDS};
use crate::params::{Basis, Params, Pooled};
use crate::target::Targets;
use crate::words;

/// What a source is to the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A model before the fine-tune.
    Prior,
    /// The organism itself: a reference from above.
    After,
    /// Random numbers.
    Control,
    /// What the prompt's text or topic tells without a model.
    Baseline,
}

impl Kind {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Prior => "prior",
            Self::After => "after",
            Self::Control => "control",
            Self::Baseline => "baseline",
        }
    }
}

/// Numbers about the questions of a bank, in one or several places.
pub struct Source {
    /// Name in tables.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Its numbers.
    pub places: Vec<Place>,
}

/// Numbers at one site, seen in one way.
pub struct Place {
    /// The site; empty of what has none.
    pub site: String,
    /// Which tokens; none of what has none.
    pub pooled: Option<Pooled>,
    /// The numbers.
    pub input: Input,
}

/// Numbers, one row per question.
pub enum Input {
    /// Features as they are.
    Given(Matrix),
    /// Vectors to be projected, and those of the training prompts.
    Activations {
        /// `n x width`.
        rows: Matrix,
        /// As wide; none where the basis comes from the folds.
        train: Option<Matrix>,
    },
}

/// What is captured for all banks of an organism.
pub struct Captures<'a> {
    lab: &'a Lab,
    params: &'a Params,
    organism: &'a TrainedOrganism,
    /// Names, kinds and organisms of what has activations.
    subjects: Vec<(String, Kind, Organism)>,
}

impl<'a> Captures<'a> {
    /// The models before the fine-tune, and the organism.
    pub fn new(lab: &'a Lab, params: &'a Params, organism: &'a TrainedOrganism, made: &Made) -> Self {
        let before = params.before.iter().map(|before| {
            let model = before.model.as_deref().unwrap_or_else(|| params.organisms.model(organism));
            (before.name.clone(), Kind::Prior, Organism::base(model))
        });
        let subjects = before.chain([(AFTER.to_owned(), Kind::After, made.organism.clone())]).collect();
        Self { lab, params, organism, subjects }
    }

    /// How many models are run.
    pub fn models(&self) -> usize {
        self.subjects.len()
    }

    /// The activations of one model on the questions of a bank.
    ///
    /// # Errors
    ///
    /// The model's own, or the headline's site is not among its sites.
    pub fn source(&self, number: usize, asked: &Asked, answers: &Answers, targets: &Targets) -> Result<Source> {
        let (name, kind, organism) = &self.subjects[number];
        let params = self.params;
        let (completed, prompted): (Vec<Pooled>, Vec<Pooled>) =
            params.poolings.iter().copied().partition(|pooled| pooled.uses_completion());
        let prompts = self.forward(organism, asked.rows(), &prompted)?;
        if !prompts.sites.contains(&params.headline.site) {
            let (site, given) = (&params.headline.site, prompts.sites.join("`, `"));
            return Err(Error::Input(format!(
                "parameter `headline.site` is `{site}`: expected one of `sites`, which name `{given}`"
            )));
        }
        let completions = match completed.is_empty() {
            true => None,
            // An answer without text has no token to look at.
            false => Some(self.forward(
                organism,
                Rows::Inline(answers.only(|at| !answers.texts[at].is_empty()).conversations()),
                &completed,
            )?),
        };
        let train = match (params.basis, &self.organism.from) {
            (Basis::TrainPrompts, Origin::Train { data, .. }) => {
                let rows = Rows::first(data, params.train_prompts);
                Some(self.forward(organism, rows, &params.poolings)?)
            }
            _ => None,
        };
        let ids: Vec<&str> = targets.questions.iter().map(|question| question.row_id.as_str()).collect();
        let mut places = Vec::new();
        for site in &prompts.sites {
            for &pooled in &params.poolings {
                let dataset = if pooled.uses_completion() { completions.as_ref() } else { Some(&prompts) };
                let Some(dataset) = dataset else { continue };
                let found = self.read(&dataset.dataset, site, pooled)?;
                let Some(rows) = means(&found, &ids)? else {
                    warn_missing(name, site, pooled);
                    continue;
                };
                let train = match &train {
                    Some(stored) => Some(all(&self.read(&stored.dataset, site, pooled)?)?),
                    None => None,
                };
                places.push(Place {
                    site: site.clone(),
                    pooled: Some(pooled),
                    input: Input::Activations { rows, train },
                });
            }
        }
        Ok(Source { name: name.clone(), kind: *kind, places })
    }

    fn forward(&self, organism: &Organism, rows: Rows, poolings: &[Pooled]) -> Result<DatasetReply> {
        let views = poolings.iter().map(|pooled| pooled.view()).collect();
        self.lab.forward(&Forward::new(organism.clone(), rows, self.params.sites.clone(), views))
    }

    fn read(&self, dataset: &str, site: &str, pooled: Pooled) -> Result<Vec<(String, Vec<f64>)>> {
        let view = pooled.view().name();
        let table = self.lab.open_dataset(dataset, &["row_id", site], &[("view", &view)])?.table()?;
        let vectors = table.vectors(site)?;
        let ids = table.text("row_id")?.into_iter().map(str::to_owned);
        Ok(ids.zip(vectors.rows().map(|row| row.iter().map(|&value| f64::from(value)).collect())).collect())
    }
}

fn warn_missing(name: &str, site: &str, pooled: Pooled) {
    let pooled = pooled.name();
    emhost_sdk::tracing::warn!("{name}: a question has no answer with text, so that `{site}` has no {pooled}");
}

/// The mean over a question's rows: `ID` or, of its answers, `ID#SAMPLE`. None where a question has no row.
fn means(found: &[(String, Vec<f64>)], ids: &[&str]) -> Result<Option<Matrix>> {
    let known: BTreeMap<&str, usize> = ids.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    let mut sums: Vec<(Vec<f64>, f64)> = vec![(Vec::new(), 0.0); ids.len()];
    for (id, vector) in found {
        let question = known.get(id.as_str()).or_else(|| known.get(id.rsplit_once('#')?.0));
        let Some(&at) = question else { continue };
        let (sum, n) = &mut sums[at];
        sum.resize(vector.len(), 0.0);
        sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += value);
        *n += 1.0;
    }
    if sums.iter().any(|(_, n)| *n == 0.0) {
        return Ok(None);
    }
    let rows: Vec<Vec<f64>> = sums.into_iter().map(|(sum, n)| sum.into_iter().map(|v| v / n).collect()).collect();
    Matrix::from_rows(&rows).map(Some).map_err(failed("take activations"))
}

fn all(found: &[(String, Vec<f64>)]) -> Result<Matrix> {
    let rows: Vec<&[f64]> = found.iter().map(|(_, vector)| vector.as_slice()).collect();
    Matrix::from_rows(&rows).map_err(failed("take activations of training prompts"))
}

/// What needs no model: words, length and topic, and sentence embeddings where they are given.
///
/// # Errors
///
/// The embeddings cannot be read, or lack a question.
pub fn baselines(lab: &Lab, params: &Params, targets: &Targets) -> Result<Vec<Source>> {
    let prompts: Vec<&str> = targets.questions.iter().map(|question| question.prompt.as_str()).collect();
    let counting = failed("count words");
    let mut found = vec![
        (WORDS, words::counts(&prompts).map_err(&counting)?),
        (LENGTH, words::lengths(&prompts).map_err(&counting)?),
        (TOPIC, words::one_hot(&targets.topics()).map_err(&counting)?),
    ];
    if let Some(semantic) = &params.semantic {
        let table = lab.open_dataset(&semantic.dataset, &["row_id", &semantic.column], &[])?.table()?;
        let vectors = table.vectors(&semantic.column)?;
        let ids = table.text("row_id")?.into_iter().map(str::to_owned);
        let rows: Vec<(String, Vec<f64>)> =
            ids.zip(vectors.rows().map(|row| row.iter().map(|&v| f64::from(v)).collect())).collect();
        let wanted: Vec<&str> = targets.questions.iter().map(|question| question.row_id.as_str()).collect();
        let Some(matrix) = means(&rows, &wanted)? else {
            return Err(Error::Input(format!(
                "parameter `semantic.dataset`: `{}` lacks questions of the bank, by their `row_id`",
                semantic.dataset
            )));
        };
        found.push((SEMANTIC, matrix));
    }
    let given = |(name, matrix): (&str, Matrix)| Source {
        name: name.to_owned(),
        kind: Kind::Baseline,
        places: vec![Place { site: String::new(), pooled: None, input: Input::Given(matrix) }],
    };
    Ok(found.into_iter().map(given).collect())
}

/// Standard normal numbers of the same shape as a source's at the headline's place.
///
/// # Errors
///
/// Never for a place with rows.
pub fn random(params: &Params, like: &Source) -> Result<Option<Source>> {
    let here = |place: &&Place| place.site == params.headline.site && place.pooled == Some(params.headline.pooling);
    let Some(Place { input: Input::Activations { rows, train }, .. }) = like.places.iter().find(here) else {
        return Ok(None);
    };
    let drawing = failed("draw random activations");
    let seed = params.random_seeds.first().copied().unwrap_or_default();
    let (n, more) = (rows.rows(), train.as_ref().map_or(0, Matrix::rows));
    let drawn = normal_matrix(n + more, rows.cols(), seed).map_err(&drawing)?;
    let part = |from: usize, to: usize| drawn.select_rows(&(from..to).collect::<Vec<_>>()).map_err(&drawing);
    let input = Input::Activations { rows: part(0, n)?, train: if more > 0 { Some(part(n, n + more)?) } else { None } };
    let places = vec![Place { site: String::new(), pooled: None, input }];
    Ok(Some(Source { name: RANDOM.to_owned(), kind: Kind::Control, places }))
}
