//! Directions that studies stored, and references that name them beside files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::direction::{Named, select};
use super::error::VectorError;
use super::reading::Reading;
use super::reference::{DIRECTIONS, Reference, read_all, read_as};
use crate::store::{Stage, Stages};

/// The operation whose stages hold directions.
pub const DIRECTION: &str = "direction";

/// Digits of a key that name stored directions, and that lists show.
pub const KEY_DIGITS: usize = 8;

/// The directions of one file.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectionFile {
    /// The file.
    pub path: PathBuf,
    /// Its stage; none for a file outside the store.
    pub stage: Option<DirectionStage>,
    /// The directions, or those of them that a reference names.
    pub all: Vec<Named>,
}

/// The stage of stored directions.
#[derive(Debug, Clone, PartialEq)]
pub struct DirectionStage {
    /// 64 hexadecimal digits.
    pub key: String,
    /// When they were stored, UTC.
    pub made: String,
}

/// A direction with a label that no other one beside it has.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// The name; after the file's label where another file has the same name.
    pub label: String,
    /// The file's [label](DirectionFile::label).
    pub file: String,
    /// The direction.
    pub named: Named,
}

impl DirectionFile {
    /// What names the file in lists and references: the first digits of the key, or the path.
    pub fn label(&self) -> String {
        match &self.stage {
            Some(stage) => short(&stage.key).to_owned(),
            None => self.path.display().to_string(),
        }
    }

    /// What all directions of the file say about their origin under `key`, as text.
    pub fn said(&self, key: &str) -> Option<&str> {
        self.all.first().and_then(|named| named.direction.said(key))
    }

    fn of(stage: &Stage) -> Result<Self, VectorError> {
        let path = stage.folder.join(DIRECTIONS);
        let damaged =
            |problem: String| VectorError::Damaged { path: path.clone(), key: short(&stage.key).into(), problem };
        if let Some(damage) = stage.verify().first() {
            return Err(damaged(damage.to_string()));
        }
        let all = read_all(&path).map_err(|error| damaged(error.to_string()))?;
        let stage = DirectionStage { key: stage.key.clone(), made: stage.record.made.at.clone() };
        Ok(Self { path, stage: Some(stage), all })
    }
}

/// All stored directions, newest first, and the stages that cannot be read.
///
/// Every file is compared with its digest.
pub fn stored(store: &Path) -> Result<(Vec<DirectionFile>, Vec<VectorError>), VectorError> {
    let (stages, broken) = stages(store)?.all()?;
    let mut broken: Vec<VectorError> = broken.into_iter().map(VectorError::from).collect();
    let mut found = Vec::new();
    for stage in stages.iter().filter(|stage| stage.record.op == DIRECTION) {
        match DirectionFile::of(stage) {
            Ok(file) => found.push(file),
            Err(error) => broken.push(error),
        }
    }
    let order = |file: &DirectionFile| file.stage.as_ref().map(|stage| (stage.made.clone(), stage.key.clone()));
    found.sort_by_key(|file| std::cmp::Reverse(order(file)));
    Ok((found, broken))
}

/// The directions that a reference names: `FILE`, `FILE#NAME`, `KEY` or `KEY#NAME`, where `KEY` is 8 or more digits of
/// the key of stored directions. A file that is there goes before a key.
///
/// `reading` says more about a file than it does itself; what emhost stored says everything.
pub fn resolve(reference: &str, store: &Path, reading: Reading) -> Result<DirectionFile, VectorError> {
    let Reference { path, name } = Reference::parse(reference);
    let file = match fs::symlink_metadata(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => keyed(reference, &path, store)?,
        _ => DirectionFile { all: read_as(&path, reading)?, path, stage: None },
    };
    let all = select(&file.path, file.all, &Vec::from_iter(name))?;
    Ok(DirectionFile { all, ..file })
}

/// Stored directions by the beginning of their key.
fn keyed(reference: &str, path: &Path, store: &Path) -> Result<DirectionFile, VectorError> {
    let unknown = |problem: String| VectorError::Unknown { reference: reference.to_owned(), problem };
    let key = path.to_str().unwrap_or_default().to_ascii_lowercase();
    let hexadecimal = !key.is_empty() && key.bytes().all(|b| b.is_ascii_hexdigit());
    if !hexadecimal || !(KEY_DIGITS..=64).contains(&key.len()) {
        let problem = format!(
            "there is no file `{}`, and a key has {KEY_DIGITS} to 64 hexadecimal digits; `emhost direction list` shows \
             what is stored",
            path.display()
        );
        return Err(unknown(problem));
    }
    let stages = stages(store)?;
    let shelf = stages.root().join(DIRECTION).join(&key[..2]);
    let entries = fs::read_dir(&shelf).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let found: Vec<String> = names.filter(|name| name.starts_with(&key)).collect();
    match found.as_slice() {
        [one] => DirectionFile::of(&stages.named(&format!("{DIRECTION}/{one}"))?),
        [] => Err(unknown(format!(
            "there is no file `{}`, and no stored directions in `{}` have a key that begins so; `emhost direction list` \
             shows them",
            path.display(),
            stages.root().display()
        ))),
        several => Err(unknown(format!("the keys of {} stored files begin so; give more digits", several.len()))),
    }
}

fn stages(store: &Path) -> Result<Stages, VectorError> {
    let root = store.join("stages");
    if !root.is_dir() {
        return Err(VectorError::NoStore { store: store.to_owned() });
    }
    Ok(Stages::open(root)?)
}

fn short(key: &str) -> &str {
    key.get(..KEY_DIGITS).unwrap_or(key)
}

/// All directions of several files, each once, with labels that tell them apart: `NAME`, or `FILE` and `NAME` with
/// `between` in between where a name is used in several files.
pub fn labelled(files: &[DirectionFile], between: &str) -> Vec<Labelled> {
    let mut seen = BTreeSet::new();
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    let mut each = Vec::new();
    for file in files {
        for named in &file.all {
            if seen.insert((&file.path, &named.name)) {
                *uses.entry(&named.name).or_default() += 1;
                each.push((file.label(), named.clone()));
            }
        }
    }
    let label = |(file, named): (String, Named)| {
        let label = match uses[named.name.as_str()] {
            1 => named.name.clone(),
            _ => format!("{file}{between}{}", named.name),
        };
        Labelled { label, file, named }
    };
    each.into_iter().map(label).collect()
}
