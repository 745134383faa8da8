//! Looks at an installation: what works, what does not, and what to do about it.

mod engine;
mod examine;
mod finding;
mod folders;
mod machine;
mod plugins;
mod settings;

pub use examine::examine;
pub use finding::{Finding, State};
