//! The cells that make an organism and ask it.

use emhost_sdk::prelude::*;
use emhost_study::{Asked, Columns, TrainedOrganism};

use crate::BASE;
use crate::adapters::{Norms, note as note_adapter, open};
use crate::behaviour::{Steps, Subject, note, note_topics};
use crate::params::{Params, label};

/// Asks the model as it is, the general questions and those of every domain.
///
/// # Errors
///
/// The model's or the judge's own.
pub fn base(lab: &Lab, params: &Params) -> Result<()> {
    let organism = Organism::base(&params.organisms.model);
    let subject = Subject { name: BASE, control: true, norms: Norms::MISSING, losses: [f64::NAN; 2], steps: 0 };
    ask(lab, &organism, &subject, &base_banks(params))
}

/// Makes an organism, reads its adapter and asks it.
///
/// # Errors
///
/// The fine-tune's, the model's or the judge's own.
pub fn organism(lab: &Lab, params: &Params, organism: &TrainedOrganism) -> Result<()> {
    let TrainedOrganism { name, control, .. } = organism;
    lab.progress(0, 1, &format!("make {name}"))?;
    let made = params.organisms.make(lab, organism)?;
    let mut subject = Subject { name, control: *control, norms: Norms::MISSING, losses: [f64::NAN; 2], steps: 0 };
    if let Some(table) = &made.steps {
        let steps = Steps::read(table)?;
        (subject.losses, subject.steps) = (steps.losses(), steps.step.len() as u64);
        let mut columns = Columns::default();
        steps.note(&mut columns, name);
        lab.emit("steps", columns.table())?;
    }
    if let Some(adapter) = &made.adapter {
        let projections = open(lab, &params.organisms.model, adapter)?;
        subject.norms = Norms::of(&projections);
        let mut columns = Columns::default();
        note_adapter(&mut columns, name, None, &projections);
        lab.emit("adapters", columns.table())?;
    }
    ask(lab, &made.organism, &subject, &organism_banks(params, name))
}

/// What the cell `base` asks for.
pub fn base_work(params: &Params) -> Vec<Work> {
    base_banks(params).iter().flat_map(|bank| bank.work(&params.organisms.model, 1)).collect()
}

/// What the cell of an organism asks for.
pub fn organism_work(params: &Params, organism: &TrainedOrganism) -> Vec<Work> {
    let banks = organism_banks(params, &organism.name);
    let asked = banks.iter().flat_map(|bank| bank.work(&params.organisms.model, 1));
    params.organisms.work(organism).into_iter().chain(asked).collect()
}

fn base_banks(params: &Params) -> Vec<Asked> {
    [params.ask.clone()].into_iter().chain(params.domain_banks()).collect()
}

fn organism_banks(params: &Params, name: &str) -> Vec<Asked> {
    [params.ask.clone()].into_iter().chain(params.asked_in_domain(name)).collect()
}

fn ask(lab: &Lab, organism: &Organism, subject: &Subject<'_>, banks: &[Asked]) -> Result<()> {
    let (mut rates, mut topics, mut given) = (Columns::default(), Columns::default(), Columns::default());
    for (at, asked) in banks.iter().enumerate() {
        let bank = label(&asked.questions);
        lab.progress(at as u64, banks.len() as u64, &format!("ask {} of {bank}", subject.name))?;
        let answers = asked.ask(lab, organism)?;
        note(&mut rates, subject, bank, &answers)?;
        note_topics(&mut topics, subject.name, bank, &answers)?;
        answers.note(&mut given, subject.name, bank);
    }
    lab.emit("behaviour", rates.table())?;
    lab.emit("by_question", topics.table())?;
    lab.emit("answers", given.table())
}
