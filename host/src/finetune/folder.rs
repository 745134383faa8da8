//! A fine-tune's folder: what was learned, `training/` with its tables and checkpoints, and the state to go on from.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::{RecordBatch, RecordBatchIterator};
use emhost_abi::{Failure, kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::identity::differences;
use super::job::Job;
use super::{resume, tables};
use crate::run::RunError;
use crate::store::{StoreError, publish_new_folder, remove_folder, write_atomic, write_table};
use crate::train::{DataReport, Fit, Step, Trainer, Watch, fit};

/// Files below `training/`.
const IDENTITY: &str = "inputs.json";
const RESUME: &str = "resume.safetensors";
const SUMMARY: &str = "summary.json";
const CHECKPOINTS: &str = "checkpoints";
/// Time after which the state is stored although no checkpoint is due.
const SAVE_AFTER: Duration = Duration::from_secs(60);

/// What a finished fine-tune says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// Steps that were taken.
    pub steps: usize,
    /// Mean loss over the first tenth of the steps, nats.
    pub first_loss: f64,
    /// Mean loss over the last tenth.
    pub last_loss: f64,
    /// Loss on the held-out rows at the end: per token and per row.
    pub held_out: Option<[f64; 2]>,
    /// Why it stopped before its last step.
    pub stopped: Option<String>,
    /// Learned tokens of all steps.
    pub learned: u64,
    /// Numbers that learned.
    pub parameters: usize,
    /// Steps of the checkpoints.
    pub checkpoints: Vec<usize>,
    /// What was found in the data.
    pub data: DataReport,
}

/// Where a fine-tune is written.
pub struct TrainingFolder {
    path: PathBuf,
}

impl TrainingFolder {
    /// The folder `path`, which need not be there.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder of the checkpoint after `steps` steps.
    pub fn checkpoint(path: &Path, steps: usize) -> PathBuf {
        path.join("training").join(CHECKPOINTS).join(format!("step-{steps:06}"))
    }

    /// An error where the name is taken by something that is not this fine-tune.
    ///
    /// # Errors
    ///
    /// Another fine-tune is there: it names everything that differs.
    pub fn check(&self, job: &Job) -> Result<(), RunError> {
        let refuse = |problem: String| Err(self.refuse("write", &problem));
        let identity = self.inside(IDENTITY);
        match fs::read(&identity) {
            Ok(bytes) => {
                let there: Value =
                    serde_json::from_slice(&bytes).map_err(|e| StoreError::corrupt(&identity, e.to_string()))?;
                let differ = differences(&there, &job.identity);
                if differ.is_empty() {
                    return Ok(());
                }
                refuse(format!(
                    "another fine-tune is there: {}; choose another --out, or begin anew with --force",
                    differ.join("; ")
                ))
            }
            Err(_) if !self.path.exists() => Ok(()),
            Err(_) if self.is_untouched() => Ok(()),
            Err(_) => refuse("something else is there; choose another --out".to_owned()),
        }
    }

    /// Removes the folder of a fine-tune with all that is in it; an error where something of `used` lies inside.
    pub fn clear(&self, used: &[PathBuf]) -> Result<(), RunError> {
        if !self.inside(IDENTITY).is_file() {
            return Ok(());
        }
        let whole = |path: &Path| fs::canonicalize(path).ok();
        let own = whole(&self.path);
        if let Some(path) =
            used.iter().find(|path| whole(path).zip(own.clone()).is_some_and(|(p, own)| p.starts_with(own)))
        {
            let problem = format!("this fine-tune reads {}, which lies inside; choose another --out", path.display());
            return Err(self.refuse("remove", &problem));
        }
        remove_folder(&self.path)?;
        Ok(())
    }

    /// What a finished fine-tune says of itself; none where it is not finished.
    pub fn finished(&self) -> Result<Option<Finished>, RunError> {
        let path = self.inside(SUMMARY);
        match fs::read(&path) {
            Ok(bytes) => {
                Ok(Some(serde_json::from_slice(&bytes).map_err(|e| StoreError::corrupt(&path, e.to_string()))?))
            }
            Err(_) => Ok(None),
        }
    }

    /// Runs a fine-tune to its end, from where it was if it was interrupted; `begun` hears of the steps that were taken
    /// before, `progress` of each step and says whether to go on.
    pub fn run(
        &self,
        job: &Job,
        begun: impl FnOnce(usize),
        progress: &mut dyn FnMut(usize, usize, &Step) -> bool,
    ) -> Result<Finished, RunError> {
        self.check(job)?;
        if let Some(finished) = self.finished()? {
            let files = job.learner.file_names();
            let Some(gone) = files.iter().find(|name| !self.path.join(name).is_file()) else {
                // It was killed before it removed its state.
                let _ = fs::remove_file(self.inside(RESUME));
                return Ok(finished);
            };
            let problem =
                format!("the fine-tune is finished, but `{}` is gone; begin anew with --force", gone.display());
            return Err(self.refuse("use", &problem));
        }
        write_atomic(&self.inside(IDENTITY), &json(&self.inside(IDENTITY), &job.identity)?)?;
        self.table("rows", tables::rows(job)?)?;
        let mut trainer = Trainer::new(&job.learner, &job.recipe)?;
        let mut before = Fit::default();
        if let Some(state) = resume::load(&self.inside(RESUME), &trainer)? {
            let taken = state.fit.steps.len();
            trainer.restore(state.numbers, state.moments, taken)?;
            before = state.fit;
        }
        begun(trainer.taken());
        let mut watch = Watching { folder: self, job, progress, saved: Instant::now() };
        let done = fit(&job.fitting(), &mut trainer, before, &mut watch)?;
        self.tables(job, &done)?;
        for (name, bytes) in job.learner.files(&job.files, &job.recipe)? {
            write_atomic(&self.path.join(name), &bytes)?;
        }
        let finished = summary(job, &done);
        write_atomic(&self.inside(SUMMARY), &json(&self.inside(SUMMARY), &finished)?)?;
        let _ = fs::remove_file(self.inside(RESUME));
        Ok(finished)
    }

    fn refuse(&self, action: &str, problem: &str) -> RunError {
        Failure::new(kind::INPUT, format!("{action} {}: {problem}", self.path.display())).into()
    }

    /// Nothing is there but what a fine-tune leaves that was killed at its beginning.
    fn is_untouched(&self) -> bool {
        let only = |folder: &Path, fits: &dyn Fn(&str) -> bool| {
            let Ok(mut entries) = fs::read_dir(folder) else { return false };
            entries.all(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(fits)))
        };
        only(&self.path, &|name| name == "training")
            && (!self.inside("").exists()
                || only(&self.inside(""), &|name| name.starts_with('.') && name.contains(".tmp-")))
    }

    fn inside(&self, name: &str) -> PathBuf {
        self.path.join("training").join(name)
    }

    fn tables(&self, job: &Job, fit: &Fit) -> Result<(), StoreError> {
        self.table("steps", tables::steps(fit)?)?;
        if !job.held_out.is_empty() {
            self.table("held_out", tables::held_out(fit)?)?;
        }
        if !fit.norms.is_empty() {
            self.table("norms", tables::norms(fit, &job.learner.names)?)?;
        }
        Ok(())
    }

    fn table(&self, name: &str, batch: RecordBatch) -> Result<(), StoreError> {
        let schema = batch.schema();
        write_table(&self.inside(&format!("{name}.parquet")), RecordBatchIterator::new([Ok(batch)], schema))?;
        Ok(())
    }
}

fn json(path: &Path, value: &impl Serialize) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec_pretty(value).map_err(|e| StoreError::Encode { path: path.to_owned(), why: e.to_string() })
}

fn summary(job: &Job, fit: &Fit) -> Finished {
    let (first_loss, last_loss) = fit.first_and_last_loss();
    let steps = fit.steps.len();
    let every = job.recipe.checkpoint_every;
    Finished {
        steps,
        first_loss,
        last_loss,
        held_out: fit.held_out.last().map(|held| [held.per_token, held.per_row]),
        stopped: fit.stopped.clone(),
        learned: fit.learned(),
        parameters: job.learner.count(),
        checkpoints: if every == 0 { Vec::new() } else { (1..steps).filter(|step| step % every == 0).collect() },
        data: job.report.clone(),
    }
}

/// Stores checkpoints and states as training goes on.
struct Watching<'a> {
    folder: &'a TrainingFolder,
    job: &'a Job,
    progress: &'a mut dyn FnMut(usize, usize, &Step) -> bool,
    saved: Instant,
}

impl Watch for Watching<'_> {
    type Error = RunError;

    fn step(&mut self, done: usize, total: usize, step: &Step) -> bool {
        (self.progress)(done, total, step)
    }

    fn state(&mut self, trainer: &Trainer<'_>, fit: &Fit, checkpoint: bool, last: bool) -> Result<(), RunError> {
        if checkpoint {
            let path = TrainingFolder::checkpoint(&self.folder.path, trainer.taken());
            let files = self.job.learner.files(&self.job.files, &self.job.recipe)?;
            publish_new_folder(&path, &files)?;
        }
        if checkpoint || last || self.saved.elapsed() > SAVE_AFTER {
            resume::save(&self.folder.inside(RESUME), trainer, fit)?;
            self.folder.tables(self.job, fit)?;
            self.saved = Instant::now();
        }
        Ok(())
    }
}
