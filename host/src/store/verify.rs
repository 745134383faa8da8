//! Finds every byte that is not as it was written, and says where it lies.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use rayon::prelude::*;

use super::card::CARD;
use super::manifest::{MANIFEST, Manifest, Span};
use super::{Dataset, StoreError};

/// What was checked when nothing is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Files, manifest and card included.
    pub files: usize,
    /// Row groups.
    pub row_groups: usize,
    /// Rows of both parts.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Name in the dataset's folder.
    pub file: String,
    /// Which part of the file.
    pub place: Place,
    /// What is wrong.
    pub problem: String,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The file as a whole.
    File,
    /// The bytes before the first row group.
    Header,
    /// The row group with this number.
    RowGroup(usize),
    /// The bytes after the last row group.
    Footer,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::File => write!(f, "{}: {}", self.file, self.problem),
            Place::Header => write!(f, "{}: header: {}", self.file, self.problem),
            Place::RowGroup(number) => write!(f, "{}: row group {number}: {}", self.file, self.problem),
            Place::Footer => write!(f, "{}: footer: {}", self.file, self.problem),
        }
    }
}

/// Verifies a folder whose manifest may itself be damaged.
pub fn verify_folder(folder: &Path) -> Result<VerifyReport, Vec<Damage>> {
    match Dataset::open(folder) {
        Ok(dataset) => dataset.verify(),
        Err(error) => {
            let problem = match error {
                StoreError::Corrupt { why, .. } => format!("{why}; the other files cannot be checked without it"),
                StoreError::NotADataset { .. } => "it is missing".to_owned(),
                other => other.to_string(),
            };
            Err(vec![Damage { file: MANIFEST.to_owned(), place: Place::File, problem }])
        }
    }
}

pub(crate) fn verify_manifest(folder: &Path, manifest: &Manifest) -> Result<VerifyReport, Vec<Damage>> {
    let mut report = VerifyReport { files: 2, bytes: manifest.card.bytes, ..VerifyReport::default() };
    let mut jobs = vec![Job { file: CARD, place: Place::File, length: manifest.card.bytes, span: &manifest.card }];
    let mut expected = BTreeSet::from([CARD, MANIFEST]);
    for file in manifest.parts.iter().flat_map(|p| &p.files) {
        expected.insert(&file.name);
        report.files += 1;
        report.row_groups += file.row_groups.len();
        report.rows += file.rows;
        report.bytes += file.bytes;
        for (number, span) in file.spans().enumerate() {
            let place = match number {
                0 => Place::Header,
                n if n == file.row_groups.len() + 1 => Place::Footer,
                n => Place::RowGroup(n - 1),
            };
            jobs.push(Job { file: &file.name, place, length: file.bytes, span });
        }
    }
    let mut damage: Vec<Damage> = jobs.par_iter().filter_map(|job| job.check(folder)).collect();
    damage.dedup();
    damage.extend(unexpected(folder, &expected));
    match fs::metadata(folder.join(MANIFEST)) {
        Ok(metadata) => report.bytes += metadata.len(),
        Err(e) => damage.push(Damage { file: MANIFEST.to_owned(), place: Place::File, problem: e.to_string() }),
    }
    if damage.is_empty() { Ok(report) } else { Err(damage) }
}

struct Job<'a> {
    file: &'a str,
    place: Place,
    length: u64,
    span: &'a Span,
}

impl Job<'_> {
    fn check(&self, folder: &Path) -> Option<Damage> {
        let damage = |place, problem| Some(Damage { file: self.file.to_owned(), place, problem });
        let path = folder.join(self.file);
        match fs::symlink_metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return damage(Place::File, "it is missing".to_owned()),
            Err(e) => return damage(Place::File, e.to_string()),
            Ok(metadata) if metadata.len() != self.length => {
                let problem = format!("it has {} bytes, {} were written", metadata.len(), self.length);
                return damage(Place::File, problem);
            }
            Ok(_) => {}
        }
        match hash(&path, self.span.start, self.span.bytes) {
            Ok(found) if found == self.span.blake3 => None,
            Ok(_) => {
                let (first, last) = (self.span.start, self.span.start + self.span.bytes);
                damage(self.place, format!("something in bytes {first}..{last} differs from what was written"))
            }
            Err(e) => damage(self.place, e.to_string()),
        }
    }
}

/// BLAKE3 of a stretch of a file, in pieces.
pub(crate) fn hash(path: &Path, start: u64, bytes: u64) -> io::Result<String> {
    const PIECE: u64 = 1 << 20;
    let file = File::open(path)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; bytes.min(PIECE) as usize];
    let mut done = 0;
    while done < bytes {
        let piece = &mut buffer[..(bytes - done).min(PIECE) as usize];
        file.read_exact_at(piece, start + done)?;
        hasher.update(piece);
        done += piece.len() as u64;
    }
    Ok(hasher.finalize().to_hex().to_string())
}

/// Entries that the manifest does not name.
fn unexpected(folder: &Path, expected: &BTreeSet<&str>) -> Vec<Damage> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
    let mut extra: Vec<String> = names.filter(|name| !expected.contains(name.as_str())).collect();
    extra.sort();
    let problem = "it does not belong to the dataset";
    extra.into_iter().map(|file| Damage { file, place: Place::File, problem: problem.to_owned() }).collect()
}
