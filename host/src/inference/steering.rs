//! Interventions as a request gives them, and their strengths.

use std::path::Path;

use emhost_abi::wire::{EditOp, Firing, Intervention, InterventionFile, Row};
use emhost_abi::{Failure, kind};
use serde_json::{Value, json};

use crate::model::intervene::Interventions;
use crate::model::organism::Organism;
use crate::model::text::Encoded;
use crate::model::{ModelError, Result};
use crate::run::RunError;

/// Interventions, and the strengths at which every row is run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Steering {
    /// The edits, in order.
    pub interventions: Vec<Intervention>,
    /// Strengths; none means 1 alone.
    pub strengths: Vec<f64>,
}

impl Steering {
    /// Reads a TOML file of `[[intervention]]` tables; paths of vectors in it start at its folder.
    pub fn read(path: &Path, strengths: Vec<f64>) -> Result<Self, RunError> {
        let refuse = |problem: String| {
            let message = format!("read interventions of `{}`: {problem}", path.display());
            RunError::Failure(Failure::new(kind::INPUT, message))
        };
        let text = std::fs::read_to_string(path).map_err(|e| refuse(e.to_string()))?;
        let mut file: InterventionFile = toml::from_str(&text).map_err(|e| refuse(e.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for vector in file.intervention.iter_mut().filter_map(|edit| edit.vector.as_mut()) {
            // An absolute path stays as it is.
            *vector = folder.join(&*vector).display().to_string();
        }
        if file.intervention.is_empty() {
            return Err(refuse("it holds none".to_owned()));
        }
        Ok(Self { interventions: file.intervention, strengths })
    }

    /// Whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.interventions.is_empty()
    }

    /// The strengths, at least one.
    pub fn doses(&self) -> Vec<f64> {
        if self.strengths.is_empty() { vec![1.0] } else { self.strengths.clone() }
    }

    /// The edits checked against an organism, vectors read; patches are not computed yet.
    pub fn resolve(&self, organism: &Organism, rows: &[Row]) -> Result<Interventions> {
        if self.is_empty() && !self.strengths.is_empty() {
            let problem = "they mean nothing without interventions; leave them out or give interventions".to_owned();
            return Err(ModelError::Option { option: "strengths", value: format!("{:?}", self.strengths), problem });
        }
        for (at, strength) in self.strengths.iter().enumerate() {
            if self.strengths[..at].contains(strength) {
                let problem = "it is there twice".to_owned();
                return Err(ModelError::Option { option: "strengths", value: strength.to_string(), problem });
            }
        }
        let doses = self.doses();
        let own = rows.iter().map(|row| row.strength.unwrap_or(1.0));
        let strengths: Vec<f64> = own.flat_map(|own| doses.iter().map(move |dose| own * dose)).collect();
        Interventions::resolve(organism, &self.interventions, &strengths)
    }

    /// Computes the values of patches.
    pub fn patch(
        &self,
        interventions: &mut Interventions,
        organism: &Organism,
        rows: &[Row],
        encoded: &[Encoded],
    ) -> Result<()> {
        let find = |id: &str| Some(encoded[rows.iter().position(|row| row.row_id == id)?].clone());
        interventions.patch_from(organism, &find)
    }

    /// Adds what decides the result to a stage's inputs: vectors by the digests of their numbers.
    pub fn key(&self, interventions: &Interventions, inputs: &mut Value) {
        if !self.is_empty() {
            inputs["interventions"] = interventions.identity();
            inputs["strengths"] = json!(self.doses());
        }
    }

    /// The edits as given, for a dataset's provenance; numbers that were given themselves are left to their digest.
    pub fn given(&self) -> Value {
        let bare = |edit: &Intervention| Intervention { values: None, ..edit.clone() };
        json!(self.interventions.iter().map(bare).collect::<Vec<_>>())
    }
}

/// One line per intervention, or per site where they differ: how often it fired.
pub fn describe_firings(interventions: &[Intervention], firings: &[Firing]) -> Vec<String> {
    let mut lines = Vec::new();
    for (number, edit) in interventions.iter().enumerate() {
        let own: Vec<&Firing> = firings.iter().filter(|firing| firing.intervention == number).collect();
        let (name, what) = (edit.op.name(), if edit.op == EditOp::ScaleAdapter { "projections" } else { "sites" });
        match own.as_slice() {
            [first, _, ..] if own.iter().all(|firing| firing.tokens == first.tokens) => {
                let (tokens, count) = (first.tokens, own.len());
                lines.push(format!("intervention {number} ({name}): {tokens} tokens at each of {count} {what}"));
            }
            _ => {
                lines.extend(own.iter().map(|firing| {
                    format!("intervention {number} ({name}): {} tokens at {}", firing.tokens, firing.site)
                }))
            }
        }
    }
    lines
}
