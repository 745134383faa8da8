//! Writes a dataset that appears whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;

use super::atomic::{publish_folder, sync_folder, write_new};
use super::card::{CARD, Card};
use super::manifest::{FORMAT, MANIFEST, Manifest, Part, PartEntry, Span, sorted};
use super::part::PartWriter;
use super::temporary::{Temporary, parent};
use super::{Dataset, StoreError};

/// Appends to a hidden sibling of the final folder; [`commit`](Self::commit) publishes it. Dropped before that, it
/// leaves nothing.
pub struct DatasetWriter {
    target: PathBuf,
    card: Card,
    temporary: Temporary,
    parts: [PartWriter; 2],
    entries: Vec<PartEntry>,
    card_span: Option<Span>,
}

/// How activations are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ActivationType {
    /// In the type of the arrays that are written.
    #[default]
    AsGiven,
    /// As f16; a finite value that f16 cannot hold is an error.
    F16,
}

/// Sizes and types of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteOptions {
    /// Rows per row group; by default as many as fit into [`group_bytes`](Self::group_bytes), at most 16384.
    pub rows_per_group: Option<usize>,
    /// Target size of a row group, which is what a writer or reader holds in memory.
    pub group_bytes: usize,
    /// A file that reached this size is closed and the next one begun.
    pub file_bytes: u64,
    /// How activations are stored.
    pub activations: ActivationType,
}

impl Default for WriteOptions {
    fn default() -> Self {
        Self { rows_per_group: None, group_bytes: 64 << 20, file_bytes: 4 << 30, activations: ActivationType::AsGiven }
    }
}

impl DatasetWriter {
    /// Starts a dataset that will be the folder `target`, with default options.
    pub fn create(target: impl Into<PathBuf>, card: Card) -> Result<Self, StoreError> {
        Self::create_with(target, card, WriteOptions::default())
    }

    /// Starts a dataset that will be the folder `target`.
    pub fn create_with(target: impl Into<PathBuf>, card: Card, options: WriteOptions) -> Result<Self, StoreError> {
        let target = target.into();
        if fs::symlink_metadata(&target).is_ok() {
            return Err(StoreError::Exists { path: target });
        }
        let temporary = Temporary::folder(&target)?;
        let parts = Part::ALL.map(|part| PartWriter::new(temporary.path(), part, options));
        let card = Card { provenance: sorted(&card.provenance), ..card };
        Ok(Self { target, card, temporary, parts, entries: Vec::new(), card_span: None })
    }

    /// Appends prompts or responses: any schema with a `row_id` column, the same for each call.
    pub fn write_rows(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        self.parts[0].write(batch)
    }

    /// Appends activations: `row_id`, any further columns, and one `FixedSizeList<f32|f16, width>` per site.
    pub fn write_acts(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        self.parts[1].write(batch)
    }

    /// Publishes the dataset. After an error, or a crash at any moment, the final name is as it was before.
    pub fn commit(mut self) -> Result<Dataset, StoreError> {
        for step in CommitStep::ALL {
            self.perform(step)?;
        }
        Dataset::open(&self.target)
    }

    pub(super) fn perform(&mut self, step: CommitStep) -> Result<(), StoreError> {
        let folder = self.temporary.path().to_owned();
        match step {
            CommitStep::Parts => {
                for part in &mut self.parts {
                    self.entries.extend(part.finish()?);
                }
                Ok(())
            }
            CommitStep::Card => {
                let text = self.card.render(&name(&self.target), &self.entries);
                let blake3 = blake3::hash(text.as_bytes()).to_hex().to_string();
                self.card_span = Some(Span { start: 0, bytes: text.len() as u64, blake3 });
                write_new(&folder.join(CARD), text.as_bytes())
            }
            CommitStep::Manifest => {
                let mut manifest = Manifest {
                    format: FORMAT,
                    emhost: env!("CARGO_PKG_VERSION").to_owned(),
                    about: self.card.about.clone(),
                    provenance: self.card.provenance.clone(),
                    parts: self.entries.clone(),
                    card: self.card_span.clone().expect("the card is written before the manifest"),
                    digest: String::new(),
                };
                write_new(&folder.join(MANIFEST), &manifest.seal()?)
            }
            CommitStep::SyncFolder => sync_folder(&folder),
            CommitStep::Publish => match publish_folder(&mut self.temporary, &self.target)? {
                true => Ok(()),
                false => Err(StoreError::Exists { path: self.target.clone() }),
            },
            CommitStep::SyncParent => sync_folder(parent(&self.target)),
        }
    }
}

/// The steps of a commit, in order. The dataset is visible from `Publish` on, and complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommitStep {
    /// Last row groups and footers, each file synced.
    Parts,
    /// `README.md`, synced.
    Card,
    /// `manifest.json`, created exclusively, synced.
    Manifest,
    /// The names in the temporary folder.
    SyncFolder,
    /// The rename, which never replaces a folder with entries.
    Publish,
    /// The final name.
    SyncParent,
}

impl CommitStep {
    pub(super) const ALL: [Self; 6] =
        [Self::Parts, Self::Card, Self::Manifest, Self::SyncFolder, Self::Publish, Self::SyncParent];
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
