//! What the tests share: fixtures built once, and operations that need no model.

mod fixtures;
mod operations;

pub use fixtures::{Fixtures, fixtures, workspace};
pub use operations::{Line, Recorder};
