//! Puts plugins where they are found by name, and takes them away.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::check::{Checked, check_of, read};
use super::compile::compile;
use super::find::file_name;
use super::load::load_checked;
use super::{Place, PluginError};

/// What became of a plugin's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// There was none of this name.
    New,
    /// A different one stood there.
    Replaced,
    /// The same bytes stood there already.
    Same,
}

/// A plugin that was installed.
#[derive(Debug, Clone)]
pub struct Installed {
    /// The name that `--plugin` takes.
    pub name: String,
    /// The plugin's version.
    pub version: String,
    /// The library.
    pub path: PathBuf,
    /// What became of it.
    pub change: Change,
    /// A file of the same name that is found first.
    pub hidden_by: Option<PathBuf>,
    /// Its folder is one that is searched.
    pub searched: bool,
}

/// Why a plugin was not installed or not removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It is not there, or not for this user.
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable {
        /// The library or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A folder without a manifest.
    #[error("{} holds no Cargo.toml: give a plugin's library, or the folder of its crate", .0.display())]
    NotACrate(PathBuf),
    /// Cargo does not run.
    #[error("cannot run cargo to build {}: {source}; install Rust (https://rustup.rs), or give a library that is built", .folder.display())]
    Cargo {
        /// The crate's folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Cargo said why.
    #[error("{} does not build: see above", .0.display())]
    Build(PathBuf),
    /// An `rlib`, or a program.
    #[error("{} builds no shared library: write `crate-type = [\"cdylib\", \"rlib\"]` under [lib] in its Cargo.toml", .0.display())]
    NoLibrary(PathBuf),
    /// The library would be refused, or does not load.
    #[error("{0}")]
    Plugin(#[from] PluginError),
    /// The name would be a path.
    #[error("`{0}` cannot be a plugin's name: expected letters, digits, `_` and `-`")]
    Name(String),
    /// A different one has the name.
    #[error("{} is another build of `{name}`: replace it with --force", .path.display())]
    Exists {
        /// The plugin's name.
        name: String,
        /// The file that is there.
        path: PathBuf,
    },
    /// Nothing to remove.
    #[error("no plugin `{name}` in {}: `emhost plugin list` shows where each is", .folder.display())]
    Missing {
        /// What the user asked for.
        name: String,
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The folder cannot be changed.
    #[error("cannot {action} {}: {source}", .path.display())]
    Write {
        /// `create`, `write` or `remove`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl InstallError {
    /// The process's exit status: 2 the input, 3 the plugin, 5 the folder.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Plugin(error) => error.exit_code(),
            Self::Build(_) | Self::NoLibrary(_) => 3,
            Self::Write { .. } => 5,
            _ => 2,
        }
    }

    fn write(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { action, path: path.to_owned(), source }
    }
}

/// A plugin that may be installed.
struct Ready {
    name: String,
    version: String,
    checked: Checked,
}

/// Installs plugins, given as libraries or as folders of crates, into `folder`, for everybody if `shared`.
///
/// Each is built, checked and loaded before the first is written. `places` are those of the search.
///
/// # Errors
///
/// One of them is not a plugin that would load, or would replace another build without `force`; or the folder cannot
/// be written, or is one that everybody can change.
pub fn install(
    sources: &[PathBuf],
    folder: &Path,
    shared: bool,
    force: bool,
    places: &[Place],
) -> Result<Vec<Installed>, InstallError> {
    let ready = sources.iter().map(|source| prepare(source)).collect::<Result<Vec<_>, _>>()?;
    if !force {
        ready.iter().try_for_each(|plugin| may_write(plugin, &folder.join(file_name(&plugin.name))))?;
    }
    create(folder, shared)?;
    ready.iter().map(|plugin| put(plugin, folder, force, places)).collect()
}

fn prepare(source: &Path) -> Result<Ready, InstallError> {
    let metadata = source.metadata();
    let metadata = metadata.map_err(|error| InstallError::Unreadable { path: source.to_owned(), source: error })?;
    let library = if metadata.is_dir() { compile(source)? } else { source.to_owned() };
    let checked = check_of(&library, caller_of_sudo())?;
    let loaded = load_checked(checked.clone())?;
    // The crate's name, and not that of the file: a library of several plugins is told by it.
    let name = named(&checked.krate)?.to_owned();
    Ok(Ready { name, version: loaded.manifest().version.clone(), checked })
}

/// Who became root to install: root trusts what that user built.
fn caller_of_sudo() -> Option<u32> {
    #[cfg(unix)]
    if rustix::process::geteuid().is_root() {
        return std::env::var("SUDO_UID").ok()?.parse().ok();
    }
    None
}

fn named(name: &str) -> Result<&str, InstallError> {
    let fits = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if fits { Ok(name) } else { Err(InstallError::Name(name.to_owned())) }
}

/// The bytes of a plugin stand there already, whoever may change them.
fn is_there(plugin: &Ready, path: &Path) -> bool {
    fs::read(path).is_ok_and(|bytes| bytes == plugin.checked.bytes)
}

fn may_write(plugin: &Ready, path: &Path) -> Result<(), InstallError> {
    if path.symlink_metadata().is_err() || is_there(plugin, path) {
        return Ok(());
    }
    Err(InstallError::Exists { name: plugin.name.clone(), path: path.to_owned() })
}

fn put(plugin: &Ready, folder: &Path, force: bool, places: &[Place]) -> Result<Installed, InstallError> {
    let path = folder.join(file_name(&plugin.name));
    let taken = path.symlink_metadata();
    let same = is_there(plugin, &path);
    let would_load = same && taken.as_ref().is_ok_and(|found| found.is_file()) && read(&path, None).is_ok();
    if !would_load {
        if !force {
            may_write(plugin, &path)?;
        }
        write(&plugin.checked.bytes, &path)?;
    }
    let change = match taken {
        _ if same => Change::Same,
        Ok(_) => Change::Replaced,
        Err(_) => Change::New,
    };
    let here = |other: &Path| other.canonicalize().ok().is_some_and(|other| folder.canonicalize().ok() == Some(other));
    let before = places.iter().take_while(|place| !here(&place.folder));
    let hidden_by = before.map(|place| place.folder.join(file_name(&plugin.name))).find(|path| path.is_file());
    let searched = places.iter().any(|place| here(&place.folder));
    Ok(Installed { name: plugin.name.clone(), version: plugin.version.clone(), path, change, hidden_by, searched })
}

/// Writes a library under a temporary name, checks that it would be accepted there, and gives it its name.
fn write(bytes: &[u8], path: &Path) -> Result<(), InstallError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let failed = || InstallError::write("write", path);
    let mut temporary =
        tempfile::Builder::new().prefix(".emhost-").tempfile_in(folder).map_err(InstallError::write("write", path))?;
    temporary.write_all(bytes).map_err(failed())?;
    set_mode(temporary.as_file(), 0o644).map_err(failed())?;
    temporary.as_file().sync_all().map_err(failed())?;
    let refused = |refusal| PluginError::Refused { path: path.to_owned(), refusal };
    read(temporary.path(), None).map_err(refused)?;
    temporary.persist(path).map_err(|error| failed()(error.error))?;
    sync(folder).map_err(failed())
}

/// Makes a folder and those above it; where it is `shared`, everybody can read what was made.
fn create(folder: &Path, shared: bool) -> Result<(), InstallError> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| is_missing(folder)).collect();
    for folder in missing.into_iter().rev() {
        let made = create_one(folder).or_else(|error| if folder.is_dir() { Ok(()) } else { Err(error) });
        let made = made.and_then(|()| if shared { set_mode(&File::open(folder)?, 0o755) } else { Ok(()) });
        made.map_err(InstallError::write("create", folder))?;
    }
    Ok(())
}

fn is_missing(folder: &Path) -> bool {
    !folder.as_os_str().is_empty() && !folder.exists()
}

/// Others cannot write to it under any umask.
#[cfg(unix)]
fn create_one(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().mode(0o755).create(folder)
}

#[cfg(not(unix))]
fn create_one(folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)
}

/// Sets the mode whatever the umask; a folder keeps the bit that hands its group on.
#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let inherited = file.metadata()?.mode() & 0o2000;
    file.set_permissions(fs::Permissions::from_mode(mode | inherited))
}

#[cfg(not(unix))]
fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    match File::open(folder)?.sync_all() {
        // Some file systems cannot sync a folder.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => Ok(()),
        other => other,
    }
}

#[cfg(not(unix))]
fn sync(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Removes a plugin's file from `folder` and gives its path.
///
/// # Errors
///
/// There is none, or it cannot be removed.
pub fn uninstall(name: &str, folder: &Path) -> Result<PathBuf, InstallError> {
    let path = folder.join(file_name(named(name)?));
    match fs::remove_file(&path) {
        Ok(()) => Ok(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(InstallError::Missing { name: name.to_owned(), folder: folder.to_owned() })
        }
        Err(source) => Err(InstallError::Write { action: "remove", path, source }),
    }
}
