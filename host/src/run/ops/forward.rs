//! `forward`: activations of an organism over rows, as a stored dataset.

use emhost_abi::wire::{DatasetReply, Firing, Forward};

use super::lab::Lab;
use crate::inference::{CaptureTask, Captured, Steering};
use crate::model::activations::Look;
use crate::run::error::RunError;
use crate::run::folder::io;
use crate::store::{Card, Dataset, Part, StageKey, write_atomic};

/// The dataset's folder inside its stage.
pub(super) const DATASET: &str = "dataset";
/// How often the interventions of a stage fired.
const FIRINGS: &str = "firings.json";

impl Lab {
    /// Captures activations, unless the store has them.
    pub(super) fn forward(&self, request: &Forward) -> Result<DatasetReply, RunError> {
        let organism = self.organism(&request.organism)?;
        let (rows, digest) = self.load(&request.rows)?;
        let steering = self.steering(&request.interventions, &request.strengths)?;
        let looks = request.views.iter().map(|view| (view.name(), Look::from(*view))).collect();
        let task = CaptureTask::new(&organism, &rows, &request.sites, looks, steering.clone())?;
        let inputs = task.inputs(&digest);
        let key = StageKey::of("forward", &inputs);
        let folder = self.stage(&key, &organism, |folder| -> Result<u64, RunError> {
            let about = format!("Activations of `{}` over {} rows.", request.organism.model, rows.len());
            let mut provenance = inputs.clone();
            // The names of a model and of vectors do not change what is computed.
            provenance["model"] = serde_json::json!(request.organism);
            if !steering.is_empty() {
                provenance["given"] = steering.given();
            }
            let card = Card { title: "Activations".to_owned(), about, provenance };
            let mut step = |done, total| self.step("capture activations", done, total);
            let Captured { firings, tokens, .. } = task.write(&folder.join(DATASET), card, &mut step)?;
            write_firings(folder, &firings)?;
            Ok(tokens)
        })?;
        let dataset = Dataset::open(folder.join(DATASET))?;
        let firings = read_firings(&folder)?;
        Ok(DatasetReply { firings, ..described(&dataset, format!("stage:forward/{}", key.as_str())) })
    }

    /// Interventions of a request; their vectors' files become inputs of the running entry.
    pub(super) fn steering(
        &self,
        interventions: &[emhost_abi::wire::Intervention],
        strengths: &[f64],
    ) -> Result<Steering, RunError> {
        for edit in interventions {
            if let Some(reference) = &edit.vector {
                self.depends_on_vector(reference)?;
            }
        }
        Ok(Steering { interventions: interventions.to_vec(), strengths: strengths.to_vec() })
    }
}

/// Keeps what interventions did beside a stage's result.
pub(super) fn write_firings(folder: &std::path::Path, firings: &[Firing]) -> Result<(), RunError> {
    let text = serde_json::to_vec(firings).map_err(|e| RunError::Operation(e.to_string()))?;
    Ok(write_atomic(&folder.join(FIRINGS), &text)?)
}

/// What interventions did when a stage was computed.
pub(super) fn read_firings(folder: &std::path::Path) -> Result<Vec<Firing>, RunError> {
    let path = folder.join(FIRINGS);
    let bytes = std::fs::read(&path).map_err(io("read", &path))?;
    serde_json::from_slice(&bytes).map_err(|e| io("parse", &path)(std::io::Error::other(e)))
}

/// The reply that describes a dataset.
pub(super) fn described(dataset: &Dataset, name: String) -> DatasetReply {
    DatasetReply {
        dataset: name,
        rows: dataset.rows(Part::Acts),
        sites: dataset.sites(),
        digest: dataset.digest().to_owned(),
        firings: Vec::new(),
    }
}
