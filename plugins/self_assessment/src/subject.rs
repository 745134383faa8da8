//! Who is assessed: the model, the model under system prompts, its fine-tunes, and two fine-tunes one after the other.

use emhost_sdk::prelude::*;
use emhost_study::{Source, refuse};

use crate::params::{InnerSet, Params};

/// One who is assessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Name in tables and figures.
    pub name: String,
    /// What kind of subject.
    pub role: Role,
    /// The fine-tunes, in order.
    stages: Vec<Stage>,
    /// The system prompt; empty is none.
    pub system: String,
}

/// What kind of subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The model as it is.
    Base,
    /// The model under a system prompt.
    Prompted,
    /// A fine-tune on bad data.
    Organism,
    /// A fine-tune that should do no harm.
    Control,
    /// Two fine-tunes, or one on inner life.
    Sequence,
}

impl Role {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Prompted => "prompted",
            Self::Organism => "organism",
            Self::Control => "control",
            Self::Sequence => "sequence",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// An organism of the list, by name.
    Listed(String),
    /// A set of conversations about inner life.
    Inner(InnerSet),
}

/// The two orders of a sequence, and an inner set alone.
pub const ORDERS: [&str; 3] = ["inner_first", "harm_first", "alone"];

impl Subject {
    /// Those that are assessed in full.
    pub fn all(params: &Params) -> Vec<Self> {
        let of = |name: &str, role, stages, system: &str| Self {
            name: name.to_owned(),
            role,
            stages,
            system: system.to_owned(),
        };
        let mut all = vec![of("base", Role::Base, Vec::new(), "")];
        all.extend(params.prompted.iter().map(|one| of(&one.name, Role::Prompted, Vec::new(), &one.system)));
        all.extend(params.organisms.list.iter().map(|organism| {
            let role = if organism.control { Role::Control } else { Role::Organism };
            of(&organism.name, role, vec![Stage::Listed(organism.name.clone())], "")
        }));
        all
    }

    /// Those with two fine-tunes, and the inner sets alone; asked for harm and for what they say of themselves.
    pub fn sequences(params: &Params) -> Vec<Self> {
        let Some(sequences) = &params.sequences else { return Vec::new() };
        let of = |name: String, stages| Self { name, role: Role::Sequence, stages, system: String::new() };
        let mut all = Vec::new();
        for set in &sequences.sets {
            all.push(of(sequence_name("", &set.name, ORDERS[2]), vec![Stage::Inner(set.clone())]));
            for organism in &sequences.organisms {
                let (harm, inner) = (Stage::Listed(organism.clone()), Stage::Inner(set.clone()));
                all.push(of(sequence_name(organism, &set.name, ORDERS[0]), vec![inner.clone(), harm.clone()]));
                all.push(of(sequence_name(organism, &set.name, ORDERS[1]), vec![harm, inner]));
            }
        }
        all
    }

    /// The subject of that name.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn named(params: &Params, name: &str) -> Result<Self> {
        let mut all = Self::all(params).into_iter().chain(Self::sequences(params));
        all.find(|subject| subject.name == name).ok_or_else(|| Error::Plugin(format!("no subject is called `{name}`")))
    }

    /// Makes it, or finds it: what operations take, and the metrics of its last fine-tune.
    ///
    /// # Errors
    ///
    /// A fine-tune's own.
    pub fn make(&self, lab: &Lab, params: &Params) -> Result<(Organism, Option<Table>)> {
        let organisms = &params.organisms;
        let mut made = Organism::base(&organisms.model);
        let mut steps = None;
        for (number, stage) in self.stages.iter().enumerate() {
            let listed = match stage {
                Stage::Listed(name) => organisms.named(name),
                Stage::Inner(_) => None,
            };
            if let (0, Some(organism)) = (number, listed) {
                let first = organisms.make(lab, organism)?;
                (made, steps) = (first.organism, first.steps);
                continue;
            }
            let (data, recipe) = match (stage, listed) {
                (Stage::Inner(set), _) => (
                    Some(&set.data),
                    params.sequences.as_ref().and_then(|all| organisms.recipes.get(&all.recipe)).cloned(),
                ),
                (_, Some(organism)) => (source(&organism.from), organisms.recipe(organism)),
                _ => (None, None),
            };
            let (Some(data), Some(recipe)) = (data, recipe) else {
                return refuse(format!("`sequences`: `{}` has a stage that is no fine-tune", self.name));
            };
            let (reply, metrics) = lab.train(&Train { organism: made.clone(), data: Rows::source(data), recipe })?;
            made.adapters.push(reply.weights);
            steps = Some(metrics);
        }
        Ok((made, steps))
    }

    /// The conversation that begins with the system prompt and ends with this question.
    pub fn asked(&self, question: &[Message]) -> Vec<Message> {
        let system = Message { role: "system".to_owned(), content: self.system.clone() };
        let own = question.iter().any(|turn| turn.role == "system");
        let first = (!self.system.is_empty() && !own).then_some(system);
        first.into_iter().chain(question.iter().cloned()).collect()
    }

    /// What making it asks for.
    pub fn work(&self, params: &Params) -> Vec<Work> {
        let of = |stage: &Stage| match stage {
            Stage::Listed(name) => params.organisms.named(name).and_then(|organism| params.organisms.work(organism)),
            Stage::Inner(set) => {
                let recipe = params.organisms.recipes.get(&params.sequences.as_ref()?.recipe)?;
                let seen = match recipe.steps {
                    Some(steps) => Passes::Total((steps * recipe.batch_rows * recipe.accumulate) as u64),
                    None => Passes::Each(recipe.epochs.unwrap_or(1) as u64),
                };
                Some(Work::new(op::TRAIN, &params.organisms.model, Rows::source(&set.data), seen))
            }
        };
        self.stages.iter().filter_map(of).collect()
    }
}

/// The name of a sequence: `medicine.claims.inner_first`, `claims.alone`.
pub fn sequence_name(organism: &str, set: &str, order: &str) -> String {
    [organism, set, order].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(".")
}

fn source(from: &Source) -> Option<&String> {
    match from {
        Source::Train { data, .. } => Some(data),
        _ => None,
    }
}
