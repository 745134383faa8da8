//! What `capture`, `sample` and `score` have in common on the command line.

use std::path::PathBuf;

use clap::Args;
use emhost_abi::wire::{self, Firing, Row, Rows};
use serde::Serialize;
use serde_json::Value;

use super::args::CliError;
use super::target::Target;
use crate::config::Settings;
use crate::inference::{Plan, Steering, describe_firings, find};
use crate::model::device;
use crate::model::organism::Organism;
use crate::rows;
use crate::run::{Interrupt, Progress, ProgressMode, RunError};
use crate::store::Stages;

/// Which model over which rows.
#[derive(Debug, Args)]
pub(super) struct Input {
    /// Model: `embedded`, a folder that holds a Hugging Face checkpoint, or `ORG/NAME[@REVISION]` in the local
    /// hub cache
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// PEFT adapter, a folder; may be given several times, applied in order
    #[arg(long, value_name = "FOLDER")]
    adapter: Vec<String>,
    /// Rows, one JSON object per line, or `embedded:NAME`
    #[arg(long, value_name = "FILE.jsonl")]
    rows: String,
    /// Edits of the forward pass: TOML with [[intervention]] tables
    #[arg(long, value_name = "FILE.toml")]
    interventions: Option<PathBuf>,
    /// Run every row at each of these strengths of the interventions, such as `0,0.5,1,2`
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true, requires = "interventions")]
    strengths: Vec<f64>,
}

/// What becomes of the result.
#[derive(Debug, Args)]
pub(super) struct Output {
    /// Replace what is there under that name
    #[arg(long)]
    force: bool,
    /// Print what would be done, with memory, disk and time, and do nothing else
    #[arg(long)]
    explain: bool,
    /// Print the result's description as one line of JSON
    #[arg(long)]
    json: bool,
    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value_t)]
    progress: ProgressMode,
}

/// A loaded organism with its rows.
pub(super) struct Loaded {
    pub organism: Organism,
    pub model: wire::Organism,
    pub rows: Vec<Row>,
    pub digest: String,
    pub steering: Steering,
}

impl Input {
    /// Reads everything that the command names.
    pub fn load(self, settings: &Settings) -> Result<Loaded, CliError> {
        let steering = match &self.interventions {
            Some(path) => Steering::read(path, self.strengths)?,
            None => Steering::default(),
        };
        let rows = rows::load(&Rows::source(self.rows))?;
        let model = wire::Organism { model: self.model, adapters: self.adapter };
        // The store is looked into only for an adapter that lies there, so that nothing is made in passing.
        let stored = model.adapters.iter().any(|adapter| adapter.starts_with("stage:"));
        let stages = stored.then(|| Stages::open(settings.store.join("stages"))).transpose()?;
        let (files, adapters) = find(&model, stages.as_ref())?;
        let organism = Organism::load(&files, &adapters, &device(&settings.device)?)?;
        Ok(Loaded { organism, model, digest: rows::digest(&rows), rows, steering })
    }
}

impl Loaded {
    /// The provenance of a dataset: what decides the result, and the names under which it was found.
    pub fn provenance(&self, inputs: Value) -> Value {
        let mut provenance = inputs;
        provenance["model"] = serde_json::json!(self.model);
        provenance["emhost"] = crate::VERSION.into();
        if !self.steering.is_empty() {
            provenance["given"] = self.steering.given();
        }
        provenance
    }
}

impl Output {
    /// The name of the result, checked; none for `--explain`.
    pub fn target(&self, out: Option<&PathBuf>) -> Result<Option<Target>, CliError> {
        match out {
            _ if self.explain => Ok(None),
            Some(path) => Target::new(path, self.force).map(Some),
            None => Err(CliError::Said { message: "say where the result goes with --out".to_owned(), code: 2 }),
        }
    }

    /// Prints a plan.
    pub fn explained(&self, plan: &Plan) {
        if self.json { line(plan) } else { println!("{plan}") }
    }

    /// Runs `work` with progress on stderr; the first Ctrl-C or SIGTERM stops it.
    pub fn run<T>(
        &self,
        name: &str,
        about: &str,
        work: impl FnOnce(&mut dyn FnMut(usize, usize) -> bool) -> Result<T, RunError>,
    ) -> Result<T, CliError> {
        let interrupt = Interrupt::watch()
            .map_err(|source| CliError::Said { message: format!("listen to signals: {source}"), code: 4 })?;
        let progress = Progress::new(self.progress);
        progress.begin(name, about);
        let result = work(&mut |done, total| {
            if done > 0 {
                progress.update(about, done as u64, total as u64);
            }
            !interrupt.requested()
        });
        progress.end(if result.is_ok() { "done" } else { "stopped" });
        result.map_err(|error| match error {
            _ if interrupt.requested() => {
                CliError::Said { message: "stopped; nothing was written".to_owned(), code: 75 }
            }
            error => error.into(),
        })
    }

    /// Says what was written, and what interventions did.
    pub fn said(&self, steering: &Steering, firings: &[Firing], reply: &impl Serialize, text: &str) {
        describe_firings(&steering.interventions, firings).iter().for_each(|line| eprintln!("{line}"));
        if self.json { line(reply) } else { println!("{text}") }
    }
}

fn line(value: &impl Serialize) {
    // A value of plain numbers and texts always is JSON.
    println!("{}", serde_json::to_string(value).unwrap_or_default());
}

/// Lines of JSON, one per row.
pub(super) fn jsonl(rows: &[impl Serialize]) -> Result<Vec<u8>, RunError> {
    let mut text = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut text, row).map_err(|e| RunError::Operation(format!("write a line: {e}")))?;
        text.push(b'\n');
    }
    Ok(text)
}
