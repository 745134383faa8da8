//! The wire format of protocol buffers, as far as events need it.

/// A message that is being written.
#[derive(Debug, Default)]
pub struct Message(Vec<u8>);

impl Message {
    /// A number in a field of kind `double`.
    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A number in a field of kind `int64` or of an enumeration.
    pub fn int(mut self, field: u32, value: i64) -> Self {
        self.key(field, 0);
        self.varint(value as u64);
        self
    }

    /// A field of kind `bytes`, `string`, a packed list, or a message.
    pub fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        self.key(field, 2);
        self.varint(value.as_ref().len() as u64);
        self.0.extend(value.as_ref());
        self
    }

    /// The message's bytes.
    pub fn done(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, kind: u32) {
        self.varint(u64::from(field << 3 | kind));
    }

    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_bytes_of_the_encoding() {
        let cases: [(Message, &[u8]); 5] = [
            (Message::default().int(1, 150), &[0x08, 0x96, 0x01]),
            (Message::default().int(2, 0), &[0x10, 0x00]),
            (Message::default().int(2, -1), &[0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            (Message::default().bytes(2, "testing"), b"\x12\x07testing"),
            (Message::default().double(1, 1.0), &[0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f]),
        ];
        for (message, expected) in cases {
            assert_eq!(message.done(), expected);
        }
    }
}
