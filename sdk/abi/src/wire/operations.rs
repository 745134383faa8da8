//! The operations of the host: one list that gives their names, their documentation and their schemas.

use schemars::{JsonSchema, Schema, schema_for};

use super::{
    AdapterEdit, AdapterMerge, AdapterOpen, AdapterReply, CompletionRow, ContinuationRow, DatasetOpen, DatasetReply,
    DatasetWrite, DirectionOpen, DirectionReply, DirectionRow, DirectionWrite, Figure, Forward, GradientRow, Gradients,
    Judge, ModelInfo, ModelReply, Organism, ProjectionRow, Reply, Report, RowsRead, Sample, SampleReply, Score,
    ScoreReply, TableOpen, Train, TrainReply,
};

/// An operation as a page of documentation shows it.
#[derive(Debug, Clone)]
pub struct Operation {
    /// The name that crosses the boundary.
    pub name: &'static str,
    /// What it does.
    pub about: &'static str,
    /// JSON Schema of the request.
    pub takes: Schema,
    /// What comes with the request.
    pub with: Option<Stream>,
    /// JSON Schema of the reply.
    pub gives: Schema,
    /// What comes with the reply.
    pub and: Option<Stream>,
}

/// An Arrow stream beside a request or a reply.
#[derive(Debug, Clone)]
pub enum Stream {
    /// One row of it, as JSON Schema: a property is a column.
    Rows(Schema),
    /// Its columns in words, where they depend on the request.
    Columns(&'static str),
}

fn rows<T: JsonSchema>() -> Option<Stream> {
    Some(Stream::Rows(schema_for!(T)))
}

fn columns(text: &'static str) -> Option<Stream> {
    Some(Stream::Columns(text))
}

fn nothing() -> Option<Stream> {
    None
}

macro_rules! operations {
    ($($(#[doc = $about:literal])+ $constant:ident = $name:literal: $takes:ty, $with:expr => $gives:ty, $and:expr;)+) => {
        /// Operation names. A manifest lists the ones it uses.
        pub mod op {
            $($(#[doc = $about])+ pub const $constant: &str = $name;)+

            /// All of them.
            pub const ALL: &[&str] = &[$($name),+];
        }

        /// Every operation, in the order of [`op::ALL`].
        pub fn operations() -> Vec<Operation> {
            vec![$(Operation {
                name: $name,
                about: concat!($($about),+),
                takes: schema_for!($takes),
                with: $with,
                gives: schema_for!($gives),
                and: $and,
            }),+]
        }
    };
}

operations! {
    /// The shape and identity of an organism.
    MODEL_INFO = "model.info": Organism, nothing() => ModelInfo, nothing();
    /// A question bank or a training set.
    ROWS_READ = "rows.read": RowsRead, nothing()
        => Reply, columns("`row_id`, `topic`, `messages` as JSON, `prompt`: the last user turn");
    /// Runs an organism over rows and stores the activations at the named sites as a dataset.
    FORWARD = "forward": Forward, nothing() => DatasetReply, nothing();
    /// Samples completions, each row's prompt computed once.
    SAMPLE = "sample": Sample, nothing() => SampleReply, rows::<CompletionRow>();
    /// The log-probability of each row's continuations, or of its last assistant turn.
    SCORE = "score": Score, nothing() => ScoreReply, rows::<ContinuationRow>();
    /// Trains an adapter, all weights or a steering vector on rows with masks.
    TRAIN = "train": Train, nothing()
        => TrainReply, columns("a row for each optimizer step: `step`, loss, learning rate, norms");
    /// The matrices of an adapter, a row for each projection.
    ADAPTER_OPEN = "adapter.open": AdapterOpen, nothing() => Reply, rows::<ProjectionRow>();
    /// A changed copy of an adapter.
    ADAPTER_EDIT = "adapter.edit": AdapterEdit, nothing() => AdapterReply, nothing();
    /// A checkpoint with adapters merged into its weights.
    ADAPTER_MERGE = "adapter.merge": AdapterMerge, nothing() => ModelReply, nothing();
    /// The norm of the gradient of the divergence between two organisms, token by token.
    GRADIENTS = "gradients": Gradients, nothing() => Reply, rows::<GradientRow>();
    /// Stores directions with their provenance.
    DIRECTION_WRITE = "direction.write": DirectionWrite, rows::<DirectionRow>() => DirectionReply, nothing();
    /// Reads stored directions.
    DIRECTION_OPEN = "direction.open": DirectionOpen, nothing() => Reply, rows::<DirectionRow>();
    /// Judges answers. `aligned` and `coherent` of published rubrics are called `alignment` and `coherence`.
    JUDGE = "judge": Judge, columns("`row_id`, `sample`, `question`, `answer`")
        => Reply, columns("`row_id`, `sample` and one column for each metric, null where the judgment is missing");
    /// Reads columns of an activation dataset.
    DATASET_OPEN = "dataset.open": DatasetOpen, nothing() => Reply, columns("the dataset's columns, or those that were named");
    /// Writes activations as a dataset of the run.
    DATASET_WRITE = "dataset.write": DatasetWrite, columns("`row_id`, further keys and one vector column for each site")
        => DatasetReply, nothing();
    /// Reads a table that the run's cells emitted.
    TABLE_OPEN = "table.open": TableOpen, nothing() => Reply, columns("the table of all cells, with the column `cell`");
    /// Adds a figure to the report: its data, which the host draws.
    FIGURE = "figure": Figure, nothing() => Reply, nothing();
    /// Says what the report leads with: verdict, headline numbers, notes.
    REPORT = "report": Report, nothing() => Reply, nothing();
    /// Gives its own arguments and stream back; measures the boundary.
    ECHO = "echo": Reply, columns("anything") => Reply, columns("the same");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_says_what_it_does_and_what_its_fields_mean() {
        for operation in operations() {
            assert!(operation.about.trim().ends_with('.'), "{}", operation.name);
            let streams = [&operation.with, &operation.and].into_iter().flatten();
            let rows = streams.filter_map(|stream| if let Stream::Rows(schema) = stream { Some(schema) } else { None });
            for schema in rows.chain([&operation.takes, &operation.gives]) {
                for (field, property) in schema.get("properties").and_then(|all| all.as_object()).into_iter().flatten()
                {
                    assert!(property.get("description").is_some(), "{}: `{field}` has no description", operation.name);
                }
            }
        }
        assert_eq!(operations().len(), op::ALL.len());
    }
}
