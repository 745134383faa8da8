//! What studies of emergent misalignment share: organisms by recipe, judged answers, rates with intervals.
//!
//! Pure plugin code over [`emhost_sdk`] and [`emhost_stats`]: nothing here crosses the boundary.

mod answers;
mod checks;
mod clusters;
mod columns;
mod embedded;
mod figures;
mod organisms;
mod rates;
mod sheet;

pub use answers::{Answers, Asked};
pub use checks::{at_least, distinct, refuse, within};
pub use clusters::Clusters;
pub use columns::{Columns, note};
pub use figures::has_numbers;
pub use organisms::{Made, Organisms, Source, TrainedOrganism};
pub use rates::{Rate, Reduction, bootstrap, failed};
pub use sheet::Sheet;
