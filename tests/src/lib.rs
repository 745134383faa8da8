//! What the tests share: the workspace built once, fixtures, and operations that need no model.

mod built;
mod fixtures;
mod operations;

pub use built::{Built, built, workspace};
pub use fixtures::{Fixtures, fixtures};
pub use operations::{Line, Recorder};
