//! What was computed once from the same inputs is found, not computed again.

mod cache;
mod claim;
mod collect;
mod key;
mod list;
mod record;
#[cfg(test)]
mod tests;

pub use cache::{Built, How, Stages};
pub use collect::{Collected, Keep};
pub use key::StageKey;
pub use list::{Difference, Stage, differences};
pub use record::{Effort, Made, StageFile, StageRecord};
