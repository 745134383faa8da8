//! One experiment's host: dispatches operations, and knows which entry of the plan is running.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use emhost_abi::wire::{self, Row, Rows, op};
use emhost_abi::{Failure, Host, Level, LogRecord, Reader};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::judge::judge_digest;
use super::organisms::Organisms;
use crate::clock::now;
use crate::model::organism::Organism;
use crate::model::{Device, intervene};
use crate::rows;
use crate::run::budget::Purse;
use crate::run::error::RunError;
use crate::run::folder::{RunFolder, io};
use crate::run::gate::{Gate, working_bytes};
use crate::run::{Interrupt, Progress, progress};
use crate::store::{Effort, How, StageKey, Stages};
use crate::trace;

/// What all operations of this process share.
pub struct Shared {
    /// Folder of what runs share.
    pub store: PathBuf,
    /// Results that runs share.
    pub stages: Stages,
    /// Organisms in memory.
    pub organisms: Organisms,
    /// Room for computing.
    pub gate: Gate,
    /// What may still be spent.
    pub purse: Purse,
    /// How far the work is.
    pub progress: Progress,
    /// Whether to stop.
    pub interrupt: Interrupt,
    /// Where models run.
    pub device: Device,
}

/// The host as one experiment sees it, which runs one entry of its plan at a time.
pub struct Lab {
    pub(super) shared: Arc<Shared>,
    pub(super) folder: RunFolder,
    entry: Mutex<Entry>,
}

/// What is running: a cell, or the summary.
#[derive(Default)]
struct Entry {
    cell: Option<String>,
    tables: BTreeMap<String, u64>,
    inputs: BTreeMap<String, String>,
    stages: BTreeMap<String, How>,
    log: Option<Arc<Mutex<File>>>,
    plan: Vec<String>,
    shown: Option<Arc<progress::Entry>>,
}

/// What an entry left.
#[derive(Default)]
pub struct Left {
    /// Tables that it emitted, with their rows.
    pub tables: BTreeMap<String, u64>,
    /// Digests of what it was computed from.
    pub inputs: BTreeMap<String, String>,
    /// Stages that it used, and how each came to be there.
    pub stages: BTreeMap<String, How>,
}

/// Something outside the run that a result depends on; its JSON is the key of its digest.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Input {
    Organism(wire::Organism),
    Rows(Rows),
    Vector(String),
    Judge(wire::Judge),
}

impl Lab {
    /// The host of one experiment.
    pub fn new(shared: Arc<Shared>, folder: RunFolder) -> Self {
        Self { shared, folder, entry: Mutex::default() }
    }

    /// A cell begins, or the summary; `plan` are the ids of the run's cells, in order.
    pub fn begin(&self, cell: Option<&str>, plan: &[String], shown: progress::Entry) -> Result<(), RunError> {
        let path = self.folder.entry(cell).join("log.jsonl");
        let log = File::options().create(true).append(true).open(&path).map_err(io("open", &path))?;
        *self.entry() = Entry {
            cell: cell.map(str::to_owned),
            log: Some(Arc::new(Mutex::new(log))),
            plan: plan.to_vec(),
            shown: Some(Arc::new(shown)),
            ..Entry::default()
        };
        Ok(())
    }

    /// What the host says from now on, on this thread, belongs to the running entry.
    pub fn collect_logs(&self) -> Option<impl Drop + use<>> {
        self.entry().log.clone().map(trace::log_to)
    }

    /// The entry ends.
    pub fn end(&self, outcome: &str) -> Left {
        let entry = std::mem::take(&mut *self.entry());
        if let Some(shown) = entry.shown {
            shown.end(outcome, entry.cell.is_some());
        }
        Left { tables: entry.tables, inputs: entry.inputs, stages: entry.stages }
    }

    /// The folder of a stage: found, waited for, or computed here once there is memory for it; `compute` gives the number
    /// of tokens.
    pub(super) fn stage(
        &self,
        key: &StageKey,
        organism: &Organism,
        compute: impl FnOnce(&Path) -> Result<u64, RunError>,
    ) -> Result<PathBuf, RunError> {
        let shared = &self.shared;
        self.built(key, |folder| {
            let stop = || shared.interrupt.requested();
            let _pass = shared.gate.enter(working_bytes(organism), stop).ok_or(RunError::Interrupted)?;
            Ok(Effort { tokens: compute(folder)?, parameters: organism.info().parameters })
        })
    }

    /// The folder of a stage that needs no model: found, waited for, or computed here.
    pub(super) fn built(
        &self,
        key: &StageKey,
        compute: impl FnOnce(&Path) -> Result<Effort, RunError>,
    ) -> Result<PathBuf, RunError> {
        let built = self.shared.stages.build(key, compute)?;
        tracing::info!(op = key.op(), key = key.as_str(), how = ?built.how, "stage");
        self.entry().stages.insert(format!("{}/{}", key.op(), key.as_str()), built.how);
        Ok(built.folder)
    }

    /// Whether models, adapters and row files still are what a finished entry was computed from.
    pub fn unchanged(&self, inputs: &BTreeMap<String, String>) -> bool {
        let now = |key: &String| -> Result<String, RunError> {
            match parse("inputs", key)? {
                Input::Organism(organism) => self.shared.organisms.digest(&organism, &self.shared),
                Input::Rows(rows) => Ok(rows::digest(&rows::load(&rows)?)),
                Input::Judge(judge) => judge_digest(self, &judge),
                Input::Vector(reference) => Ok(intervene::digest(&intervene::read_vector(&reference)?)),
            }
        };
        inputs.iter().all(|(key, digest)| now(key).is_ok_and(|now| now == *digest))
    }

    /// An organism in memory.
    pub(super) fn organism(&self, organism: &wire::Organism) -> Result<Arc<Organism>, RunError> {
        let found = self.shared.organisms.get(organism, &self.shared)?;
        self.depends_on(&Input::Organism(organism.clone()), found.digest.clone());
        Ok(found)
    }

    /// Rows with their digest.
    pub(super) fn load(&self, rows: &Rows) -> Result<(Vec<Row>, String), RunError> {
        let loaded = rows::load(rows)?;
        let digest = rows::digest(&loaded);
        if let Rows::Source { .. } = rows {
            self.depends_on(&Input::Rows(rows.clone()), digest.clone());
        }
        Ok((loaded, digest))
    }

    /// The vector of an intervention is an input of the running entry.
    pub(super) fn depends_on_vector(&self, reference: &str) -> Result<(), RunError> {
        let digest = intervene::digest(&intervene::read_vector(reference)?);
        self.depends_on(&Input::Vector(reference.to_owned()), digest);
        Ok(())
    }

    pub(super) fn depends_on(&self, input: &Input, digest: String) {
        if let Ok(key) = serde_json::to_string(input) {
            self.entry().inputs.insert(key, digest);
        }
    }

    fn entry(&self) -> std::sync::MutexGuard<'_, Entry> {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn cell(&self) -> Option<String> {
        self.entry().cell.clone()
    }

    pub(super) fn plan(&self) -> Vec<String> {
        self.entry().plan.clone()
    }

    /// Where the running entry's table goes; an error if it has emitted one of that name.
    pub(super) fn new_table(&self, name: &str) -> Result<PathBuf, RunError> {
        plain_name("table", name)?;
        let entry = self.entry();
        if entry.tables.contains_key(name) {
            return Err(RunError::Operation(format!("table `{name}` was emitted before")));
        }
        Ok(self.folder.table(entry.cell.as_deref(), name))
    }

    pub(super) fn emitted(&self, name: &str, rows: u64) {
        self.entry().tables.insert(name.to_owned(), rows);
    }

    /// Tells the user how far an operation is; an error once the run is stopped.
    pub(super) fn step(&self, message: &str, done: usize, total: usize) -> bool {
        self.progress(done as u64, total as u64, message)
    }

    fn dispatch(&self, op: &str, arguments: &str, input: Option<Reader>) -> Result<(String, Option<Reader>), RunError> {
        if self.shared.interrupt.requested() {
            return Err(RunError::Interrupted);
        }
        let _span = tracing::info_span!("operation", op).entered();
        match op {
            op::MODEL_INFO => reply(self.organism(&parse(op, arguments)?)?.info(), None),
            op::ROWS_READ => self.rows(&parse(op, arguments)?),
            op::FORWARD => reply(self.forward(&parse(op, arguments)?)?, None),
            op::SAMPLE => self.sample(&parse(op, arguments)?),
            op::SCORE => self.score(&parse(op, arguments)?),
            op::TRAIN => self.train(&parse(op, arguments)?),
            op::ADAPTER_OPEN => self.adapter_open(&parse(op, arguments)?),
            op::ADAPTER_EDIT => reply(self.adapter_edit(&parse(op, arguments)?)?, None),
            op::ADAPTER_MERGE => reply(self.adapter_merge(&parse(op, arguments)?)?, None),
            op::GRADIENTS => self.gradients(&parse(op, arguments)?),
            op::DIRECTION_WRITE => reply(self.direction_write(&parse(op, arguments)?, needed(op, input)?)?, None),
            op::DIRECTION_OPEN => self.direction_open(&parse(op, arguments)?),
            op::JUDGE => self.judge(&parse(op, arguments)?, needed(op, input)?),
            op::DATASET_OPEN => self.dataset_open(&parse(op, arguments)?),
            op::DATASET_WRITE => reply(self.dataset_write(&parse(op, arguments)?, needed(op, input)?)?, None),
            op::TABLE_OPEN => self.table_open(&parse(op, arguments)?),
            op::FIGURE => reply(self.figure(&parse(op, arguments)?)?, None),
            op::REPORT => reply(self.report(&parse(op, arguments)?)?, None),
            op::ECHO => Ok((arguments.to_owned(), input)),
            _ => Err(RunError::Operation(format!("there is no operation `{op}`; there are {}", op::ALL.join(", ")))),
        }
    }
}

/// A reply as it crosses.
pub(super) fn reply(value: impl Serialize, stream: Option<Reader>) -> Result<(String, Option<Reader>), RunError> {
    let text = serde_json::to_string(&value).map_err(|e| RunError::Operation(format!("write a reply: {e}")))?;
    Ok((text, stream))
}

fn parse<T: DeserializeOwned>(op: &str, arguments: &str) -> Result<T, RunError> {
    serde_json::from_str(arguments).map_err(|e| RunError::Operation(format!("operation `{op}`: its arguments: {e}")))
}

fn needed(op: &str, input: Option<Reader>) -> Result<Reader, RunError> {
    input.ok_or_else(|| RunError::Operation(format!("operation `{op}` takes a stream")))
}

/// Names become file names.
pub(super) fn plain_name(what: &str, name: &str) -> Result<(), RunError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._=,-".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        return Err(RunError::Operation(format!("{what} name `{name}` may hold letters, digits and `._=,-` only")));
    }
    Ok(())
}

impl Host for Lab {
    fn log(&self, record: LogRecord<'_>) {
        let level = match record.level() {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            _ => "trace",
        };
        let line = serde_json::json!({
            "at": now(),
            "level": level,
            "target": record.target(),
            "message": record.message(),
            "fields": serde_json::from_str::<serde_json::Value>(record.fields()).unwrap_or_default(),
            "file": record.file(),
            "line": record.line(),
        });
        if let Some(log) = &self.entry().log {
            trace::write_line(log, &line);
        }
        match record.level() {
            Level::ERROR => tracing::error!(plugin = record.target(), "{}", record.message()),
            Level::WARN => tracing::warn!(plugin = record.target(), "{}", record.message()),
            Level::INFO => tracing::info!(plugin = record.target(), "{}", record.message()),
            _ => tracing::debug!(plugin = record.target(), "{}", record.message()),
        }
    }

    fn progress(&self, done: u64, total: u64, message: &str) -> bool {
        // The entry's lock is not held while something is printed.
        let shown = self.entry().shown.clone();
        if let Some(shown) = shown {
            shown.update(message, done, total);
        }
        !self.shared.interrupt.requested()
    }

    fn call(&self, op: &str, arguments: &str, input: Option<Reader>) -> Result<(String, Option<Reader>), Failure> {
        self.dispatch(op, arguments, input).map_err(|error| error.failure())
    }

    fn emit(&self, table: &str, rows: Reader) -> Result<(), Failure> {
        let path = self.new_table(table).map_err(|e| e.failure())?;
        let count = crate::store::write_table(&path, rows).map_err(|e| RunError::from(e).failure())?;
        self.emitted(table, count);
        Ok(())
    }
}
