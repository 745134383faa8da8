//! Is the alignment of answers after a narrow fine-tune predictable from activations before it? (study 2, arXiv 2606.20814)
//!
//! One cell per organism: make it, ask it, run models before and after over the questions, and predict each question's mean
//! alignment from what they hold, on folds over questions as published and on folds over topics, beside what the prompt's
//! words alone can do.

mod analysis;
mod check;
mod features;
mod figures;
mod fit;
mod identity;
mod params;
mod permute;
mod report;
mod score_table;
mod source;
mod splits;
mod summary;
mod target;
mod validate;
mod verdict;
mod words;

use std::sync::Arc;

use emhost_sdk::arrow::array::{ArrayRef, ListArray};
use emhost_sdk::arrow::datatypes::Float64Type;
use emhost_sdk::prelude::*;
use emhost_study::{Columns, TrainedOrganism};

pub use features::project;
pub use fit::{Parts, Penalties, Prediction, fit};
pub use params::{
    Basis, Before, Chosen, Folds, Grouped, Model, Params, Permutations, Pooled, Projection, Semantic, Target,
};
pub use permute::{Permuted, arrangement, test};
pub use splits::{Cv, Rounds, inner};
pub use validate::{Compared, Design, Fold, Score, Task, Validated, corrected, validate};

use analysis::{Analysis, Exported, Tables};
use params::label;

/// The experiment with its checked parameters.
pub struct PriorPrediction(Params);

impl Experiment for PriorPrediction {
    type Params = Params;

    const NAME: &'static str = "prior_prediction";
    const ABOUT: &'static str = "Fine-tuning on narrow bad data makes some answers misaligned and others not. Which questions \
        is it, and can activations of the model before the fine-tune, or of a pre-trained one, tell? Features, models and \
        folds as published, beside folds over whole topics, the prompt's words, random activations and permuted targets; \
        artefacts that are the same numbers are refused (study 2, arXiv 2606.20814).";
    const OPERATIONS: &'static [&'static str] =
        &[op::MODEL_INFO, op::ROWS_READ, op::TRAIN, op::SAMPLE, op::JUDGE, op::FORWARD, op::DATASET_OPEN];
    const RECIPE: &'static str = "";

    fn new(params: Params) -> Result<Self> {
        params.check()?;
        Ok(Self(params))
    }

    fn plan(&self) -> Result<Vec<Cell>> {
        let cell = |organism: &TrainedOrganism| {
            let about = format!("make {}, ask it, predict its alignment from activations before", organism.name);
            Ok(Cell::new(&organism.name, about, &organism.name)?.with_work(self.work(organism)))
        };
        self.0.organisms.list.iter().map(cell).collect()
    }

    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
        let name: String = cell.spec()?;
        let unknown = || Error::Plugin(format!("cell `{}` is about `{name}`, which is no organism", cell.id));
        self.organism(lab, self.0.organisms.named(&name).ok_or_else(unknown)?)
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

impl PriorPrediction {
    /// One cell.
    fn organism(&self, lab: &Lab, organism: &TrainedOrganism) -> Result<()> {
        let params = &self.0;
        let name = organism.name.as_str();
        let role = if organism.control { "control" } else { "organism" };
        lab.progress(0, 1, &format!("make {name}"))?;
        let made = params.organisms.make(lab, organism)?;
        let training =
            made.steps.as_ref().map(|steps| steps.clone().with_text("organism", (0..steps.rows()).map(|_| name)));
        let captures = source::Captures::new(lab, params, organism, &made);
        let mut tables = Tables::default();
        let [mut questions, mut targets_table, mut given] =
            [Columns::default(), Columns::default(), Columns::default()];
        for asked in params.asked() {
            let bank = label(&asked.questions);
            lab.progress(0, 1, &format!("ask {name} of {bank}"))?;
            let answers = asked.ask(lab, &made.organism)?;
            answers.note(&mut given, name, bank);
            let targets = target::Targets::of(params, &answers)?;
            targets.note(&mut questions, name, bank);
            targets.note_whole(&mut targets_table, [name, role, bank], &answers)?;
            if targets.questions.is_empty() {
                continue;
            }
            let mut sources = Vec::new();
            for number in 0..captures.models() {
                lab.progress(number as u64, captures.models() as u64, &format!("capture {bank}"))?;
                sources.push(captures.source(number, &asked, &answers, &targets)?);
            }
            identity::check(&mut tables.identity, [name, bank], &sources)?;
            sources.extend(source::random(params, &sources[0])?);
            let mut analysis = Analysis::new(params, [name, role, bank], &targets);
            // The bag of words is the first of them: everything else is compared with it.
            for baseline in source::baselines(lab, params, &targets)?.iter().chain(&sources) {
                analysis.source(lab, &mut tables, baseline)?;
            }
            analysis.identity(&mut tables, &sources)?;
        }
        let Tables { folds, scores, predictions, identity, features } = tables;
        let columns = [
            ("targets", targets_table),
            ("questions", questions),
            ("answers", given),
            ("folds", folds),
            ("scores", scores),
            ("predictions", predictions),
            ("identity", identity),
        ];
        let mut filled: Vec<(&str, Table)> = columns
            .into_iter()
            .filter(|(_, columns)| !columns.is_empty())
            .map(|(table, columns)| (table, columns.table()))
            .collect();
        filled.extend(exported(name, &features).map(|table| ("features", table)));
        filled.extend(training.map(|table| ("training", table)));
        // Where nothing can be fitted some tables are not there: the summary asks for those that are.
        lab.emit(EMITTED, Table::new().with_text("table", filled.iter().map(|(table, _)| *table)))?;
        filled.iter().try_for_each(|(table, rows)| lab.emit(table, rows))
    }

    /// What the cell of an organism asks for.
    fn work(&self, organism: &TrainedOrganism) -> Vec<Work> {
        let params = &self.0;
        let model = params.organisms.model(organism);
        let mut work: Vec<Work> = params.organisms.work(organism).into_iter().collect();
        let models = params.before.len() as u64 + 1;
        let completed = params.poolings.iter().any(|pooled| pooled.uses_completion());
        for asked in params.asked() {
            work.extend(asked.work(model, 1));
            let passes = |times: u64| Passes::Each(models * times);
            let kept = params.sites.len() * params.poolings.len();
            work.push(Work::new(op::FORWARD, model, asked.rows(), passes(1)).with_vectors(kept));
            if completed {
                let forward = Work::new(op::FORWARD, model, asked.rows(), passes(asked.samples as u64));
                work.push(forward.with_new_tokens(asked.max_new_tokens).with_vectors(params.sites.len()));
            }
            if let (Basis::TrainPrompts, emhost_study::Source::Train { data, .. }) = (params.basis, &organism.from) {
                let rows = Rows::first(data, params.train_prompts);
                work.push(Work::new(op::FORWARD, model, rows, passes(1)).with_vectors(kept));
            }
        }
        work
    }
}

/// The table of a cell's tables.
const EMITTED: &str = "emitted";

/// The headline's features as one list per question: principal components, or the activations where components differ from
/// fold to fold, and baselines. Those of random directions a seed gives again.
fn exported(organism: &str, features: &[Exported]) -> Option<Table> {
    let components = |name: &str| Projection::ALL.iter().any(|projection| projection.name() == name);
    let fixed = features.iter().any(|one| components(&one.of[2]));
    let wanted = |name: &str| name == "given" || components(name) || name == "activations" && !fixed;
    let kept: Vec<&Exported> = features.iter().filter(|one| wanted(&one.of[2])).collect();
    let rows = || kept.iter().flat_map(|one| one.row_ids.iter().zip(one.rows.iter_rows()).map(move |row| (one, row)));
    rows().next()?;
    let lists = rows().map(|(_, (_, row))| Some(row.iter().map(|&value| Some(value))));
    let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists));
    let of = |at: usize| rows().map(move |(one, _)| one.of[at].clone());
    let table = Table::new()
        .with_text("organism", rows().map(|_| organism))
        .with_text("bank", of(0))
        .with_text("source", of(1))
        .with_text("features", of(2))
        .with_text("row_id", rows().map(|(_, (id, _))| id.clone()));
    Some(table.with_column("values", lists))
}

emhost_sdk::export_experiment!(PriorPrediction);
