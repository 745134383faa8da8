//! Files by reference: `direction.safetensors#vector`, and the three calls that the rest of emhost uses.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::direction::{Direction, Named, known, select};
use super::error::{Problem, VectorError};
use super::reading::Reading;
use super::{gguf, native, torch};
use crate::store::write_atomic;

/// Files of directions are megabytes; a larger one is something else.
const MAX_BYTES: u64 = 1 << 30;

/// The file of directions in its stage of the store.
pub const DIRECTIONS: &str = "directions.safetensors";

/// A file, and perhaps the name of one direction in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The file.
    pub path: PathBuf,
    /// The direction's name, where one is given.
    pub name: Option<String>,
}

impl Reference {
    /// Splits at the last `#`, unless the whole text is the path of a file.
    pub fn parse(text: &str) -> Self {
        match text.rsplit_once('#') {
            Some((path, name)) if !Path::new(text).exists() => {
                Self { path: path.into(), name: Some(name.to_owned()).filter(|name| !name.is_empty()) }
            }
            _ => Self { path: text.into(), name: None },
        }
    }
}

/// Reads one direction by a reference such as `direction.safetensors#vector`. The name may be left out where the file
/// holds one direction.
pub fn read(reference: &str) -> Result<Direction, VectorError> {
    let Reference { path, name } = Reference::parse(reference);
    let mut all = read_all(&path)?;
    match (name, all.len()) {
        (Some(name), _) => all = select(&path, all, &[name])?,
        (None, 1) => {}
        (None, _) => return Err(VectorError::Several { known: known(&all), path }),
    }
    Ok(all.swap_remove(0).direction)
}

/// Reads all directions of a file, of any form that is known; never empty.
pub fn read_all(path: impl AsRef<Path>) -> Result<Vec<Named>, VectorError> {
    read_as(path, Reading::default())
}

/// Like [`read_all`], where more is known about the file than it says itself.
pub fn read_as(path: impl AsRef<Path>, reading: Reading) -> Result<Vec<Named>, VectorError> {
    let path = path.as_ref();
    let bytes = bytes_of(path)?;
    let all = named(path, &bytes, reading).map_err(|problem| problem.at(path))?;
    let mut names = BTreeSet::new();
    for Named { name, direction } in &all {
        if !names.insert(name) {
            return Err(Problem::damaged("one direction per name", format!("`{name}` twice")).at(path));
        }
        direction.check(name).map_err(|problem| problem.at(path))?;
    }
    Ok(all)
}

/// Writes directions in one step, as `.gguf` or else as emhost's `.safetensors`: the file's name decides.
///
/// The same directions give the same bytes.
pub fn write(path: impl AsRef<Path>, all: &[Named]) -> Result<(), VectorError> {
    let path = path.as_ref();
    let refuse = |problem: String| VectorError::Unwritable { path: path.to_owned(), problem };
    if all.is_empty() {
        return Err(refuse("there is no direction to write".to_owned()));
    }
    for (index, Named { name, direction }) in all.iter().enumerate() {
        if name.contains('#') {
            return Err(refuse(format!("the name `{name}` has a `#`, which parts file and name; choose another")));
        }
        if name.is_empty() || all[..index].iter().any(|other| other.name == *name) {
            return Err(refuse(format!("the name `{name}` is empty or used twice; give each direction its own")));
        }
        direction.check(name).map_err(|problem| problem.at(path))?;
    }
    let bytes = match path.extension().and_then(|extension| extension.to_str()) {
        Some("gguf") => gguf::write(all),
        Some("safetensors") => native::write(all),
        _ => Err("a file of directions ends in `.safetensors` or `.gguf`".to_owned()),
    };
    Ok(write_atomic(path, &bytes.map_err(refuse)?)?)
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, VectorError> {
    let failed = |source| VectorError::Read { path: path.to_owned(), source };
    let about = fs::metadata(path).map_err(failed)?;
    let what = if about.is_dir() { "a folder".to_owned() } else { format!("{} bytes", about.len()) };
    if !about.is_file() || about.len() > MAX_BYTES {
        let expected = format!("a file of directions, at most {MAX_BYTES} bytes");
        return Err(Problem::new(expected, what, "give the file itself").at(path));
    }
    fs::read(path).map_err(failed)
}

/// Chooses the form by the first bytes.
pub(super) fn named(path: &Path, bytes: &[u8], reading: Reading) -> Result<Vec<Named>, Problem> {
    let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    match bytes {
        [b'G', b'G', b'U', b'F', ..] => gguf::read(bytes, &file),
        [b'P', b'K', 3, 4, ..] => torch::read(path, bytes, &file, reading),
        // The length of a safetensors header may begin with the byte that begins a pickle.
        [_, _, _, _, 0, 0, 0, 0, b'{', ..] => native::read(bytes, &file, reading),
        [0x80, ..] => Err(torch::old_form(bytes)),
        [_, _, _, _, _, _, _, _, b'{', ..] => native::read(bytes, &file, reading),
        _ => Err(Problem::new(
            "safetensors, a torch file (`.pt`, zip form) or a GGUF control vector",
            opening(bytes),
            "convert the file to one of these; a file that was one of these is cut off",
        )),
    }
}

fn opening(bytes: &[u8]) -> String {
    match bytes {
        [] => "an empty file".to_owned(),
        _ if bytes.starts_with(b"\x93NUMPY") => "a numpy array".to_owned(),
        _ => format!("{} bytes that begin with `{}`", bytes.len(), bytes[..bytes.len().min(8)].escape_ascii()),
    }
}
