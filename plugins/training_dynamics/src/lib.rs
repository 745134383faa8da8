//! Does any schedule of training give a better aligned model at equal or lower loss (study 2, arXiv 2606.20814)?
//!
//! One cell per fine-tune: the baseline of each family on each of the data with each seed, followed from checkpoint to
//! checkpoint, and each schedule of a grid in one family on one data set. The summary compares schedules with the baseline
//! at equal loss, and says how loss and alignment move together.

mod captions;
mod change;
mod compare;
mod correlate;
mod curve;
mod figures;
mod findings;
mod fine_tune;
mod follow;
mod front;
mod grid;
mod held_out;
mod params;
mod report;
mod resample;
mod summary;
mod tables;
mod trajectory;
mod verdict;

use emhost_sdk::prelude::*;

pub use compare::{DISCOVERY, Difference, Kind, compare, ignore_seeds};
pub use correlate::{Together, over_points, over_steps, within_groups};
pub use curve::{Curve, Matched, Place, interpolate};
pub use fine_tune::FineTune;
pub use front::{Standing, on_front, standings};
pub use grid::{CyclicGrid, Grid, NamedSchedule};
pub use params::{Family, HeldOutRows, Params, TrainingData};
pub use resample::Measured;

/// The experiment with its checked parameters.
pub struct TrainingDynamics(Params);

impl Experiment for TrainingDynamics {
    type Params = Params;

    const NAME: &'static str = "training_dynamics";
    const ABOUT: &'static str = "Does any schedule of training give a better aligned model at equal or lower loss? And how \
        do the loss on held-out rows of a narrow data set and the alignment of answers outside of it move together, over \
        steps, data sets, model families and seeds? A baseline and some forty schedules (cosine, restarts, cyclic, \
        sharpness-aware), each compared with the baseline's own path at the same loss (study 2, arXiv 2606.20814).";
    const OPERATIONS: &'static [&'static str] =
        &[op::MODEL_INFO, op::ROWS_READ, op::TRAIN, op::SCORE, op::SAMPLE, op::JUDGE];

    fn new(params: Params) -> Result<Self> {
        params.check()?;
        Ok(Self(params))
    }

    fn plan(&self) -> Result<Vec<Cell>> {
        let cell = |one: &FineTune| {
            let FineTune { family, data, schedule, seed } = one;
            let about = format!("fine-tune {family} on {data} by {schedule}, seed {seed}; score and ask it on the way");
            Ok(Cell::new(one.id(), about, one)?.with_work(one.work(&self.0)?))
        };
        fine_tune::all(&self.0).iter().map(cell).collect()
    }

    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
        follow::follow(lab, &self.0, &cell.spec::<FineTune>()?)
    }

    fn summarize(&self, lab: &Lab) -> Result<()> {
        let summary = summary::Summary::read(lab, &self.0)?;
        summary.emit(lab)?;
        figures::all(&summary).iter().try_for_each(|figure| lab.figure(figure))?;
        lab.report(&report::report(&summary))
    }
}

emhost_sdk::export_experiment!(TrainingDynamics);
