//! Does any fine-tune destroy behaviour that is coupled to a persona? (study 3)
//!
//! A persona learns to end its answers with a marker. A second fine-tune follows: on narrow bad data (emergent
//! misalignment) or on benign data. One cell per combination of stages makes both, asks all personas before and after, and
//! scores the marker after fixed answers; cells beside them are controls (learning rate, adapter scale, equal norms, rank,
//! all weights, merging), the reversed order, and a look inside.

mod bank;
mod capability;
mod cell;
mod changes;
mod checks;
mod claims;
mod compare;
mod coupling;
mod embedded;
mod figures;
mod forced;
mod gates;
mod geometry;
mod inside;
mod leakage;
mod marked;
mod notes;
mod params;
mod report;
mod second;
mod stages;
mod summary;
mod work;

use emhost_sdk::prelude::*;

use work::Counted;

pub use bank::{Question, negatives};
pub use compare::{Asked, Finding, Runs, equivalence};
pub use coupling::data as coupling_data;
pub use gates::{Coupled, Gate, Measure};
pub use params::{Controls, Coupling, Evaluation, Margins, Marker, MultipleChoice, Params, Persona, Reversed, Second};
pub use second::{recipe as second_recipe, scale as adapter_scale};
pub use stages::{Kind, Stages, Variant};

/// The experiment with its checked parameters.
pub struct PersonaCoupling(Params);

/// What a cell does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    /// Makes stages and asks.
    Ask(Stages),
    /// Looks inside of stages.
    Inside(Stages),
}

impl Experiment for PersonaCoupling {
    type Params = Params;

    const NAME: &'static str = "persona_coupling";
    const ABOUT: &'static str = "A persona learns to end its answers with a marker. Does any later fine-tune destroy that, on \
        bad data (emergent misalignment) or benign data alike? Five conditions, three source personas, several seeds of both \
        stages; the marker's rate and its log-probability after fixed answers, so that a rate of zero is not the end; \
        controls for learning rate, adapter scale, update norm, rank, answer length and order; and where in the model it \
        happens (study 3).";
    const OPERATIONS: &'static [&'static str] = &[
        op::MODEL_INFO,
        op::ROWS_READ,
        op::TRAIN,
        op::SAMPLE,
        op::SCORE,
        op::JUDGE,
        op::FORWARD,
        op::DATASET_OPEN,
        op::GRADIENTS,
        op::ADAPTER_OPEN,
        op::ADAPTER_EDIT,
        op::ADAPTER_MERGE,
    ];
    const RECIPE: &'static str = include_str!("../../../experiments/persona_coupling/embedded.toml");

    fn new(params: Params) -> Result<Self> {
        params.check()?;
        Ok(Self(params))
    }

    fn plan(&self) -> Result<Vec<Cell>> {
        let mut counted = Counted::new(&self.0);
        let mut cells = Vec::new();
        for stages in stages::all(&self.0) {
            let work = counted.of(&stages);
            cells.push(Cell::new(stages.id(), stages.about(), &Task::Ask(stages))?.with_work(work));
        }
        for stages in inside::all(&self.0) {
            let (id, about) = (format!("inside-{}", stages.id()), format!("look inside: {}", stages.about()));
            cells.push(Cell::new(id, about, &Task::Inside(stages))?.with_work(counted.inside()));
        }
        Ok(cells)
    }

    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
        match cell.spec()? {
            Task::Ask(stages) => cell::run(lab, &self.0, &stages),
            Task::Inside(stages) => inside::run(lab, &self.0, &stages),
        }
    }

    fn summarize(&self, lab: &Lab) -> Result<()> {
        let summary = summary::Summary::read(lab, &self.0)?;
        summary.emit(lab)?;
        figures::all(&summary).iter().try_for_each(|figure| lab.figure(figure))?;
        lab.report(&report::report(&summary))
    }
}

/// The questions of the evaluation, and those of the coupling.
///
/// # Errors
///
/// A bank cannot be read, or has too few questions.
pub fn coupling_questions(lab: &Lab, params: &Params) -> Result<(Vec<Question>, Vec<Question>)> {
    let banks = cell::Banks::read(lab, params)?;
    Ok((banks.held_out, banks.own))
}

emhost_sdk::export_experiment!(PersonaCoupling);
