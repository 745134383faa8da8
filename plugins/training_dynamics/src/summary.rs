//! Reads what the cells found, computes what it comes to, and emits the run's tables.

use emhost_sdk::prelude::*;

use crate::change::{Change, changes};
use crate::compare::{Difference, compare, ignore_seeds};
use crate::correlate::{DATA, SCHEDULES, SEEDS, Together, over_points, over_steps, within_groups};
use crate::curve::Place;
use crate::findings::{Finding, findings};
use crate::fine_tune;
use crate::front::{Standing, standings};
use crate::grid::NamedSchedule;
use crate::params::Params;
use crate::resample::Measured;
use crate::tables;
use crate::trajectory::{MEASURES, Measure, Trajectory, read};

/// What the cells found.
pub struct Summary<'a> {
    pub params: &'a Params,
    /// By family, in order.
    pub models: Vec<ModelInfo>,
    pub schedules: Vec<NamedSchedule>,
    /// In the order of the plan.
    pub trajectories: Vec<Trajectory>,
    /// Schedules against the baseline, by measure.
    pub differences: Vec<(Measure, Vec<Difference>)>,
    /// What they come to, by measure and kind.
    pub findings: Vec<Finding>,
    /// Of each schedule.
    pub standings: Vec<Standing>,
    pub changes: Vec<Change>,
    pub correlations: Vec<Together>,
    /// Tables that were read, to be emitted as tables of the run.
    tables: Vec<(&'static str, Table)>,
}

impl<'a> Summary<'a> {
    /// Reads the tables of all cells.
    ///
    /// # Errors
    ///
    /// A table cannot be read, or has a number that is infinite.
    pub fn read(lab: &Lab, params: &'a Params) -> Result<Self> {
        let names = ["trajectory", "topics", "held_out_rows", "training", "answers"];
        let open = |name: &'static str| Ok((name, lab.open_table(name)?.table()?));
        let tables = names.map(open).into_iter().collect::<Result<Vec<(&'static str, Table)>>>()?;
        let trajectories = read(&fine_tune::all(params), &tables[0].1, &tables[1].1, &tables[2].1)?;
        let models = params.families.iter().map(|family| lab.model_info(&Organism::base(&family.model)));
        let mut summary = Self {
            params,
            models: models.collect::<Result<_>>()?,
            schedules: params.all_schedules(),
            trajectories,
            differences: Vec::new(),
            findings: Vec::new(),
            standings: Vec::new(),
            changes: Vec::new(),
            correlations: Vec::new(),
            tables,
        };
        for measure in MEASURES {
            let (baseline, others) = summary.places(measure);
            let mut found = compare(&baseline, &others, params.loss_tolerance)?;
            ignore_seeds(&mut found, params.seed)?;
            summary.differences.push((measure, found));
        }
        let ends: Vec<Vec<&Measured>> = summary.schedules.iter().map(|one| summary.ends(&one.name)).collect();
        summary.standings = standings(&ends, params.draws, params.seed);
        summary.findings = findings(&summary);
        summary.changes = changes(&summary.trajectories)?;
        summary.correlations = summary.correlate()?;
        Ok(summary)
    }

    /// Emits the run's tables.
    ///
    /// # Errors
    ///
    /// The disk is full.
    pub fn emit(&self, lab: &Lab) -> Result<()> {
        self.tables.iter().try_for_each(|(name, table)| lab.emit(name, table))?;
        lab.emit("final", tables::ends(self)?)?;
        lab.emit("pareto", tables::pareto(self))?;
        lab.emit("matched", tables::matched(self))?;
        lab.emit("findings", tables::findings(self))?;
        lab.emit("change", tables::change(self))?;
        lab.emit("correlation", tables::correlation(self))
    }

    /// The table of that name which the cells emitted.
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|(known, _)| *known == name).map(|(_, table)| table)
    }

    /// Seeds of a schedule, in the family and on the data of the schedules.
    pub fn seeds(&self, schedule: &str) -> impl Iterator<Item = &Trajectory> {
        let Params { family, task, .. } = self.params;
        self.trajectories
            .iter()
            .filter(move |one| one.one.family == *family && one.one.data == *task && one.one.schedule == schedule)
    }

    /// Trajectories of the baseline in a family on some data.
    pub fn baselines(&self, family: &str, data: &str) -> Vec<&Trajectory> {
        let alike = |one: &&Trajectory| one.baseline && one.one.family == family && one.one.data == data;
        self.trajectories.iter().filter(alike).collect()
    }

    /// The comparisons that the claims are about.
    pub fn claimed(&self) -> &[Difference] {
        self.differences.first().map_or(&[], |(_, all)| all)
    }

    /// The loss of a schedule's end minus that of the baseline's.
    pub fn loss_difference(&self, schedule: &str) -> [f64; 3] {
        let at = self.schedules.iter().position(|one| one.name == schedule);
        at.map_or([f64::NAN; 3], |at| self.standings[at].loss_difference)
    }

    /// Whether a schedule's learning rate never gets as high as the baseline's.
    pub fn peaks_below(&self, schedule: &str) -> bool {
        let rate = self.params.recipe.learning_rate;
        self.schedules.iter().any(|one| one.name == schedule && one.learning_rate < rate)
    }

    fn ends(&self, schedule: &str) -> Vec<&Measured> {
        self.seeds(schedule).map(|one| one.end().measured(Measure::All)).collect()
    }

    /// Trajectories of the baseline, and ends of the other schedules.
    #[expect(clippy::type_complexity, reason = "what `compare` takes")]
    fn places(&self, measure: Measure) -> (Vec<Vec<Place>>, Vec<(String, Vec<Place>)>) {
        let trajectory = |one: &Trajectory| one.points.iter().map(|point| point.place(measure)).collect();
        let baseline = self.baselines(&self.params.family, &self.params.task);
        let ends = |name: &String| self.seeds(name).map(|one| one.end().place(measure)).collect();
        let others = self.schedules.iter().skip(1).map(|one| (one.name.clone(), ends(&one.name)));
        (baseline.into_iter().map(trajectory).collect(), others.collect())
    }

    fn correlate(&self) -> Result<Vec<Together>> {
        let Params { families, data, family, task, draws, seed, .. } = self.params;
        let baseline = &self.params.baseline().name;
        let within = |of: [&str; 4]| of.map(str::to_owned);
        let mut found = Vec::new();
        for model in families {
            for set in data {
                let seeds = self.baselines(&model.name, &set.name);
                let paths: Vec<Vec<&Measured>> = seeds.iter().map(|one| measured(one)).collect();
                found.push(over_steps(within([&model.name, &set.name, baseline, "all"]), &paths, *draws, *seed));
                for (one, path) in seeds.iter().zip(&paths) {
                    let name = one.one.seed.to_string();
                    let names = within([&model.name, &set.name, baseline, &name]);
                    found.push(over_steps(names, std::slice::from_ref(path), *draws, *seed));
                }
            }
        }
        let ends: Vec<[f64; 2]> = self.standings.iter().map(|one| [one.loss[0], one.alignment[0]]).collect();
        found.push(over_points(SCHEDULES, within([family, task, "all", "mean"]), &ends, *seed)?);
        let groups = |keep: &dyn Fn(&Trajectory) -> bool| {
            let mut groups: Vec<(&str, &str, &str, Vec<[f64; 2]>)> = Vec::new();
            for one in self.trajectories.iter().filter(|one| !one.control && keep(one)) {
                let (name, end) = (&one.one, one.end());
                let point = [end.loss[0], end.alignment[0]];
                let alike = |group: &&mut (&str, &str, &str, Vec<[f64; 2]>)| {
                    (group.0, group.1, group.2) == (&*name.family, &*name.data, &*name.schedule)
                };
                match groups.iter_mut().find(alike) {
                    Some(group) => group.3.push(point),
                    None => groups.push((&name.family, &name.data, &name.schedule, vec![point])),
                }
            }
            groups.into_iter().map(|group| group.3).collect::<Vec<_>>()
        };
        let means = |groups: Vec<Vec<[f64; 2]>>| -> Vec<[f64; 2]> {
            let mean = |group: &Vec<[f64; 2]>, part: usize| {
                group.iter().map(|point| point[part]).sum::<f64>() / group.len() as f64
            };
            groups.iter().map(|group| [mean(group, 0), mean(group, 1)]).collect()
        };
        for model in families {
            let own = groups(&|one: &Trajectory| one.baseline && one.one.family == model.name);
            found.push(over_points(DATA, within([&model.name, "all", baseline, "mean"]), &means(own), *seed)?);
        }
        let seeds = groups(&|_| true);
        found.push(within_groups(SEEDS, within(["all", "all", "all", "all"]), &seeds, *seed)?);
        Ok(found)
    }
}

fn measured(one: &Trajectory) -> Vec<&Measured> {
    one.points.iter().map(|point| point.measured(Measure::All)).collect()
}
