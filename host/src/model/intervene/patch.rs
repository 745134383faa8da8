//! `patch`: the values of another row, from a pass without edits.

use std::collections::BTreeMap;

use super::extent::{Chosen, Extent};
use super::plan::{Interventions, Operand};
use crate::model::organism::Organism;
use crate::model::packed::Packed;
use crate::model::site::{Capture, Site};
use crate::model::text::Encoded;
use crate::model::{ModelError, Result};

/// The selected tokens' values of a row, `[count, width]` per site.
#[derive(Debug)]
pub(super) struct Source {
    pub count: usize,
    pub values: BTreeMap<Site, Vec<f32>>,
}

impl Interventions {
    /// Computes the rows that patches come from, each pass once; `find` gives a row by its id.
    ///
    /// # Errors
    ///
    /// A row that does not exist or does not have the positions.
    pub fn patch_from(&mut self, organism: &Organism, find: &dyn Fn(&str) -> Option<Encoded>) -> Result<()> {
        let mut sites: BTreeMap<String, Vec<Site>> = BTreeMap::new();
        for edit in &self.edits {
            if let Operand::Row { row_id, .. } = &edit.operand {
                sites.entry(row_id.clone()).or_default().extend(&edit.sites);
            }
        }
        for (from, sites) in sites {
            let number =
                self.edits.iter().position(|e| matches!(&e.operand, Operand::Row { row_id, .. } if *row_id == from));
            let unknown = || ModelError::Intervention {
                number: number.unwrap_or(0),
                op: "patch",
                problem: format!("there is no row `{from}` to take values from"),
            };
            let row = find(&from).ok_or_else(unknown)?;
            organism.check(&from, &row.tokens, 0)?;
            let mut capture = Capture::new(&sites);
            organism.network.forward(&mut Packed::whole(&[&row.tokens]), &mut capture)?;
            for edit in &mut self.edits {
                let Operand::Row { row_id, source } = &mut edit.operand else { continue };
                if *row_id != from {
                    continue;
                }
                let tokens = Chosen::of(&edit.positions, &Extent::whole(&row), &from)?.tokens(row.tokens.len());
                let mut values = BTreeMap::new();
                for site in &edit.sites {
                    let (all, width) = (capture.numbers(*site)?, organism.width(*site));
                    let rows = tokens.iter().flat_map(|token| &all[token * width..][..width]);
                    values.insert(*site, rows.copied().collect());
                }
                *source = Some(Source { count: tokens.len(), values });
            }
        }
        Ok(())
    }
}
