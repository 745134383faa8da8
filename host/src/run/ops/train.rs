//! `train`.

use emhost_abi::Reader;
use emhost_abi::wire::{Method, Recipe, Train, TrainReply};
use serde_json::json;

use super::lab::{Lab, reply};
use crate::finetune::{Inputs, Job, TrainingFolder, portable, start_digests};
use crate::inference::{adapter_folder, find};
use crate::model::{intervene, numerics};
use crate::run::error::RunError;
use crate::store::{StageKey, read_table};

impl Lab {
    /// The recipe with the folders of adapters that it starts from, which may lie in the store.
    fn found(&self, recipe: &Recipe) -> Result<Recipe, RunError> {
        let mut recipe = recipe.clone();
        for start in recipe.method.starts_mut().into_iter().flatten() {
            *start = adapter_folder(start, Some(&self.shared.stages))?.display().to_string();
        }
        Ok(recipe)
    }

    /// Fine-tunes an organism, unless the store has the result.
    pub(super) fn train(&self, request: &Train) -> Result<(String, Option<Reader>), RunError> {
        let organism = self.organism(&request.organism)?;
        let (rows, digest) = self.load(&request.data)?;
        let recipe = &self.found(&request.recipe)?;
        let mut others = Vec::new();
        let held_out = recipe.held_out.as_ref().and_then(|held| held.rows.as_ref());
        for named in held_out.into_iter().chain(recipe.kl.as_ref().and_then(|kl| kl.rows.as_ref())) {
            others.push(self.load(named)?.1);
        }
        let mut vectors = Vec::new();
        for edit in &recipe.interventions {
            if let Some(vector) = &edit.vector {
                self.depends_on_vector(vector)?;
                vectors.push(intervene::digest(&intervene::read_vector(vector)?));
            }
            vectors.extend(edit.values.as_ref().map(|values| intervene::digest(values)));
        }
        let key = StageKey::of(
            "train",
            &json!({
                "organism": organism.digest,
                "rows": digest,
                "other_rows": others,
                "recipe": portable(recipe),
                "start": start_digests(recipe)?,
                "vectors": vectors,
                "numerics": numerics(&organism.device),
            }),
        );
        let folder = self.stage(&key, &organism, |folder| -> Result<u64, RunError> {
            let (files, adapters) = find(&request.organism, Some(&self.shared.stages))?;
            let device = organism.device.clone();
            let inputs = Inputs { files, adapters, rows: &rows, recipe: recipe.clone(), device };
            let job = Job::new(inputs, |_| Ok(organism.clone()))?;
            let mut tokens = 0;
            TrainingFolder::new(folder).run(&job, |_| {}, &mut |done, total, step| {
                tokens += step.tokens as u64;
                self.step(&format!("train, loss {:.3}", step.loss), done, total)
            })?;
            Ok(tokens)
        })?;
        let stored = TrainingFolder::new(&folder);
        let finished = stored
            .finished()?
            .ok_or_else(|| RunError::Operation(format!("{} has no summary of its training", folder.display())))?;
        let stage = format!("stage:train/{}", key.as_str());
        let inside = |step: &usize| {
            let path = TrainingFolder::checkpoint(std::path::Path::new(&stage), *step);
            (*step, path.display().to_string())
        };
        let weights = match &recipe.method {
            Method::Steering(_) => folder.join("steering.safetensors").display().to_string(),
            Method::Full => folder.display().to_string(),
            Method::Lora(_) | Method::Adapters(_) => stage.clone(),
        };
        let saved = TrainReply {
            weights,
            first_loss: finished.first_loss,
            last_loss: finished.last_loss,
            tokens: finished.learned,
            checkpoints: finished.checkpoints.iter().map(inside).collect(),
        };
        reply(saved, Some(Box::new(read_table(&folder.join("training/steps.parquet"))?)))
    }
}
