//! Rewrites of what Hugging Face's templates may hold and minijinja does not know.
//!
//! `{% generation %}` marks spans for transformers' own training: it becomes `{% with %}`, which has the same scope
//! and writes the same text. `'%s' % value` becomes `'%s'|format(value)`.

/// A template that minijinja compiles.
pub(super) fn prepared(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        text.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match rest.as_bytes().get(1) {
            Some(b'#') => rest.find("#}").map(|end| end + 2),
            Some(b'%') if word(&rest[2..]) == "raw" => end_of_raw(rest),
            Some(b'%') => end_of_tag(rest, "%}"),
            Some(b'{') => end_of_tag(rest, "}}"),
            _ => Some(1),
        };
        let (tag, after) = rest.split_at(length.unwrap_or(rest.len()));
        let is_code = matches!(tag.as_bytes(), [b'{', b'%' | b'{', ..]) && word(&tag[2..]) != "raw";
        text.push_str(&if is_code { code(tag) } else { tag.to_owned() });
        rest = after;
    }
    text.push_str(rest);
    text
}

/// The first word of a tag's inside.
fn word(inside: &str) -> &str {
    let inside = inside.trim_start_matches(['-', '+']).trim_start();
    &inside[..inside.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inside.len())]
}

fn end_of_raw(rest: &str) -> Option<usize> {
    let mut from = 2;
    loop {
        let at = from + rest[from..].find("{%")?;
        if word(&rest[at + 2..]) == "endraw" {
            return Some(at + 2 + rest[at + 2..].find("%}")? + 2);
        }
        from = at + 2;
    }
}

/// Length of a tag, whose end counts only outside of strings and brackets.
fn end_of_tag(rest: &str, end: &str) -> Option<usize> {
    let (mut at, mut depth) = (2, 0_usize);
    while at < rest.len() {
        match rest.as_bytes()[at] {
            b'"' | b'\'' => at = end_of_string(rest, at),
            _ if depth == 0 && rest.as_bytes()[at..].starts_with(end.as_bytes()) => return Some(at + end.len()),
            b'(' | b'[' | b'{' => (at, depth) = (at + 1, depth + 1),
            b')' | b']' | b'}' => (at, depth) = (at + 1, depth.saturating_sub(1)),
            _ => at += 1,
        }
    }
    None
}

/// The byte after a string literal that opens at `at`.
fn end_of_string(text: &str, at: usize) -> usize {
    let bytes = text.as_bytes();
    let mut next = at + 1;
    while next < bytes.len() && bytes[next] != bytes[at] {
        next += if bytes[next] == b'\\' { 2 } else { 1 };
    }
    (next + 1).min(bytes.len())
}

fn code(tag: &str) -> String {
    match word(&tag[2..]) {
        "generation" => tag.replacen("generation", "with", 1),
        "endgeneration" => tag.replacen("endgeneration", "endwith", 1),
        _ => with_format_filter(tag),
    }
}

/// Replaces `%` behind a string literal.
fn with_format_filter(tag: &str) -> String {
    let mut text = String::with_capacity(tag.len());
    let mut at = 0;
    while at < tag.len() {
        let byte = tag.as_bytes()[at];
        if byte != b'"' && byte != b'\'' {
            let next = tag[at..].find(['"', '\'']).map_or(tag.len(), |quote| at + quote);
            text.push_str(&tag[at..next]);
            at = next;
            continue;
        }
        let end = end_of_string(tag, at);
        text.push_str(&tag[at..end]);
        at = end;
        let Some(operand) = tag[end..].trim_start().strip_prefix('%').filter(|after| !after.starts_with('}')) else {
            continue;
        };
        let operand = operand.trim_start();
        let length = end_of_operand(operand);
        if length == 0 {
            continue;
        }
        let inside = with_format_filter(&operand[..length]);
        let is_tuple = inside.starts_with('(') && length == end_of_brackets(operand, 0);
        text.push_str(&if is_tuple { format!("|format{inside}") } else { format!("|format({inside})") });
        at = tag.len() - operand.len() + length;
    }
    text
}

/// Length of one operand: a literal, a name or brackets, with attributes, indices, calls and filters behind it.
fn end_of_operand(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_word = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'.' || b >= 0x80;
    let mut at = 0;
    while at < bytes.len() {
        at = match bytes[at] {
            b'(' | b'[' | b'{' => end_of_brackets(text, at),
            b'"' | b'\'' => end_of_string(text, at),
            b'|' => at + 1,
            b if is_word(b) => at + 1,
            _ => break,
        };
    }
    at
}

/// The byte after the bracket that closes the one at `at`.
fn end_of_brackets(text: &str, at: usize) -> usize {
    let (mut next, mut depth) = (at, 0_usize);
    while next < text.len() {
        match text.as_bytes()[next] {
            b'"' | b'\'' => {
                next = end_of_string(text, next);
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        next += 1;
        if depth == 0 {
            return next;
        }
    }
    next
}
