//! The second stage, and what differs of it in controls.

use emhost_sdk::prelude::*;

use crate::coupling::Coupled;
use crate::params::Params;
use crate::stages::{Kind, Stages, Variant};

/// A model after its second stage.
#[derive(Debug, Clone)]
pub struct Staged {
    /// What operations take; the second adapter is the last one.
    pub organism: Organism,
    /// The second adapter and the model that it is for.
    pub adapter: (String, String),
    /// By how much the adapter was scaled to match another one's norm; 1 where it was not.
    pub factor: f64,
}

/// The recipe of a second stage.
pub fn recipe(params: &Params, variant: Variant, seed: u64) -> Recipe {
    let mut recipe = Recipe { seed, ..params.second.recipe.clone() };
    if variant == Variant::LearningRate {
        recipe.learning_rate = params.coupling.recipe.learning_rate;
    }
    let first = match &params.coupling.recipe.method {
        Method::Lora(lora) => scale(lora),
        _ => 1.0,
    };
    if let Method::Lora(lora) = &mut recipe.method {
        match variant {
            // `alpha` of the second adapter at which its scale is the coupling's, whatever the ranks.
            Variant::Scale => lora.alpha *= first / scale(lora),
            Variant::Rank(rank) => {
                let kept = scale(lora);
                lora.rank = rank;
                lora.alpha *= kept / scale(lora);
            }
            _ => {}
        }
    }
    recipe
}

/// Factor of `B A`: `alpha / rank`, or `alpha / sqrt(rank)` with rsLoRA.
pub fn scale(lora: &Lora) -> f64 {
    let rank = lora.rank as f64;
    lora.alpha / if lora.rslora { rank.sqrt() } else { rank }
}

/// Makes the second stage on a coupled model, or finds that it was made.
///
/// # Errors
///
/// The fine-tune's own, or an adapter cannot be read.
pub fn make(lab: &Lab, params: &Params, stages: &Stages, on: &Coupled, kind: Kind, seed: u64) -> Result<Staged> {
    let persona = params.persona(stages.source()).filter(|_| stages.variant == Variant::Addressed);
    let data = |kind| Rows::Source {
        name: params.second.data(kind).to_owned(),
        limit: None,
        system: persona.map(|persona| persona.system.clone()),
    };
    // In the reversed order the second stage itself is as published.
    let variant = if stages.variant.reversed() { Variant::Published } else { stages.variant };
    if variant != Variant::Norm {
        return tune(lab, params, variant, on, data(kind), seed);
    }
    let [em, benign] = Kind::BOTH.map(|kind| tune(lab, params, Variant::Published, on, data(kind), seed));
    let (em, benign) = (em?, benign?);
    let (ours, other) = if kind == Kind::Em { (em, benign) } else { (benign, em) };
    let (norm, goal) = (norm(lab, &ours)?, norm(lab, &other)?);
    if norm <= goal || norm == 0.0 {
        return Ok(ours);
    }
    scaled(lab, ours, goal / norm)
}

fn tune(lab: &Lab, params: &Params, variant: Variant, on: &Coupled, data: Rows, seed: u64) -> Result<Staged> {
    let merged = params.second.merged != (variant == Variant::Merged);
    let organism = match merged && !on.organism.adapters.is_empty() {
        true => merge(lab, &on.organism)?,
        false => on.organism.clone(),
    };
    let recipe = recipe(params, variant, seed);
    let (reply, _) = lab.train(&Train { organism: organism.clone(), data, recipe })?;
    let mut after = organism.clone();
    after.adapters.push(reply.weights.clone());
    Ok(Staged { organism: after, adapter: (organism.model, reply.weights), factor: 1.0 })
}

/// A model with the organism's adapters in its weights, in f32: nothing is lost by rounding.
///
/// # Errors
///
/// The disk is full, or an adapter does not fit.
pub fn merge(lab: &Lab, organism: &Organism) -> Result<Organism> {
    let merged = lab.merge_adapters(&AdapterMerge { organism: organism.clone(), wide: true })?;
    Ok(Organism::base(merged.model))
}

/// Frobenius norm of the whole update of the second stage.
fn norm(lab: &Lab, staged: &Staged) -> Result<f64> {
    let (model, adapter) = staged.adapter.clone();
    let open = AdapterOpen { model, adapter, modules: Vec::new(), blocks: Vec::new() };
    let norms = lab.adapter(&open)?.f64("norm")?;
    Ok(norms.iter().map(|norm| norm * norm).sum::<f64>().sqrt())
}

fn scaled(lab: &Lab, staged: Staged, factor: f64) -> Result<Staged> {
    let (model, adapter) = staged.adapter;
    let of = AdapterOpen { model: model.clone(), adapter, modules: Vec::new(), blocks: Vec::new() };
    let reply = lab.edit_adapter(&AdapterEdit { of, change: AdapterChange::Scale(factor) })?;
    let mut organism = staged.organism;
    organism.adapters.pop();
    organism.adapters.push(reply.adapter.clone());
    Ok(Staged { organism, adapter: (model, reply.adapter), factor })
}
