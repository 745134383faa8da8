//! What crosses the boundary as JSON text: manifests, cells, and each operation's request and reply.
//!
//! Host and plugin both use these types, so a field exists once. New fields are added with a serde
//! default; a field never changes its meaning.

mod figure;
mod gaps;
mod inside;
mod intervene;
mod mask;
mod method;
mod operations;
mod passes;
mod plugin;
mod report;
mod requests;
mod rows;
mod train;

pub use figure::{Axis, Bars, Figure, Line, Plot, Points, Scale};
pub use inside::{
    AdapterChange, AdapterEdit, AdapterMerge, AdapterOpen, AdapterReply, DirectionOpen, DirectionReply, DirectionRow,
    DirectionWrite, GradientRow, Gradients, ModelReply, ProjectionRow,
};
pub use intervene::{EditOp, Firing, Intervention, InterventionFile, Tokens};
pub use mask::{EmptyRows, Mask, OverLong, Preset};
pub use method::{Bias, Lora, Method, SteeringVector};
pub use operations::{Operation, Stream, op, operations};
pub use passes::{
    CompletionRow, ContinuationRow, Forward, Pooling, Positions, Sample, SampleReply, Score, ScoreReply, View,
};
pub use plugin::{Cell, Manifest, Passes, Work};
pub use report::{AnswersNote, Headline, Report, TableNote};
pub use requests::{
    DatasetOpen, DatasetReply, DatasetWrite, Judge, ModelInfo, Organism, Reply, RowsRead, Split, TableOpen,
};
pub use rows::{Message, Row, Rows};
pub use train::{
    Average, Cyclic, CyclicMode, Decay, EarlyStop, HeldOut, Kl, Moments, Recipe, Schedule, Train, TrainReply,
};
