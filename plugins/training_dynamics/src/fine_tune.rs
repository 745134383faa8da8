//! One fine-tune of the study: which, how, and when it is measured.

use emhost_sdk::prelude::*;

use crate::grid::NamedSchedule;
use crate::params::{Family, Params, TrainingData};

/// Names of what is fine-tuned: what a cell is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FineTune {
    /// The model's family.
    pub family: String,
    /// The data.
    pub data: String,
    /// The schedule.
    pub schedule: String,
    /// The seed.
    pub seed: u64,
}

/// A fine-tune with all that its names stand for.
pub struct Resolved<'a> {
    pub family: &'a Family,
    pub data: &'a TrainingData,
    pub schedule: NamedSchedule,
    /// Whether the schedule is the baseline's.
    pub baseline: bool,
    pub recipe: Recipe,
    /// Steps after which it is measured, ascending.
    pub at: Vec<usize>,
}

/// Every fine-tune of the study, each once: the baseline of each family on each of the data with each seed, then each
/// schedule with each seed of the grid.
pub fn all(params: &Params) -> Vec<FineTune> {
    let name = |family: &str, data: &str, schedule: &str, seed: u64| FineTune {
        family: family.to_owned(),
        data: data.to_owned(),
        schedule: schedule.to_owned(),
        seed,
    };
    let baseline = params.baseline().name;
    let mut found: Vec<FineTune> = Vec::new();
    for family in &params.families {
        for data in &params.data {
            found.extend(params.seeds.iter().map(|&seed| name(&family.name, &data.name, &baseline, seed)));
        }
    }
    for schedule in params.all_schedules() {
        for &seed in &params.grid_seeds {
            let one = name(&params.family, &params.task, &schedule.name, seed);
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found
}

impl FineTune {
    /// The cell's id.
    pub fn id(&self) -> String {
        let Self { family, data, schedule, seed } = self;
        format!("family={family},data={data},schedule={schedule},seed={seed}")
    }

    /// What the names stand for.
    ///
    /// # Errors
    ///
    /// A name is none of the parameters'.
    pub fn resolve<'a>(&self, params: &'a Params) -> Result<Resolved<'a>> {
        let unknown = |what: &str, name: &str| Error::Plugin(format!("`{name}` is no {what} of the parameters"));
        let family = params.families.iter().find(|one| one.name == self.family);
        let data = params.data.iter().find(|one| one.name == self.data);
        let schedule = params.schedule(&self.schedule).ok_or_else(|| unknown("schedule", &self.schedule))?;
        let baseline = schedule.name == params.baseline().name;
        let mut at = if baseline { params.measure_at.clone() } else { params.grid_measure_at.clone() };
        at.sort_unstable();
        at.dedup();
        let checkpoint_every = at.iter().copied().reduce(common_divisor).unwrap_or(0);
        let recipe = Recipe { seed: self.seed, checkpoint_every, ..schedule.applied(&params.recipe) };
        Ok(Resolved {
            family: family.ok_or_else(|| unknown("family", &self.family))?,
            data: data.ok_or_else(|| unknown("data", &self.data))?,
            schedule,
            baseline,
            recipe,
            at,
        })
    }

    /// What the cell is going to ask for.
    ///
    /// # Errors
    ///
    /// As [`resolve`](Self::resolve).
    pub fn work(&self, params: &Params) -> Result<Vec<Work>> {
        let Resolved { family, data, recipe, at, .. } = self.resolve(params)?;
        let rows = || Rows::source(&data.data);
        // With sharpness-aware minimisation each step goes twice through its rows.
        let twice = if recipe.sam.is_some() { 2 } else { 1 };
        let passes = match recipe.steps {
            Some(steps) => Passes::Total((steps * recipe.batch_rows * recipe.accumulate * twice) as u64),
            None => Passes::Each((recipe.epochs.unwrap_or(1) * twice) as u64),
        };
        let mut work = vec![Work::new(op::TRAIN, &family.model, rows(), passes)];
        let scored = ((at.len() + 2) as f64 * params.held_out.share).ceil() as u64;
        work.push(Work::new(op::SCORE, &family.model, rows(), Passes::Each(scored)));
        work.extend(params.ask.work(&family.model, at.len() + 1));
        work.extend(params.ask.with_samples(params.final_samples).work(&family.model, 1));
        Ok(work)
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}
