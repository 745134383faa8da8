//! `train`.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Float64Array, RecordBatch, UInt64Array};
use arrow::datatypes::DataType;
use emhost_abi::Reader;
use emhost_abi::wire::{Method, Train, TrainReply};
use serde_json::json;

use super::lab::{Lab, reply};
use super::stream::{one, schema};
use crate::model::numerics;
use crate::run::error::RunError;
use crate::run::folder::io;
use crate::store::{StageKey, StoreError, read_table, write_atomic, write_table};
use crate::train::{Fit, train_lora};

const METRICS: &str = "metrics.parquet";
const REPLY: &str = "reply.json";

impl Lab {
    /// Fine-tunes an organism, unless the store has the result.
    pub(super) fn train(&self, request: &Train) -> Result<(String, Option<Reader>), RunError> {
        let Method::Lora(shape) = &request.recipe.method else {
            return Err(RunError::Operation("this emhost fine-tunes with method `lora` only".to_owned()));
        };
        let organism = self.organism(&request.organism)?;
        let (rows, digest) = self.load(&request.data)?;
        let key = StageKey::of(
            "train",
            &json!({
                "organism": organism.digest,
                "rows": digest,
                "recipe": request.recipe,
                "numerics": numerics(&organism.device),
            }),
        );
        let folder = self.shared.stages.build(&key, |folder| -> Result<(), RunError> {
            let total = request.recipe.steps;
            let mut progress = |done, result: crate::train::StepResult| {
                self.step(&format!("train, loss {:.3}", result.loss), done, total)
            };
            let (adapter, fit) = train_lora(&organism, shape, &rows, &request.recipe, &mut progress)?;
            for (name, bytes) in adapter.to_files()? {
                write_atomic(&folder.join(name), &bytes)?;
            }
            write_table(&folder.join(METRICS), one(metrics(&fit)?))?;
            let (first_loss, last_loss) = fit.first_and_last_loss();
            let weights = format!("stage:train/{}", key.as_str());
            let reply = TrainReply { weights, first_loss, last_loss, tokens: fit.tokens() };
            let text = serde_json::to_vec_pretty(&reply).map_err(|e| RunError::Operation(e.to_string()))?;
            Ok(write_atomic(&folder.join(REPLY), &text)?)
        })?;
        let saved: TrainReply = read_json(&folder.join(REPLY))?;
        reply(saved, Some(Box::new(read_table(&folder.join(METRICS))?)))
    }
}

fn read_json(path: &Path) -> Result<TrainReply, RunError> {
    let bytes = std::fs::read(path).map_err(io("read", path))?;
    serde_json::from_slice(&bytes).map_err(|e| io("parse", path)(std::io::Error::other(e)))
}

fn metrics(fit: &Fit) -> Result<RecordBatch, StoreError> {
    let number = |f: &dyn Fn(&crate::train::StepResult, f64) -> f64| -> arrow::array::ArrayRef {
        Arc::new(Float64Array::from_iter_values(fit.steps.iter().map(|(step, rate)| f(step, *rate))))
    };
    let count = |values: Vec<u64>| -> arrow::array::ArrayRef { Arc::new(UInt64Array::from(values)) };
    let columns = vec![
        count((0..fit.steps.len() as u64).collect()),
        number(&|step, _| step.loss),
        number(&|step, _| step.gradient_norm),
        number(&|_, rate| rate),
        count(fit.steps.iter().map(|(step, _)| step.tokens as u64).collect()),
    ];
    let names = [
        ("step", DataType::UInt64),
        ("loss", DataType::Float64),
        ("gradient_norm", DataType::Float64),
        ("learning_rate", DataType::Float64),
        ("tokens", DataType::UInt64),
    ];
    RecordBatch::try_new(schema(&names), columns).map_err(|e| StoreError::stream(Path::new(METRICS), e))
}
