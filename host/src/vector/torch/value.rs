//! What a restricted pickle can hold.
//!
//! Containers lie in one list and are named by their index: a container that holds itself or thousands of layers then
//! costs nothing, neither to read nor to drop.

use std::rc::Rc;

use super::tensor::{Storage, Tensor};

/// A value. Cheap to copy, as a pickle repeats values by number.
#[derive(Debug, Clone)]
pub enum Value {
    None,
    Bool,
    Int(i64),
    Float(f64),
    Text(Rc<str>),
    /// A dict, list or tuple, by its place in [`Pickled::nodes`].
    Node(usize),
    Tensor(Rc<Tensor>),
    Storage(Rc<Storage>),
    /// One of the few names that may be called.
    Callable(Callable),
    /// The type of a storage.
    Element(Element),
    /// Where a group of values begins.
    Mark,
}

/// A container.
#[derive(Debug)]
pub enum Node {
    Dict(Vec<(Value, Value)>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
}

/// What the reader itself does in place of the function of that name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Callable {
    /// `collections.OrderedDict`, without arguments.
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`.
    Tensor,
    /// `torch._utils._rebuild_parameter`.
    Parameter,
}

/// The type of a storage's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    F64,
    F32,
    F16,
    BF16,
    /// Whole numbers of so many bytes: known, so that a file may hold them, and no direction.
    Whole(usize),
}

impl Element {
    /// Bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::Whole(size) => size,
        }
    }
}

/// A pickle that has been read.
#[derive(Debug)]
pub struct Pickled {
    pub nodes: Vec<Node>,
    pub root: Value,
}

impl Pickled {
    /// The pairs of a dict.
    pub fn dict(&self, value: &Value) -> Option<&[(Value, Value)]> {
        match value {
            Value::Node(at) => match self.nodes.get(*at) {
                Some(Node::Dict(pairs)) => Some(pairs),
                _ => None,
            },
            _ => None,
        }
    }

    /// A dict's value; of a key that is there twice the last, as in Python.
    pub fn get<'a>(&'a self, dict: &Value, key: &str) -> Option<&'a Value> {
        let pairs = self.dict(dict)?;
        pairs.iter().rev().find(|(k, _)| matches!(k, Value::Text(text) if **text == *key)).map(|(_, value)| value)
    }

    /// A value in words, for an error message.
    pub fn describe(&self, value: &Value) -> String {
        match value {
            Value::None => "None".to_owned(),
            Value::Bool => "a truth value".to_owned(),
            Value::Int(n) => format!("the number {n}"),
            Value::Float(n) => format!("the number {n}"),
            Value::Text(text) => format!("the text `{}`", shortened(text)),
            Value::Tensor(tensor) => format!("a tensor of shape {:?}", tensor.shape),
            Value::Storage(_) | Value::Callable(_) | Value::Element(_) | Value::Mark => "a loose part".to_owned(),
            Value::Node(at) => match self.nodes.get(*at) {
                Some(Node::Dict(pairs)) => {
                    const SHOWN: usize = 6;
                    let keys: Vec<String> = pairs.iter().take(SHOWN).map(|(key, _)| key_text(key)).collect();
                    let more = if pairs.len() > SHOWN { ", .." } else { "" };
                    format!("a dict with {} key(s): {}{more}", pairs.len(), keys.join(", "))
                }
                Some(Node::List(items)) => format!("a list of {}", items.len()),
                Some(Node::Tuple(items)) => format!("a tuple of {}", items.len()),
                None => "a loose part".to_owned(),
            },
        }
    }
}

fn key_text(key: &Value) -> String {
    match key {
        Value::Text(text) => format!("`{}`", shortened(text)),
        Value::Int(n) => n.to_string(),
        _ => "(neither text nor number)".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}
