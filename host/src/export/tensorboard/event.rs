//! Events: numbers and texts with their tags and steps.
//!
//! Field numbers are those of TensorFlow's `event.proto`, `summary.proto`, `tensor.proto` and `tensor_shape.proto`.

use super::proto::Message;
use super::record::framed;

/// `DT_DOUBLE` and `DT_STRING` of `types.proto`.
const DOUBLE: i64 = 2;
const STRING: i64 = 7;
/// `DATA_CLASS_SCALAR` and `DATA_CLASS_TENSOR` of `summary.proto`.
const CLASS_SCALAR: i64 = 1;
const CLASS_TENSOR: i64 = 2;

/// A value under a tag.
#[derive(Debug)]
pub struct Tagged {
    tag: String,
    metadata: Option<Vec<u8>>,
    tensor: Vec<u8>,
}

impl Tagged {
    /// A number, kept in 64 bits: the older scalar field has 32.
    pub fn number(tag: &str, value: f64) -> Self {
        let tensor = Message::default().int(1, DOUBLE).bytes(2, b"").bytes(6, value.to_le_bytes()).done();
        Self { tag: tag.to_owned(), metadata: None, tensor }
    }

    /// A text in Markdown.
    pub fn text(tag: &str, text: &str) -> Self {
        let tensor = Message::default().int(1, STRING).bytes(2, b"").bytes(8, text).done();
        Self { tag: tag.to_owned(), metadata: Some(metadata("text", CLASS_TENSOR, "")), tensor }
    }

    /// The same with what a tag's first number in a file must have: its kind, and a sentence on it.
    pub fn first(self, about: &str) -> Self {
        Self { metadata: Some(metadata("scalars", CLASS_SCALAR, about)), ..self }
    }

    fn done(self) -> Vec<u8> {
        let message = Message::default().bytes(1, self.tag).bytes(8, self.tensor);
        match self.metadata {
            Some(metadata) => message.bytes(9, metadata).done(),
            None => message.done(),
        }
    }
}

/// The record that opens a file.
pub fn version(time: f64) -> Vec<u8> {
    framed(&Message::default().double(1, time).bytes(3, "brain.Event:2").done())
}

/// The record of values at one step.
pub fn at(step: i64, time: f64, values: Vec<Tagged>) -> Vec<u8> {
    let summary = values.into_iter().fold(Message::default(), |summary, value| summary.bytes(1, value.done()));
    framed(&Message::default().double(1, time).int(2, step).bytes(5, summary.done()).done())
}

fn metadata(plugin: &str, class: i64, about: &str) -> Vec<u8> {
    let plugin = Message::default().bytes(1, plugin).done();
    let message = Message::default().bytes(1, plugin);
    let message = if about.is_empty() { message } else { message.bytes(3, about) };
    message.int(4, class).done()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_bytes_that_tensorboard_reads() {
        let record = at(3, 0.0, vec![Tagged::number("t", 1.0).first("")]);
        let tensor = b"\x08\x02\x12\x00\x32\x08\x00\x00\x00\x00\x00\x00\xf0\x3f";
        let metadata = b"\x0a\x09\x0a\x07scalars\x20\x01";
        let mut value = b"\x0a\x01t\x42\x0e".to_vec();
        value.extend(tensor);
        value.extend(b"\x4a\x0d");
        value.extend(metadata);
        let mut event = b"\x09\0\0\0\0\0\0\0\0\x10\x03\x2a".to_vec();
        event.push(value.len() as u8 + 2);
        event.extend([0x0a, value.len() as u8]);
        event.extend(&value);
        assert_eq!(record, framed(&event));
    }
}
