//! The only module that knows Parquet: activation datasets, tables and the cache of stages.

mod atomic;
mod card;
mod counted;
mod dataset;
mod encode;
mod error;
mod filter;
mod group;
mod hashed;
mod manifest;
mod narrow;
mod pages;
mod part;
mod read;
mod shared;
mod stages;
mod table;
mod temporary;
mod verify;
mod writer;

#[cfg(test)]
mod tests;

pub use atomic::{build_new_folder, publish_new_folder, remove_folder, write_atomic, write_new_atomic, write_through};
pub(crate) use atomic::{sync_folder, write_new};
pub use card::Card;
pub use dataset::Dataset;
pub use error::StoreError;
pub use manifest::{Column, FileEntry, Manifest, Part, PartEntry, RowGroup, Span};
pub use read::{BytesRead, DatasetReader};
pub use shared::{create_file, create_folders};
pub use stages::{
    Built, Collected, Difference, Effort, How, Keep, Made, Stage, StageFile, StageKey, StageRecord, Stages, differences,
};
pub use table::{TableReader, read_table, write_table};
pub use temporary::sweep_all;
pub(crate) use temporary::{Temporary, parent};
pub use verify::{Damage, Place, VerifyReport, verify_folder};
pub use writer::{ActivationType, DatasetWriter, WriteOptions};
