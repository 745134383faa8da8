//! Interventions checked against an organism.

use std::collections::BTreeMap;

use emhost_abi::wire::{EditOp, Intervention, Tokens};
use serde_json::{Value, json};

use super::extent::{Chosen, Extent};
use super::patch::Source;
use super::vector::{digest, vector};
use crate::model::network::Network;
use crate::model::organism::Organism;
use crate::model::site::Site;
use crate::model::{ModelError, Result};

/// Edits that fit an organism; none by default.
#[derive(Debug, Default)]
pub struct Interventions {
    pub(super) edits: Vec<Edit>,
    pub(super) by_site: BTreeMap<Site, Vec<usize>>,
    pub(super) scaled: Option<Network>,
    identity: Vec<Value>,
}

/// One intervention, resolved.
#[derive(Debug)]
pub(super) struct Edit {
    pub op: EditOp,
    pub sites: Vec<Site>,
    pub scale: f64,
    pub positions: Tokens,
    pub operand: Operand,
}

/// What an edit works with.
#[derive(Debug)]
pub(super) enum Operand {
    /// The vector; of length one for `project_out`.
    Vector(Vec<f32>),
    /// Another row's values, once [`Interventions::patch_from`] has computed them.
    Row { row_id: String, source: Option<Source> },
    /// Projections, and what their updates are multiplied by.
    Adapter { projections: Vec<String>, multiplier: f64 },
}

impl Interventions {
    /// Reads vectors, selects sites and checks that everything fits; `strengths` are all that rows will have.
    ///
    /// # Errors
    ///
    /// Name the intervention, the vector or the site.
    pub fn resolve(organism: &Organism, list: &[Intervention], strengths: &[f64]) -> Result<Self> {
        let mut all = Self::default();
        if let Some(bad) = strengths.iter().find(|strength| !strength.is_finite()) {
            let problem = "expected a finite number".to_owned();
            return Err(ModelError::Option { option: "strength", value: bad.to_string(), problem });
        }
        for (number, intervention) in list.iter().enumerate() {
            let refuse = |problem: String| ModelError::Intervention { number, op: intervention.op.name(), problem };
            if !intervention.scale.is_finite() {
                return Err(refuse(format!("its scale is {}", intervention.scale)));
            }
            let factor = |strength: &f64| (strength * intervention.scale) as f32;
            if let Some(strength) = strengths.iter().find(|strength| !factor(strength).is_finite()) {
                return Err(refuse(format!("strength {strength} times scale {} is too large", intervention.scale)));
            }
            if intervention.positions == Tokens::At(Vec::new()) {
                return Err(refuse("its `positions` name no token".to_owned()));
            }
            let values = vector(intervention)?;
            all.identity.push(identity(intervention, values.as_deref()));
            let edit = match intervention.op {
                EditOp::ScaleAdapter => all.scale_adapter(organism, intervention, strengths).map_err(refuse)?,
                op => {
                    let sites = organism.sites(&intervention.sites)?;
                    if sites.is_empty() {
                        return Err(refuse("it names no sites".to_owned()));
                    }
                    if intervention.adapter.is_some()
                        || !intervention.modules.is_empty()
                        || !intervention.blocks.is_empty()
                    {
                        return Err(refuse("`adapter`, `modules` and `blocks` belong to `scale_adapter`".to_owned()));
                    }
                    let operand = match (op, values, &intervention.from) {
                        (EditOp::Patch, None, Some(row)) => Operand::Row { row_id: row.clone(), source: None },
                        (EditOp::Patch, ..) => {
                            return Err(refuse("it needs `from`, a row id, and no vector".to_owned()));
                        }
                        (_, Some(values), None) => Operand::Vector(fitting(organism, intervention, &sites, values)?),
                        _ => return Err(refuse("it needs `vector` or `values`, and no `from`".to_owned())),
                    };
                    let (scale, positions) = (intervention.scale, intervention.positions.clone());
                    Edit { op, sites, scale, positions, operand }
                }
            };
            for site in &edit.sites {
                all.by_site.entry(*site).or_default().push(number);
            }
            all.edits.push(edit);
        }
        Ok(all)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    /// The network to run: the organism's own, or one with scaled adapters.
    pub fn network<'a>(&'a self, organism: &'a Organism) -> &'a Network {
        self.scaled.as_ref().unwrap_or(&organism.network)
    }

    /// The interventions as they enter a stage's key: a vector by the digest of its numbers, not by its file's name.
    pub fn identity(&self) -> Value {
        self.identity.clone().into()
    }

    /// Whether logits are edited.
    pub fn edits_logits(&self) -> bool {
        self.by_site.contains_key(&Site::Logits)
    }

    /// Whether any token of a prompt is edited, so that prompts differ by strength.
    pub fn edits_prompt(&self, extent: &Extent) -> bool {
        let edited = |edit: &Edit| edit.chosen(extent).is_some_and(|chosen| chosen.count(0, extent.prompt) > 0);
        self.edits.iter().any(edited)
    }

    /// Whether every edit means something in a row of this extent.
    ///
    /// # Errors
    ///
    /// A position outside the row, or a patch between rows that select different numbers of tokens.
    pub fn check(&self, row_id: &str, extent: &Extent) -> Result<()> {
        for (number, edit) in self.edits.iter().enumerate() {
            let chosen = Chosen::of(&edit.positions, extent, row_id)?;
            let Operand::Row { row_id: from, source } = &edit.operand else { continue };
            let refuse = |problem: String| ModelError::Intervention { number, op: edit.op.name(), problem };
            let count = chosen.count(0, usize::MAX);
            if extent.len.is_none() && chosen.count(extent.prompt, usize::MAX) > 0 {
                return Err(refuse(format!(
                    "row `{row_id}` grows while it is sampled: patch `prompt` or `last_prompt`"
                )));
            }
            let there = source.as_ref().map_or(0, |source| source.count);
            if count != there {
                let problem = format!("row `{row_id}` has {count} selected tokens, row `{from}` has {there}");
                return Err(refuse(problem));
            }
        }
        Ok(())
    }
}

impl Edit {
    /// The tokens of a row that are edited; none if the positions do not exist, which `check` has refused.
    pub fn chosen(&self, extent: &Extent) -> Option<Chosen> {
        match self.operand {
            Operand::Adapter { .. } => Some(Chosen::Span(0, usize::MAX)),
            _ => Chosen::of(&self.positions, extent, "").ok(),
        }
    }

    /// What a token of this strength is edited with; 0 leaves it alone.
    pub fn factor(&self, strength: f64) -> f32 {
        (strength * self.scale) as f32
    }
}

/// A vector of finite numbers as wide as its sites, of length one where its length does not count.
fn fitting(organism: &Organism, edit: &Intervention, sites: &[Site], values: Vec<f32>) -> Result<Vec<f32>> {
    let name = edit.vector.clone().unwrap_or_else(|| "values".to_owned());
    let refuse = |problem: String| ModelError::Vector { vector: name.clone(), problem };
    if let Some(site) = sites.iter().find(|site| organism.width(**site) != values.len()) {
        let (got, expected) = (values.len(), organism.width(*site));
        return Err(refuse(format!("it has {got} numbers, but `{site}` of this model is {expected} wide")));
    }
    if let Some(value) = values.iter().find(|value| !value.is_finite()) {
        return Err(refuse(format!("it holds {value}")));
    }
    if edit.op != EditOp::ProjectOut {
        return Ok(values);
    }
    let length = values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    if length == 0.0 {
        return Err(refuse("it is zero, so that it has no direction to project out".to_owned()));
    }
    Ok(values.iter().map(|v| (f64::from(*v) / length) as f32).collect())
}

fn identity(intervention: &Intervention, values: Option<&[f32]>) -> Value {
    let mut bare = intervention.clone();
    (bare.vector, bare.values) = (None, None);
    json!({ "edit": bare, "vector": values.map(digest) })
}
