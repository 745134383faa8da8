//! How often interventions fired, and how often they should have.

use std::collections::BTreeMap;

use emhost_abi::wire::Firing;

use super::plan::{Interventions, Operand};
use super::tap::{Part, Sequence};
use crate::model::site::Site;
use crate::model::{ModelError, Result};

/// Edited tokens by intervention and place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Firings {
    counts: BTreeMap<(usize, Place), u64>,
}

/// Where an edit happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    Site(Site),
    Adapter,
}

impl Firings {
    pub(super) fn add(&mut self, number: usize, place: Place, tokens: u64) {
        *self.counts.entry((number, place)).or_default() += tokens;
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        other.counts.iter().for_each(|((number, place), tokens)| self.add(*number, *place, *tokens));
    }

    /// Adds what the plan says of one sequence, computed from lengths, positions and strength alone.
    pub fn plan(&mut self, interventions: &Interventions, sequence: &Sequence, part: Part) {
        let (first, end) = (sequence.first, sequence.first + sequence.tokens);
        for (number, edit) in interventions.edits.iter().enumerate() {
            if let Operand::Adapter { multiplier, .. } = &edit.operand {
                if part != Part::Logits && *multiplier != 1.0 {
                    self.add(number, Place::Adapter, sequence.tokens as u64);
                }
                continue;
            }
            let selected = edit.chosen(&sequence.extent).map_or(0, |chosen| chosen.count(first, end));
            let count = if edit.factor(sequence.strength) == 0.0 { 0 } else { selected };
            for site in &edit.sites {
                if part == Part::Whole || (*site == Site::Logits) == (part == Part::Logits) {
                    self.add(number, Place::Site(*site), count as u64);
                }
            }
        }
    }

    /// An error if an intervention fired more or less often than planned.
    pub fn check(&self, planned: &Self) -> Result<()> {
        for key @ (number, place) in self.counts.keys().chain(planned.counts.keys()) {
            let [counted, planned] = [self, planned].map(|firings| firings.counts.get(key).copied().unwrap_or(0));
            if counted != planned {
                let site = match place {
                    Place::Site(site) => site.to_string(),
                    Place::Adapter => "adapter".to_owned(),
                };
                return Err(ModelError::Firings { number: *number, site, counted, planned });
            }
        }
        Ok(())
    }

    /// One entry per intervention and site, also where nothing fired.
    pub fn list(&self, interventions: &Interventions) -> Vec<Firing> {
        let mut list = Vec::new();
        for (number, edit) in interventions.edits.iter().enumerate() {
            let tokens = |place| self.counts.get(&(number, place)).copied().unwrap_or(0);
            let firing = |site: String, tokens| Firing { intervention: number, site, tokens };
            list.extend(edit.sites.iter().map(|site| firing(site.to_string(), tokens(Place::Site(*site)))));
            if let Operand::Adapter { projections, .. } = &edit.operand {
                list.extend(projections.iter().map(|p| firing(p.clone(), tokens(Place::Adapter))));
            }
        }
        list
    }
}
