//! A restricted interpreter of Python's pickle.
//!
//! It knows the opcodes that `torch.save` writes for tensors, dicts, lists, tuples, numbers and text, and a fixed list
//! of names, none of which is a function of Python: anything else is refused by its name before it could do anything.

use std::rc::Rc;

use super::super::error::Problem;
use super::tensor::{Storage, Tensor};
use super::value::{Callable, Element, Node, Pickled, Value};

/// Entries on the stack, in the memo, and containers: a file of a hundred layers has a few thousand.
const MAX_ENTRIES: usize = 1 << 16;
/// Bytes of one text or name.
const MAX_TEXT: usize = 1 << 16;
/// Letters of a refused name in the message.
const MAX_SHOWN: usize = 200;
/// Items of a tuple that describes a tensor: torch writes six or seven.
const MAX_ARGUMENTS: usize = 16;

/// Reads a pickle.
pub fn load(bytes: &[u8]) -> Result<Pickled, Problem> {
    let mut machine = Machine { bytes, at: 0, stack: Vec::new(), memo: Vec::new(), nodes: Vec::new() };
    loop {
        let opcode = machine.byte()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok(Pickled { nodes: machine.nodes, root });
        }
        machine.step(opcode)?;
        if machine.stack.len() > MAX_ENTRIES || machine.nodes.len() > MAX_ENTRIES {
            return Err(Problem::new(
                format!("at most {MAX_ENTRIES} values at a time"),
                "more",
                "a file of directions is far smaller; save only the tensors",
            ));
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    memo: Vec<Option<Value>>,
    nodes: Vec<Node>,
}

impl<'a> Machine<'a> {
    fn step(&mut self, opcode: u8) -> Result<(), Problem> {
        match opcode {
            0x80 => drop(self.byte()?),  // PROTO
            0x95 => drop(self.take(8)?), // FRAME
            b'(' => self.push(Value::Mark),
            b'N' => self.push(Value::None),
            0x88 | 0x89 => self.push(Value::Bool),
            b'K' => {
                let number = self.byte()?;
                self.push(Value::Int(number.into()));
            }
            b'M' => {
                let number = u16::from_le_bytes(self.array()?);
                self.push(Value::Int(number.into()));
            }
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.push(Value::Int(number.into()));
            }
            0x8a => self.long()?,
            b'G' => {
                let number = f64::from_be_bytes(self.array()?);
                self.push(Value::Float(number));
            }
            b'X' => {
                let length = self.u32()?;
                self.text(length)?;
            }
            0x8c => {
                let length = self.byte()?.into();
                self.text(length)?;
            }
            b'}' => self.node(Node::Dict(Vec::new())),
            b']' => self.node(Node::List(Vec::new())),
            b')' => self.node(Node::Tuple(Vec::new())),
            b't' => {
                let items = self.since_mark()?;
                self.node(Node::Tuple(items));
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let from = self.stack.len().checked_sub(count).ok_or_else(malformed)?;
                let items = self.stack.split_off(from);
                self.node(Node::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.extend(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.insert(vec![key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.insert(items)?;
            }
            b'q' => {
                let slot = self.byte()?.into();
                self.remember(slot)?;
            }
            b'r' => {
                let slot = self.u32()?;
                self.remember(slot)?;
            }
            0x94 => self.remember(self.memo.len())?,
            b'h' => {
                let slot = self.byte()?.into();
                self.recall(slot)?;
            }
            b'j' => {
                let slot = self.u32()?;
                self.recall(slot)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                let value = global(&module, &name)?;
                self.push(value);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) = (module, name) else { return Err(malformed()) };
                let value = global(&module, &name)?;
                self.push(value);
            }
            b'Q' => {
                let storage = self.storage()?;
                self.push(storage);
            }
            b'R' => self.reduce()?,
            b'i' => {
                let (module, name) = (self.line()?, self.line()?);
                return Err(code(&module, &name));
            }
            other => return Err(refused(other)),
        }
        Ok(())
    }

    fn reduce(&mut self) -> Result<(), Problem> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let Value::Callable(callable) = callable else { return Err(malformed()) };
        let arguments = self.tuple(&arguments)?;
        let made = match (callable, arguments.as_slice()) {
            (Callable::OrderedDict, []) => {
                self.node(Node::Dict(Vec::new()));
                return Ok(());
            }
            (Callable::Parameter, [tensor @ Value::Tensor(_), ..]) => tensor.clone(),
            (Callable::Tensor, [Value::Storage(storage), Value::Int(offset), shape, strides, ..]) => {
                let offset = usize::try_from(*offset).map_err(|_| malformed())?;
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                Value::Tensor(Rc::new(Tensor::new(Rc::clone(storage), offset, shape, strides)?))
            }
            _ => return Err(malformed()),
        };
        self.push(made);
        Ok(())
    }

    /// `('storage', type, key, device, length)`, what torch writes for the data of a tensor.
    fn storage(&mut self) -> Result<Value, Problem> {
        let id = self.pop()?;
        let id = self.tuple(&id)?;
        match id.as_slice() {
            [Value::Text(what), Value::Element(element), Value::Text(key), Value::Text(_), Value::Int(length)]
                if **what == *"storage" =>
            {
                let length = usize::try_from(*length).map_err(|_| malformed())?;
                Ok(Value::Storage(Rc::new(Storage { element: *element, key: Rc::clone(key), length })))
            }
            _ => Err(malformed()),
        }
    }

    fn tuple(&self, value: &Value) -> Result<Vec<Value>, Problem> {
        match value {
            Value::Node(at) => match self.nodes.get(*at) {
                Some(Node::Tuple(items)) if items.len() <= MAX_ARGUMENTS => Ok(items.clone()),
                _ => Err(malformed()),
            },
            _ => Err(malformed()),
        }
    }

    fn sizes(&self, value: &Value) -> Result<Vec<usize>, Problem> {
        let size = |value: &Value| match value {
            Value::Int(n) => usize::try_from(*n).map_err(|_| malformed()),
            _ => Err(malformed()),
        };
        self.tuple(value)?.iter().map(size).collect()
    }

    fn extend(&mut self, items: Vec<Value>) -> Result<(), Problem> {
        match self.top()? {
            Node::List(list) => list.extend(items),
            _ => return Err(malformed()),
        }
        Ok(())
    }

    fn insert(&mut self, items: Vec<Value>) -> Result<(), Problem> {
        match (self.top()?, items.as_chunks::<2>()) {
            (Node::Dict(dict), (pairs, [])) => dict.extend(pairs.iter().cloned().map(|[key, value]| (key, value))),
            _ => return Err(malformed()),
        }
        Ok(())
    }

    fn top(&mut self) -> Result<&mut Node, Problem> {
        match self.stack.last() {
            Some(Value::Node(at)) => self.nodes.get_mut(*at).ok_or_else(malformed),
            _ => Err(malformed()),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, Problem> {
        let mark = self.stack.iter().rposition(|value| matches!(value, Value::Mark)).ok_or_else(malformed)?;
        let items = self.stack.split_off(mark + 1);
        self.stack.pop();
        Ok(items)
    }

    fn node(&mut self, node: Node) {
        self.nodes.push(node);
        self.stack.push(Value::Node(self.nodes.len() - 1));
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn pop(&mut self) -> Result<Value, Problem> {
        match self.stack.pop() {
            Some(Value::Mark) | None => Err(malformed()),
            Some(value) => Ok(value),
        }
    }

    fn remember(&mut self, slot: usize) -> Result<(), Problem> {
        let value = self.stack.last().filter(|value| !matches!(value, Value::Mark)).cloned().ok_or_else(malformed)?;
        if slot >= MAX_ENTRIES {
            return Err(Problem::damaged(format!("at most {MAX_ENTRIES} remembered values"), format!("number {slot}")));
        }
        if slot >= self.memo.len() {
            self.memo.resize(slot + 1, None);
        }
        self.memo[slot] = Some(value);
        Ok(())
    }

    fn recall(&mut self, slot: usize) -> Result<(), Problem> {
        let value = self.memo.get(slot).cloned().flatten().ok_or_else(malformed)?;
        self.push(value);
        Ok(())
    }

    /// LONG1: a whole number of up to eight bytes, little-endian with a sign.
    fn long(&mut self) -> Result<(), Problem> {
        let length = usize::from(self.byte()?);
        let bytes = self.take(length)?;
        let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
        let mut whole = [if negative { 0xff } else { 0 }; 8];
        let Some(place) = whole.get_mut(..length) else {
            return Err(Problem::damaged("a whole number of at most 8 bytes", format!("one of {length}")));
        };
        place.copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(whole)));
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), Problem> {
        if length > MAX_TEXT {
            return Err(Problem::damaged(format!("a text of at most {MAX_TEXT} bytes"), format!("one of {length}")));
        }
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| malformed())?;
        self.push(Value::Text(text.into()));
        Ok(())
    }

    fn line(&mut self) -> Result<String, Problem> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().take(MAX_TEXT).position(|byte| *byte == b'\n').ok_or_else(malformed)?;
        self.at += length + 1;
        Ok(String::from_utf8_lossy(&rest[..length]).into_owned())
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let found = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end));
        self.at += length;
        found.ok_or_else(|| Problem::damaged("a whole data.pkl", format!("its end after {} bytes", self.bytes.len())))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, Problem> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<usize, Problem> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }
}

/// The names that a file may use. All others are refused.
fn global(module: &str, name: &str) -> Result<Value, Problem> {
    let value = match (module, name) {
        ("collections", "OrderedDict") => Value::Callable(Callable::OrderedDict),
        ("torch._utils", "_rebuild_tensor_v2") => Value::Callable(Callable::Tensor),
        ("torch._utils", "_rebuild_parameter") => Value::Callable(Callable::Parameter),
        ("torch", "DoubleStorage") => Value::Element(Element::F64),
        ("torch", "FloatStorage") => Value::Element(Element::F32),
        ("torch", "HalfStorage") => Value::Element(Element::F16),
        ("torch", "BFloat16Storage") => Value::Element(Element::BF16),
        ("torch", "LongStorage") => Value::Element(Element::Whole(8)),
        ("torch", "IntStorage") => Value::Element(Element::Whole(4)),
        ("torch", "ShortStorage") => Value::Element(Element::Whole(2)),
        ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => Value::Element(Element::Whole(1)),
        _ => return Err(code(module, name)),
    };
    Ok(value)
}

fn code(module: &str, name: &str) -> Problem {
    Problem::Code(format!("{module}.{name}").chars().take(MAX_SHOWN).flat_map(char::escape_debug).collect())
}

/// An opcode that builds objects is named; any other is no part of what torch writes.
fn refused(opcode: u8) -> Problem {
    let name = match opcode {
        b'b' => "BUILD, which sets the state of an object",
        b'o' => "OBJ, which makes an object",
        0x81 => "NEWOBJ, which makes an object",
        0x92 => "NEWOBJ_EX, which makes an object",
        0x82..=0x84 => "EXT, a registered class",
        b'P' => "PERSID, an object by its name",
        _ => {
            let found = format!("opcode {opcode:#04x}");
            let hint = "save tensors, numbers, text, dicts, lists and tuples only, or store the vector as safetensors";
            return Problem::new("the opcodes that torch.save writes for tensors", found, hint);
        }
    };
    Problem::Code(name.to_owned())
}

fn malformed() -> Problem {
    Problem::damaged("a data.pkl as torch.save writes it", "parts that do not fit together")
}
