//! Finds, checks, loads and runs plugins.

mod check;
mod error;
mod find;
mod info;
mod load;
mod metered;
mod new;
mod running;

pub use check::{Checked, Refusal, check};
pub use emhost_abi::{Failure, Host as Operations, Level, LogRecord, Reader, kind};
pub use error::PluginError;
pub use find::{Origin, Place, find, places};
pub use info::{Found, Info, Parameter, list, parameters};
pub use load::load;
pub use new::{NewError, new_plugin};
pub use running::{LoadedPlugin, Running};
