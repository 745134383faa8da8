//! Making and checking cells.

use std::collections::HashSet;

use serde::{Serialize, de::DeserializeOwned};

use crate::Failure;
use crate::wire::{Cell, Work};

impl Cell {
    /// A cell that carries what [`Cell::spec`] gives back.
    ///
    /// # Errors
    ///
    /// `spec` has no JSON form, such as a map whose keys are not text.
    pub fn new(id: impl Into<String>, about: impl Into<String>, spec: &impl Serialize) -> Result<Self, Failure> {
        let id = id.into();
        let spec = serde_json::to_value(spec)
            .map_err(|error| Failure::plugin(format!("the spec of cell `{id}` is not JSON: {error}")))?;
        Ok(Self { id, about: about.into(), spec, work: Vec::new() })
    }

    /// The same with what it is going to ask for.
    pub fn with_work(self, work: Vec<Work>) -> Self {
        Self { work, ..self }
    }

    /// What [`Cell::new`] was given.
    ///
    /// # Errors
    ///
    /// The cell was made for another type.
    pub fn spec<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        T::deserialize(&self.spec)
            .map_err(|error| Failure::plugin(format!("the spec of cell `{}` does not fit: {error}", self.id)))
    }
}

/// Checks that a plan has cells, and that their ids are unique and usable as folder names.
///
/// # Errors
///
/// The first cell that breaks the rule.
pub fn check_cells(cells: &[Cell]) -> Result<(), Failure> {
    if cells.is_empty() {
        return Err(Failure::plugin("the plan has no cells"));
    }
    let mut seen = HashSet::new();
    for Cell { id, .. } in cells {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._=,-".contains(c);
        if id.is_empty() || id.len() > 200 || id.starts_with('.') || !id.chars().all(plain) {
            return Err(Failure::plugin(format!(
                "the plan's cell id `{id}` cannot be a folder's name: use up to 200 of [a-z0-9._=,-], no leading dot"
            )));
        }
        if !seen.insert(id) {
            return Err(Failure::plugin(format!("the plan has the cell id `{id}` twice")));
        }
    }
    Ok(())
}
