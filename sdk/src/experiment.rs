//! What an author implements.

use emhost_abi::wire::{Cell, Manifest};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::{Lab, Result};

/// An experiment: its parameters, its cells, and what a cell does.
///
/// The type itself holds the checked parameters. Exported with
/// [`export_experiment!`](crate::export_experiment), tested with [`FakeLab`](crate::FakeLab).
pub trait Experiment: Sized + Send + Sync + 'static {
    /// What the user can set. Put `#[serde(deny_unknown_fields)]` on it, give every field a default
    /// that works, and document the fields: `emhost plugin info` shows the text.
    type Params: DeserializeOwned + JsonSchema;

    /// The name that `emhost run --plugin NAME` takes.
    const NAME: &'static str;
    /// One paragraph: the question that the experiment answers.
    const ABOUT: &'static str;
    /// Operations that it calls ([`wire::op`](crate::wire::op)): a host that lacks one refuses early.
    const OPERATIONS: &'static [&'static str];
    /// The recipe (TOML) that runs when the user names none; empty means the parameters' defaults.
    const RECIPE: &'static str = "";

    /// Checks the parameters, before any model loads.
    ///
    /// # Errors
    ///
    /// [`Error::Input`](crate::Error::Input) that names the parameter, what was expected, and what to do.
    fn new(params: Self::Params) -> Result<Self>;

    /// The cells of the run; by default a single one. Pure: the same parameters give the same cells with the same ids.
    ///
    /// # Errors
    ///
    /// The parameters give no plan.
    fn plan(&self) -> Result<Vec<Cell>> {
        Ok(vec![Cell::new("all", "the whole experiment", &())?])
    }

    /// Runs one cell. It may run alone, in another process or on another machine, and again after a stop.
    ///
    /// # Errors
    ///
    /// What the [`Lab`] said, or the cell's own.
    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()>;

    /// Reads the cells' tables, emits the result tables and figures, and reports; by default nothing.
    ///
    /// # Errors
    ///
    /// What the [`Lab`] said, or the summary's own.
    fn summarize(&self, _lab: &Lab) -> Result<()> {
        Ok(())
    }
}

/// What `emhost plugin info` shows.
pub(crate) fn manifest<E: Experiment>(version: &str) -> Manifest {
    Manifest {
        name: E::NAME.to_owned(),
        version: version.to_owned(),
        about: E::ABOUT.to_owned(),
        params: schemars::schema_for!(E::Params).to_value(),
        operations: E::OPERATIONS.iter().map(|&op| op.to_owned()).collect(),
        recipe: E::RECIPE.to_owned(),
    }
}
