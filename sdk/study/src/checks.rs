//! Checks of parameters that name the parameter, what was expected and what came.

use std::collections::BTreeSet;

use emhost_sdk::prelude::*;

/// Refuses a list that is empty or holds a name twice.
///
/// # Errors
///
/// [`Error::Input`] with the parameter.
pub fn distinct<T: Ord + ToString>(name: &str, values: impl IntoIterator<Item = T>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for value in values {
        let text = value.to_string();
        if text.is_empty() {
            return refuse(format!("`{name}` has an empty entry"));
        }
        if !seen.insert(value) {
            return refuse(format!("`{name}` has `{text}` twice: keep one"));
        }
    }
    if seen.is_empty() { refuse(format!("`{name}` is empty: give at least one")) } else { Ok(()) }
}

/// Refuses a count that is too small.
///
/// # Errors
///
/// [`Error::Input`] with the parameter.
pub fn at_least(name: &str, least: usize, got: usize) -> Result<()> {
    if got >= least { Ok(()) } else { refuse(format!("`{name}` is {got}: expected at least {least}")) }
}

/// Refuses a number outside of a range.
///
/// # Errors
///
/// [`Error::Input`] with the parameter.
pub fn within(name: &str, low: f64, high: f64, got: f64) -> Result<()> {
    if (low..=high).contains(&got) { Ok(()) } else { refuse(format!("`{name}` is {got}: expected {low} to {high}")) }
}

/// The error of a parameter.
///
/// # Errors
///
/// Always.
pub fn refuse<T>(message: String) -> Result<T> {
    Err(Error::Input(format!("parameter {message}")))
}
