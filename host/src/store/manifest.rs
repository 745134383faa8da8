//! `manifest.json`: what a dataset holds and the BLAKE3 of every byte of it, the manifest's own bytes included.

use std::path::Path;

use arrow::datatypes::{DataType, Schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::StoreError;

/// The file name in a dataset's folder.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The format that this version writes, and the newest that it reads.
pub(crate) const FORMAT: u64 = 1;

/// The two tables of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// One row per prompt or response.
    Rows,
    /// One row per token or per pooled view, with one column per site.
    Acts,
}

impl Part {
    /// Both parts, in the order of the manifest.
    pub const ALL: [Self; 2] = [Self::Rows, Self::Acts];

    /// `rows` or `acts`: the prefix of the file names and the name of the Hugging Face configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Acts => "acts",
        }
    }
}

/// A stretch of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// Length.
    pub bytes: u64,
    /// BLAKE3 of these bytes, in hexadecimal.
    pub blake3: String,
}

/// A row group and where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowGroup {
    /// Rows in the group.
    pub rows: u64,
    /// Its bytes.
    pub span: Span,
}

/// One Parquet file: header, row groups and footer cover it without a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Name in the folder.
    pub name: String,
    /// Rows in the file.
    pub rows: u64,
    /// Length.
    pub bytes: u64,
    /// BLAKE3 of the whole file, as `b3sum` prints it.
    pub blake3: String,
    /// The bytes before the first row group.
    pub header: Span,
    /// The row groups in order.
    pub row_groups: Vec<RowGroup>,
    /// The bytes after the last row group.
    pub footer: Span,
}

impl FileEntry {
    /// All spans in order.
    pub fn spans(&self) -> impl Iterator<Item = &Span> {
        std::iter::once(&self.header)
            .chain(self.row_groups.iter().map(|g| &g.span))
            .chain(std::iter::once(&self.footer))
    }
}

/// A column of a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// The column's name; for activations the site.
    pub name: String,
    /// The Arrow type; for vectors the type of one number.
    pub r#type: String,
    /// Numbers per row of a vector column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
}

impl Column {
    pub(crate) fn of(schema: &Schema) -> Vec<Self> {
        let column = |field: &arrow::datatypes::FieldRef| {
            let (r#type, width) = match field.data_type() {
                DataType::FixedSizeList(item, width) => (item.data_type().to_string(), u32::try_from(*width).ok()),
                other => (other.to_string(), None),
            };
            Self { name: field.name().clone(), r#type, width }
        };
        schema.fields().iter().map(column).collect()
    }
}

/// One of the two tables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartEntry {
    /// Which.
    pub part: Part,
    /// Rows in all files.
    pub rows: u64,
    /// The columns in order.
    pub columns: Vec<Column>,
    /// The files in order.
    pub files: Vec<FileEntry>,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Format version.
    pub format: u64,
    /// Version of emhost that wrote the dataset.
    pub emhost: String,
    /// One paragraph for people.
    pub about: String,
    /// Where the dataset came from: digests of model, tokenizer, template, adapter and prompts, sites, seed, versions.
    pub provenance: Value,
    /// The tables.
    pub parts: Vec<PartEntry>,
    /// `README.md`.
    pub card: Span,
    /// BLAKE3 of the manifest's bytes with this digest written as zeros. Always the last entry.
    pub digest: String,
}

impl Manifest {
    /// The file's bytes, digest included; sets [`digest`](Self::digest).
    pub(crate) fn seal(&mut self) -> Result<Vec<u8>, StoreError> {
        self.digest = "0".repeat(HEX);
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|e| StoreError::Encode { path: MANIFEST.into(), why: e.to_string() })?;
        let mut bytes = text.into_bytes();
        bytes.push(b'\n');
        self.digest = blake3::hash(&bytes).to_hex().to_string();
        let at = bytes.len() - TAIL.len() - HEX;
        bytes[at..at + HEX].copy_from_slice(self.digest.as_bytes());
        Ok(bytes)
    }

    /// Checks the digest over every byte, then the version, then the content.
    pub(crate) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, StoreError> {
        let corrupt = |why: &str| StoreError::corrupt(path, why);
        let at = bytes.len().checked_sub(TAIL.len() + HEX).ok_or_else(|| corrupt("the file is too short"))?;
        if &bytes[at + HEX..] != TAIL || !bytes[..at].ends_with(HEAD) {
            return Err(corrupt("it does not end with its digest"));
        }
        let mut zeroed = bytes.to_vec();
        zeroed[at..at + HEX].fill(b'0');
        if blake3::hash(&zeroed).to_hex().as_bytes() != &bytes[at..at + HEX] {
            return Err(corrupt("its bytes do not match its digest"));
        }
        let version: Version = serde_json::from_slice(bytes).map_err(|e| corrupt(&e.to_string()))?;
        if version.format > FORMAT {
            return Err(StoreError::NewerFormat { path: path.to_owned(), found: version.format, known: FORMAT });
        }
        let manifest: Self = serde_json::from_slice(bytes).map_err(|e| corrupt(&e.to_string()))?;
        manifest.check().map_err(|why| corrupt(&why))?;
        Ok(manifest)
    }

    /// File names stay inside the folder, spans cover their files, counts add up.
    fn check(&self) -> Result<(), String> {
        for part in &self.parts {
            for (number, file) in part.files.iter().enumerate() {
                if file.name != file_name(part.part, number) {
                    return Err(format!("`{}` is not the name of file {number} of {}", file.name, part.part.name()));
                }
                let mut end = Some(0_u64);
                for span in file.spans() {
                    end = end.filter(|e| *e == span.start).and_then(|e| e.checked_add(span.bytes));
                }
                if end != Some(file.bytes) {
                    return Err(format!("the spans of {} do not cover the file", file.name));
                }
                if sum(file.row_groups.iter().map(|g| g.rows)) != Some(file.rows) {
                    return Err(format!("the row counts of {} do not add up", file.name));
                }
            }
            if sum(part.files.iter().map(|f| f.rows)) != Some(part.rows) {
                return Err(format!("the row counts of {} do not add up", part.part.name()));
            }
        }
        Ok(())
    }

    /// The entry of a part, if the dataset has it.
    pub fn part(&self, part: Part) -> Option<&PartEntry> {
        self.parts.iter().find(|p| p.part == part)
    }
}

/// `acts-00000.parquet` and so on.
pub(crate) fn file_name(part: Part, number: usize) -> String {
    format!("{}-{number:05}.parquet", part.name())
}

/// The value with the keys of all objects in order, whatever map `serde_json` was built with.
pub(crate) fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        other => other.clone(),
    }
}

const HEX: usize = 64;
const HEAD: &[u8] = b"\n  \"digest\": \"";
const TAIL: &[u8] = b"\"\n}\n";

/// The only entry that every future format keeps.
#[derive(Deserialize)]
struct Version {
    format: u64,
}

fn sum(mut counts: impl Iterator<Item = u64>) -> Option<u64> {
    counts.try_fold(0_u64, u64::checked_add)
}
