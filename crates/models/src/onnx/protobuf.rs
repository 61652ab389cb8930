//! The wire format of protocol buffers, as far as ONNX files need it: fields with numbers, texts, bytes and messages.
//! Source: the encoding chapter of the protocol buffers documentation.

/// Types of a field on the wire.
const VARINT: u64 = 0;
const LENGTH_DELIMITED: u64 = 2;
const FIXED_32: u64 = 5;

/// A message under construction; fields are written in the order of the calls.
#[derive(Debug, Clone, Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub fn new() -> Message {
        Message::default()
    }

    /// A whole number.
    pub fn number(mut self, field: u64, value: i64) -> Message {
        self.tag(field, VARINT);
        self.varint(value as u64);
        self
    }

    /// A 32-bit float.
    pub fn float(mut self, field: u64, value: f32) -> Message {
        self.tag(field, FIXED_32);
        self.0.extend(value.to_le_bytes());
        self
    }

    /// A text.
    pub fn text(self, field: u64, text: &str) -> Message {
        self.bytes(field, text.as_bytes())
    }

    /// Bytes as they are.
    pub fn bytes(mut self, field: u64, bytes: &[u8]) -> Message {
        self.header(field, bytes.len());
        self.0.extend(bytes);
        self
    }

    /// A message in this one.
    pub fn message(self, field: u64, message: Message) -> Message {
        self.bytes(field, &message.0)
    }

    /// Values as little-endian bytes.
    pub fn floats(mut self, field: u64, values: &[f32]) -> Message {
        self.header(field, size_of_val(values));
        self.0.extend(values.iter().flat_map(|value| value.to_le_bytes()));
        self
    }

    /// A text for each.
    pub fn texts(self, field: u64, texts: &[&str]) -> Message {
        texts.iter().fold(self, |message, text| message.text(field, text))
    }

    /// Announces a field of so many bytes, which the caller writes after this message.
    pub fn header(&mut self, field: u64, length: usize) {
        self.tag(field, LENGTH_DELIMITED);
        self.varint(length as u64);
    }

    /// The bytes so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn tag(&mut self, field: u64, kind: u64) {
        self.varint(field << 3 | kind);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the protocol buffers documentation.
    #[test]
    fn the_documented_examples_come_out() {
        assert_eq!(Message::new().number(1, 150).as_bytes(), [0x08, 0x96, 0x01]);
        let text = Message::new().text(2, "testing");
        assert_eq!(text.as_bytes(), [0x12, 7, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
        let inner = Message::new().message(3, Message::new().number(1, 150));
        assert_eq!(inner.as_bytes(), [0x1a, 3, 0x08, 0x96, 0x01]);
        let minus = [0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Message::new().number(1, -2).as_bytes(), minus);
        assert_eq!(Message::new().float(1, 1.0).as_bytes(), [0x0d, 0, 0, 0x80, 0x3f]);
        assert_eq!(Message::new().floats(1, &[1.0]).as_bytes(), [0x0a, 4, 0, 0, 0x80, 0x3f]);
    }
}
