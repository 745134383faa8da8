//! Reads what the cells found and emits the run's tables.

use emhost_sdk::prelude::*;
use emhost_study::Source;

use crate::BASE;
use crate::comparison::{self, AGAINST_BASE, Comparison};
use crate::params::Params;

/// One row of the table `behaviour`.
#[derive(Debug, Clone, PartialEq)]
pub struct Behaviour {
    pub organism: String,
    pub control: bool,
    pub bank: String,
    pub n: u64,
    /// Rate of misaligned answers with its interval.
    pub misaligned: [f64; 3],
    /// Rate of coherent answers with its interval.
    pub coherent: [f64; 3],
    pub unjudged: u64,
    pub method: String,
}

/// One judged answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    pub organism: String,
    pub bank: String,
    pub row_id: String,
    pub topic: String,
    pub sample: u64,
    pub alignment: f64,
    pub coherence: f64,
    pub misaligned: bool,
}

/// One row of the table `by_question`.
#[derive(Debug, Clone, PartialEq)]
pub struct Topic {
    pub organism: String,
    pub bank: String,
    pub topic: String,
    pub rate: f64,
}

/// One row of the table `phase_events`.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub organism: String,
    pub what: String,
    pub step: f64,
    pub interval: [f64; 2],
    pub after_rise: f64,
    pub size: f64,
    pub control: f64,
    pub n: u64,
    pub method: String,
    pub missing: String,
}

/// Tables of the cells `phase=`, as they were emitted.
pub struct Followed {
    pub behaviour: Table,
    pub geometry: Table,
    pub rotation: Table,
    pub steps: Table,
    pub events: Vec<Event>,
}

/// What the cells found, in the order of the plan.
pub struct Summary<'a> {
    pub params: &'a Params,
    pub model: ModelInfo,
    pub behaviours: Vec<Behaviour>,
    pub topics: Vec<Topic>,
    pub judged: Vec<Judged>,
    pub comparisons: Vec<Comparison>,
    pub followed: Option<Followed>,
    /// Tables that were read, to be emitted as tables of the run.
    tables: Vec<(&'static str, Table)>,
}

impl<'a> Summary<'a> {
    /// Reads the tables of all cells.
    pub fn read(lab: &Lab, params: &'a Params) -> Result<Self> {
        let mut tables = Vec::new();
        let mut open = |name: &'static str| -> Result<Table> {
            let table = lab.open_table(name)?.table()?;
            tables.push((name, table.clone()));
            Ok(table)
        };
        let mut behaviours = read_behaviour(&open("behaviour")?)?;
        let topics = read_topics(&open("by_question")?)?;
        let judged = read_judged(params, &open("answers")?)?;
        let trained = |organism| params.organisms.recipe(organism);
        let list = &params.organisms.list;
        if list.iter().any(|organism| trained(organism).is_some()) {
            open("steps")?;
        }
        let full = |organism| trained(organism).is_some_and(|recipe| recipe.method == Method::Full);
        if list.iter().any(|organism| !full(organism) && !matches!(organism.from, Source::Weights(_))) {
            open("adapters")?;
        }
        let followed = match params.phase.is_empty() {
            true => None,
            false => {
                open("phase_projections")?;
                let (behaviour, geometry) = (open("phase_behaviour")?, open("phase_geometry")?);
                let (rotation, steps) = (open("phase_rotation")?, open("phase_steps")?);
                let events = read_events(&open("phase_events")?)?;
                Some(Followed { behaviour, geometry, rotation, steps, events })
            }
        };
        let place = |name: &str| list.iter().position(|organism| organism.name == name);
        behaviours.sort_by_key(|row| place(&row.organism));
        let comparisons = comparison::all(params, &behaviours, &judged)?;
        let model = lab.model_info(&Organism::base(&params.organisms.model))?;
        Ok(Self { params, model, behaviours, topics, judged, comparisons, followed, tables })
    }

    /// Emits the run's tables.
    pub fn emit(&self, lab: &Lab) -> Result<()> {
        self.tables.iter().try_for_each(|(name, table)| lab.emit(name, table))?;
        lab.emit("comparison", comparison::table(&self.comparisons))
    }

    /// Names of the tables of the run.
    pub fn tables(&self) -> impl Iterator<Item = &'static str> {
        self.tables.iter().map(|(name, _)| *name).chain(["comparison"])
    }

    /// An organism's rates on a bank.
    pub fn behaviour(&self, organism: &str, bank: &str) -> Option<&Behaviour> {
        self.behaviours.iter().find(|row| row.organism == organism && row.bank == bank)
    }

    /// The rates of the model before on a bank.
    pub fn base(&self, bank: &str) -> Option<&Behaviour> {
        self.behaviour(BASE, bank)
    }

    /// An organism's rates inside its domain.
    pub fn in_domain(&self, organism: &str) -> Option<&Behaviour> {
        self.behaviour(organism, crate::params::label(self.params.in_domain.get(organism)?))
    }

    /// How an organism compares with the model before on a bank.
    pub fn against_base(&self, organism: &str, bank: &str) -> Option<&Comparison> {
        let wanted = |one: &&Comparison| one.family == AGAINST_BASE && one.organism == organism && one.bank == bank;
        self.comparisons.iter().find(wanted)
    }

    /// Names of the organisms, in order.
    pub fn organisms(&self) -> impl Iterator<Item = &'a str> {
        self.params.organisms.list.iter().map(|organism| organism.name.as_str())
    }
}

fn read_behaviour(table: &Table) -> Result<Vec<Behaviour>> {
    let texts = |name: &str| table.text(name);
    let (organism, bank, method) = (texts("organism")?, texts("bank")?, texts("method")?);
    let (control, n, unjudged) = (table.bool("control")?, table.u64("n")?, table.u64("unjudged")?);
    let rate = |of: &str| -> Result<[Vec<f64>; 3]> {
        Ok([table.f64(&format!("{of}_rate"))?, table.f64(&format!("{of}_low"))?, table.f64(&format!("{of}_high"))?])
    };
    let (misaligned, coherent) = (rate("misaligned")?, rate("coherent")?);
    let row = |at: usize| Behaviour {
        organism: organism[at].to_owned(),
        control: control[at],
        bank: bank[at].to_owned(),
        n: n[at],
        misaligned: [0, 1, 2].map(|part| misaligned[part][at]),
        coherent: [0, 1, 2].map(|part| coherent[part][at]),
        unjudged: unjudged[at],
        method: method[at].to_owned(),
    };
    Ok((0..table.rows()).map(row).collect())
}

fn read_topics(table: &Table) -> Result<Vec<Topic>> {
    let (organism, bank, topic) = (table.text("organism")?, table.text("bank")?, table.text("topic")?);
    let rate = table.f64("misaligned_rate")?;
    let owned = str::to_owned;
    let row = |at: usize| Topic {
        organism: owned(organism[at]),
        bank: owned(bank[at]),
        topic: owned(topic[at]),
        rate: rate[at],
    };
    Ok((0..table.rows()).map(row).collect())
}

fn read_judged(params: &Params, table: &Table) -> Result<Vec<Judged>> {
    let (organism, bank) = (table.text("organism")?, table.text("condition")?);
    let (row_id, topic, sample) = (table.text("row_id")?, table.text("topic")?, table.u64("sample")?);
    let (alignment, coherence) = (table.f64("alignment")?, table.f64("coherence")?);
    let row = |at: usize| Judged {
        organism: organism[at].to_owned(),
        bank: bank[at].to_owned(),
        row_id: row_id[at].to_owned(),
        topic: topic[at].to_owned(),
        sample: sample[at],
        alignment: alignment[at],
        coherence: coherence[at],
        misaligned: coherence[at] > params.ask.coherent_above && alignment[at] < params.ask.misaligned_below,
    };
    Ok((0..table.rows()).map(row).collect())
}

fn read_events(table: &Table) -> Result<Vec<Event>> {
    let (organism, what) = (table.text("organism")?, table.text("event")?);
    let (method, missing) = (table.text("method")?, table.text("missing")?);
    let [step, low, high, after, size, control] = ["step", "low", "high", "after_rise", "size", "control"];
    let (step, low, high) = (table.f64(step)?, table.f64(low)?, table.f64(high)?);
    let (after, size, control, n) = (table.f64(after)?, table.f64(size)?, table.f64(control)?, table.u64("n")?);
    let row = |at: usize| Event {
        organism: organism[at].to_owned(),
        what: what[at].to_owned(),
        step: step[at],
        interval: [low[at], high[at]],
        after_rise: after[at],
        size: size[at],
        control: control[at],
        n: n[at],
        method: method[at].to_owned(),
        missing: missing[at].to_owned(),
    };
    Ok((0..table.rows()).map(row).collect())
}
