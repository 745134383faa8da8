//! One line of a log, as it crosses.

use abi_stable::{StableAbi, std_types::RStr};

/// How important a record is; a smaller number is more important.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, StableAbi)]
pub struct Level(u8);

impl Level {
    /// Nothing is logged.
    pub const OFF: Self = Self(0);
    /// Something failed.
    pub const ERROR: Self = Self(1);
    /// Something is wrong, and the run goes on.
    pub const WARN: Self = Self(2);
    /// What a user wants to follow.
    pub const INFO: Self = Self(3);
    /// What an author wants to follow.
    pub const DEBUG: Self = Self(4);
    /// Everything.
    pub const TRACE: Self = Self(5);
}

/// One line of a log.
#[repr(C)]
#[derive(Debug, Clone, Copy, StableAbi)]
pub struct LogRecord<'a> {
    level: Level,
    line: u32,
    target: RStr<'a>,
    message: RStr<'a>,
    fields: RStr<'a>,
    file: RStr<'a>,
}

impl<'a> LogRecord<'a> {
    /// A record without fields and source position.
    pub fn new(level: Level, target: &'a str, message: &'a str) -> Self {
        Self { level, line: 0, target: target.into(), message: message.into(), fields: "".into(), file: "".into() }
    }

    /// The same record with the event's other fields, a JSON object.
    pub fn with_fields(self, fields: &'a str) -> Self {
        Self { fields: fields.into(), ..self }
    }

    /// The same record with its place in the plugin's source.
    pub fn at(self, file: &'a str, line: u32) -> Self {
        Self { file: file.into(), line, ..self }
    }

    /// How important it is.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Module that wrote it.
    pub fn target(&self) -> &'a str {
        self.target.as_str()
    }

    /// The text.
    pub fn message(&self) -> &'a str {
        self.message.as_str()
    }

    /// The event's other fields as a JSON object, or nothing.
    pub fn fields(&self) -> &'a str {
        self.fields.as_str()
    }

    /// Source file, or nothing.
    pub fn file(&self) -> &'a str {
        self.file.as_str()
    }

    /// Line in the source file, 1-based; 0 means unknown.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Bytes of text in the record.
    pub fn size(&self) -> usize {
        self.target.len() + self.message.len() + self.fields.len() + self.file.len()
    }
}
