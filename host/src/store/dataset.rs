//! An activation dataset on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::atomic::read_small;
use super::manifest::MANIFEST;
use super::verify::{Damage, VerifyReport, verify_manifest};
use super::{Column, DatasetReader, Manifest, Part, StoreError};

/// A folder with a valid manifest.
#[derive(Debug, Clone)]
pub struct Dataset {
    folder: PathBuf,
    manifest: Manifest,
}

impl Dataset {
    /// Opens a folder and checks its manifest. The data are checked by [`verify`](Self::verify).
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let folder = folder.into();
        let path = folder.join(MANIFEST);
        let bytes = match read_small(&path) {
            Err(StoreError::Missing { .. }) if folder.is_dir() => return Err(StoreError::NotADataset { path: folder }),
            Err(StoreError::Missing { .. }) => return Err(StoreError::Missing { action: "open", path: folder }),
            other => other?,
        };
        let manifest = Manifest::parse(&path, &bytes)?;
        Ok(Self { folder, manifest })
    }

    /// Streams columns of a part, row group by row group, in the given order; no names means all columns.
    ///
    /// Only these columns and those of `filter` are read from disk. A row passes if each of the filter's text
    /// columns equals its value.
    pub fn read(
        &self,
        part: Part,
        columns: &[String],
        filter: &BTreeMap<String, String>,
    ) -> Result<DatasetReader, StoreError> {
        DatasetReader::new(self, part, columns, filter.iter())
    }

    /// Compares every byte of the folder with the manifest.
    pub fn verify(&self) -> Result<VerifyReport, Vec<Damage>> {
        verify_manifest(&self.folder, &self.manifest)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// BLAKE3 over the manifest, and through it over the whole dataset.
    pub fn digest(&self) -> &str {
        &self.manifest.digest
    }

    /// Rows of a part; 0 if there is none.
    pub fn rows(&self, part: Part) -> u64 {
        self.manifest.part(part).map_or(0, |p| p.rows)
    }

    /// Columns of a part; none if there is no such part.
    pub fn columns(&self, part: Part) -> &[Column] {
        self.manifest.part(part).map_or(&[], |p| &p.columns)
    }

    /// The activation columns, in order.
    pub fn sites(&self) -> Vec<String> {
        self.columns(Part::Acts).iter().filter(|c| c.width.is_some()).map(|c| c.name.clone()).collect()
    }

    /// Bytes of all Parquet files of a part.
    pub fn bytes(&self, part: Part) -> u64 {
        self.manifest.part(part).map_or(0, |p| p.files.iter().map(|f| f.bytes).sum())
    }
}
