//! Tables of a fine-tune.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Float64Array, Float64Builder, ListBuilder, RecordBatch, StringArray, StringBuilder,
    UInt32Builder, UInt64Array,
};
use arrow::datatypes::{Field, Schema};
use arrow::error::ArrowError;

use super::job::Job;
use crate::store::StoreError;
use crate::train::Fit;

type Columns = Vec<(&'static str, ArrayRef)>;

fn batch(columns: Columns) -> Result<RecordBatch, StoreError> {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), array.null_count() > 0 || *name == "kl"))
        .collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let made: Result<_, ArrowError> = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays);
    made.map_err(|e| StoreError::stream(Path::new("table"), e))
}

fn counts(values: impl Iterator<Item = usize>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values.map(|v| v as u64)))
}

fn floats(values: impl Iterator<Item = f64>) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values))
}

/// `step, loss, kl, gradient_norm, learning_rate, tokens, learned, rows`: one row per step, before it moved anything.
pub(super) fn steps(fit: &Fit) -> Result<RecordBatch, StoreError> {
    let steps = || fit.steps.iter();
    let mut kl = Float64Builder::new();
    steps().for_each(|s| kl.append_option(s.kl));
    let mut rows = ListBuilder::new(StringBuilder::new());
    for step in steps() {
        step.rows.iter().for_each(|row| rows.values().append_value(row));
        rows.append(true);
    }
    batch(vec![
        ("step", counts(steps().map(|s| s.step))),
        ("loss", floats(steps().map(|s| s.loss))),
        ("kl", Arc::new(kl.finish())),
        ("gradient_norm", floats(steps().map(|s| s.gradient_norm))),
        ("learning_rate", floats(steps().map(|s| s.learning_rate))),
        ("tokens", counts(steps().map(|s| s.tokens))),
        ("learned", counts(steps().map(|s| s.learned))),
        ("rows", Arc::new(rows.finish())),
    ])
}

/// `steps, per_token, per_row`: the loss on held-out rows after so many steps, nats.
pub(super) fn held_out(fit: &Fit) -> Result<RecordBatch, StoreError> {
    let all = || fit.held_out.iter();
    batch(vec![
        ("steps", counts(all().map(|h| h.step))),
        ("per_token", floats(all().map(|h| h.per_token))),
        ("per_row", floats(all().map(|h| h.per_row))),
    ])
}

/// `steps, parameter, norm`: Frobenius norms after so many steps.
pub(super) fn norms(fit: &Fit, names: &[String]) -> Result<RecordBatch, StoreError> {
    let all = || fit.norms.iter().enumerate();
    let parameters = all().flat_map(|_| names.iter());
    batch(vec![
        ("steps", counts(all().flat_map(|(step, norms)| norms.iter().map(move |_| step + 1)))),
        ("parameter", Arc::new(StringArray::from_iter_values(parameters))),
        ("norm", floats(all().flat_map(|(_, norms)| norms.iter().copied()))),
    ])
}

/// `set, row_id, token_ids, learned, digest`: rows as they are trained on; `learned` says of each token whether it is.
pub(super) fn rows(job: &Job) -> Result<RecordBatch, StoreError> {
    let all = || job.sets().into_iter().flat_map(|(set, rows)| rows.iter().map(move |row| (set, row)));
    let mut tokens = ListBuilder::new(UInt32Builder::new());
    let mut learned = ListBuilder::new(BooleanBuilder::new());
    let mut digests = StringBuilder::new();
    for (_, row) in all() {
        let mut mask = vec![false; row.tokens.len()];
        row.learned.iter().for_each(|at| mask[*at as usize + 1] = true);
        let mut hasher = blake3::Hasher::new();
        for (token, learned) in row.tokens.iter().zip(&mask) {
            hasher.update(&token.to_le_bytes()).update(&[u8::from(*learned)]);
        }
        digests.append_value(hasher.finalize().to_hex());
        tokens.values().append_slice(&row.tokens);
        tokens.append(true);
        learned.values().append_slice(&mask);
        learned.append(true);
    }
    batch(vec![
        ("set", Arc::new(StringArray::from_iter_values(all().map(|(set, _)| set)))),
        ("row_id", Arc::new(StringArray::from_iter_values(all().map(|(_, row)| &row.row_id)))),
        ("token_ids", Arc::new(tokens.finish())),
        ("learned", Arc::new(learned.finish())),
        ("digest", Arc::new(digests.finish())),
    ])
}
