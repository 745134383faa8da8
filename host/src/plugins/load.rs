//! Loads a checked library: the only place that calls into another library's memory by name.

#![expect(unsafe_code, reason = "`dlopen` and the first static of a library have no safe form")]

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use emhost_abi::{Header, Module};
use libloading::Library;

use super::check::{Checked, check};
use super::{LoadedPlugin, PluginError};

/// Root modules by digest: the same bytes are loaded once, and never unloaded.
static LOADED: Mutex<Option<HashMap<String, Module>>> = Mutex::new(None);

/// Checks and loads a library, and asks it what it is.
///
/// # Errors
///
/// The file is refused, does not fit this host, or cannot describe itself.
pub fn load(path: &Path) -> Result<LoadedPlugin, PluginError> {
    load_checked(check(path)?)
}

/// Loads the bytes that were checked.
pub(super) fn load_checked(checked: Checked) -> Result<LoadedPlugin, PluginError> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let loaded = loaded.get_or_insert_default();
    let module = match loaded.get(&checked.digest) {
        Some(module) => *module,
        None => {
            let module = open(&checked)?;
            loaded.insert(checked.digest.clone(), module);
            module
        }
    };
    LoadedPlugin::new(checked, module)
}

fn open(checked: &Checked) -> Result<Module, PluginError> {
    let path = &checked.path;
    let refused = |reason: String| PluginError::Load { path: path.clone(), reason };
    let copy = copy::of(checked).map_err(|source| PluginError::Copy { path: path.clone(), source })?;
    // SAFETY: the bytes were checked to be a plugin that the user or the system installed. Its constructors
    // run here; that they are sound is the plugin's side of the contract.
    let library = unsafe { Library::new(copy.path()) }.map_err(|error| refused(one_line(&error)))?;
    copy.keep();
    // SAFETY: the tag beside it says that the symbol is a static of type `Header`.
    let header = unsafe { library.get::<*const Header>(checked.header_symbol().as_bytes()) };
    let header = *header.map_err(|error| refused(one_line(&error)))?;
    // A plugin's threads, hooks and thread-locals may outlive every use of it.
    std::mem::forget(library);
    // SAFETY: the pointer is to a static of a library that stays.
    unsafe { Module::open(header) }.map_err(|reason| PluginError::Open { path: path.clone(), reason })
}

fn one_line(error: &libloading::Error) -> String {
    error.to_string().replace('\n', " ")
}

/// A file that nobody else can change between check and load: in memory, so that it needs no folder
/// that allows execution.
#[cfg(target_os = "linux")]
mod copy {
    use std::fs::File;
    use std::io::{self, Write};
    use std::os::fd::AsRawFd;
    use std::path::PathBuf;

    use rustix::fs::{MemfdFlags, memfd_create};

    use super::Checked;

    pub(super) struct Copy(File);

    pub(super) fn of(checked: &Checked) -> io::Result<Copy> {
        let mut file = File::from(memfd_create(format!("emhost-{}", checked.krate), MemfdFlags::CLOEXEC)?);
        file.write_all(&checked.bytes)?;
        Ok(Copy(file))
    }

    impl Copy {
        pub(super) fn path(&self) -> PathBuf {
            PathBuf::from(format!("/proc/self/fd/{}", self.0.as_raw_fd()))
        }

        /// The loader tells libraries apart by path, so the number must never be used again.
        pub(super) fn keep(self) {
            std::mem::forget(self.0);
        }
    }
}

/// A file that nobody else can change between check and load, in a folder of our own.
#[cfg(not(target_os = "linux"))]
mod copy {
    use std::io;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::Checked;

    pub(super) struct Copy(TempDir, PathBuf);

    pub(super) fn of(checked: &Checked) -> io::Result<Copy> {
        let folder = tempfile::Builder::new().prefix("emhost-plugin-").tempdir()?;
        let path = folder.path().join(checked.path.file_name().unwrap_or(checked.krate.as_ref()));
        std::fs::write(&path, &checked.bytes)?;
        Ok(Copy(folder, path))
    }

    impl Copy {
        pub(super) fn path(&self) -> PathBuf {
            self.1.clone()
        }

        /// The library is mapped: the file can go.
        pub(super) fn keep(self) {
            drop(self.0);
        }
    }
}
