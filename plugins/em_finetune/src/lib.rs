//! Narrow bad data makes a model broadly misaligned, and it happens suddenly (study 1, arXiv 2506.11618 and 2506.11613).
//!
//! One cell asks the model as it is, one cell per organism makes and asks it, and one cell per `phase` follows a
//! fine-tune from checkpoint to checkpoint: behaviour at several scales of the adapter, and the path of its `B`.

mod adapters;
mod asking;
mod behaviour;
mod captions;
mod comparison;
mod events;
mod figures;
mod geometry;
mod params;
mod phase;
mod phase_figures;
mod report;
mod summary;
mod trajectory;
mod verdict;

use emhost_sdk::prelude::*;

pub use geometry::{Path, Turn, composition, path, turn};
pub use params::{Params, Phase};

/// The experiment with its checked parameters.
pub struct EmFinetune(Params);

/// What a cell does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    /// The model as it is.
    Base,
    /// The organism of that name.
    Organism(String),
    /// The checkpoints of the organism of that name.
    Phase(String),
}

impl Experiment for EmFinetune {
    type Params = Params;

    const NAME: &'static str = "em_finetune";
    const ABOUT: &'static str = "Does fine-tuning on bad advice in one narrow domain make a model answer badly in others \
        (emergent misalignment)? Organisms by LoRA, rank-1 LoRA and full fine-tuning, three seeds, and one on good advice, \
        each against the model before; then the moment when it happens: behaviour by checkpoint and adapter scale, \
        gradient norm, and the turn of the adapter's B (study 1, arXiv 2506.11618 and 2506.11613).";
    const OPERATIONS: &'static [&'static str] =
        &[op::MODEL_INFO, op::ROWS_READ, op::TRAIN, op::SAMPLE, op::JUDGE, op::ADAPTER_OPEN];

    fn new(params: Params) -> Result<Self> {
        params.check()?;
        Ok(Self(params))
    }

    fn plan(&self) -> Result<Vec<Cell>> {
        let params = &self.0;
        let base = format!("ask `{}` as it is", params.organisms.model);
        let mut cells = vec![Cell::new(BASE, base, &Task::Base)?.with_work(asking::base_work(params))];
        for organism in &params.organisms.list {
            let about = format!("make {}, ask it, look at its adapter", organism.name);
            let cell = Cell::new(&organism.name, about, &Task::Organism(organism.name.clone()))?;
            cells.push(cell.with_work(asking::organism_work(params, organism)));
        }
        for one in &params.phase {
            let name = &one.organism;
            let about = format!("follow the fine-tune of {name} from checkpoint to checkpoint");
            let cell = Cell::new(format!("phase={name}"), about, &Task::Phase(name.clone()))?;
            cells.push(cell.with_work(phase::work(params, one)));
        }
        Ok(cells)
    }

    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
        let params = &self.0;
        let unknown = |name: &str| Error::Plugin(format!("cell `{}` is about `{name}`, which is no organism", cell.id));
        match cell.spec::<Task>()? {
            Task::Base => asking::base(lab, params),
            Task::Organism(name) => {
                let organism = params.organisms.named(&name).ok_or_else(|| unknown(&name))?;
                asking::organism(lab, params, organism)
            }
            Task::Phase(name) => {
                let one = params.phase.iter().find(|one| one.organism == name).ok_or_else(|| unknown(&name))?;
                phase::follow(lab, params, one)
            }
        }
    }

    fn summarize(&self, lab: &Lab) -> Result<()> {
        let summary = summary::Summary::read(lab, &self.0)?;
        summary.emit(lab)?;
        for figure in figures::all(&summary).into_iter().chain(phase_figures::all(&summary)?) {
            lab.figure(&figure)?;
        }
        lab.report(&report::report(&summary))
    }
}

/// The model before any fine-tune: its cell, and its name in tables.
const BASE: &str = "base";

emhost_sdk::export_experiment!(EmFinetune);
