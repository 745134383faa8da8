//! Do fine-tuning and evaluation move activations through the same subspace? (study 2, arXiv 2606.20814)
//!
//! One cell per organism: make it, ask it, capture train and evaluation prompts before and after, join the captures into
//! one dataset, and measure how much of the change on evaluation prompts lies in the leading principal components of the
//! change on training prompts, next to random subspaces and two stronger controls. A dataset that is there already is
//! measured in the same way, without a model.

mod activations;
mod analysis;
mod asking;
mod capture;
mod comparisons;
mod control;
mod figures;
mod headlines;
mod joined;
mod matrices;
mod params;
mod record;
mod report;
mod steering;
mod summary;
mod tables;
mod verdict;

use emhost_sdk::prelude::*;
use emhost_study::TrainedOrganism;

use activations::Activations;

pub use params::{Bank, Params, Seen, Steering, Stored};
pub use tables::{Angle, Behaviour, Correlation, Dimension, Entry, MeanDelta, Overlap, Prompt};

/// The experiment with its checked parameters.
pub struct SubspaceOverlap(Params);

/// What a cell does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    /// The organism of that name.
    Organism(String),
    /// The dataset of that name.
    Dataset(String),
}

impl Experiment for SubspaceOverlap {
    type Params = Params;

    const NAME: &'static str = "subspace_overlap";
    const ABOUT: &'static str = "Fine-tuning on one narrow domain moves the activations of its training prompts. How much \
        of the movement on other prompts lies in the same few directions, and does a prompt that looks like the training \
        prompts move more like them? With random subspaces, the directions of a harmless fine-tune and the model's own \
        leading directions as controls; of organisms that it makes, or of a dataset of activations (study 2, arXiv \
        2606.20814).";
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
        let mut cells = Vec::new();
        for organism in &self.0.organisms.list {
            let name = &organism.name;
            let about = format!("make {name}, ask it, capture before and after, compare subspaces");
            cells.push(Cell::new(name, about, &Task::Organism(name.clone()))?.with_work(self.work(organism)));
        }
        for stored in &self.0.datasets {
            let about = format!("compare subspaces of {}", stored.path);
            cells.push(Cell::new(&stored.name, about, &Task::Dataset(stored.name.clone()))?);
        }
        Ok(cells)
    }

    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
        let params = &self.0;
        let unknown = |name: &str| Error::Plugin(format!("cell `{}` is about `{name}`, which is not there", cell.id));
        match cell.spec()? {
            Task::Dataset(name) => {
                let stored = params.datasets.iter().find(|stored| stored.name == name);
                let activations = Activations::stored(lab, params, stored.ok_or_else(|| unknown(&name))?)?;
                analysis::analyse(lab, params, &activations)?.emit(lab)
            }
            Task::Organism(name) => {
                let organism = params.organisms.named(&name).ok_or_else(|| unknown(&name))?;
                let asking = asking::ask(lab, params, organism)?;
                let activations = capture::capture(lab, params, organism, &asking)?;
                let found = analysis::analyse(lab, params, &activations)?;
                found.emit(lab)?;
                steering::steer(lab, params, organism, &asking, &activations.headline_site, &found.directions)
            }
        }
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
    fn work(&self, organism: &TrainedOrganism) -> Vec<Work> {
        let params = &self.0;
        let model = params.organisms.model(organism);
        let reference = params.references.get(&organism.name).and_then(|name| params.organisms.named(name));
        let mut work: Vec<Work> = params.organisms.work(organism).into_iter().collect();
        // Before and after the fine-tune.
        let capture = |rows: Rows| Work::new(op::FORWARD, model, rows, Passes::Each(2));
        let passes = if params.views.contains(&Seen::AnswerMean) { 2 } else { 1 };
        for _ in 0..passes {
            let trained = [Some(organism), reference].into_iter().flatten();
            let data = trained.filter_map(|organism| params.data(organism));
            work.extend(data.map(|data| capture(Rows::first(data, params.train_prompts))));
            work.extend(params.banks.iter().map(|bank| capture(bank.prompts())));
        }
        for (name, asked) in asking::asked(params) {
            work.extend(asked.work(model, 2));
            if params.steers(name) {
                let vectors = params.steered_views().len() * (1 + params.steering.random_draws);
                work.extend(asked.work(model, params.steering.alphas.len() * vectors));
            }
        }
        work
    }
}

emhost_sdk::export_experiment!(SubspaceOverlap);
