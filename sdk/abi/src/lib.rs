//! The stable ABI between the emhost host and its plugins.
//!
//! Control crosses as JSON text ([`wire`]), numbers cross as Arrow C streams, without copies. This is
//! the only crate that names `abi_stable`: both sides see plain Rust.
//!
//! | plain Rust, both sides | what crosses |
//! |---|---|
//! | [`Host`] | [`boundary::HostApi`] |
//! | [`Plugin`] | [`boundary::PluginApi`] |
//! | [`Reader`] | [`boundary::ArrowStream`] |
//! | [`Export`] (the plugin's side), [`Module`] (the host's) | [`boundary::PluginModule`] |
//!
//! # Changing the ABI
//!
//! The version of this crate is the version of the ABI. A *minor* version only appends: methods with
//! a default at the end of a trait, fields at the end of [`boundary::PluginModule`]. Everything else
//! is a *major* version, and a host refuses plugins of another one. New features are new operations
//! and columns in [`wire`], which change nothing here.
//!
//! - 1.0: `PluginModule {manifest, create}`, `PluginApi {plan, run, summarize}`,
//!   `HostApi {log, progress, call, emit}`.
//! - 1.1: `HostApi::log_level`.

pub mod boundary;
mod cells;
mod export;
mod failure;
mod layout;
mod module;
mod panics;
mod record;
mod sides;
mod tag;
pub mod wire;

pub use cells::check_cells;
pub use export::Export;
pub use failure::{Failure, kind};
pub use layout::describe_layout;
pub use module::{Header, Module, OpenError};
pub use panics::{guard, note_location, panic_message};
pub use record::{Level, LogRecord};
pub use sides::{Host, Plugin, Reader};
pub use tag::{ABI_MAJOR, ABI_MINOR, AbiTag, HEADER_PREFIX, TAG_PREFIX};

#[doc(hidden)]
pub use export::exported_header;
