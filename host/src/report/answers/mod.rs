//! Answers of a model with their judgments: a readable sample of a table of any length.

mod build;
mod columns;
mod pick;

pub use build::{ReportAnswers, answers_from_batches};
pub use columns::AnswersError;
pub use pick::{ShownAnswer, Spread};
