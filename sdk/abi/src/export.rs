//! How a library becomes a plugin: two statics that [`export_plugin!`](crate::export_plugin) writes.

use std::sync::Arc;

use abi_stable::library::{__call_root_module_loader, CheckTypeLayout, LibHeader, RootModuleResult};
use abi_stable::prefix_type::PrefixTypeTrait;
use abi_stable::std_types::{RResult, RStr, RString};

use crate::boundary::{ForeignHost, HostBox, PluginBox, PluginModule, PluginModuleRef, plugin_box};
use crate::{Failure, Host, Plugin, guard};

/// What a plugin's library is made of. Panics in both functions become failures.
pub trait Export: 'static {
    /// JSON of [`wire::Manifest`](crate::wire::Manifest).
    ///
    /// # Errors
    ///
    /// The plugin cannot describe itself.
    fn manifest() -> Result<String, Failure>;

    /// Checks the parameters, a JSON object, and makes an experiment of them.
    ///
    /// # Errors
    ///
    /// [`kind::INPUT`](crate::kind::INPUT) where the parameters are wrong.
    fn create(params: &str, host: Arc<dyn Host>) -> Result<Box<dyn Plugin>, Failure>;
}

/// Exports a type that implements [`Export`] as the plugin of this library.
#[macro_export]
macro_rules! export_plugin {
    ($plugin:ty) => {
        const _: () = {
            #[allow(unsafe_code, reason = "two exported statics; their names carry the crate's, so they cannot clash")]
            #[unsafe(export_name = concat!("emhost_plugin_tag_", env!("CARGO_CRATE_NAME")))]
            static TAG: $crate::AbiTag = $crate::AbiTag::CURRENT;

            #[allow(unsafe_code, reason = "as above")]
            #[unsafe(export_name = concat!("emhost_plugin_header_", env!("CARGO_CRATE_NAME")))]
            static HEADER: $crate::Header = $crate::exported_header::<$plugin>();
        };
    };
}

/// The static that the loader starts from.
#[doc(hidden)]
pub const fn exported_header<P: Export>() -> crate::Header {
    // SAFETY: `module::<P>` returns a `PluginModuleRef`.
    let header = unsafe { LibHeader::from_constructor::<PluginModuleRef>(module::<P>, CheckTypeLayout::Yes) };
    crate::Header(header)
}

extern "C" fn module<P: Export>() -> RootModuleResult {
    __call_root_module_loader(|| PluginModule { manifest: manifest::<P>, create: create::<P> }.leak_into_prefix())
}

extern "C" fn manifest<P: Export>() -> RResult<RString, Failure> {
    guard("manifest", P::manifest).map(RString::from).into()
}

extern "C" fn create<P: Export>(params: RStr<'_>, host: HostBox) -> RResult<PluginBox, Failure> {
    guard("create", || P::create(params.as_str(), Arc::new(ForeignHost(host)))).map(plugin_box).into()
}
