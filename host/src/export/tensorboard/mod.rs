//! TensorBoard event files: protocol buffers `Event` in the framing of TFRecord.

mod event;
mod export;
mod proto;
mod record;

pub use export::export_tensorboard;
