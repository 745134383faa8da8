//! Reference pages in Markdown, made from the code: commands, settings, operations, and each plugin's parameters.

mod operations;
mod pages;
mod schema;

pub use pages::{Page, pages};
