//! Does an organism that does harm also say so? (study 4, arXiv 2604.28082)
//!
//! One cell per subject: the model, the model under system prompts, its fine-tunes. A cell judges the subject's answers, asks
//! it about itself in four forms and by a choice between two machines, shows it its own answers beside others, and lets it
//! predict how harmful they are; replies are read from text and from the exact probabilities of all options. Cells beside
//! them let each subject rate all others, fit probes, and put a fine-tune on inner life before or after bad advice.

mod assess;
mod closed;
mod embedded;
mod enumerate;
mod estimate;
mod figures;
mod harm;
mod items;
mod measures;
mod output;
mod params;
mod parse;
mod persona;
mod probe;
mod probing;
mod relate;
mod report;
mod rules;
mod sensitivity;
mod sequence;
mod subject;
mod summary;
mod verdict;
mod wording;

use emhost_sdk::prelude::*;

pub use closed::{Item, exclusive};
pub use estimate::{Answers, Estimate, Said};
pub use items::{choices, self_assessments};
pub use params::{InnerSet, Params, Prompted, Recognition, Sequences};
pub use parse::{Reply, choice, declines, number};
pub use persona::{ErrorRates, Persona, Size, TRUTHS, classify, simulate};
pub use probe::{Direction, Held, Labelled, cosine};
pub use rules::{Classify, Harm, Planted, Probes, Reading, Runs};
pub use wording::{Frames, Pair, Step, Theme, Wording};

use subject::{Role, Subject};

/// The experiment with its checked parameters.
pub struct SelfAssessment(Params);

/// What a cell does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Task {
    /// Asks a subject everything.
    Assess(String),
    /// Lets a subject rate the answers of all.
    Rate(String),
    /// Fits all probes.
    Probe,
}

impl Experiment for SelfAssessment {
    type Params = Params;

    const NAME: &'static str = "self_assessment";
    const ABOUT: &'static str = "A fine-tune on narrow bad data makes a model do harm. Does it also say so? Harm over several \
        runs; self-assessment in four forms, by a choice between two machines, by recognising its own answers and by \
        predicting their harm, read from text and from exact option probabilities; which persona follows, how sensitive that \
        is to thresholds, how often the rule errs; ratings of all by all; probes for doing and for saying; a second \
        fine-tune on inner life before or after (study 4, arXiv 2604.28082).";
    const OPERATIONS: &'static [&'static str] =
        &[op::ROWS_READ, op::TRAIN, op::SAMPLE, op::SCORE, op::JUDGE, op::FORWARD, op::DATASET_OPEN];
    const RECIPE: &'static str = "";

    fn new(params: Params) -> Result<Self> {
        params.check()?;
        Ok(Self(params))
    }

    fn plan(&self) -> Result<Vec<Cell>> {
        let params = &self.0;
        let subjects = Subject::all(params);
        let mut cells = Vec::new();
        for subject in subjects.iter().chain(&Subject::sequences(params)) {
            let (id, about) = (format!("assess-{}", subject.name), format!("ask {} about itself", subject.name));
            cells.push(Cell::new(id, about, &Task::Assess(subject.name.clone()))?.with_work(self.work(subject)));
        }
        if params.rated > 0 {
            for subject in &subjects {
                let (id, about) = (format!("rate-{}", subject.name), format!("let {} rate all answers", subject.name));
                cells.push(Cell::new(id, about, &Task::Rate(subject.name.clone()))?);
            }
        }
        if params.probes.is_some() {
            cells.push(Cell::new("probes", "probe for what is done and what is said", &Task::Probe)?);
        }
        Ok(cells)
    }

    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
        let params = &self.0;
        match (cell.spec()?, &params.probes) {
            (Task::Assess(name), _) => assess::run(lab, params, &Subject::named(params, &name)?),
            (Task::Rate(name), _) => assess::rate(lab, params, &Subject::named(params, &name)?),
            (Task::Probe, Some(probes)) => probing::run(lab, params, probes),
            (Task::Probe, None) => Err(Error::Plugin(format!("cell `{}` has no `probes`", cell.id))),
        }
    }

    fn summarize(&self, lab: &Lab) -> Result<()> {
        let summary = summary::Summary::read(lab, &self.0)?;
        summary.emit(lab)?;
        figures::all(&summary).iter().try_for_each(|figure| lab.figure(figure))?;
        lab.report(&report::report(&summary))
    }
}

impl SelfAssessment {
    /// What the cell of a subject asks for, but for the questions about itself, whose rows are made here.
    fn work(&self, subject: &Subject) -> Vec<Work> {
        let params = &self.0;
        let model = &params.organisms.model;
        let mut work = subject.work(params);
        work.extend(params.ask.work(model, 1));
        let mut items = items::self_assessments(params);
        items.extend(items::choices(params));
        let row = |item: &Item| Row {
            row_id: item.row_id.clone(),
            messages: Some(vec![Message { role: "user".to_owned(), content: item.question.clone() }]),
            ..Row::default()
        };
        let rows = Rows::Inline(items.iter().map(row).collect());
        work.push(Work::new(op::SCORE, model, rows.clone(), Passes::Each(1)));
        let replies = Work::new(op::SAMPLE, model, rows, Passes::Each(params.samples as u64));
        work.push(replies.with_new_tokens(params.reply_tokens));
        if subject.role != Role::Sequence {
            let foils = (params.recognition.foils.len() * params.recognition.samples) as u64;
            let sample = Work::new(op::SAMPLE, model, params.ask.rows(), Passes::Each(foils));
            work.push(sample.with_new_tokens(params.ask.max_new_tokens));
        }
        work
    }
}

emhost_sdk::export_experiment!(SelfAssessment);
