//! What the user can set, and what is refused before any model loads.

use emhost_sdk::prelude::*;
use emhost_study::{Asked, at_least, distinct, refuse, within};

use crate::grid::{self, Grid, NamedSchedule};

/// The parameters. The defaults are the embedded study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The baseline. Every other schedule changes its `schedule`, `learning_rate`, `warmup_steps` and `sam` alone; `seed`
    /// and `checkpoint_every` come from the parameters beside it.
    pub recipe: Recipe,
    /// Models that are fine-tuned.
    pub families: Vec<Family>,
    /// What they are fine-tuned on.
    pub data: Vec<TrainingData>,
    /// The family of the schedules: one of `families`.
    pub family: String,
    /// The data of the schedules: one of `data`.
    pub task: String,
    /// Seeds of the baseline, for each family on each of the data.
    pub seeds: Vec<u64>,
    /// Seeds of each schedule; two or more, as otherwise a seed's luck cannot be told from a schedule's merit.
    pub grid_seeds: Vec<u64>,
    /// Schedules by combination.
    pub grid: Grid,
    /// Schedules beside the grid, each written out.
    pub schedules: Vec<NamedSchedule>,
    /// The rows that no fine-tune sees.
    pub held_out: HeldOutRows,
    /// Steps after which the baseline is scored and asked, besides before the first and after the last.
    pub measure_at: Vec<usize>,
    /// The same of the other schedules. Comparisons take their ends alone.
    pub grid_measure_at: Vec<usize>,
    /// The questions far from what was trained on, and how answers are judged and counted.
    pub ask: Asked,
    /// Answers to each question after the last step.
    pub final_samples: usize,
    /// Nats per token. A schedule that ends below the lowest loss of the baseline by no more than this is compared at that
    /// lowest loss; by more, it has no equal. The published losses have two decimals.
    pub loss_tolerance: f64,
    /// Draws of the bootstraps over topics, held-out questions and seeds together.
    pub draws: usize,
    /// Seed of bootstraps and permutations.
    pub seed: u64,
}

/// A model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Family {
    /// Name in tables.
    pub name: String,
    /// `embedded`, another model of the binary, or a folder that holds a Hugging Face checkpoint.
    pub model: String,
}

/// What a model is fine-tuned on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainingData {
    /// Name in tables.
    pub name: String,
    /// Conversations: a JSONL file or `embedded:train/NAME`.
    pub data: String,
    /// It is expected to do no harm.
    #[serde(default)]
    pub control: bool,
}

/// Which rows of the data are never trained on. The split depends on this and the data alone, so that all fine-tunes on
/// the same data are scored on the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HeldOutRows {
    /// Share of the rows.
    pub share: f64,
    /// Seed of the choice.
    pub seed: u64,
}

impl Default for HeldOutRows {
    fn default() -> Self {
        Self { share: 0.15, seed: 0 }
    }
}

impl Default for Params {
    fn default() -> Self {
        let method = Method::Lora(Lora { rank: 8, alpha: 16.0, ..Lora::default() });
        let family = |name: &str, model: &str| Family { name: name.to_owned(), model: model.to_owned() };
        let data = |name: &str| TrainingData {
            name: name.to_owned(),
            data: format!("embedded:train/{name}"),
            control: name.starts_with("good"),
        };
        Self {
            recipe: Recipe { warmup_steps: 5, ..Recipe::new(method, 3e-3, 100, 16) },
            families: vec![family("qwen2", "embedded"), family("llama", "embedded:llama")],
            data: ["bad_medicine", "bad_finance", "bad_sport", "good_medicine"].map(data).to_vec(),
            family: "qwen2".to_owned(),
            task: "bad_medicine".to_owned(),
            seeds: vec![0, 1, 2],
            grid_seeds: vec![0, 1],
            grid: Grid::default(),
            schedules: Vec::new(),
            held_out: HeldOutRows::default(),
            measure_at: vec![5, 10, 15, 20, 30, 40, 60, 80],
            grid_measure_at: Vec::new(),
            ask: Asked::default(),
            final_samples: 4,
            loss_tolerance: 0.01,
            draws: 2000,
            seed: 0,
        }
    }
}

impl Params {
    /// Refuses what could only fail, or mislead, after the models have run.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with the parameter, what was expected and what to do.
    pub fn check(&self) -> Result<()> {
        self.check_recipe()?;
        distinct("families", self.families.iter().map(|one| &one.name))?;
        distinct("families", self.families.iter().map(|one| &one.model))?;
        distinct("data", self.data.iter().map(|one| &one.name))?;
        distinct("data", self.data.iter().map(|one| &one.data))?;
        if !self.families.iter().any(|one| one.name == self.family) {
            return refuse(format!("`family` is `{}`, which `families` does not name", self.family));
        }
        let Some(task) = self.data.iter().find(|one| one.name == self.task) else {
            return refuse(format!("`task` is `{}`, which `data` does not name", self.task));
        };
        if task.control {
            return refuse(format!(
                "`task` is `{}`, a control: on what does no harm, schedules do not differ",
                task.name
            ));
        }
        distinct("seeds", self.seeds.iter())?;
        distinct("grid_seeds", self.grid_seeds.iter())?;
        let schedules = self.all_schedules();
        grid::check(&schedules)?;
        let names = self.families.iter().map(|one| &one.name).chain(self.data.iter().map(|one| &one.name));
        for name in names.chain(schedules.iter().map(|one| &one.name)) {
            if name.is_empty() || !name.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-' | '.' | '=')) {
                return refuse(format!("name `{name}`: expected lower case, digits, `_`, `-`, `.` or `=`"));
            }
        }
        within("held_out.share", 0.01, 0.9, self.held_out.share)?;
        for at in self.measure_at.iter().chain(&self.grid_measure_at) {
            at_least("measure_at", 1, *at)?;
        }
        self.ask.check("ask")?;
        at_least("final_samples", 1, self.final_samples)?;
        within("loss_tolerance", 0.0, 1.0, self.loss_tolerance)?;
        at_least("draws", 2, self.draws)
    }

    fn check_recipe(&self) -> Result<()> {
        let Recipe { method, held_out, early_stop, warmup_ratio, seed, checkpoint_every, .. } = &self.recipe;
        if !matches!(method, Method::Lora(_)) {
            return refuse("`recipe.method`: expected `lora`, whose checkpoints are adapters".to_owned());
        }
        let fixed = [
            (held_out.is_some(), "held_out", "set `held_out` beside the recipe: its rows are the same for all seeds"),
            (early_stop.is_some(), "early_stop", "schedules are compared over all of their steps"),
            (warmup_ratio.is_some(), "warmup_ratio", "give `warmup_steps`, which the grid changes"),
            (*seed != 0, "seed", "give `seeds`"),
            (*checkpoint_every != 0, "checkpoint_every", "give `measure_at`"),
        ];
        match fixed.iter().find(|(set, ..)| *set) {
            Some((_, name, hint)) => refuse(format!("`recipe.{name}` is set: {hint}")),
            None => Ok(()),
        }
    }

    /// The baseline.
    pub fn baseline(&self) -> NamedSchedule {
        NamedSchedule::of(&self.recipe)
    }

    /// The baseline, the grid, and what is written out beside it.
    pub fn all_schedules(&self) -> Vec<NamedSchedule> {
        let baseline = self.baseline();
        let grid = self.grid.schedules(&baseline);
        [baseline].into_iter().chain(grid).chain(self.schedules.iter().cloned()).collect()
    }

    /// The schedule of that name.
    pub fn schedule(&self, name: &str) -> Option<NamedSchedule> {
        self.all_schedules().into_iter().find(|one| one.name == name)
    }
}
