//! Rows by name: JSONL files, and the sets that the host carries.

use std::path::PathBuf;

use emhost_abi::wire::{Message, Row, Rows};
use serde_json::Value;

use crate::embedded;

/// Why rows cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The file cannot be read.
    #[error("read rows of `{path}`: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The host carries no such set.
    #[error("find rows `embedded:{name}`: the host carries {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A line is not a row.
    #[error("read rows of `{source_name}`, line {line}: {problem}")]
    Line {
        /// File or set.
        source_name: String,
        /// 1-based line.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// There are no rows.
    #[error("read rows of `{0}`: it holds none")]
    Empty(String),
}

/// The rows themselves, with ids that are unique.
///
/// A line without `row_id` gets its 0-based number among the rows, so that a training set needs none.
pub fn load(rows: &Rows) -> Result<Vec<Row>, RowsError> {
    let (name, limit, system) = match rows {
        Rows::Inline(rows) => return Ok(rows.clone()),
        Rows::Source { name, limit, system } => (name, *limit, system),
    };
    let text = read(name)?;
    let mut all: Vec<Row> = Vec::new();
    let mut seen = std::collections::HashMap::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        if limit.is_some_and(|limit| all.len() == limit) {
            break;
        }
        let refuse = |problem: String| RowsError::Line { source_name: name.clone(), line: at + 1, problem };
        let mut row = parse(line, all.len()).map_err(refuse)?;
        if let Some(first) = seen.insert(row.row_id.clone(), at + 1) {
            return Err(refuse(format!("row_id `{}` stands in line {first} already", row.row_id)));
        }
        if let (Some(system), Some(messages)) = (system, &mut row.messages)
            && messages.first().is_none_or(|m| m.role != "system")
        {
            messages.insert(0, Message { role: "system".to_owned(), content: system.clone() });
        }
        all.push(row);
    }
    if all.is_empty() { Err(RowsError::Empty(name.clone())) } else { Ok(all) }
}

fn parse(line: &str, number: usize) -> Result<Row, String> {
    let mut value: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let fields = value.as_object_mut().ok_or("a row is a JSON object")?;
    if !fields.contains_key("row_id") {
        fields.insert("row_id".to_owned(), Value::String(format!("{number:06}")));
    }
    let row: Row = serde_json::from_value(value).map_err(|e| e.to_string())?;
    if let Some(message) =
        row.messages.iter().flatten().find(|m| !matches!(m.role.as_str(), "system" | "user" | "assistant"))
    {
        return Err(format!("role `{}` is not one of system, user, assistant", message.role));
    }
    Ok(row)
}

/// The text of a named source.
pub fn read(name: &str) -> Result<String, RowsError> {
    if let Some(set) = name.strip_prefix("embedded:") {
        let found = embedded::file(set).or_else(|| embedded::file(&format!("{set}.jsonl")));
        let known = || embedded::names().filter_map(|n| n.strip_suffix(".jsonl")).collect::<Vec<_>>().join(", ");
        let bytes = found.ok_or_else(|| RowsError::Unknown { name: set.to_owned(), known: known() })?;
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    let path = PathBuf::from(name);
    std::fs::read_to_string(&path).map_err(|source| RowsError::Read { path, source })
}

/// BLAKE3 of rows, for a stage's key.
pub fn digest(rows: &[Row]) -> String {
    let mut hasher = blake3::Hasher::new();
    for row in rows {
        let line = serde_json::to_vec(row).unwrap_or_default();
        hasher.update(&line);
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex().to_string()
}

/// The last user turn of a row, or its text.
pub fn question(row: &Row) -> String {
    let asked = row.messages.iter().flatten().rev().find(|m| m.role == "user").map(|m| m.content.clone());
    asked.or_else(|| row.text.clone()).unwrap_or_default()
}
