//! The address of a stage.

use serde_json::Value;

use crate::store::manifest::sorted;

/// A digest of an operation and its inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct StageKey {
    pub(super) op: String,
    pub(super) inputs: Value,
    pub(super) hex: String,
}

impl StageKey {
    /// BLAKE3 of the operation's name and the inputs as JSON with sorted keys and no spaces.
    pub fn of(op: &str, inputs: &Value) -> Self {
        let inputs = sorted(inputs);
        let text = format!("{op}\n{inputs}");
        Self { op: op.to_owned(), inputs, hex: blake3::hash(text.as_bytes()).to_hex().to_string() }
    }

    /// 64 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.hex
    }

    /// The operation.
    pub fn op(&self) -> &str {
        &self.op
    }
}
