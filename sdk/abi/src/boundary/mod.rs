//! The types that cross between libraries, each checked by its layout when a plugin is loaded.

mod api;
mod foreign;
mod stream;

pub use api::{
    CallReply, HostApi, HostApi_TO, HostBox, PluginApi, PluginApi_TO, PluginBox, PluginModule, PluginModuleRef,
};
pub use foreign::{ForeignHost, ForeignPlugin, host_box, plugin_box};
pub use stream::ArrowStream;
