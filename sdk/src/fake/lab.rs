//! The lab that a plugin's unit test sets up, and what the run left.

use std::collections::BTreeMap;
use std::sync::Arc;

use emhost_abi::check_cells;
use emhost_abi::wire::{Cell, Figure, ModelInfo, Report, Row};
use serde_json::Value;

use super::data::{ActivationAt, CompletionAt, World};
use super::host::{FakeHost, State};
use crate::{Error, Experiment, Lab, Result, Table, params};

/// A lab without weights: a small model, question banks, and answers that a test decides.
///
/// Unset, every part works: any source gives 12 questions on 3 topics, activations, scores and losses
/// are pseudo-random numbers that depend on what was asked and on nothing else.
///
/// ```
/// # use emhost_sdk::prelude::*;
/// # #[derive(Deserialize, JsonSchema)]
/// # #[serde(deny_unknown_fields)]
/// # struct Params {}
/// # struct Norms;
/// # impl Experiment for Norms {
/// #     type Params = Params;
/// #     const NAME: &'static str = "norms";
/// #     const ABOUT: &'static str = "How long are the activations?";
/// #     const OPERATIONS: &'static [&'static str] = &[op::FORWARD, op::DATASET_OPEN];
/// #     fn new(_: Params) -> Result<Self> { Ok(Self) }
/// #     fn plan(&self) -> Result<Vec<Cell>> { Ok(vec![Cell::new("all", "every question", &())?]) }
/// #     fn run(&self, _: &Cell, lab: &Lab) -> Result<()> {
/// #         let (organism, rows) = (Organism::base("embedded"), Rows::source("embedded:questions/general"));
/// #         let sites = vec!["blocks.1.resid_post".into()];
/// #         let dataset = lab.forward(&Forward::new(organism, rows, sites, vec![View::LAST_PROMPT]))?.dataset;
/// #         let table = lab.open_dataset(&dataset, &["blocks.1.resid_post"], &[])?.table()?;
/// #         let vectors = table.vectors("blocks.1.resid_post")?;
/// #         let norm = vectors.rows().map(|row| row.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt());
/// #         lab.emit("norms", Table::new().with_f64("norm", norm))
/// #     }
/// #     fn summarize(&self, _: &Lab) -> Result<()> { Ok(()) }
/// # }
/// let lab = FakeLab::new().activations(|at| vec![3.0, if at.row_id == "q00" { 4.0 } else { 0.0 }]);
/// let run = lab.run::<Norms>(serde_json::json!({}))?;
/// assert_eq!(run.cell_table("all", "norms")?.f64("norm")?[..2], [5.0, 3.0]);
/// # Ok::<(), Error>(())
/// ```
#[must_use]
pub struct FakeLab {
    world: World,
    cancel_after: Option<u64>,
}

impl Default for FakeLab {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeLab {
    /// A model of 4 blocks of width 8, and the rest as described at the type.
    pub fn new() -> Self {
        Self { world: World::default(), cancel_after: None }
    }

    /// Sets the model's shape; `width` is the length of activations unless the test gives its own.
    pub fn model(mut self, blocks: usize, width: usize) -> Self {
        self.world.model = ModelInfo { blocks, width, ..self.world.model };
        self
    }

    /// Sets what a source holds.
    pub fn rows(mut self, source: &str, rows: Vec<Row>) -> Self {
        self.world.sources.insert(source.to_owned(), rows);
        self
    }

    /// Sets the activations.
    pub fn activations(mut self, value: impl Fn(&ActivationAt<'_>) -> Vec<f32> + Send + Sync + 'static) -> Self {
        self.world.activations = Box::new(value);
        self
    }

    /// Sets the completions.
    pub fn completions(mut self, text: impl Fn(&CompletionAt<'_>) -> String + Send + Sync + 'static) -> Self {
        self.world.completions = Box::new(text);
        self
    }

    /// Sets the judge's scores, alignment and coherence, given question and answer.
    pub fn scores(mut self, scores: impl Fn(&str, &str) -> [f64; 2] + Send + Sync + 'static) -> Self {
        self.world.scores = Box::new(scores);
        self
    }

    /// Stops the run at the call of `progress` after the first `calls`.
    pub fn cancel_after(mut self, calls: u64) -> Self {
        self.cancel_after = Some(calls);
        self
    }

    /// Runs a whole experiment: parameters, plan, every cell, summary.
    ///
    /// # Errors
    ///
    /// What the experiment or the lab said. A plan that differs when it is made twice, cell ids that cannot be
    /// folder names, and calls of operations that are not in `OPERATIONS` are errors too.
    pub fn run<E: Experiment>(self, params: Value) -> Result<FakeRun> {
        let experiment = E::new(params::parse(&params.to_string())?)?;
        let cells = experiment.plan()?;
        check_cells(&cells)?;
        if experiment.plan()? != cells {
            return Err(Error::Plugin("the plan differs when it is made twice".to_owned()));
        }
        let host = Arc::new(FakeHost::new(self.world, E::OPERATIONS, self.cancel_after));
        let lab = Lab::new(host.clone());
        for cell in &cells {
            host.enter(Some(cell.id.clone()));
            experiment.run(cell, &lab)?;
        }
        host.enter(None);
        experiment.summarize(&lab)?;
        Ok(FakeRun { cells, state: host.take_state() })
    }
}

/// What a run in a [`FakeLab`] left.
pub struct FakeRun {
    cells: Vec<Cell>,
    state: State,
}

impl FakeRun {
    /// The cells, as planned.
    pub fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// A table that `summarize` emitted.
    ///
    /// # Errors
    ///
    /// It emitted none of that name.
    pub fn table(&self, name: &str) -> Result<&Table> {
        self.find(None, name)
    }

    /// A table that a cell emitted.
    ///
    /// # Errors
    ///
    /// It emitted none of that name.
    pub fn cell_table(&self, cell: &str, name: &str) -> Result<&Table> {
        self.find(Some(cell), name)
    }

    /// The number in a column of the one row of a table of `summarize` whose text columns have these values.
    ///
    /// # Errors
    ///
    /// There is no such table or column, or not exactly one such row.
    pub fn value(&self, table: &str, column: &str, row: &[(&str, &str)]) -> Result<f64> {
        let found = self.table(table)?;
        Ok(found.f64(column)?[only(found, table, row)?])
    }

    /// The text in a column of the one row of a table of `summarize` whose text columns have these values.
    ///
    /// # Errors
    ///
    /// There is no such table or column, or not exactly one such row.
    pub fn text(&self, table: &str, column: &str, row: &[(&str, &str)]) -> Result<String> {
        let found = self.table(table)?;
        Ok(found.text(column)?[only(found, table, row)?].to_owned())
    }

    /// The figures, in order.
    pub fn figures(&self) -> &[Figure] {
        &self.state.figures
    }

    /// The report, where there is one.
    pub fn report(&self) -> Option<&Report> {
        self.state.report.as_ref()
    }

    /// How often each operation was called.
    pub fn calls(&self) -> &BTreeMap<String, usize> {
        &self.state.calls
    }

    fn find(&self, cell: Option<&str>, name: &str) -> Result<&Table> {
        let key = (cell.map(str::to_owned), name.to_owned());
        self.state.tables.get(&key).ok_or_else(|| {
            let by = cell.map_or_else(|| "summarize".to_owned(), |cell| format!("cell `{cell}`"));
            Error::Plugin(format!("{by} emitted no table `{name}`"))
        })
    }
}

/// The one row of a table whose text columns have these values.
fn only(table: &Table, name: &str, row: &[(&str, &str)]) -> Result<usize> {
    let mut rows: Vec<usize> = (0..table.rows()).collect();
    for (column, wanted) in row {
        let values = table.text(column)?;
        rows.retain(|at| values[*at] == *wanted);
    }
    match rows.as_slice() {
        [at] => Ok(*at),
        _ => Err(Error::Plugin(format!("{} rows of table `{name}` have {row:?}: expected one", rows.len()))),
    }
}
