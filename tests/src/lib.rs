//! What the tests share: the workspace built once, fixtures, and operations that need no model.

mod built;
mod endpoint;
mod fixtures;
mod grid;
mod operations;
mod peer;
mod signal;

pub use built::{Built, built, workspace};
pub use endpoint::{Endpoint, Reply, Seen, completion, graded};
pub use fixtures::{Fixtures, fixtures};
pub use grid::{Grid, below};
pub use operations::{Line, Recorder};
pub use peer::{peer, skipped};
pub use signal::{Signal, signal};
