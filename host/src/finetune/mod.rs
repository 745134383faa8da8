//! Fine-tunes in a folder: what `emhost train` shares with the operation of plugins.

mod folder;
mod identity;
mod job;
mod resume;
mod tables;

pub use folder::{Finished, TrainingFolder};
pub use job::{Inputs, Job, portable, start_digests};
