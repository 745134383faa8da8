//! Everything that can be checked without loading: `dlopen` already runs a library's code.

use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};

use emhost_abi::{ABI_MAJOR, ABI_MINOR, AbiTag, HEADER_PREFIX, TAG_PREFIX};
use object::read::{ExportTarget, NameOrOrdinal};
use object::{Architecture, Object, ObjectKind, ObjectSection, ObjectSegment};

use super::PluginError;
use super::find::plugin_name;

/// A larger file is not a plugin.
const MAX_BYTES: u64 = 1 << 30;

/// Why a file was refused, in one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be opened or read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// A folder, a device, a pipe.
    #[error("is not a regular file")]
    NotAFile,
    /// It is beyond any library's size.
    #[error("is larger than 1 GiB")]
    TooLarge,
    /// Somebody else may have put it there.
    #[error("belongs to user {0}: expected root, you, or the owner of emhost")]
    Owner(u32),
    /// Everybody can change it.
    #[error("is writable for everybody: `chmod o-w` it")]
    WorldWritable,
    /// Everybody can replace it.
    #[error("lies under {}, where everybody can replace it: `chmod o-w` that folder", .0.display())]
    OpenFolder(PathBuf),
    /// The first bytes are not a library's.
    #[error("is not a shared library")]
    NotALibrary,
    /// The library ends before its last section.
    #[error("is incomplete: copy or build it again")]
    Truncated,
    /// Another processor.
    #[error("was built for {0:?}: build it on this kind of machine")]
    Architecture(Architecture),
    /// A library, but not a plugin.
    #[error("is not an emhost plugin: it has no ABI tag (is `export_experiment!` missing?)")]
    NoTag,
    /// More than one crate in it exports a plugin.
    #[error("holds several plugins ({}) and none is named as the file", .0.join(", "))]
    Several(Vec<String>),
    /// The tag is damaged, or another program's.
    #[error("is not an emhost plugin: its ABI tag has the wrong magic number")]
    Magic,
    /// Another major version of the ABI.
    #[error(
        "needs plugin ABI {major}.{minor}, this emhost has {ABI_MAJOR}.{ABI_MINOR}: build it with this emhost's SDK"
    )]
    Major {
        /// The plugin's.
        major: u32,
        /// The plugin's.
        minor: u32,
    },
}

/// A file that passed, with the bytes that were looked at.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The file.
    pub path: PathBuf,
    /// Name of the crate that exports the plugin.
    pub krate: String,
    /// What it was built for.
    pub tag: AbiTag,
    /// BLAKE3 of the bytes, in hexadecimal.
    pub digest: String,
    pub(super) bytes: Vec<u8>,
}

impl Checked {
    /// The symbol to start from.
    pub(super) fn header_symbol(&self) -> String {
        format!("{HEADER_PREFIX}{}", self.krate)
    }
}

/// Reads a file once and checks it.
///
/// # Errors
///
/// The first reason to refuse it.
pub fn check(path: &Path) -> Result<Checked, PluginError> {
    check_of(path, None)
}

/// Like [`check`], but the file may also belong to the user `also`.
pub(super) fn check_of(path: &Path, also: Option<u32>) -> Result<Checked, PluginError> {
    let refused = |refusal| PluginError::Refused { path: path.to_owned(), refusal };
    let bytes = read(path, also).map_err(refused)?;
    let (krate, tag) = inspect(&bytes, plugin_name(path)).map_err(refused)?;
    let digest = blake3::hash(&bytes).to_hex().to_string();
    Ok(Checked { path: path.to_owned(), krate, tag, digest, bytes })
}

/// A file's bytes, where nobody else can change or replace it.
pub(super) fn read(path: &Path, also: Option<u32>) -> Result<Vec<u8>, Refusal> {
    let unreadable = |error: std::io::Error| Refusal::Unreadable(error.to_string());
    let path = path.canonicalize().map_err(unreadable)?;
    // Opening a pipe would wait for its other end.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(Refusal::NotAFile);
    }
    let file = File::open(&path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(Refusal::NotAFile);
    }
    if metadata.len() > MAX_BYTES {
        return Err(Refusal::TooLarge);
    }
    check_access(&path, &metadata, also)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

#[cfg(unix)]
fn check_access(path: &Path, metadata: &Metadata, also: Option<u32>) -> Result<(), Refusal> {
    use std::os::unix::fs::MetadataExt;
    const WORLD_WRITABLE: u32 = 0o002;
    const STICKY: u32 = 0o1000;

    let me = rustix::process::geteuid().as_raw();
    let owner_of_emhost = std::env::current_exe().and_then(|binary| binary.metadata()).map(|binary| binary.uid());
    if ![0, me, owner_of_emhost.unwrap_or(0), also.unwrap_or(0)].contains(&metadata.uid()) {
        return Err(Refusal::Owner(metadata.uid()));
    }
    if metadata.mode() & WORLD_WRITABLE != 0 {
        return Err(Refusal::WorldWritable);
    }
    for folder in path.ancestors().skip(1) {
        let mode = folder.metadata().map_err(|error| Refusal::Unreadable(error.to_string()))?.mode();
        if mode & WORLD_WRITABLE != 0 && mode & STICKY == 0 {
            return Err(Refusal::OpenFolder(folder.to_owned()));
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_access(_: &Path, _: &Metadata, _: Option<u32>) -> Result<(), Refusal> {
    Ok(())
}

/// Finds the tag in a library's bytes. `named` decides where several crates in it export one.
fn inspect(bytes: &[u8], named: Option<&str>) -> Result<(String, AbiTag), Refusal> {
    let is_library = object::FileKind::parse(bytes).is_ok();
    let broken = if is_library { Refusal::Truncated } else { Refusal::NotALibrary };
    let file = object::File::parse(bytes).map_err(|_| broken)?;
    let complete =
        file.segments().all(|segment| segment.data().is_ok()) && file.sections().all(|section| section.data().is_ok());
    if !complete {
        return Err(Refusal::Truncated);
    }
    if file.kind() != ObjectKind::Dynamic {
        return Err(Refusal::NotALibrary);
    }
    if file.architecture() != this_architecture() {
        return Err(Refusal::Architecture(file.architecture()));
    }
    let (krate, address) = find_tag(&file, named)?;
    let bytes = file.segments().find_map(|segment| {
        let data = segment.data_range(address, AbiTag::SIZE as u64).ok().flatten()?;
        <&[u8; AbiTag::SIZE]>::try_from(data).ok()
    });
    let tag = AbiTag::from_bytes(bytes.ok_or(Refusal::Truncated)?);
    if tag.magic != AbiTag::MAGIC {
        return Err(Refusal::Magic);
    }
    if tag.major != ABI_MAJOR {
        return Err(Refusal::Major { major: tag.major, minor: tag.minor });
    }
    Ok((krate, tag))
}

fn find_tag(file: &object::File<'_>, named: Option<&str>) -> Result<(String, u64), Refusal> {
    let mut tags: Vec<(String, u64)> = Vec::new();
    for export in file.exports().map_err(|_| Refusal::Truncated)? {
        let export = export.map_err(|_| Refusal::Truncated)?;
        let (NameOrOrdinal::Name(name), ExportTarget::Address { address }) = (export.name(), export.target()) else {
            continue;
        };
        let name = std::str::from_utf8(name).unwrap_or_default();
        // Mach-O puts an underscore before every symbol.
        if let Some(krate) = name.strip_prefix('_').unwrap_or(name).strip_prefix(TAG_PREFIX) {
            tags.push((krate.to_owned(), address));
        }
    }
    if tags.len() > 1 {
        let at = tags.iter().position(|(krate, _)| Some(krate.as_str()) == named);
        let at = at.ok_or_else(|| Refusal::Several(tags.iter().map(|(krate, _)| krate.clone()).collect()))?;
        return Ok(tags.swap_remove(at));
    }
    tags.pop().ok_or(Refusal::NoTag)
}

fn this_architecture() -> Architecture {
    match std::env::consts::ARCH {
        "x86_64" => Architecture::X86_64,
        "aarch64" => Architecture::Aarch64,
        "riscv64" => Architecture::Riscv64,
        "powerpc64" => Architecture::PowerPc64,
        "s390x" => Architecture::S390x,
        _ => Architecture::Unknown,
    }
}
