//! Operations that look inside of the fake model: adapters, gradients, directions.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, ListArray, RecordBatch};
use arrow::datatypes::Float32Type;
use emhost_abi::wire::{
    AdapterEdit, AdapterMerge, AdapterOpen, AdapterReply, DirectionOpen, DirectionReply, DirectionWrite, Gradients,
    ModelReply,
};

use super::data::{normal, uniform};
use super::host::{Answer, FakeHost, TOKENS, digest, plain, table};
use crate::{Error, Table};

impl FakeHost {
    /// Random matrices of rank 1: the same for the same adapter, block and projection.
    pub(super) fn adapter(&self, request: &AdapterOpen) -> Answer {
        let model = &self.world.model;
        let blocks = if request.blocks.is_empty() { (0..model.blocks).collect() } else { request.blocks.clone() };
        let down = || vec!["down_proj".to_owned()];
        let modules = if request.modules.is_empty() { down() } else { request.modules.clone() };
        let of: Vec<(usize, &String)> =
            blocks.iter().flat_map(|block| modules.iter().map(move |module| (*block, module))).collect();
        let matrix = |part: &str| -> ArrayRef {
            let numbers = of.iter().map(|(block, module)| {
                let key = [request.adapter.as_str(), part, module, &block.to_string()];
                Some((0..model.width as u64).map(|i| Some(normal(&key, i) as f32)).collect::<Vec<_>>())
            });
            Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(numbers))
        };
        table(
            Table::new()
                .with_u64("block", of.iter().map(|(block, _)| *block as u64))
                .with_text("module", of.iter().map(|(_, module)| module))
                .with_u64("rank", of.iter().map(|_| 1))
                .with_f64("scale", of.iter().map(|_| 2.0))
                .with_f64("norm", of.iter().map(|_| 1.0))
                .with_column("a", matrix("a"))
                .with_column("b", matrix("b")),
        )
    }

    pub(super) fn edit_adapter(&self, request: &AdapterEdit) -> Answer {
        plain(&AdapterReply { adapter: format!("adapter:{}", digest(request)?), projections: 1 })
    }

    pub(super) fn merge_adapters(&self, request: &AdapterMerge) -> Answer {
        plain(&ModelReply { model: format!("model:{}", digest(request)?) })
    }

    /// The second half of each row is its answer.
    pub(super) fn gradients(&self, request: &Gradients) -> Answer {
        let rows = self.world.rows(&request.rows)?;
        let at: Vec<(&str, u32)> =
            rows.iter().flat_map(|row| (0..TOKENS).map(move |pos| (row.row_id.as_str(), pos))).collect();
        let answer = |pos: u32| pos >= TOKENS / 2;
        let draw = |what: &str, (row, pos): (&str, u32)| uniform(&[what, row], u64::from(pos));
        let answers: BooleanArray = at.iter().map(|(_, pos)| Some(answer(*pos))).collect();
        table(
            Table::new()
                .with_text("row_id", at.iter().map(|(row, _)| row))
                .with_u64("pos", at.iter().map(|(_, pos)| u64::from(*pos)))
                .with_u64("token_id", at.iter().map(|(_, pos)| u64::from(*pos)))
                .with_text("token", at.iter().map(|(_, pos)| format!("t{pos}")))
                .with_column("answer", Arc::new(answers))
                .with_f64("kl", at.iter().map(|&at| if answer(at.1) { draw("kl", at) } else { 0.0 }))
                .with_f64("gradient", at.iter().map(|&at| draw("gradient", at))),
        )
    }

    pub(super) fn write_directions(&self, request: &DirectionWrite, given: &Table) -> Answer {
        for column in ["name", "site", "provenance"] {
            given.text(column)?;
        }
        given.vectors("vector")?;
        let directions = format!("directions:{}", request.name);
        self.keep(directions.clone(), given.to_batch()?);
        plain(&DirectionReply { directions })
    }

    pub(super) fn directions(&self, request: &DirectionOpen) -> Answer {
        let (file, name) = request.vector.split_once('#').unwrap_or((&request.vector, ""));
        let kept: RecordBatch =
            self.kept(file).ok_or_else(|| Error::Input(format!("there are no directions `{file}`")))?;
        let all = Table::from(kept.clone());
        let at = all.text("name")?.iter().position(|known| *known == name);
        match at {
            None if name.is_empty() => table(all),
            None => Err(Error::Input(format!("`{file}` has no direction `{name}`"))),
            Some(at) => table(kept.slice(at, 1).into()),
        }
    }
}
