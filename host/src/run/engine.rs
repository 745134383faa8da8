//! Executes runs: finished cells are kept, the others run side by side, then each run's summary and report.

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use emhost_abi::wire::{Cell, Report, op};
use serde::Serialize;
use serde_json::Value;

use super::budget::{Budget, Purse};
use super::cost::{Cost, Rates};
use super::folder::RunFolder;
use super::gate::Gate;
use super::ops::{Lab, Organisms, Shared};
use super::pool::Pool;
use super::progress::{Progress, ProgressMode};
use super::provenance::RunRecord;
use super::{Interrupt, Recipe, RunError, Selection};
use crate::model::Device;
use crate::plugins::{LoadedPlugin, Running};
use crate::store::Stages;

/// How runs are executed; nothing here changes their results.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of all runs.
    pub runs: PathBuf,
    /// Folder of the store.
    pub store: PathBuf,
    /// Run finished cells again.
    pub fresh: bool,
    /// Which cells run; a summary needs all of them.
    pub cells: Selection,
    /// Cells that run at the same time, where memory allows; 0 for one per processor.
    pub workers: usize,
    /// What this call may take.
    pub budget: Budget,
    /// How progress is shown.
    pub progress: ProgressMode,
    /// Where models run.
    pub device: Device,
    /// The command as typed, for the report.
    pub command: String,
    /// Published claims that the run is compared with.
    pub scorecard: Option<PathBuf>,
}

/// A run after this call.
#[derive(Debug)]
pub struct Outcome {
    /// The run's id.
    pub id: String,
    /// The run's folder.
    pub folder: PathBuf,
    /// What the plugin said, if the run is finished and the plugin reported.
    pub report: Option<Report>,
    /// Cells that were finished before this call.
    pub kept: usize,
    /// Cells that are finished now.
    pub done: usize,
    /// Cells of the plan.
    pub cells: usize,
}

/// A run whose plan is known.
pub(super) struct Planned {
    pub params: String,
    pub record: RunRecord,
    pub folder: RunFolder,
    pub plan: Vec<Cell>,
    pub ids: Vec<String>,
    /// Whether each cell was finished before.
    pub kept: Vec<bool>,
    /// Nobody else works on the run while this is open.
    _lock: File,
}

/// What executing needs, whatever the run.
pub(super) struct Host<'a> {
    pub plugin: &'a LoadedPlugin,
    pub options: &'a Options,
    pub shared: Arc<Shared>,
}

/// Runs recipes of one plugin, or goes on with them: the same recipe, plugin and model lead to the same folder.
///
/// A cell that fails stops no other, except where the disk is at fault.
pub fn run(
    recipes: &[Recipe],
    plugin: &LoadedPlugin,
    options: &Options,
    interrupt: Interrupt,
) -> Result<Vec<Outcome>, RunError> {
    let manifest = plugin.manifest();
    let missing: Vec<&str> =
        manifest.operations.iter().map(String::as_str).filter(|op| !op::ALL.contains(op)).collect();
    if !missing.is_empty() {
        return Err(RunError::Operations { plugin: manifest.name.clone(), missing: missing.join(", ") });
    }
    let host = Host { plugin, options, shared: shared(options, interrupt)? };
    let runs = recipes.iter().map(|recipe| host.planned(recipe)).collect::<Result<Vec<_>, _>>()?;
    let all: Vec<String> = runs.iter().flat_map(|run| run.ids.iter().cloned()).collect();
    options.cells.check(&all)?;
    let failed = Pool::new(&host, &runs).execute()?;
    if !failed.is_empty() {
        return Err(RunError::Cells { cells: failed, of: all.len() });
    }
    runs.into_iter().map(|run| run.outcome()).collect()
}

/// What a run would do.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    /// The run's id.
    pub id: String,
    /// Every chosen cell, and whether it is finished.
    pub cells: Vec<(String, bool)>,
    /// The cost of those that are not.
    pub cost: Cost,
}

/// Plans recipes and tells what they cost; nothing is computed or written.
pub fn plan(
    recipes: &[Recipe],
    plugin: &LoadedPlugin,
    options: &Options,
    interrupt: Interrupt,
) -> Result<Vec<Preview>, RunError> {
    let host = Host { plugin, options, shared: shared(options, interrupt)? };
    let rates = Rates::measured(&host.shared.stages.all()?.0);
    let preview = |recipe: &Recipe| -> Result<Preview, RunError> {
        let record = RunRecord::new(recipe, plugin, options);
        let folder = RunFolder::at(&options.runs, &record.id);
        let (lab, running) = host.create(&folder, &Value::Object(recipe.params.clone()).to_string())?;
        let mut plan = running.plan()?;
        plan.retain(|cell| options.cells.has(&cell.id));
        let done = |cell: &Cell| Ok((cell.id.clone(), host.is_kept(&folder, &lab, &cell.id)?));
        let cells = plan.iter().map(done).collect::<Result<Vec<_>, RunError>>()?;
        let open = plan.iter().zip(&cells).filter(|(_, (_, done))| !done).map(|(cell, _)| cell);
        Ok(Preview { id: record.id, cost: Cost::of(open, &rates), cells })
    };
    recipes.iter().map(preview).collect()
}

fn shared(options: &Options, interrupt: Interrupt) -> Result<Arc<Shared>, RunError> {
    let progress = Progress::new(options.progress);
    let (shown, stop) = (progress.clone(), interrupt.clone());
    let said = std::sync::Mutex::new(String::new());
    let stages = Stages::open(options.store.join("stages"))?.with_patience(move |holder, waited| {
        if waited.as_millis() > 500
            && said.lock().is_ok_and(|mut said| std::mem::replace(&mut *said, holder.to_owned()) != holder)
        {
            shown.note(&format!("waiting for a stage that {holder} computes"));
        }
        !stop.requested()
    });
    Ok(Arc::new(Shared {
        store: options.store.clone(),
        stages,
        organisms: Organisms::default(),
        gate: Gate::default(),
        purse: Purse::new(options.budget),
        progress,
        interrupt,
        device: options.device.clone(),
    }))
}

impl Host<'_> {
    /// The plugin with a run's parameters, and the host that it sees.
    pub fn create(&self, folder: &RunFolder, params: &str) -> Result<(Arc<Lab>, Running), RunError> {
        let lab = Arc::new(Lab::new(self.shared.clone(), folder.clone()));
        let running = self.plugin.create(params, lab.clone())?;
        Ok((lab, running))
    }

    /// Whether a cell is finished, and what it was computed from is as it was.
    fn is_kept(&self, folder: &RunFolder, lab: &Lab, cell: &str) -> Result<bool, RunError> {
        let done = if self.options.fresh { None } else { folder.done(Some(cell))? };
        Ok(done.is_some_and(|done| lab.unchanged(&done.inputs)))
    }

    fn planned(&self, recipe: &Recipe) -> Result<Planned, RunError> {
        let mut record = RunRecord::new(recipe, self.plugin, self.options);
        let folder = RunFolder::at(&self.options.runs, &record.id);
        let params = Value::Object(recipe.params.clone()).to_string();
        // Wrong parameters leave no folder.
        let (lab, running) = self.create(&folder, &params)?;
        let plan = running.plan()?;
        folder.make()?;
        let lock = folder.lock()?;
        record = record.write(&folder, &plan)?;
        let ids: Vec<String> = plan.iter().map(|cell| cell.id.clone()).collect();
        let kept = ids.iter().map(|id| self.is_kept(&folder, &lab, id)).collect::<Result<_, _>>()?;
        Ok(Planned { params, record, folder, plan, ids, kept, _lock: lock })
    }
}

impl Planned {
    fn outcome(self) -> Result<Outcome, RunError> {
        let mut done = 0;
        for id in &self.ids {
            done += usize::from(self.folder.done(Some(id))?.is_some());
        }
        let finished = self.folder.done(None)?.is_some();
        let report = finished.then(|| self.folder.read_json(&self.folder.root().join("report.json"))).transpose()?;
        Ok(Outcome {
            id: self.record.id,
            folder: self.folder.root().to_owned(),
            report: report.flatten(),
            kept: self.kept.iter().filter(|kept| **kept).count(),
            done,
            cells: self.ids.len(),
        })
    }
}
