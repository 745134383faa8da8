//! Do fine-tuning and evaluation move activations through the same subspace? (study 2, arXiv 2606.20814)
//!
//! One cell per trained organism: fine-tune, capture train and evaluation prompts before and after, join the captures
//! into one dataset, and measure how much of the change on evaluation prompts lies in the leading principal components
//! of the change on training prompts, next to random subspaces and two stronger controls.

mod analysis;
mod behaviour;
mod capture;
mod control;
mod figures;
mod params;
mod report;
mod summary;
mod tables;

use emhost_sdk::prelude::*;

pub use params::{Bank, Params, Trained};
pub use tables::{Angle, Behaviour, Brief, Correlation, Dimension, MeanDelta, Overlap, Prompt};

/// The experiment with its checked parameters.
pub struct SubspaceOverlap(Params);

impl SubspaceOverlap {
    fn organism(&self, cell: &Cell) -> Result<&Trained> {
        let name: String = cell.spec()?;
        self.0
            .trained(&name)
            .ok_or_else(|| Error::Plugin(format!("cell `{}` trains `{name}`, which `train` does not name", cell.id)))
    }
}

impl Experiment for SubspaceOverlap {
    type Params = Params;

    const NAME: &'static str = "subspace_overlap";
    const ABOUT: &'static str = "Fine-tuning on one narrow domain moves the activations of its training prompts. How much \
        of the movement on other prompts lies in the same few directions, and does a prompt that looks like the training \
        prompts move more like them? With random subspaces, the directions of a harmless fine-tune and the model's own \
        leading directions as controls (study 2, arXiv 2606.20814).";
    const OPERATIONS: &'static [&'static str] = &[
        op::MODEL_INFO,
        op::ROWS_READ,
        op::TRAIN,
        op::FORWARD,
        op::DATASET_OPEN,
        op::DATASET_WRITE,
        op::SAMPLE,
        op::JUDGE,
    ];
    const RECIPE: &'static str = include_str!("../../../experiments/subspace_overlap/embedded.toml");

    fn new(params: Params) -> Result<Self> {
        params.check()?;
        Ok(Self(params))
    }

    fn plan(&self) -> Result<Vec<Cell>> {
        let cell = |trained: &Trained| {
            let about = format!("fine-tune on {}, capture before and after, compare subspaces", trained.data);
            Ok(Cell::new(&trained.name, about, &trained.name)?.with_work(self.work(trained)))
        };
        self.0.train.iter().map(cell).collect()
    }

    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
        let (params, trained) = (&self.0, self.organism(cell)?);
        let captured = capture::capture(lab, params, trained)?;
        behaviour::measure(lab, params, trained, &captured.adapter)?;
        let found = analysis::analyse(lab, params, trained, &captured)?;
        lab.emit("overlap", Overlap::table(&found.overlaps))?;
        lab.emit("angles", Angle::table(&found.angles))?;
        lab.emit("prompts", Prompt::table(&found.prompts))?;
        lab.emit("correlation", Correlation::table(&found.correlations))?;
        lab.emit("mean_delta", MeanDelta::table(&found.mean_deltas))?;
        lab.emit("dimension", Dimension::table(&found.dimensions))
    }

    fn summarize(&self, lab: &Lab) -> Result<()> {
        let summary = summary::Summary::read(lab, &self.0)?;
        summary.emit(lab)?;
        for figure in figures::all(&summary) {
            lab.figure(&figure)?;
        }
        lab.report(&report::report(&summary))
    }
}

impl SubspaceOverlap {
    /// What the cell of an organism asks for.
    fn work(&self, trained: &Trained) -> Vec<Work> {
        let params = &self.0;
        let recipe = &params.recipe;
        let seen = match recipe.steps {
            Some(steps) => Passes::Total((steps * recipe.batch_rows * recipe.accumulate) as u64),
            None => Passes::Each(recipe.epochs.unwrap_or(1) as u64),
        };
        let questions = || Rows::source(&params.questions);
        let answers = Passes::Each(2 * params.behaviour_samples as u64);
        // Before and after the fine-tune.
        let capture = |rows: Rows| Work::new(op::FORWARD, &params.model, rows, Passes::Each(2));
        let mut work = vec![
            Work::new(op::TRAIN, &params.model, Rows::source(&trained.data), seen),
            capture(Rows::first(&trained.data, params.train_prompts)),
        ];
        work.extend(params.banks.iter().map(|bank| match bank.limit {
            Some(limit) => capture(Rows::first(&bank.rows, limit)),
            None => capture(Rows::source(&bank.rows)),
        }));
        work.push(Work::new(op::SAMPLE, &params.model, questions(), answers).with_new_tokens(params.max_new_tokens));
        work.push(Work::new(op::JUDGE, &params.judge, questions(), answers));
        work
    }
}

emhost_sdk::export_experiment!(SubspaceOverlap);
