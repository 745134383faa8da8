//! Which direction mediates emergent misalignment, and do organisms converge on it? (study 1, arXiv 2506.11618)
//!
//! Each organism's answers are judged and put into two classes; the difference of the classes' mean activations is its
//! direction at each block. Directions are added to the model before any fine-tune, projected out of the organisms that
//! they come from and out of others, and compared with each other, with random directions and with a rank-1 adapter's `B`.

mod ablate;
mod classes;
mod compare;
mod direction;
mod figures;
mod make;
mod params;
mod rank_one;
mod report;
mod semantic;
mod sources;
mod steer;
mod summary;

use emhost_sdk::prelude::*;

pub use classes::Member;
pub use direction::Parts;
pub use params::{Ablation, Kind, Params, Semantic, Steering, Topic};

/// The experiment with its checked parameters.
pub struct ConvergentDirection(Params);

/// What a cell does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Make(String),
    Compare,
    Steer(String),
    Ablate(String),
    RankOne(String),
    Semantic,
}

impl Experiment for ConvergentDirection {
    type Params = Params;

    const NAME: &'static str = "convergent_direction";
    const ABOUT: &'static str = "Fine-tunes on different narrow bad data make different organisms. Is there one direction \
        in their activations that makes them misaligned: does adding it to the untouched model do the same, does \
        projecting it out undo it, also in organisms that it was not made from, and more than any random direction does? \
        (study 1, arXiv 2506.11618).";
    const OPERATIONS: &'static [&'static str] = &[
        op::MODEL_INFO,
        op::ROWS_READ,
        op::TRAIN,
        op::SAMPLE,
        op::JUDGE,
        op::FORWARD,
        op::DATASET_OPEN,
        op::ADAPTER_OPEN,
        op::ADAPTER_EDIT,
        op::DIRECTION_WRITE,
        op::DIRECTION_OPEN,
    ];

    fn new(params: Params) -> Result<Self> {
        params.check()?;
        Ok(Self(params))
    }

    fn plan(&self) -> Result<Vec<Cell>> {
        let params = &self.0;
        let mut cells = Vec::new();
        // Organisms first: everything else needs them.
        for organism in params.harmful() {
            let name = &organism.name;
            let about = format!("fine-tune {name}, make its classes and directions");
            let work = params.organisms.work(organism).into_iter().chain(self.class_work()).collect();
            cells.push(Cell::new(format!("directions-{name}"), about, &Part::Make(name.clone()))?.with_work(work));
        }
        for name in params.targets() {
            let random = if params.is_random_target(&name) { 2 * params.ablation.random_draws } else { 0 };
            let times = params.harmful().count() + 3 * self.block_count() + 3 + random;
            let about = format!("project directions out of {name}");
            let cell = Cell::new(format!("ablate-{name}"), about, &Part::Ablate(name))?;
            cells.push(cell.with_work(params.evaluate.work(&params.organisms.model, times).into()));
        }
        for name in &params.steering.sources {
            let kinds = if params.headline == Kind::Token { 1 } else { 2 };
            let times = kinds * (self.block_count() * params.steering.strengths.len() + params.steering.random_draws);
            let about = format!("add the directions of {name} to the model before any fine-tune");
            let cell = Cell::new(format!("steer-{name}"), about, &Part::Steer(name.clone()))?;
            cells.push(cell.with_work(params.evaluate.work(&params.organisms.model, times).into()));
        }
        for name in &params.rank_one {
            let about = format!("compare the adapter of {name} with its direction");
            let cell = Cell::new(format!("rank-one-{name}"), about, &Part::RankOne(name.clone()))?;
            cells.push(cell.with_work(params.evaluate.work(&params.organisms.model, 8).into()));
        }
        if !params.semantic.topics.is_empty() {
            let times = 2 * params.semantic.topics.len() * params.semantic.strengths.len();
            let cell = Cell::new("semantic", "directions of topics", &Part::Semantic)?;
            cells.push(cell.with_work(params.evaluate.work(&params.organisms.model, times).into()));
        }
        // What the other cells have captured.
        let nothing = Work::new(op::FORWARD, &params.organisms.model, params.classes.rows(), Passes::Total(0));
        cells.push(Cell::new("compare", "cosines between directions", &Part::Compare)?.with_work(vec![nothing]));
        Ok(cells)
    }

    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
        let params = &self.0;
        match cell.spec::<Part>()? {
            Part::Make(name) => make::make(lab, params, &name),
            Part::Compare => compare::compare(lab, params),
            Part::Steer(name) => steer::steer(lab, params, &name),
            Part::Ablate(name) => ablate::ablate(lab, params, &name),
            Part::RankOne(name) => rank_one::rank_one(lab, params, &name),
            Part::Semantic => semantic::semantic(lab, params),
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

impl ConvergentDirection {
    fn block_count(&self) -> usize {
        // Not known before the model is read; a dry run of many blocks names them.
        if self.0.blocks.is_empty() { 4 } else { self.0.blocks.len() }
    }

    /// Asking for an organism's classes and capturing them.
    fn class_work(&self) -> Vec<Work> {
        let (params, model) = (&self.0, &self.0.organisms.model);
        let mut work: Vec<Work> = params.classes.work(model, 1).into();
        let given = params.classes.limit.map_or(usize::MAX, |limit| limit * params.classes.samples);
        let kept = Passes::Total(given.min(2 * params.per_class) as u64);
        work.push(Work::new(op::FORWARD, model, params.classes.rows(), kept).with_vectors(self.block_count()));
        work
    }
}

emhost_sdk::export_experiment!(ConvergentDirection);
