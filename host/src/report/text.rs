//! Text that is safe to place, and an estimate of the room that it takes.

/// Escapes text for XML and HTML content and for quoted attributes.
///
/// Characters that XML 1.0 forbids become U+FFFD, so that any model's output is a well-formed document.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            '\r' => {}
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => out.push('\u{FFFD}'),
            c => out.push(c),
        }
    }
    out
}

/// Escapes a sentence for HTML and sets what stands between backticks as code.
pub fn prose(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    // An odd backtick has no partner and stays as it is.
    let last_pair = (parts.len() - 1) / 2 * 2;
    let mut out = String::new();
    for (i, part) in parts.iter().enumerate() {
        match i {
            i if i > last_pair => out.push_str(&format!("`{}", escape(part))),
            i if i % 2 == 1 => out.push_str(&format!("<code>{}</code>", escape(part))),
            _ => out.push_str(&escape(part)),
        }
    }
    out
}

/// Estimated width in pixels of a sans-serif text at a font size in pixels; errs on the wide side.
pub fn width(text: &str, size: f64) -> f64 {
    // Helvetica's advance widths, with a tenth on top for the wider system fonts.
    1.1 * size * text.chars().map(advance).sum::<f64>()
}

/// Columns that a text takes in a terminal.
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| if is_zero_width(c) { 0 } else { 1 + usize::from(is_wide(c)) }).sum()
}

/// Breaks a text into lines whose measured width is at most `most`; a word that is too long is broken too.
pub fn wrap(text: &str, most: f64, measure: impl Fn(&str) -> f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace().flat_map(|word| split_word(word, most, &measure)) {
        let joined = if line.is_empty() || word.glued {
            format!("{line}{}", word.text)
        } else {
            format!("{line} {}", word.text)
        };
        if line.is_empty() || measure(&joined) <= most {
            line = joined;
        } else {
            lines.push(std::mem::replace(&mut line, word.text));
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Shortens a text with an ellipsis until its measured width is at most `most`.
pub fn ellipsize(text: &str, most: f64, measure: impl Fn(&str) -> f64) -> String {
    if measure(text) <= most {
        return text.into();
    }
    let mut kept: Vec<char> = text.chars().collect();
    while kept.pop().is_some() {
        let shorter = format!("{}…", kept.iter().collect::<String>().trim_end());
        if measure(&shorter) <= most {
            return shorter;
        }
    }
    "…".into()
}

struct Piece {
    text: String,
    glued: bool,
}

/// A word as pieces that fit: broken behind `_ . / - :` first, inside a piece only when that is not enough.
fn split_word(word: &str, most: f64, measure: &impl Fn(&str) -> f64) -> Vec<Piece> {
    if measure(word) <= most {
        return vec![Piece { text: word.into(), glued: false }];
    }
    let mut pieces: Vec<Piece> = Vec::new();
    for part in word.split_inclusive(['_', '.', '/', '-', ':', ',']) {
        let mut text = String::new();
        for c in part.chars() {
            if !text.is_empty() && measure(&format!("{text}{c}")) > most {
                pieces.push(Piece { text: std::mem::take(&mut text), glued: !pieces.is_empty() });
            }
            text.push(c);
        }
        pieces.push(Piece { text, glued: !pieces.is_empty() });
    }
    pieces
}

fn advance(c: char) -> f64 {
    match c {
        c if is_zero_width(c) => 0.0,
        c if is_wide(c) => 1.0,
        'i' | 'j' | 'l' | '\'' | '|' => 0.23,
        ' ' | '.' | ',' | ':' | ';' | '!' | 'f' | 't' | 'I' | '/' | '[' | ']' | '⁻' => 0.28,
        'r' | '(' | ')' | '-' | '¹' | '²' | '³' | '"' => 0.34,
        '⁰'..='⁹' => 0.36,
        'm' | 'M' | '@' | '%' => 0.88,
        'w' | 'W' => 0.85,
        'a'..='z' | '0'..='9' => 0.556,
        'A'..='Z' => 0.7,
        c if c.is_uppercase() => 0.72,
        _ => 0.6,
    }
}

fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{20D0}'..='\u{20FF}' | '\u{FEFF}')
        || c.is_control()
}

fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{303E}' | '\u{3041}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE6F}' | '\u{FF00}'..='\u{FF60}' | '\u{FFE0}'..='\u{FFE6}'
        | '\u{1F300}'..='\u{1FAFF}' | '\u{20000}'..='\u{3FFFD}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_forbidden_characters_become_text() {
        let check = |text: &str, expected: &str| assert_eq!(escape(text), expected);
        check("<script>alert('x')</script>", "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
        check("a & \"b\"", "a &amp; &quot;b&quot;");
        check("\u{1b}[31m\0\u{FFFF}\r\n", "\u{FFFD}[31m\u{FFFD}\u{FFFD}\n");
    }

    #[test]
    fn paired_backticks_become_code() {
        let check = |text: &str, expected: &str| assert_eq!(prose(text), expected);
        check("`a<b` and `c`", "<code>a&lt;b</code> and <code>c</code>");
        check("one ` alone", "one ` alone");
        check("`a` then ` alone", "<code>a</code> then ` alone");
        check("", "");
    }

    #[test]
    fn wrapped_lines_fit_and_lose_nothing() {
        let measure = |t: &str| columns(t) as f64;
        let check = |text: &str, most: usize, expected: &[&str]| {
            let lines = wrap(text, most as f64, measure);
            assert_eq!(lines, expected);
            assert!(lines.iter().all(|line| columns(line) <= most), "{lines:?}");
        };
        check("the mean of differences", 12, &["the mean of", "differences"]);
        check("blocks.12.resid_post", 10, &["blocks.12.", "resid_post"]);
        check("abcdefghij", 4, &["abcd", "efgh", "ij"]);
        check("日本語の文", 4, &["日本", "語の", "文"]);
        check("  ", 4, &[]);
    }

    #[test]
    fn a_shortened_text_fits() {
        let measure = |t: &str| columns(t) as f64;
        assert_eq!(ellipsize("short", 5.0, measure), "short");
        assert_eq!(ellipsize("too long a text", 9.0, measure), "too long…");
    }
}
