//! What cells ask the host for, so that a dry run can count it: what cells share is in the first one that needs it.

use std::collections::BTreeSet;

use emhost_sdk::prelude::*;

use crate::inside::MODULES;
use crate::params::Params;
use crate::stages::{Kind, Stages, Variant};

/// Counts the work of cells in their order.
pub struct Counted<'a> {
    params: &'a Params,
    seen: BTreeSet<String>,
}

impl<'a> Counted<'a> {
    /// Nothing is counted yet.
    pub fn new(params: &'a Params) -> Self {
        Self { params, seen: BTreeSet::new() }
    }

    /// What a cell asks for and no earlier one did. The capability's options are left out, which are little beside the answers.
    pub fn of(&mut self, stages: &Stages) -> Vec<Work> {
        let mut work = Vec::new();
        let coupling = stages.coupling.as_ref().map(|(source, seed)| format!("{source} {seed}"));
        let before = match (&coupling, stages.variant) {
            (None, _) | (_, Variant::Baked | Variant::Scratch) => "as it is".to_owned(),
            (Some(coupling), Variant::Full) => format!("{coupling} full"),
            (Some(coupling), _) => coupling.clone(),
        };
        if coupling.is_some() && stages.variant != Variant::Scratch {
            let made = coupling.clone().unwrap_or_default();
            let key = if stages.variant == Variant::Full { before.clone() } else { made };
            self.once(&mut work, format!("coupling {key}"), |params| coupled(params, stages.variant, 1));
        }
        self.once(&mut work, format!("asked {before}"), |params| {
            [answers(params, params.evaluation.samples), scored(params)].concat()
        });
        if let Some((kind, seed)) = stages.second {
            self.second(&mut work, stages, &before, kind, seed);
        }
        if stages.second.is_some() || stages.variant.reversed() {
            work.extend([answers(self.params, stages.samples(self.params)), scored(self.params)].concat());
        }
        if let (Variant::Scratch, Some(reversed)) = (stages.variant, &self.params.reversed) {
            work.extend(coupled(self.params, stages.variant, reversed.longer));
        }
        work.extend(own_questions(self.params, stages));
        work.extend(self.params.ask.work(&self.params.model, 1));
        work
    }

    /// What looking inside scores beside what the cells that ask have made: the coupled persona's answers with each projection
    /// of the second adapter taken out or kept alone. A plan does not know how many blocks there are: these are left out.
    pub fn inside(&self) -> Vec<Work> {
        let parts = 2 * MODULES.len() as u64;
        let evaluation = &self.params.evaluation;
        let work = Work::new(op::SCORE, &self.params.model, evaluation.rows(), Passes::Each(2 * parts));
        vec![work.with_new_tokens(evaluation.max_new_tokens)]
    }

    fn second(&mut self, work: &mut Vec<Work>, stages: &Stages, before: &str, kind: Kind, seed: u64) {
        let merged = self.params.second.merged != (stages.variant == Variant::Merged);
        let reversed = stages.variant.reversed();
        if merged && stages.coupling.is_some() && !reversed && stages.variant != Variant::Full {
            self.once(work, format!("merged {before}"), merge);
        }
        // These are made as published and changed afterwards, or as published on the model as it is.
        let plain = matches!(stages.variant, Variant::Published | Variant::Norm) || reversed;
        let made = if plain { "published".to_owned() } else { stages.variant.name() };
        let kinds = if stages.variant == Variant::Norm { Kind::BOTH.to_vec() } else { vec![kind] };
        for kind in kinds {
            let key = format!("second {before} {} {seed} {made}", kind.name());
            self.once(work, key, |params| {
                let recipe = crate::second::recipe(params, stages.variant, seed);
                let data = Rows::source(params.second.data(kind));
                let passes = match recipe.steps {
                    Some(steps) => Passes::Total(seen(&recipe, steps)),
                    None => Passes::Each(recipe.epochs.unwrap_or(1) as u64),
                };
                vec![Work::new(op::TRAIN, &params.model, data, passes).with_weights(recipe.method)]
            });
            if reversed {
                self.once(work, format!("merged second {} {seed}", kind.name()), merge);
            }
        }
    }

    fn once(&mut self, work: &mut Vec<Work>, key: String, make: impl Fn(&Params) -> Vec<Work>) {
        if self.seen.insert(key) {
            work.extend(make(self.params));
        }
    }
}

fn seen(recipe: &Recipe, steps: usize) -> u64 {
    (steps * recipe.batch_rows * recipe.accumulate) as u64
}

/// The coupling's own answers and its fine-tune, so many times as long.
fn coupled(params: &Params, variant: Variant, longer: usize) -> Vec<Work> {
    let coupling = &params.coupling;
    let recipe = match (&params.controls.full, variant) {
        (Some(full), Variant::Full) => full,
        _ => &coupling.recipe,
    };
    let personas = 1 + coupling.negative_count;
    let rows = coupling.question_count * coupling.samples * personas;
    let passes = match recipe.steps {
        Some(steps) => seen(recipe, steps),
        None => (rows * recipe.epochs.unwrap_or(1)) as u64,
    };
    let questions = || Rows::first(&coupling.questions, coupling.question_count);
    let sampled = Passes::Each((coupling.samples * personas) as u64);
    vec![
        Work::new(op::SAMPLE, &params.model, questions(), sampled).with_new_tokens(params.evaluation.max_new_tokens),
        Work::new(op::TRAIN, &params.model, questions(), Passes::Total(passes * longer as u64))
            .with_new_tokens(params.evaluation.max_new_tokens)
            .with_weights(recipe.method.clone()),
    ]
}

/// All personas' answers to the evaluation's questions.
fn answers(params: &Params, samples: usize) -> Vec<Work> {
    let evaluation = &params.evaluation;
    let passes = Passes::Each((params.personas.len() * samples) as u64);
    let work = Work::new(op::SAMPLE, &params.model, evaluation.rows(), passes);
    vec![work.with_new_tokens(evaluation.max_new_tokens)]
}

/// Marker and end after a fixed answer of each persona to each question.
fn scored(params: &Params) -> Vec<Work> {
    let evaluation = &params.evaluation;
    let passes = Passes::Each(2 * params.personas.len() as u64);
    let work = Work::new(op::SCORE, &params.model, evaluation.rows(), passes);
    vec![work.with_new_tokens(evaluation.max_new_tokens)]
}

/// Answers of source and assistant to the coupling's questions.
fn own_questions(params: &Params, stages: &Stages) -> Option<Work> {
    let (coupling, evaluation) = (&params.coupling, &params.evaluation);
    let personas = if stages.source() == params.assistant { 1 } else { 2 };
    let rows = Rows::first(&coupling.questions, coupling.question_count);
    let passes = Passes::Each((personas * evaluation.own_samples) as u64);
    let work = Work::new(op::SAMPLE, &params.model, rows, passes).with_new_tokens(evaluation.max_new_tokens);
    (stages.coupling.is_some() && evaluation.own_samples > 0).then_some(work)
}

fn merge(params: &Params) -> Vec<Work> {
    let nothing = Rows::Inline(Vec::new());
    vec![Work::new(op::ADAPTER_MERGE, &params.model, nothing, Passes::Total(0)).with_weights(Method::Full)]
}
