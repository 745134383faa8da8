//! `adapter.open`, `adapter.edit`, `adapter.merge` and `gradients`.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Builder, Float64Array, ListBuilder, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use emhost_abi::Reader;
use emhost_abi::wire::{
    AdapterChange, AdapterEdit, AdapterMerge, AdapterOpen, AdapterReply, Gradients, ModelReply, Organism, Reply,
};
use serde_json::json;

use super::lab::{Input, Lab, reply};
use super::stream::one;
use crate::inference::{DivergenceTask, adapter_folder, find};
use crate::model::Device;
use crate::model::adapter::{Adapter, Matrices, Merge, Selection, merge};
use crate::model::config::Config;
use crate::model::intervene;
use crate::model::organism::{AdapterFolder, digest};
use crate::run::error::RunError;
use crate::store::{Effort, StageKey, read_table, write_new, write_table};

const TOKENS: &str = "tokens.parquet";

impl Lab {
    /// Matrices of an adapter.
    pub(super) fn adapter_open(&self, request: &AdapterOpen) -> Result<(String, Option<Reader>), RunError> {
        let (adapter, _) = self.adapter(request)?;
        reply(Reply {}, Some(one(batch(&adapter.matrices(&selection(request))?)?)))
    }

    /// Makes an adapter from another one, unless the store has it.
    pub(super) fn adapter_edit(&self, request: &AdapterEdit) -> Result<AdapterReply, RunError> {
        let (mut adapter, identity) = self.adapter(&request.of)?;
        let selection = selection(&request.of);
        let (change, projections) = match &request.change {
            AdapterChange::Scale(factor) => (json!({ "scale": factor }), adapter.scale(&selection, *factor)?),
            AdapterChange::ProjectOut { values, renormalise } => {
                let count = adapter.project_out(&selection, values, *renormalise)?;
                (json!({ "project_out": intervene::digest(values), "renormalise": renormalise }), count)
            }
        };
        let (modules, blocks) = (&request.of.modules, &request.of.blocks);
        let inputs = json!({ "organism": identity, "modules": modules, "blocks": blocks, "change": change });
        let key = StageKey::of("adapter", &inputs);
        self.built(&key, |folder: &Path| -> Result<Effort, RunError> {
            for (name, bytes) in adapter.to_files()? {
                write_new(&folder.join(name), &bytes)?;
            }
            Ok(Effort::default())
        })?;
        Ok(AdapterReply { adapter: format!("stage:adapter/{}", key.as_str()), projections })
    }

    /// Makes a model with adapters in its weights, unless the store has it.
    pub(super) fn adapter_merge(&self, request: &AdapterMerge) -> Result<ModelReply, RunError> {
        let (files, adapters) = find(&request.organism, Some(&self.shared.stages))?;
        let config = Config::read(&files)?;
        let identity = digest(&files, &adapters)?;
        self.depends_on(&Input::Organism(request.organism.clone()), identity.clone());
        let inputs = json!({ "organism": identity, "wide": request.wide });
        let folder = self.built(&StageKey::of("model", &inputs), |folder: &Path| -> Result<Effort, RunError> {
            let read = |adapter: &AdapterFolder| Adapter::read(&adapter.folder, &config, &Device::Cpu);
            let adapters = adapters.iter().map(read).collect::<Result<Vec<_>, _>>()?;
            merge(&files, &config, &adapters, Merge { sign: 1.0, wide: request.wide }, folder)?;
            Ok(Effort::default())
        })?;
        Ok(ModelReply { model: folder.display().to_string() })
    }

    /// Divergence and gradients by token, unless the store has them.
    pub(super) fn gradients(&self, request: &Gradients) -> Result<(String, Option<Reader>), RunError> {
        let (organism, reference) = (self.organism(&request.organism)?, self.organism(&request.reference)?);
        let (rows, digest) = self.load(&request.rows)?;
        let task = DivergenceTask::new(&organism, &reference, &rows)?;
        let key = StageKey::of("gradients", &task.inputs(&digest));
        let folder = self.stage(&key, &organism, |folder| -> Result<u64, RunError> {
            let table = task.run(&mut |done, total| self.step("gradients of answers", done, total))?;
            write_table(&folder.join(TOKENS), one(table))?;
            Ok(task.tokens())
        })?;
        reply(Reply {}, Some(Box::new(read_table(&folder.join(TOKENS))?)))
    }

    /// An adapter and the digest of its model with it.
    fn adapter(&self, request: &AdapterOpen) -> Result<(Adapter, String), RunError> {
        let organism = Organism::with_adapter(&request.model, &request.adapter);
        let (files, adapters) = find(&organism, Some(&self.shared.stages))?;
        let config = Config::read(&files)?;
        let identity = digest(&files, &adapters)?;
        self.depends_on(&Input::Organism(organism), identity.clone());
        let folder = adapter_folder(&request.adapter, Some(&self.shared.stages))?;
        Ok((Adapter::read(&folder, &config, &Device::Cpu)?, identity))
    }
}

fn selection(request: &AdapterOpen) -> Selection {
    Selection { blocks: request.blocks.clone(), modules: request.modules.clone() }
}

fn batch(all: &[Matrices]) -> Result<RecordBatch, RunError> {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let lists = |f: &dyn Fn(&Matrices) -> &[f32]| -> ArrayRef {
        let mut lists = ListBuilder::new(Float32Builder::new()).with_field(item.clone());
        for projection in all {
            lists.values().append_slice(f(projection));
            lists.append(true);
        }
        Arc::new(lists.finish())
    };
    let counts = |f: &dyn Fn(&Matrices) -> usize| -> ArrayRef {
        Arc::new(UInt32Array::from_iter_values(all.iter().map(|p| f(p) as u32)))
    };
    let numbers =
        |f: &dyn Fn(&Matrices) -> f64| -> ArrayRef { Arc::new(Float64Array::from_iter_values(all.iter().map(f))) };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("block", counts(&|p| p.block)),
        ("module", Arc::new(StringArray::from_iter_values(all.iter().map(|p| p.module)))),
        ("rank", counts(&|p| p.norms.rank)),
        ("scale", numbers(&|p| p.norms.scale)),
        ("norm", numbers(&|p| p.norms.update)),
        ("a", lists(&|p| &p.a)),
        ("b", lists(&|p| &p.b)),
    ];
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), false)).collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|e| RunError::Operation(e.to_string()))
}
