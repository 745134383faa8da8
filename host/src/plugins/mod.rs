//! Finds, checks, loads and runs plugins.

mod check;
mod compile;
mod error;
mod find;
mod info;
mod install;
mod load;
mod metered;
mod new;
mod running;

pub use check::{Checked, Refusal, check};
pub use emhost_abi::{Failure, Host as Operations, Level, LogRecord, Reader, kind};
pub use error::PluginError;
pub use find::{Origin, Place, find, places, shared_folder, user_folder};
pub use info::{Found, Info, Parameter, list, parameters};
pub use install::{Change, InstallError, Installed, install, uninstall};
pub use load::load;
pub use new::{NewError, new_plugin};
pub use running::{LoadedPlugin, Running};
