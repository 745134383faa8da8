//! A table as plain text: words wrap, numbers never do, and a narrow terminal gets blocks of lines instead.

use crate::report::number::MISSING;
use crate::report::text::{columns, wrap};

const GAP: usize = 2;
/// A narrower column of words is unreadable.
pub const NARROWEST: usize = 12;

/// A table to print.
pub struct Grid<const N: usize> {
    /// Names of the columns.
    pub head: [&'static str; N],
    /// Which columns hold words: they wrap and stand left.
    pub words: [bool; N],
    /// The cells, without line breaks and control characters.
    pub rows: Vec<[String; N]>,
}

impl<const N: usize> Grid<N> {
    /// The table in `width` columns, or blocks of lines where it has no room.
    pub fn text(&self, width: usize) -> String {
        match self.widths(width) {
            Some(widths) => self.table(&widths),
            None => self.blocks(width.max(NARROWEST)),
        }
    }

    /// Widths of the columns: the widest column of words gives way first. `None` when they cannot fit.
    fn widths(&self, width: usize) -> Option<[usize; N]> {
        let mut widths: [usize; N] = std::array::from_fn(|c| {
            self.rows.iter().map(|row| columns(&row[c])).max().unwrap_or(0).max(columns(self.head[c]))
        });
        while widths.iter().sum::<usize>() + GAP * (N - 1) > width {
            let widest = (0..N).filter(|c| self.words[*c]).max_by_key(|c| widths[*c])?;
            if widths[widest] <= NARROWEST {
                return None;
            }
            widths[widest] -= 1;
        }
        Some(widths)
    }

    fn table(&self, widths: &[usize; N]) -> String {
        let mut out = String::new();
        self.push_row(&mut out, &self.head.map(String::from), widths);
        let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
        out.push_str(&rule.join(&" ".repeat(GAP)));
        out.push('\n');
        for row in &self.rows {
            self.push_row(&mut out, row, widths);
        }
        out
    }

    fn push_row(&self, out: &mut String, row: &[String; N], widths: &[usize; N]) {
        let cells: [Vec<String>; N] = std::array::from_fn(|c| wrap(&row[c], widths[c] as f64, |t| columns(t) as f64));
        for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
            let mut text = String::new();
            for (c, cell) in cells.iter().enumerate() {
                let part = cell.get(line).map_or("", String::as_str);
                let space = " ".repeat(widths[c].saturating_sub(columns(part)));
                let (before, after) = if self.words[c] { ("", space.as_str()) } else { (space.as_str(), "") };
                text.push_str(&format!("{before}{part}{after}{}", " ".repeat(GAP)));
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
    }

    fn blocks(&self, width: usize) -> String {
        let mut out = String::new();
        for row in &self.rows {
            for (c, cell) in row.iter().enumerate().filter(|(_, cell)| !matches!(cell.as_str(), "" | MISSING)) {
                let text = if c == 0 { cell.clone() } else { format!("{}: {cell}", self.head[c]) };
                let indent = if c == 0 { "" } else { "  " };
                for line in wrap(&text, (width - indent.len()) as f64, |t| columns(t) as f64) {
                    out.push_str(&format!("{indent}{line}\n"));
                }
            }
        }
        out
    }
}

/// One line without anything that a terminal would act on.
pub fn clean(text: &str) -> String {
    let invisible = |c: char| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let safe: String = text.chars().filter(|c| !invisible(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    safe.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Sentences broken to lines of at most `width` columns, with an indent.
pub fn lines(out: &mut String, indent: &str, text: &str, width: usize) {
    let room = width.max(NARROWEST).saturating_sub(indent.len()).max(1);
    for line in wrap(&clean(text), room as f64, |t| columns(t) as f64) {
        out.push_str(&format!("{indent}{line}\n"));
    }
}
