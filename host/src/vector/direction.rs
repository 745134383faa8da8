//! A direction, where in the forward pass it belongs, and where it came from.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::error::{Problem, VectorError};

/// What is known about a direction's origin, as JSON: `format` (the layout that was read), `file` (its name without
/// folders), `convention`, `layer` (in that convention's counting), `pooling`, `norm`, and free fields.
pub type Provenance = BTreeMap<String, Value>;

/// A vector with the site that it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Direction {
    /// The numbers as the file holds them, `[width]`: not normalised, all finite.
    pub values: Vec<f32>,
    /// The site, such as `blocks.24.resid_post`; `None` where the file does not say.
    pub site: Option<String>,
    /// Where it came from.
    pub provenance: Provenance,
}

/// A direction and its name in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// The name, unique in the file.
    pub name: String,
    /// The direction.
    pub direction: Direction,
}

impl Direction {
    /// A direction at a site, without any provenance.
    pub fn new(values: Vec<f32>, site: impl Into<String>) -> Self {
        Self { values, site: Some(site.into()), provenance: Provenance::new() }
    }

    /// The Euclidean norm, summed in f64.
    pub fn norm(&self) -> f64 {
        self.values.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt()
    }

    /// Says one more thing about the origin.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.provenance.insert(key.to_owned(), value.into());
        self
    }

    /// A field of the provenance that is text.
    pub fn said(&self, key: &str) -> Option<&str> {
        self.provenance.get(key).and_then(Value::as_str)
    }

    /// Refuses what no file may hold: no numbers at all, and numbers that are not finite.
    pub(super) fn check(&self, name: &str) -> Result<(), Problem> {
        if self.values.is_empty() {
            return Err(Problem::new(format!("values in `{name}`"), "none", "write the file again"));
        }
        match self.values.iter().position(|v| !v.is_finite()) {
            None => Ok(()),
            Some(at) => Err(Problem::new(
                format!("finite numbers in `{name}`"),
                format!("{} at index {at} of {}", self.values[at], self.values.len()),
                "a direction with NaN or infinity would spoil every activation; make it again, in f32 rather than f16",
            )),
        }
    }
}

/// The named ones, in the order of `names`; all when `names` is empty. `path` is only said in errors.
pub fn select(path: &Path, all: Vec<Named>, names: &[String]) -> Result<Vec<Named>, VectorError> {
    if names.is_empty() {
        return Ok(all);
    }
    let find = |name: &String| {
        let found = all.iter().find(|named| named.name == *name).cloned();
        found.ok_or_else(|| VectorError::NoName { path: path.to_owned(), name: name.clone(), known: known(&all) })
    };
    names.iter().map(find).collect()
}

/// The names for an error message; of many the first and the last.
pub(super) fn known(all: &[Named]) -> String {
    const SHOWN: usize = 12;
    let names: Vec<&str> = all.iter().map(|named| named.name.as_str()).collect();
    match names.as_slice() {
        [first @ .., last] if names.len() > SHOWN => {
            format!("{}, .. {last} ({} in all)", first[..SHOWN - 1].join(", "), names.len())
        }
        _ => names.join(", "),
    }
}
