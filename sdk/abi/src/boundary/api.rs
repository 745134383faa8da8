//! The root module and the two method tables. Append only: see the crate's documentation.

#![expect(non_local_definitions, reason = "what `sabi_trait` expands to")]

use abi_stable::{
    StableAbi, declare_root_module_statics,
    library::RootModule,
    package_version_strings, sabi_trait,
    sabi_types::VersionStrings,
    std_types::{RBox, ROption, RResult, RStr, RString},
};

use super::ArrowStream;
use crate::{Failure, Level, LogRecord};

/// What a plugin's library exports.
#[repr(C)]
#[derive(StableAbi)]
#[sabi(kind(Prefix(prefix_ref = PluginModuleRef, prefix_fields = PluginModuleFields)))]
#[sabi(missing_field(panic))]
pub struct PluginModule {
    /// JSON of [`wire::Manifest`](crate::wire::Manifest).
    pub manifest: extern "C" fn() -> RResult<RString, Failure>,
    /// Checks the parameters (a JSON object) and makes an experiment of them.
    #[sabi(last_prefix_field)]
    pub create: extern "C" fn(params: RStr<'_>, host: HostBox) -> RResult<PluginBox, Failure>,
}

impl RootModule for PluginModuleRef {
    declare_root_module_statics! {PluginModuleRef}
    const BASE_NAME: &'static str = "emhost_plugin";
    const NAME: &'static str = "emhost_plugin";
    const VERSION_STRINGS: VersionStrings = package_version_strings!();
}

/// An experiment, as the host holds it.
pub type PluginBox = PluginApi_TO<'static, RBox<()>>;
/// A host, as a plugin holds it.
pub type HostBox = HostApi_TO<'static, RBox<()>>;

/// [`Plugin`](crate::Plugin) as it crosses.
#[sabi_trait]
pub trait PluginApi: Send + Sync {
    /// See [`Plugin::plan`](crate::Plugin::plan).
    fn plan(&self) -> RResult<RString, Failure>;
    /// See [`Plugin::run`](crate::Plugin::run).
    fn run(&self, cell: RStr<'_>) -> RResult<(), Failure>;
    /// See [`Plugin::summarize`](crate::Plugin::summarize).
    #[sabi(last_prefix_field)]
    fn summarize(&self) -> RResult<(), Failure>;
}

/// [`Host`](crate::Host) as it crosses.
#[sabi_trait]
pub trait HostApi: Send + Sync {
    /// See [`Host::log`](crate::Host::log).
    fn log(&self, record: LogRecord<'_>);
    /// See [`Host::progress`](crate::Host::progress).
    fn progress(&self, done: u64, total: u64, message: RStr<'_>) -> bool;
    /// See [`Host::call`](crate::Host::call).
    fn call(&self, op: RStr<'_>, arguments: RStr<'_>, input: ROption<ArrowStream>) -> RResult<CallReply, Failure>;
    /// See [`Host::emit`](crate::Host::emit).
    #[sabi(last_prefix_field)]
    fn emit(&self, table: RStr<'_>, rows: ArrowStream) -> RResult<(), Failure>;
    /// See [`Host::log_level`](crate::Host::log_level). Since 1.1.
    fn log_level(&self) -> Level {
        Level::INFO
    }
}

/// What an operation gives.
#[repr(C)]
#[derive(StableAbi)]
pub struct CallReply {
    /// JSON, as [`wire::op`](crate::wire::op) says.
    pub json: RString,
    /// The rows, where the operation gives any.
    pub stream: ROption<ArrowStream>,
}
