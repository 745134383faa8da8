//! `dataset.open` and `dataset.write`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use emhost_abi::Reader;
use emhost_abi::wire::{DatasetOpen, DatasetReply, DatasetWrite, Reply};
use serde_json::json;

use super::forward::{DATASET, described};
use super::lab::{Lab, plain_name, reply};
use crate::run::error::RunError;
use crate::run::folder::io;
use crate::store::{Card, Dataset, DatasetWriter, Part, StoreError};

impl Lab {
    /// Streams columns of a dataset.
    pub(super) fn dataset_open(&self, request: &DatasetOpen) -> Result<(String, Option<Reader>), RunError> {
        let dataset = Dataset::open(self.dataset_folder(&request.dataset)?)?;
        let reader = dataset.read(Part::Acts, &request.columns, &request.filter)?;
        reply(Reply {}, Some(Box::new(reader)))
    }

    /// Writes a stream as a dataset of the run, in place of what an interrupted attempt left under that name.
    pub(super) fn dataset_write(&self, request: &DatasetWrite, input: Reader) -> Result<DatasetReply, RunError> {
        plain_name("dataset", &request.name)?;
        let target = self.folder.dataset(&request.name);
        if target.exists() {
            std::fs::remove_dir_all(&target).map_err(io("replace", &target))?;
        }
        let mut prompts = Vec::new();
        for split in &request.prompts {
            prompts.push((&split.split, self.split(split)?));
        }
        let digests: BTreeMap<_, _> = prompts.iter().map(|(split, (_, digest))| (split, digest)).collect();
        let run = self.folder.root().file_name().map(|name| name.to_string_lossy());
        let provenance = json!({ "run": run, "cell": self.cell(), "prompts": digests });
        let card = Card { title: request.name.clone(), about: request.about.clone(), provenance };
        let mut writer = DatasetWriter::create(&target, card)?;
        for (_, (batch, _)) in &prompts {
            writer.write_rows(batch)?;
        }
        for batch in input {
            writer.write_acts(&batch.map_err(|e| StoreError::stream(&target, e))?)?;
            if self.shared.interrupt.requested() {
                return Err(RunError::Interrupted);
            }
        }
        Ok(described(&writer.commit()?, format!("run:{}", request.name)))
    }

    fn dataset_folder(&self, name: &str) -> Result<PathBuf, RunError> {
        if let Some((op @ ("forward" | "sample"), key)) = name.strip_prefix("stage:").and_then(|n| n.split_once('/')) {
            let stage = self.shared.stages.find_named(op, key);
            let missing = || RunError::Operation(format!("dataset `{name}` is not in the store any more"));
            return Ok(stage.ok_or_else(missing)?.join(DATASET));
        }
        if let Some(name) = name.strip_prefix("run:") {
            plain_name("dataset", name)?;
            return Ok(self.folder.dataset(name));
        }
        Ok(PathBuf::from(name))
    }
}
