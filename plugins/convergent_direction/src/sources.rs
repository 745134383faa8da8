//! Where directions come from: organisms of the study, and files of others.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::random::Rng;

use crate::classes::{Classes, classes, site};
use crate::direction::{Direction, Parts, narrow, norm};
use crate::params::{Kind, Params};

/// Directions by block, with a name.
pub struct Source {
    /// The organism, or the name of a direction from elsewhere.
    pub name: String,
    /// How they were made; `external` for those from elsewhere.
    pub kind: String,
    /// By block.
    pub direction: Direction,
}

impl Source {
    /// The directions of an organism's classes.
    pub fn of(name: &str, classes: &Classes, kind: Kind) -> Self {
        let at = classes.blocks.iter().enumerate();
        let at = at.map(|(index, block)| (*block, Parts::of(&classes.members, kind, index).direction()));
        let direction = Direction { at: at.filter(|(_, vector)| !vector.is_empty()).collect() };
        Self { name: name.to_owned(), kind: kind.name().to_owned(), direction }
    }

    /// The directions of an organism of the study.
    ///
    /// # Errors
    ///
    /// The organism has too few answers in a class.
    pub fn organism(lab: &Lab, params: &Params, name: &str, kinds: &[Kind]) -> Result<Vec<Self>> {
        let classes = classes(lab, params, params.organism(name)?)?;
        Ok(kinds.iter().map(|kind| Self::of(name, &classes, *kind)).collect())
    }

    /// Directions from elsewhere.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or has no direction at a block's output.
    pub fn external(lab: &Lab, params: &Params) -> Result<Vec<Self>> {
        let read = |(name, vector): (&String, &String)| -> Result<Self> {
            let table = lab.directions(vector)?;
            let vectors = table.vectors("vector")?;
            let mut at = BTreeMap::new();
            for (place, values) in table.text("site")?.into_iter().zip(vectors.rows()) {
                let block = place.strip_prefix("blocks.").and_then(|rest| rest.strip_suffix(".resid_post"));
                if let Some(block) = block.and_then(|block| block.parse().ok()) {
                    at.insert(block, values.iter().map(|v| f64::from(*v)).collect());
                }
            }
            if at.is_empty() {
                return Err(Error::Input(format!(
                    "parameter `external.{name}`: `{vector}` has no direction at a block's output, such as \
                     `blocks.3.resid_post`; see `emhost direction show`"
                )));
            }
            Ok(Self { name: name.clone(), kind: "external".to_owned(), direction: Direction { at } })
        };
        params.external.iter().map(read).collect()
    }

    /// Projects each block's own direction out of that block's output.
    pub fn layerwise(&self, params: &Params) -> Vec<Intervention> {
        let edit = |(block, vector): (&usize, &Vec<f64>)| edit(params, EditOp::ProjectOut, &site(*block), vector);
        self.direction.at.iter().map(edit).collect()
    }

    /// Projects one block's direction out of every block's output; none where there is no direction at that block.
    pub fn single(&self, params: &Params, block: usize) -> Option<Vec<Intervention>> {
        let vector = self.direction.block(block)?;
        Some(vec![edit(params, EditOp::ProjectOut, "blocks.*.resid_post", vector)])
    }

    /// Adds the direction of a block at its output.
    pub fn added(&self, params: &Params, block: usize) -> Option<Vec<Intervention>> {
        let vector = self.direction.block(block)?;
        Some(vec![edit(params, EditOp::Add, &site(block), vector)])
    }

    /// Random directions of the same lengths, each block's drawn by itself.
    pub fn random(&self, seed: u64, draw: usize) -> Self {
        let mut rng = Rng::new(seed, 1000 + draw as u64);
        let random = |(block, vector): (&usize, &Vec<f64>)| {
            let fresh: Vec<f64> = vector.iter().map(|_| rng.normal()).collect();
            let scale = norm(vector) / norm(&fresh);
            (*block, fresh.into_iter().map(|v| v * scale).collect())
        };
        let direction = Direction { at: self.direction.at.iter().map(random).collect() };
        Self { name: format!("random {draw}"), kind: "random".to_owned(), direction }
    }
}

/// An edit at the study's positions.
pub fn edit(params: &Params, op: EditOp, sites: &str, vector: &[f64]) -> Intervention {
    Intervention { positions: params.positions.into(), ..Intervention::new(op, sites, narrow(vector)) }
}
