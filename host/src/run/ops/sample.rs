//! `sample`.

use std::sync::Arc;

use arrow::array::{ArrayRef, ListBuilder, RecordBatch, StringArray, UInt32Array, UInt32Builder};
use arrow::datatypes::{DataType, Field};
use emhost_abi::Reader;
use emhost_abi::wire::{Reply, Row, Sample};
use serde_json::json;

use super::lab::{Lab, reply};
use super::stream::{one, schema};
use crate::model::organism::Organism;
use crate::model::{ModelError, NUMERICS};
use crate::rows;
use crate::run::error::RunError;
use crate::sample::{Completion, Prompt, Request, sample};
use crate::store::{StageKey, read_table, write_table};

const COMPLETIONS: &str = "completions.parquet";

impl Lab {
    /// Samples completions, unless the store has them.
    pub(super) fn sample(&self, request: &Sample) -> Result<(String, Option<Reader>), RunError> {
        let organism = self.organism(&request.organism)?;
        let (rows, digest) = self.load(&request.rows)?;
        let key = StageKey::of(
            "sample",
            &json!({
                "organism": organism.digest,
                "rows": digest,
                "n": request.n,
                "temperature": request.temperature,
                "top_p": request.top_p,
                "max_new_tokens": request.max_new_tokens,
                "seed": request.seed,
                "numerics": NUMERICS,
            }),
        );
        let folder = self.shared.stages.build(&key, |folder| -> Result<(), RunError> {
            let prompts = rows
                .iter()
                .map(|row| Ok(Prompt { row_id: row.row_id.clone(), tokens: organism.text.encode_prompt(row)?.tokens }))
                .collect::<Result<_, ModelError>>()?;
            let total = rows.len() * request.n;
            let plan = Request {
                prompts,
                n: request.n,
                temperature: request.temperature,
                top_p: request.top_p,
                max_new_tokens: request.max_new_tokens,
                seed: request.seed,
            };
            let completions = sample(&organism, &plan, &mut |done| self.step("sample completions", done, total))?;
            write_table(&folder.join(COMPLETIONS), one(batch(&organism, &rows, &completions)?))?;
            Ok(())
        })?;
        reply(Reply {}, Some(Box::new(read_table(&folder.join(COMPLETIONS))?)))
    }
}

fn batch(organism: &Organism, rows: &[Row], completions: &[Completion]) -> Result<RecordBatch, RunError> {
    let texts: Vec<String> = completions
        .iter()
        .map(|c| organism.text.decode(&c.tokens[..c.tokens.len() - usize::from(c.stopped)]))
        .collect::<Result<_, _>>()?;
    let item = Arc::new(Field::new("item", DataType::UInt32, false));
    let mut tokens = ListBuilder::new(UInt32Builder::new()).with_field(item.clone());
    for completion in completions {
        tokens.values().append_slice(&completion.tokens);
        tokens.append(true);
    }
    let text = |values: Vec<String>| -> ArrayRef { Arc::new(StringArray::from(values)) };
    let columns = vec![
        text(completions.iter().map(|c| rows[c.prompt].row_id.clone()).collect()),
        Arc::new(UInt32Array::from_iter_values(completions.iter().map(|c| c.sample as u32))),
        text(completions.iter().map(|c| rows::question(&rows[c.prompt])).collect()),
        text(texts),
        Arc::new(tokens.finish()),
        text(completions.iter().map(|c| if c.stopped { "stop" } else { "length" }.to_owned()).collect()),
    ];
    let names = [
        ("row_id", DataType::Utf8),
        ("sample", DataType::UInt32),
        ("question", DataType::Utf8),
        ("text", DataType::Utf8),
        ("token_ids", DataType::List(item)),
        ("finish_reason", DataType::Utf8),
    ];
    RecordBatch::try_new(schema(&names), columns).map_err(|e| RunError::Operation(e.to_string()))
}
