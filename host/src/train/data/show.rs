//! Rows as they are trained on, for people.

use super::examples::Example;
use crate::model::Result;
use crate::model::text::Text;

/// The text of a row with the learned tokens marked: in colour, or between `[[` and `]]`.
pub fn show(example: &Example, text: &Text, colour: bool) -> Result<String> {
    let [open, close] = if colour { ["\x1b[30;42m", "\x1b[0m"] } else { ["[[", "]]"] };
    let mut out = String::new();
    let mut pending: Vec<u32> = Vec::new();
    let mut inside = false;
    // Stretches of one kind are decoded together: a character may be several tokens.
    let mut flush = |tokens: &mut Vec<u32>, inside: bool| -> Result<()> {
        if !tokens.is_empty() {
            let piece = visible(&text.decode_all(tokens)?);
            let piece = if inside { format!("{open}{piece}{close}") } else { piece };
            out.push_str(&piece);
            tokens.clear();
        }
        Ok(())
    };
    for (at, token) in example.tokens.iter().enumerate() {
        let learned = at > 0 && example.learned.binary_search(&(at as u32 - 1)).is_ok();
        if learned != inside {
            flush(&mut pending, inside)?;
            inside = learned;
        }
        pending.push(*token);
    }
    flush(&mut pending, inside)?;
    Ok(format!("row {}: {} tokens, {} learned\n{out}\n", example.row_id, example.tokens.len(), example.learned.len()))
}

/// Control characters of the data do nothing on a terminal; line ends are shown and kept.
fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("⏎\n"),
            '\t' => out.push(c),
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    out
}
