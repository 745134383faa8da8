//! `sample`.

use emhost_abi::Reader;
use emhost_abi::wire::{Sample, SampleReply};

use super::forward::{DATASET, described, read_firings, write_firings};
use super::lab::{Lab, reply};
use super::stream::one;
use crate::inference::SampleTask;
use crate::run::error::RunError;
use crate::sample::Request;
use crate::store::{Card, Dataset, StageKey, read_table, write_table};

const COMPLETIONS: &str = "completions.parquet";

impl Lab {
    /// Samples completions, unless the store has them.
    pub(super) fn sample(&self, request: &Sample) -> Result<(String, Option<Reader>), RunError> {
        let organism = self.organism(&request.organism)?;
        let (rows, digest) = self.load(&request.rows)?;
        let steering = self.steering(&request.interventions, &request.strengths)?;
        let plan = Request {
            n: request.n,
            temperature: request.temperature,
            top_p: request.top_p,
            max_new_tokens: request.max_new_tokens,
            min_new_tokens: request.min_new_tokens,
            seed: request.seed,
            ..Request::default()
        };
        let task = SampleTask::new(&organism, &rows, &request.sites, steering, plan)?;
        let inputs = task.inputs(&digest);
        let key = StageKey::of("sample", &inputs);
        let kept = !request.sites.is_empty();
        let folder = self.stage(&key, &organism, |folder| -> Result<u64, RunError> {
            let about = format!("Activations of completions of `{}`.", request.organism.model);
            let card = Card { title: "Completions".to_owned(), about, provenance: inputs.clone() };
            let target = folder.join(DATASET);
            let mut step = |done, total| self.step("sample completions", done, total);
            let sampled = task.run(kept.then_some((target.as_path(), card)), &mut step)?;
            write_table(&folder.join(COMPLETIONS), one(sampled.table))?;
            write_firings(folder, &sampled.firings)?;
            Ok(sampled.tokens)
        })?;
        let name = format!("stage:sample/{}", key.as_str());
        let activations = match kept {
            true => Some(described(&Dataset::open(folder.join(DATASET))?, name)),
            false => None,
        };
        let answer = SampleReply { firings: read_firings(&folder)?, activations };
        reply(answer, Some(Box::new(read_table(&folder.join(COMPLETIONS))?)))
    }
}
