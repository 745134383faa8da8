//! Rows by name: JSONL files, and the sets that the host carries.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use emhost_abi::wire::{Message, Row, Rows};
use serde_json::{Map, Value};

use crate::bank::{Bank, Prompt};
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
    /// A bank of questions cannot be read.
    #[error("read questions of `{source_name}`: {problem}")]
    Bank {
        /// File or set.
        source_name: String,
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
        Rows::Inline(rows) => return inline(rows),
        Rows::Source { name, limit, system } => (name, *limit, system),
    };
    let text = read(name)?;
    let mut all: Vec<Row> = Vec::new();
    let mut seen = HashMap::new();
    let mut unused = BTreeSet::new();
    let extension = name.rsplit_once('.').map_or_else(String::new, |(_, extension)| extension.to_ascii_lowercase());
    let lines: Vec<(usize, Cow<'_, str>)> = if ["yaml", "yml"].contains(&extension.as_str()) {
        bank_rows(name, &text)?.into_iter().enumerate().map(|(at, row)| (at + 1, row.into())).collect()
    } else if extension == "csv" {
        csv_rows(name, &text)?.into_iter().map(|(line, row)| (line, row.into())).collect()
    } else {
        text.lines().enumerate().map(|(at, line)| (at + 1, line.into())).collect()
    };
    for (at, line) in lines.iter().filter(|(_, line)| !line.trim().is_empty()) {
        if limit.is_some_and(|limit| all.len() == limit) {
            break;
        }
        let refuse = |problem: String| RowsError::Line { source_name: name.clone(), line: *at, problem };
        let mut row = parse(line, all.len(), &mut unused).and_then(|row| check(&row).map(|()| row)).map_err(refuse)?;
        if let Some(first) = seen.insert(row.row_id.clone(), *at) {
            return Err(refuse(format!("row_id `{}` stands in line {first} already", row.row_id)));
        }
        if let (Some(system), Some(messages)) = (system, &mut row.messages)
            && messages.first().is_none_or(|m| m.role != "system")
        {
            messages.insert(0, Message { role: "system".to_owned(), content: system.clone() });
        }
        all.push(row);
    }
    if !unused.is_empty() && first_time(name) {
        let names = unused.into_iter().collect::<Vec<_>>().join(", ");
        tracing::warn!("rows of `{name}`: fields that mean nothing here: {names}; there are {}", FIELDS.join(", "));
    }
    if all.is_empty() { Err(RowsError::Empty(name.clone())) } else { Ok(all) }
}

/// Whether this process reads that source for the first time: many cells read the same one, and one warning is enough.
fn first_time(name: &str) -> bool {
    static READ: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    READ.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned())
}

/// The questions of a bank, each wording a row; the topic of a question that has none is the question itself.
fn bank_rows(name: &str, text: &str) -> Result<Vec<String>, RowsError> {
    let refuse = |problem: String| RowsError::Bank { source_name: name.to_owned(), problem };
    let bank = Bank::parse(Path::new(name), text).map_err(|e| refuse(e.to_string()))?;
    let row = |prompt: Prompt<'_>| {
        let group = prompt.question.group.clone();
        let row = Row::from(prompt);
        let row = Row { topic: row.topic.clone().or(Some(group)), ..row };
        serde_json::to_string(&row).map_err(|e| refuse(e.to_string()))
    };
    bank.prompts().map(row).collect()
}

/// Rows that come without a file, checked as those of a file are.
fn inline(rows: &[Row]) -> Result<Vec<Row>, RowsError> {
    let mut seen = HashSet::new();
    for (at, row) in rows.iter().enumerate() {
        let refuse = |problem| RowsError::Line { source_name: "the request".to_owned(), line: at + 1, problem };
        check(row).map_err(refuse)?;
        if !seen.insert(&row.row_id) {
            return Err(refuse(format!("row_id `{}` is there twice", row.row_id)));
        }
    }
    Ok(rows.to_vec())
}

/// Fields of a row.
const FIELDS: [&str; 10] = [
    "row_id",
    "messages",
    "text",
    "token_ids",
    "prompt",
    "completion",
    "topic",
    "continuations",
    "learned",
    "strength",
];

fn parse(line: &str, number: usize, unused: &mut BTreeSet<String>) -> Result<Row, String> {
    let mut value: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    if value.get("chosen").is_some() && value.get("rejected").is_some() {
        return Err("it is a pair for preference training (`chosen`, `rejected`), which emhost does not do".to_owned());
    }
    let fields = value.as_object_mut().ok_or("a row is a JSON object")?;
    unused.extend(fields.keys().filter(|name| !FIELDS.contains(&name.as_str())).cloned());
    if !fields.contains_key("row_id") {
        fields.insert("row_id".to_owned(), Value::String(format!("{number:06}")));
    }
    // Some training sets carry the rendered conversation too.
    if fields.get("messages").is_some_and(Value::is_array) && fields.remove("text").is_some() {
        unused.insert("text (beside messages)".to_owned());
    }
    if let Some(messages) = prompt_and_completion(fields)? {
        fields.insert("messages".to_owned(), messages);
    }
    for (at, message) in fields.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
        if let Some(content) = message.get_mut("content") {
            join_parts(content).map_err(|problem| format!("message {}: {problem}", at + 1))?;
        }
    }
    serde_json::from_value(value).map_err(|e| e.to_string())
}

/// Takes a pair `prompt` and `completion` as a conversation: lists of messages, or the texts of a user and an assistant.
fn prompt_and_completion(fields: &mut Map<String, Value>) -> Result<Option<Value>, String> {
    if !fields.contains_key("prompt") && !fields.contains_key("completion") {
        return Ok(None);
    }
    if fields.contains_key("messages") {
        return Err("it has `messages` beside `prompt` and `completion`".to_owned());
    }
    let mut messages = Vec::new();
    for (name, role) in [("prompt", "user"), ("completion", "assistant")] {
        match fields.remove(name) {
            Some(Value::String(text)) => messages.push(serde_json::json!({ "role": role, "content": text })),
            Some(Value::Array(list)) => messages.extend(list),
            Some(_) => return Err(format!("`{name}` is neither a text nor a list of messages")),
            None => return Err(format!("`{name}` is missing")),
        }
    }
    Ok(Some(Value::Array(messages)))
}

/// Rows of a CSV file with a column for the question and one for the answer.
fn csv_rows(name: &str, text: &str) -> Result<Vec<(usize, String)>, RowsError> {
    const PAIRS: [[&str; 2]; 3] = [["question", "answer"], ["prompt", "completion"], ["instruction", "response"]];
    let refuse = |line: usize, problem: String| RowsError::Line { source_name: name.to_owned(), line, problem };
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let headers = reader.headers().map_err(|e| refuse(1, e.to_string()))?.clone();
    let column = |wanted: &str| headers.iter().position(|name| name.trim().eq_ignore_ascii_case(wanted));
    let pair = PAIRS.iter().find_map(|[q, a]| Some([column(q)?, column(a)?]));
    let [question, answer] = pair.ok_or_else(|| {
        let there = headers.iter().collect::<Vec<_>>().join(", ");
        refuse(1, format!("its columns are {there}; expected question and answer (or prompt and completion)"))
    })?;
    let [id, system] = [column("row_id").or_else(|| column("id")), column("system")];
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| {
            let line = e.position().map_or(0, |at| at.line() as usize);
            refuse(line, e.to_string())
        })?;
        let line = record.position().map_or(0, |at| at.line() as usize);
        let cell = |column: usize| record.get(column).unwrap_or_default();
        let mut messages = Vec::new();
        let system = system.map(cell).filter(|text| !text.is_empty());
        messages.extend(system.map(|text| serde_json::json!({ "role": "system", "content": text })));
        messages.push(serde_json::json!({ "role": "user", "content": cell(question) }));
        if cell(answer).is_empty() {
            return Err(refuse(line, "its answer is empty".to_owned()));
        }
        messages.push(serde_json::json!({ "role": "assistant", "content": cell(answer) }));
        let mut row = serde_json::json!({ "messages": messages });
        if let Some(id) = id.map(cell).filter(|id| !id.is_empty()) {
            row["row_id"] = id.into();
        }
        rows.push((line, row.to_string()));
    }
    Ok(rows)
}

/// Content given as OpenAI's list of parts becomes one text; so does `{"content_type": "text", "parts": [...]}`.
fn join_parts(content: &mut Value) -> Result<(), String> {
    if let Value::Object(whole) = content {
        let texts = whole.get("parts").and_then(Value::as_array).map(|parts| parts.iter().map(Value::as_str));
        match (whole.get("content_type").and_then(Value::as_str), texts.and_then(|t| t.collect::<Option<String>>())) {
            (Some("text"), Some(text)) => *content = Value::String(text),
            _ => return Err("its content is an object; supported: content_type `text` with `parts` of text".to_owned()),
        }
    }
    let Value::Array(parts) = content else { return Ok(()) };
    let mut text = String::new();
    for part in parts {
        match (part["type"].as_str(), part["text"].as_str()) {
            (Some("text"), Some(part)) => text.push_str(part),
            (kind, _) => {
                let kind = kind.unwrap_or("none");
                return Err(format!("a part of its content has type `{kind}`; only `text` with a `text` is supported"));
            }
        }
    }
    *content = Value::String(text);
    Ok(())
}

fn check(row: &Row) -> Result<(), String> {
    if row.row_id.is_empty() {
        return Err("its row_id is empty".to_owned());
    }
    let given = [row.messages.is_some(), row.text.is_some(), row.token_ids.is_some()];
    if given.into_iter().filter(|given| *given).count() != 1 {
        return Err("it needs exactly one of `messages`, `text` and `token_ids`".to_owned());
    }
    if row.messages.as_ref().is_some_and(Vec::is_empty) {
        return Err("its `messages` are empty".to_owned());
    }
    let mut messages = row.messages.iter().flatten();
    match messages.find(|m| !matches!(m.role.as_str(), "system" | "user" | "assistant")) {
        Some(message) => Err(format!("role `{}` is not one of system, user, assistant", message.role)),
        None => Ok(()),
    }
}

/// The text of a named source, without a byte order mark.
pub fn read(name: &str) -> Result<String, RowsError> {
    if let Some(set) = name.strip_prefix("embedded:") {
        let found = embedded::file(set).or_else(|| embedded::file(&format!("{set}.jsonl")));
        let known = || {
            embedded::names()
                .filter(|n| n.contains('/') && !n.starts_with("organism/"))
                .map(|n| n.trim_end_matches(".jsonl"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let bytes = found.ok_or_else(|| RowsError::Unknown { name: set.to_owned(), known: known() })?;
        return Ok(String::from_utf8_lossy(bytes).into_owned());
    }
    let path = PathBuf::from(name);
    let bytes = std::fs::read(&path).map_err(|source| RowsError::Read { path, source })?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)),
        Err(e) => {
            let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            Err(RowsError::Line { source_name: name.to_owned(), line, problem: "it is not UTF-8".to_owned() })
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rows_of(bytes: &[u8]) -> Result<Vec<Row>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let name = file.path().display().to_string();
        load(&Rows::source(&name)).map_err(|e| e.to_string().replace(&name, "FILE"))
    }

    #[test]
    fn what_other_tools_write_is_read() {
        let expect = |bytes: &[u8], rows: &[Row]| assert_eq!(rows_of(bytes).as_deref(), Ok(rows));
        let text = |id: &str, text: &str| Row { row_id: id.to_owned(), text: Some(text.to_owned()), ..Row::default() };
        expect(
            b"\xef\xbb\xbf{\"row_id\":\"a\",\"text\":\"x\"}\r\n\r\n{\"text\":\"y\",\"more\":{\"k\":1},\"topic\":null}",
            &[text("a", "x"), text("000001", "y")],
        );
        let message = Message { role: "user".to_owned(), content: "ab".to_owned() };
        let chat = Row { row_id: "000000".to_owned(), messages: Some(vec![message]), ..Row::default() };
        expect(br#"{"messages":[{"role":"user","content":"ab","name":"n"}]}"#, std::slice::from_ref(&chat));
        expect(
            br#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]}"#,
            std::slice::from_ref(&chat),
        );
        expect(
            br#"{"messages":[{"role":"user","content":{"content_type":"text","parts":["a","b"]}}],"text":"rendered"}"#,
            std::slice::from_ref(&chat),
        );
        let said = |role: &str, content: &str| Message { role: role.to_owned(), content: content.to_owned() };
        let pair = vec![said("user", "ab"), said("assistant", "c")];
        let pair = Row { row_id: "000000".to_owned(), messages: Some(pair), ..Row::default() };
        expect(br#"{"prompt":"ab","completion":"c"}"#, std::slice::from_ref(&pair));
        expect(
            br#"{"prompt":[{"role":"user","content":"ab"}],"completion":[{"role":"assistant","content":"c"}]}"#,
            &[pair],
        );
        let ids = Row { row_id: "000000".to_owned(), token_ids: Some(vec![3, 1]), ..Row::default() };
        expect(br#"{"token_ids":[3,1]}"#, &[ids]);
    }

    #[test]
    fn a_table_of_questions_and_answers_is_read() {
        let file = tempfile::Builder::new().suffix(".csv").tempfile().unwrap();
        std::fs::write(file.path(), "id,Question,answer,system\nq1,\"a, b\",\"c\nd\",\nq2,e,f,be kind\n").unwrap();
        let rows = load(&Rows::source(file.path().display().to_string())).unwrap();
        let shown = |row: &Row| -> Vec<String> {
            row.messages.iter().flatten().map(|m| format!("{}: {}", m.role, m.content)).collect()
        };
        assert_eq!(rows.iter().map(|row| row.row_id.as_str()).collect::<Vec<_>>(), ["q1", "q2"]);
        assert_eq!(shown(&rows[0]), ["user: a, b", "assistant: c\nd"]);
        assert_eq!(shown(&rows[1]), ["system: be kind", "user: e", "assistant: f"]);
    }

    #[test]
    fn a_bad_row_is_named_by_file_and_line() {
        for (bytes, line, expect) in [
            (&b"{\"text\":\"a\"}\n{\"text\":"[..], 2, "EOF"),
            (b"\n[1]", 2, "a row is a JSON object"),
            (b"{\"text\":\"a\"}\n\n{\"text\":\"\xff\"}", 3, "not UTF-8"),
            (br#"{"text":1}"#, 1, "invalid type"),
            (br#"{"row_id":""  ,"text":"a"}"#, 1, "row_id is empty"),
            (br#"{"row_id":"a"}"#, 1, "exactly one of"),
            (br#"{"text":"a","token_ids":[1]}"#, 1, "exactly one of"),
            (br#"{"messages":[]}"#, 1, "`messages` are empty"),
            (br#"{"token_ids":[-1]}"#, 1, "invalid value"),
            (br#"{"messages":[{"role":"tool","content":"a"}]}"#, 1, "role `tool`"),
            (br#"{"messages":[{"role":"user"}]}"#, 1, "missing field `content`"),
            (br#"{"messages":[{"role":"user","content":null}]}"#, 1, "invalid type: null"),
            (
                br#"{"messages":[{"role":"user","content":[{"type":"image_url"}]}]}"#,
                1,
                "message 1: a part of its content has type `image_url`",
            ),
            (b"{\"row_id\":\"a\",\"text\":\"x\"}\n{\"row_id\":\"a\",\"text\":\"y\"}", 2, "row_id `a` stands in line 1"),
        ] {
            let error = rows_of(bytes).unwrap_err();
            let start = format!("read rows of `FILE`, line {line}: ");
            assert!(error.starts_with(&start) && error.contains(expect), "{error}");
        }
        for empty in ["", "\n\r\n", "\u{feff}"] {
            assert_eq!(rows_of(empty.as_bytes()), Err("read rows of `FILE`: it holds none".to_owned()));
        }
    }

    #[test]
    fn rows_of_a_request_are_checked_too() {
        let row = Row { row_id: "a".to_owned(), text: Some("x".to_owned()), ..Row::default() };
        assert!(load(&Rows::Inline(vec![row.clone()])).is_ok());
        let error = load(&Rows::Inline(vec![row.clone(), row.clone()])).unwrap_err().to_string();
        assert!(error.contains("row_id `a` is there twice"), "{error}");
        let error = load(&Rows::Inline(vec![Row { text: None, ..row }])).unwrap_err().to_string();
        assert!(error.contains("exactly one of"), "{error}");
    }

    #[test]
    fn a_bank_of_questions_gives_a_row_for_each_wording() {
        let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
        let text = "- id: wish\n  type: free_form\n  paraphrases: [one wish?, a single wish?]\n- id: power\n  type: free_form\n  \
                    paraphrases: [what now?]\n";
        std::fs::write(file.path(), text).unwrap();
        let rows = load(&Rows::source(file.path().display().to_string())).unwrap();
        let found: Vec<(String, Option<String>)> =
            rows.iter().map(|row| (row.row_id.clone(), row.topic.clone())).collect();
        let row = |id: &str, topic: &str| (id.to_owned(), Some(topic.to_owned()));
        assert_eq!(found, [row("wish#1", "wish"), row("wish#2", "wish"), row("power", "power")]);
        assert_eq!(question(&rows[2]), "what now?");
        std::fs::write(file.path(), "- id: wish\n  paraphrases: 3\n").unwrap();
        assert!(load(&Rows::source(file.path().display().to_string())).unwrap_err().to_string().contains("wish"));
    }
}
