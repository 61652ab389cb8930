//! The pickle machine: a stack, marks and a memo, each bounded.
//!
//! The opcodes are those that Python's pickler writes for state dicts with protocols 2 to 5 (Python's `pickletools`
//! describes them). An opcode adds at most one value and every value costs at least one byte of the file, so memory
//! is bounded by the file's size, and by the limits below.

use std::collections::HashMap;
use std::rc::Rc;

use super::value::{Global, Object, Objects, Value};
use crate::weights::pth::fault::{Fault, Outcome};
use crate::weights::pth::stream::Stream;

/// Bytes of one pickle: a state dict takes about a hundred a tensor.
const LONGEST_PICKLE: u64 = 64 << 20;
/// Values on the stack, and in the memo.
const MOST_VALUES: usize = 1 << 20;
/// Bytes of a module's or a class's name.
const LONGEST_NAME: usize = 256;

/// What a container makes of a persistent id.
pub(in super::super) trait PersistentIds {
    /// The object that `id` stands for.
    fn resolve(&mut self, objects: &Objects, id: Value) -> Outcome<Object>;
}

/// For pickles in which no persistent id has a meaning.
pub(in super::super) struct Unexpected;

impl PersistentIds for Unexpected {
    fn resolve(&mut self, _: &Objects, _: Value) -> Outcome<Object> {
        Err(Fault::Damaged("it has a persistent id where none belongs".to_owned()))
    }
}

/// Reads one pickle, from its first opcode to STOP. What it builds is added to `objects`.
pub(in super::super) fn load(
    stream: &mut Stream<'_>,
    objects: &mut Objects,
    persistent: &mut dyn PersistentIds,
) -> Outcome<Value> {
    let end = stream.position() + LONGEST_PICKLE;
    let mut machine = Machine {
        stream,
        objects,
        persistent,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let offset = machine.stream.position();
        if offset > end {
            return Err(Fault::refused_at(offset, "its pickle does not end within 64 MiB"));
        }
        let opcode = machine.stream.byte()?;
        if opcode == b'.' {
            return machine.pop(offset);
        }
        machine.run(opcode, offset)?;
    }
}

struct Machine<'m, 'f> {
    stream: &'m mut Stream<'f>,
    objects: &'m mut Objects,
    persistent: &'m mut dyn PersistentIds,
    stack: Vec<Value>,
    /// Heights of the stack at each MARK.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
}

impl Machine<'_, '_> {
    fn run(&mut self, opcode: u8, offset: u64) -> Outcome<()> {
        match opcode {
            // PROTO and FRAME say how the rest is laid out, which is no matter.
            0x80 => self.protocol(offset),
            0x95 => self.stream.skip(8),
            // NONE, NEWTRUE, NEWFALSE
            b'N' | 0x88 | 0x89 => self.push(Value::Opaque, offset),
            // BINFLOAT
            b'G' => {
                self.stream.skip(8)?;
                self.push(Value::Opaque, offset)
            }
            // BININT, BININT1, BININT2, LONG1
            b'J' | b'K' | b'M' | 0x8a => {
                let value = self.integer(opcode)?;
                self.push(value, offset)
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8, and Python 2's BINSTRING and SHORT_BINSTRING
            b'X' | 0x8c | 0x8d | b'T' | b'U' => {
                let text = self.text(opcode, offset)?;
                self.push_object(Object::Text(text), offset)
            }
            // EMPTY_DICT, EMPTY_LIST, EMPTY_TUPLE
            b'}' => self.push_object(Object::Dict(Vec::new()), offset),
            b']' => self.push_object(Object::List(Vec::new()), offset),
            b')' => self.push_object(Object::Tuple(Vec::new()), offset),
            // TUPLE, TUPLE1, TUPLE2, TUPLE3
            b't' => {
                let parts = self.pop_to_mark(offset)?;
                self.push_object(Object::Tuple(parts), offset)
            }
            0x85..=0x87 => {
                let parts = self.pop_many(usize::from(opcode - 0x84), offset)?;
                self.push_object(Object::Tuple(parts), offset)
            }
            // MARK, POP, POP_MARK
            b'(' => self.mark(offset),
            b'0' => self.pop(offset).map(drop),
            b'1' => self.pop_to_mark(offset).map(drop),
            // APPEND, APPENDS, SETITEM, SETITEMS
            b'a' => {
                let items = self.pop_many(1, offset)?;
                self.append(items, offset)
            }
            b'e' => {
                let items = self.pop_to_mark(offset)?;
                self.append(items, offset)
            }
            b's' => {
                let items = self.pop_many(2, offset)?;
                self.set_items(&items, offset)
            }
            b'u' => {
                let items = self.pop_to_mark(offset)?;
                self.set_items(&items, offset)
            }
            // BINPUT, LONG_BINPUT, MEMOIZE
            b'q' | b'r' | 0x94 => self.remember(opcode, offset),
            // BINGET, LONG_BINGET
            b'h' | b'j' => self.recall(opcode, offset),
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let (module, name) = (self.name(offset)?, self.name(offset)?);
                self.push_global(&module, &name, offset)
            }
            0x93 => {
                let (name, module) = (self.pop_text(offset)?, self.pop_text(offset)?);
                self.push_global(&module, &name, offset)
            }
            // REDUCE and NEWOBJ: what a class makes of its arguments
            b'R' | 0x81 => self.call(offset),
            b'b' => self.build(offset),
            // BINPERSID
            b'Q' => {
                let id = self.pop(offset)?;
                let object = self.persistent.resolve(self.objects, id)?;
                self.push_object(object, offset)
            }
            _ => Err(Fault::refused_at(
                offset,
                format!("its pickle has opcode {opcode:#04x}, which no state dict needs"),
            )),
        }
    }

    fn protocol(&mut self, offset: u64) -> Outcome<()> {
        match self.stream.byte()? {
            2..=5 => Ok(()),
            version => Err(Fault::refused_at(
                offset,
                format!("its pickle has protocol {version}, not 2 to 5"),
            )),
        }
    }

    fn integer(&mut self, opcode: u8) -> Outcome<Value> {
        let number = match opcode {
            b'J' => i64::from(i32::from_le_bytes(self.stream.array()?)),
            b'K' => i64::from(self.stream.byte()?),
            b'M' => i64::from(u16::from_le_bytes(self.stream.array()?)),
            _ => {
                let length = self.stream.byte()?;
                let bytes = self.stream.bytes(u64::from(length))?;
                if bytes.len() > 8 {
                    return Ok(Value::Opaque);
                }
                // Two's complement, the last byte's sign in those that are left out.
                let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
                let mut whole = [if negative { 0xff } else { 0 }; 8];
                whole[..bytes.len()].copy_from_slice(&bytes);
                i64::from_le_bytes(whole)
            }
        };
        Ok(Value::Integer(number))
    }

    fn text(&mut self, opcode: u8, offset: u64) -> Outcome<Rc<str>> {
        let length = match opcode {
            b'X' | b'T' => u64::from(u32::from_le_bytes(self.stream.array()?)),
            0x8d => u64::from_le_bytes(self.stream.array()?),
            _ => u64::from(self.stream.byte()?),
        };
        if length > LONGEST_PICKLE {
            return Err(Fault::damaged_at(
                offset,
                format!("a text of {length} bytes is announced"),
            ));
        }
        let bytes = self.stream.bytes(length)?;
        let text = String::from_utf8(bytes);
        text.map(Rc::from).map_err(|_| Fault::damaged_at(offset, "a text is not UTF-8"))
    }

    /// A line of GLOBAL.
    fn name(&mut self, offset: u64) -> Outcome<String> {
        String::from_utf8(self.stream.line(LONGEST_NAME)?)
            .map_err(|_| Fault::damaged_at(offset, "a name is not UTF-8"))
    }

    fn push(&mut self, value: Value, offset: u64) -> Outcome<()> {
        if self.stack.len() == MOST_VALUES {
            return Err(Fault::refused_at(offset, "its pickle stacks more than a million values"));
        }
        self.stack.push(value);
        Ok(())
    }

    fn push_object(&mut self, object: Object, offset: u64) -> Outcome<()> {
        let value = self.objects.add(object)?;
        self.push(value, offset)
    }

    fn push_global(&mut self, module: &str, name: &str, offset: u64) -> Outcome<()> {
        match Global::named(module, name) {
            Some(global) => self.push(Value::Global(global), offset),
            None => Err(Fault::refused_at(
                offset,
                format!(
                    "its pickle names `{}.{}`, which is no part of a state dict",
                    shown(module),
                    shown(name)
                ),
            )),
        }
    }

    fn pop(&mut self, offset: u64) -> Outcome<Value> {
        let values = self.pop_many(1, offset)?;
        Ok(values[0])
    }

    /// The last so many values, which must all lie above the last mark.
    fn pop_many(&mut self, count: usize, offset: u64) -> Outcome<Vec<Value>> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count).filter(|&from| from >= floor) {
            Some(from) => Ok(self.stack.split_off(from)),
            None => Err(Fault::damaged_at(offset, "its pickle takes more values than it has made")),
        }
    }

    fn pop_to_mark(&mut self, offset: u64) -> Outcome<Vec<Value>> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => {
                Err(Fault::damaged_at(offset, "its pickle goes back to a mark that it never set"))
            }
        }
    }

    fn pop_text(&mut self, offset: u64) -> Outcome<Rc<str>> {
        let value = self.pop(offset)?;
        let text = self.objects.text(value).cloned();
        text.ok_or_else(|| Fault::damaged_at(offset, "a name is no text"))
    }

    fn mark(&mut self, offset: u64) -> Outcome<()> {
        if self.marks.len() == MOST_VALUES {
            return Err(Fault::refused_at(offset, "its pickle sets more than a million marks"));
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn top(&self, offset: u64) -> Outcome<Value> {
        let floor = self.marks.last().copied().unwrap_or(0);
        self.stack[floor..].last().copied().ok_or_else(|| {
            Fault::damaged_at(offset, "its pickle takes more values than it has made")
        })
    }

    fn append(&mut self, items: Vec<Value>, offset: u64) -> Outcome<()> {
        let target = self.top(offset)?;
        match self.objects.get_mut(target) {
            Some(Object::List(list)) => {
                list.extend(items);
                Ok(())
            }
            _ => Err(Fault::damaged_at(offset, "its pickle appends to something that is no list")),
        }
    }

    fn set_items(&mut self, items: &[Value], offset: u64) -> Outcome<()> {
        let target = self.top(offset)?;
        let (pairs, rest) = items.as_chunks::<2>();
        match self.objects.get_mut(target) {
            Some(Object::Dict(entries)) if rest.is_empty() => {
                entries.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => Err(Fault::damaged_at(
                offset,
                "its pickle sets items of something that is no dictionary",
            )),
        }
    }

    fn remember(&mut self, opcode: u8, offset: u64) -> Outcome<()> {
        let key = match opcode {
            b'q' => u32::from(self.stream.byte()?),
            b'r' => u32::from_le_bytes(self.stream.array()?),
            _ => self.memo.len() as u32,
        };
        let value = self.top(offset)?;
        self.memo.insert(key, value);
        if self.memo.len() > MOST_VALUES {
            return Err(Fault::refused_at(
                offset,
                "its pickle remembers more than a million values",
            ));
        }
        Ok(())
    }

    fn recall(&mut self, opcode: u8, offset: u64) -> Outcome<()> {
        let key = match opcode {
            b'h' => u32::from(self.stream.byte()?),
            _ => u32::from_le_bytes(self.stream.array()?),
        };
        match self.memo.get(&key) {
            Some(&value) => self.push(value, offset),
            None => Err(Fault::damaged_at(
                offset,
                format!("its pickle recalls value {key}, which it never kept"),
            )),
        }
    }

    fn call(&mut self, offset: u64) -> Outcome<()> {
        let (arguments, callee) = (self.pop(offset)?, self.pop(offset)?);
        let Value::Global(global) = callee else {
            return Err(Fault::damaged_at(offset, "its pickle calls something that is no name"));
        };
        let arguments = self.objects.sequence(arguments).map(<[Value]>::to_vec);
        let arguments = arguments
            .ok_or_else(|| Fault::damaged_at(offset, "a call's arguments are no tuple"))?;
        let made = global.call(self.objects, &arguments)?;
        let value = made.map_err(|problem| Fault::damaged_at(offset, problem))?;
        self.push(value, offset)
    }

    /// BUILD: an object is given its state. A parameter's begins with its tensor; an ordered dictionary's (the
    /// versions of modules) is of no use here.
    fn build(&mut self, offset: u64) -> Outcome<()> {
        let state = self.pop(offset)?;
        let target = self.top(offset)?;
        let first = self.objects.sequence(state).and_then(|parts| parts.first().copied());
        match (self.objects.get_mut(target), first) {
            (Some(Object::Parameter(data)), Some(tensor)) => {
                *data = Some(tensor);
                Ok(())
            }
            (Some(Object::Dict(_)), _) => Ok(()),
            _ => Err(Fault::damaged_at(
                offset,
                "its pickle gives a state to something that takes none",
            )),
        }
    }
}

/// A foreign name as a message may show it.
fn shown(name: &str) -> String {
    name.chars().take(80).map(|c| if c.is_control() { '?' } else { c }).collect()
}
