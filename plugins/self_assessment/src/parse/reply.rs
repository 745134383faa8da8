//! The kinds of replies.

use super::{refusal, text};

/// What was read from a reply. Every reply has exactly one kind: none is left out of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reply {
    /// It settles on one option, by its place in the list.
    Chosen(usize),
    /// It gives one number within the range that was asked for.
    Number(f64),
    /// It declines to answer.
    Refusal,
    /// It names several options or numbers, or all of them as wrong, and settles on none.
    Both,
    /// Nothing that was asked for is in it.
    None,
}

impl Reply {
    /// All kinds, in the order of tables.
    pub const KINDS: [&str; 5] = ["chosen", "number", "refusal", "both", "none"];

    /// The kind in a table.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Chosen(_) => Self::KINDS[0],
            Self::Number(_) => Self::KINDS[1],
            Self::Refusal => Self::KINDS[2],
            Self::Both => Self::KINDS[3],
            Self::None => Self::KINDS[4],
        }
    }
}

/// Whether a reply declines, whatever was asked.
pub fn declines(reply: &str) -> bool {
    refusal::declines(&text::sentences(reply).concat())
}
