//! A small pickle writer: the opcodes that Python's pickler uses with protocol 2.

/// A pickle under construction.
#[derive(Clone)]
pub struct Pickle(pub Vec<u8>);

impl Pickle {
    pub fn new() -> Pickle {
        Pickle(vec![0x80, 2])
    }

    pub fn op(mut self, bytes: &[u8]) -> Pickle {
        self.0.extend(bytes);
        self
    }

    pub fn text(self, text: &str) -> Pickle {
        self.op(b"X").op(&(text.len() as u32).to_le_bytes()).op(text.as_bytes())
    }

    pub fn global(self, module: &str, name: &str) -> Pickle {
        self.op(format!("c{module}\n{name}\n").as_bytes())
    }

    /// A number in the shortest form, as Python writes it.
    pub fn number(self, number: i64) -> Pickle {
        match (u8::try_from(number), u16::try_from(number), i32::try_from(number)) {
            (Ok(byte), ..) => self.op(&[b'K', byte]),
            (_, Ok(short), _) => self.op(b"M").op(&short.to_le_bytes()),
            (.., Ok(word)) => self.op(b"J").op(&word.to_le_bytes()),
            _ => self.op(&[0x8a, 8]).op(&number.to_le_bytes()),
        }
    }

    pub fn numbers(self, numbers: &[i64]) -> Pickle {
        let marked = self.op(b"(");
        numbers.iter().fold(marked, |pickle, &number| pickle.number(number)).op(b"t")
    }

    pub fn ordered_dict(self) -> Pickle {
        self.global("collections", "OrderedDict").op(b")R")
    }

    /// Ends the pickle.
    pub fn done(self) -> Vec<u8> {
        self.op(b".").0
    }
}
