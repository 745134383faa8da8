//! A fine-tune with everything that it needs in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use emhost_abi::wire::{EditOp, Mask, Method, Recipe, Row};
use serde_json::{Value, json};

use super::identity::file_digest;
use crate::model::files::Files;
use crate::model::intervene::Interventions;
use crate::model::organism::{AdapterFolder, Organism};
use crate::model::{Device, ModelError, Result, numerics};
use crate::rng::Stream;
use crate::rows;
use crate::run::RunError;
use crate::train::{DataReport, Example, Fitting, Learner, check, examples, step_count};

/// What a fine-tune starts from.
pub struct Inputs<'a> {
    /// The model.
    pub files: Files,
    /// Its adapters, which stay as they are.
    pub adapters: Vec<AdapterFolder>,
    /// The rows to learn.
    pub rows: &'a [Row],
    /// How.
    pub recipe: Recipe,
    /// Where.
    pub device: Device,
}

/// A fine-tune that is ready to run.
pub struct Job {
    /// The model before.
    pub organism: Arc<Organism>,
    /// How.
    pub recipe: Recipe,
    /// Rows to learn.
    pub rows: Vec<Example>,
    /// Rows on which the loss is measured.
    pub held_out: Vec<Example>,
    /// What was found in the data.
    pub report: DataReport,
    /// Steps.
    pub steps: usize,
    /// What learns.
    pub learner: Learner,
    pub(super) files: Files,
    /// Everything that decides the result, as JSON.
    pub(super) identity: Value,
    close_to: Option<Vec<Example>>,
    interventions: Interventions,
}

impl Job {
    /// Reads, checks and tokenises everything; `load` gives the model where it need not learn.
    pub fn new(
        inputs: Inputs<'_>,
        load: impl FnOnce(&Inputs<'_>) -> Result<Arc<Organism>, RunError>,
    ) -> Result<Self, RunError> {
        let recipe = inputs.recipe.clone();
        check(&recipe)?;
        let (organism, weights) = if recipe.method == Method::Full {
            if !inputs.adapters.is_empty() {
                let problem = "full training takes a model without adapters; merge them first (emhost adapter merge)";
                return Err(ModelError::Recipe(problem.to_owned()).into());
            }
            let (organism, weights) = Organism::learning(&inputs.files, &inputs.device)?;
            (Arc::new(organism), weights)
        } else {
            (load(&inputs)?, Default::default())
        };
        let (rows, held_rows) = split(inputs.rows, &recipe)?;
        let (rows, report) = examples(&rows, &organism, &recipe)?;
        if let Mask::Marker { text } = &recipe.mask
            && report.marked == 0
        {
            let problem = format!("no assistant turn of the {} rows has the marker {text:?}", report.rows);
            return Err(ModelError::Recipe(problem).into());
        }
        let (held_out, held_report) = match held_rows.as_slice() {
            [] => Default::default(),
            held => examples(held, &organism, &recipe)?,
        };
        let (close_to, kl_digest) = match recipe.kl.as_ref().and_then(|kl| kl.rows.as_ref()) {
            None => (None, None),
            Some(named) => {
                // The assistant's turns, where the rows that are learned have marks or spans of their own.
                let own = matches!(recipe.mask, Mask::All | Mask::Assistant);
                let mask = if own { recipe.mask.clone() } else { Mask::Assistant };
                let recipe = Recipe { mask, ..recipe.clone() };
                let (rows, report) = examples(&rows::load(named)?, &organism, &recipe)?;
                (Some(rows), Some(report.digest))
            }
        };
        if recipe.kl.is_some() && recipe.method == Method::Full {
            let problem =
                "kl with full training needs a second copy of the model, which is not supported; use an adapter";
            return Err(ModelError::Recipe(problem.to_owned()).into());
        }
        let steps = step_count(&recipe, rows.len())?;
        let interventions =
            interventions(&organism, &recipe, &rows, &held_out, close_to.as_deref().unwrap_or_default())?;
        let learner = Learner::new(&organism, &recipe, weights)?;
        let starts = start_digests(&recipe)?;
        let identity = json!({
            "model": organism.digest,
            "data": report.digest,
            "held_out": held_report.digest,
            "kl_rows": kl_digest,
            "start": starts,
            "interventions": interventions.identity(),
            "recipe": portable(&recipe),
            "numerics": numerics(&organism.device),
        });
        let files = inputs.files;
        Ok(Self { organism, recipe, rows, held_out, report, steps, learner, files, identity, close_to, interventions })
    }

    /// The fine-tune itself.
    pub(super) fn fitting(&self) -> Fitting<'_> {
        Fitting {
            learner: &self.learner,
            recipe: &self.recipe,
            before: &self.organism.network,
            interventions: &self.interventions,
            rows: &self.rows,
            held_out: &self.held_out,
            close_to: self.close_to.as_deref(),
        }
    }

    /// Rows by the set that they belong to.
    pub(super) fn sets(&self) -> [(&'static str, &[Example]); 3] {
        [("train", &self.rows), ("held_out", &self.held_out), ("kl", self.close_to.as_deref().unwrap_or_default())]
    }
}

/// Digests of the adapters that a recipe starts from, by the names of the new ones.
pub fn start_digests(recipe: &Recipe) -> Result<BTreeMap<String, String>> {
    recipe.method.starts().into_iter().map(|(name, start)| Ok((name.to_owned(), file_digest(start)?))).collect()
}

/// The recipe without names of files, which digests stand for: a folder may move. Nor with what does not change the
/// result.
pub fn portable(recipe: &Recipe) -> Value {
    let mut recipe = Recipe { recompute: false, ..recipe.clone() };
    recipe.method.starts_mut().into_iter().for_each(|start| *start = None);
    recipe.interventions.iter_mut().for_each(|edit| (edit.vector, edit.values) = (None, None));
    if let Some(held) = &mut recipe.held_out {
        held.rows = None;
    }
    if let Some(kl) = &mut recipe.kl {
        kl.rows = None;
    }
    json!(recipe)
}

/// Rows to learn, and rows on which the loss is measured.
fn split(all: &[Row], recipe: &Recipe) -> Result<(Vec<Row>, Vec<Row>), RunError> {
    let Some(held) = &recipe.held_out else { return Ok((all.to_vec(), Vec::new())) };
    if let Some(named) = &held.rows {
        return Ok((all.to_vec(), rows::load(named)?));
    }
    let count = (held.share.unwrap_or(0.0) * all.len() as f64).ceil() as usize;
    if count >= all.len() {
        let problem = format!("held_out.share leaves none of the {} rows to learn", all.len());
        return Err(ModelError::Recipe(problem).into());
    }
    let mut chosen = vec![false; all.len()];
    for at in &Stream::new(recipe.seed, &[b"held-out"]).permutation(all.len())[..count] {
        chosen[*at] = true;
    }
    let part = |wanted: bool| -> Vec<Row> {
        all.iter().zip(&chosen).filter(|(_, held)| **held == wanted).map(|(row, _)| row.clone()).collect()
    };
    Ok((part(false), part(true)))
}

/// The recipe's edits, checked against every row.
fn interventions(
    organism: &Organism,
    recipe: &Recipe,
    rows: &[Example],
    held_out: &[Example],
    close_to: &[Example],
) -> Result<Interventions> {
    let all = || rows.iter().chain(held_out).chain(close_to);
    for (number, edit) in recipe.interventions.iter().enumerate() {
        if matches!(edit.op, EditOp::Patch | EditOp::ScaleAdapter) {
            let problem = "it cannot be active during training; add, project_out and replace can".to_owned();
            return Err(ModelError::Intervention { number, op: edit.op.name(), problem });
        }
    }
    if recipe.interventions.iter().flat_map(|edit| &edit.sites).any(|site| site.contains(".lora.")) {
        let problem = "an intervention on the scalars of adapters cannot be active during training";
        return Err(ModelError::Recipe(problem.to_owned()));
    }
    let strengths: Vec<f64> = all().map(|row| row.strength).collect();
    let resolved = Interventions::resolve(organism, &recipe.interventions, &strengths)?;
    if resolved.edits_logits() {
        return Err(ModelError::Recipe("an intervention at `logits` cannot be active during training".to_owned()));
    }
    all().try_for_each(|row| resolved.check(&row.row_id, &row.extent()))?;
    Ok(resolved)
}
