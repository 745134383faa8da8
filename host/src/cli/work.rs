//! What `capture`, `sample` and `score` have in common on the command line.

use std::path::{Path, PathBuf};

use clap::Args;
use emhost_abi::wire::{self, Firing, Row, Rows};
use serde::Serialize;
use serde_json::Value;

use super::args::CliError;
use super::target::Target;
use super::terminal::print;
use crate::config::Settings;
use crate::inference::{Plan, Steering, describe_firings, find};
use crate::model::device;
use crate::model::organism::Organism;
use crate::rows;
use crate::run::{Interrupt, Progress, ProgressMode, RunError};
use crate::store::Stages;

/// The part of the help that `capture`, `sample` and `score` share.
macro_rules! steering_help {
    () => {
        "

Rows may also have `topic`, and `strength`, which multiplies the strength of interventions in that row.

An interventions file, edits in order, each token with f = strength * scale:
  [[intervention]]
  op = \"add\"                              # x + f v
  sites = \"blocks.1.resid_post\"           # a pattern, or a list of them
  vector = \"direction.safetensors#vector\" # starts at the folder of this file; or values = [...]
  scale = 3.0                             # 1 where it is left out
  positions = \"all\"                       # all, prompt, answer, last_prompt, last, { at = [-1] }

  project_out    x - f (x . u) u, u the vector at length 1
  replace        x + f (v - x)
  patch          x + f (y - x), y what the row `from = \"ROW_ID\"` has at the same selected tokens
  scale_adapter  the update of an adapter times 1 + strength (scale - 1), one strength for all
                 rows; adapter = 0, modules = [\"down_proj\"] blocks = [1] choose, else all

`answer` is the last assistant turn with its end token, in sampling every new token."
    };
}
pub(super) use steering_help;

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
    pub fn target(&self, out: Option<&PathBuf>, input: &Input) -> Result<Option<Target>, CliError> {
        if let Some(out) = out.filter(|out| Path::new(&input.rows) == *out) {
            let message = format!("write {}: it is the file of the rows; choose another name", out.display());
            return Err(CliError::Said { message, code: 2 });
        }
        match out {
            _ if self.explain => Ok(None),
            Some(path) => Target::new(path, self.force).map(Some),
            None => Err(CliError::Said { message: "say where the result goes with --out".to_owned(), code: 2 }),
        }
    }

    /// Prints a plan.
    pub fn explained(&self, plan: &Plan) -> Result<(), CliError> {
        Ok(print(&if self.json { line(plan) } else { format!("{plan}\n") })?)
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
        let entry = progress.begin(name, about);
        let result = work(&mut |done, total| {
            if done > 0 {
                entry.update(about, done as u64, total as u64);
            }
            !interrupt.requested()
        });
        entry.end(if result.is_ok() { "done" } else { "stopped" }, false);
        result.map_err(|error| match error {
            _ if interrupt.requested() => {
                CliError::Said { message: "stopped; nothing was written".to_owned(), code: 75 }
            }
            error => error.into(),
        })
    }

    /// Says what was written, and what interventions did.
    pub fn said(
        &self,
        steering: &Steering,
        firings: &[Firing],
        reply: &impl Serialize,
        text: &str,
    ) -> Result<(), CliError> {
        describe_firings(&steering.interventions, firings).iter().for_each(|line| eprintln!("{line}"));
        Ok(print(&if self.json { line(reply) } else { format!("{text}\n") })?)
    }
}

fn line(value: &impl Serialize) -> String {
    // A value of plain numbers and texts always is JSON.
    format!("{}\n", serde_json::to_string(value).unwrap_or_default())
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
