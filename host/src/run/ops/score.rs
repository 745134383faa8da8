//! `score`.

use emhost_abi::Reader;
use emhost_abi::wire::{Score, ScoreReply};

use super::forward::{read_firings, write_firings};
use super::lab::{Lab, reply};
use super::stream::one;
use crate::inference::ScoreTask;
use crate::run::error::RunError;
use crate::store::{StageKey, read_table, write_table};

const SCORES: &str = "scores.parquet";

impl Lab {
    /// Scores continuations, unless the store has the result.
    pub(super) fn score(&self, request: &Score) -> Result<(String, Option<Reader>), RunError> {
        let organism = self.organism(&request.organism)?;
        let (rows, digest) = self.load(&request.rows)?;
        let steering = self.steering(&request.interventions, &request.strengths)?;
        let task = ScoreTask::new(&organism, &rows, steering)?.with_lens(request.lens);
        let key = StageKey::of("score", &task.inputs(&digest));
        let folder = self.stage(&key, &organism, |folder| -> Result<u64, RunError> {
            let scores = task.run(&mut |done, total| self.step("score continuations", done, total))?;
            write_table(&folder.join(SCORES), one(scores.table))?;
            write_firings(folder, &scores.firings)?;
            Ok(scores.tokens)
        })?;
        let answer = ScoreReply { firings: read_firings(&folder)? };
        reply(answer, Some(Box::new(read_table(&folder.join(SCORES))?)))
    }
}
