//! The host's end: from a loaded library's header to its checked root module.

use std::fmt;
use std::sync::Arc;

use abi_stable::abi_stability::StableAbi;
use abi_stable::abi_stability::abi_checking::{
    AbiInstability, AbiInstabilityErrors, CheckingGlobals, check_layout_compatibility_with_globals,
};
use abi_stable::library::{AbiHeaderRef, LibHeader, LibraryError};
use abi_stable::std_types::RString;
use abi_stable::type_layout::TypeLayout;

use crate::boundary::{ForeignPlugin, PluginModuleRef, host_box};
use crate::{Failure, Host, Plugin};

/// The static that a plugin exports beside its tag.
#[repr(transparent)]
pub struct Header(pub(crate) LibHeader);

/// A plugin's root module, checked.
#[derive(Clone, Copy)]
pub struct Module(PluginModuleRef);

/// Why a library's header was refused, in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenError {
    /// The library was built with another version of the layout checker.
    Header {
        /// Version in the library.
        got: String,
    },
    /// The compiler passes arguments differently.
    CallingConvention,
    /// The library carries no layout to check.
    NoLayout,
    /// A type that crosses has another layout.
    Layout {
        /// The first type that differs.
        type_name: String,
        /// How it differs.
        difference: String,
    },
    /// The library could not make its root module.
    Constructor {
        /// What it said.
        message: String,
    },
}

impl Module {
    /// Checks a library's header and layout, then asks it for its root module.
    ///
    /// A plugin may be older or newer by minor versions: the layouts of one side must be a prefix of the
    /// other's. The check runs in both directions and one must succeed, each with fresh state, since
    /// shared state makes the result depend on the order in which plugins were loaded.
    ///
    /// # Errors
    ///
    /// The library was built for an ABI that does not fit.
    ///
    /// # Safety
    ///
    /// `header` points to the [`Header`] of a library that is never unloaded.
    pub unsafe fn open(header: *const Header) -> Result<Self, OpenError> {
        // SAFETY: `AbiHeaderRef` is a transparent, non-null, static reference to the header's first field.
        let header = unsafe { std::mem::transmute::<*const Header, AbiHeaderRef>(header) };
        if !header.is_valid() {
            return Err(OpenError::Header { got: format!("{}.{}", header.abi_major, header.abi_minor) });
        }
        let header = header.upgrade().map_err(|_| OpenError::CallingConvention)?;
        let theirs = header.layout().ok_or(OpenError::NoLayout)?;
        compatible(<PluginModuleRef as StableAbi>::LAYOUT, theirs)?;
        // SAFETY: one layout is a prefix of the other, and access to the fields beyond is checked at run time.
        let module = unsafe { header.init_root_module_with_unchecked_layout::<PluginModuleRef>() };
        module.map(Self).map_err(|error| OpenError::Constructor { message: first_line(&error) })
    }

    /// JSON of [`wire::Manifest`](crate::wire::Manifest).
    ///
    /// # Errors
    ///
    /// The plugin's own.
    pub fn manifest(&self) -> Result<String, Failure> {
        self.0.manifest()().into_result().map(RString::into_string)
    }

    /// Makes an experiment of parameters, a JSON object.
    ///
    /// # Errors
    ///
    /// [`kind::INPUT`](crate::kind::INPUT) where the parameters are wrong.
    pub fn create(&self, params: &str, host: Arc<dyn Host>) -> Result<Box<dyn Plugin>, Failure> {
        let plugin = self.0.create()(params.into(), host_box(host)).into_result()?;
        Ok(Box::new(ForeignPlugin(plugin)))
    }
}

/// One of the layouts is equal to the other or a prefix of it.
pub(crate) fn compatible(ours: &'static TypeLayout, theirs: &'static TypeLayout) -> Result<(), OpenError> {
    let newer = check_layout_compatibility_with_globals(ours, theirs, &CheckingGlobals::new());
    let Err(error) = newer else { return Ok(()) };
    check_layout_compatibility_with_globals(theirs, ours, &CheckingGlobals::new()).map_err(|_| first_difference(&error))
}

fn first_difference(errors: &AbiInstabilityErrors) -> OpenError {
    let first = errors.errors.iter().find(|error| !error.errs.is_empty());
    let within = first.and_then(|error| error.stack_trace.last());
    let type_name = within.map_or_else(|| errors.interface.full_type().to_string(), |pair| first_line(&pair.expected));
    let difference = first.and_then(|error| error.errs.first()).map_or_else(String::new, describe);
    OpenError::Layout { type_name, difference }
}

fn describe(error: &AbiInstability) -> String {
    match error {
        AbiInstability::Size(v) => format!("size {} here, {} in the plugin", v.expected, v.found),
        AbiInstability::Alignment(v) => format!("alignment {} here, {} in the plugin", v.expected, v.found),
        AbiInstability::FieldCountMismatch(v) => format!("{} fields here, {} in the plugin", v.expected, v.found),
        AbiInstability::UnexpectedField(v) => {
            format!("field `{}` here, `{}` in the plugin", v.expected.name(), v.found.name())
        }
        AbiInstability::Name(v) => format!("type `{}` here, `{}` in the plugin", v.expected, v.found),
        other => first_line(&format!("{other:?}").chars().take(120).collect::<String>()),
    }
}

fn first_line(text: &dyn fmt::Display) -> String {
    let text = text.to_string();
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { got } => {
                write!(f, "it was built with layout checker {got}, which this emhost does not know")
            }
            Self::CallingConvention => f.write_str("its compiler passes arguments differently: build it again"),
            Self::NoLayout => f.write_str("it carries no type layouts to check"),
            Self::Layout { type_name, difference } => {
                write!(f, "its `{type_name}` has another layout ({difference}): build it again with this emhost's SDK")
            }
            Self::Constructor { message } => write!(f, "it could not start: {message}"),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<LibraryError> for OpenError {
    fn from(error: LibraryError) -> Self {
        Self::Constructor { message: first_line(&error) }
    }
}
