//! Chat templates: the Jinja text of a checkpoint, rendered as Hugging Face transformers does.

mod chat;
mod json;
mod source;
mod spans;
mod stored;
#[cfg(test)]
mod tests;

pub use chat::{ChatTemplate, TemplateError};
pub use spans::{Rendered, Turn};
pub use stored::{read, token};
