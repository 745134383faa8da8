//! The headline numbers as plain text.

use emhost_abi::wire::{Headline, Report};

use super::number::{self, MISSING};
use super::text::{columns, wrap};

const HEAD: [&str; 7] = ["quantity", "condition", "value [95 %]", "control", "p", "n", "method"];
/// Columns of words: they wrap, the numbers never do.
const WORDS: [usize; 3] = [0, 1, 6];
const GAP: usize = 2;
/// A narrower column of words is unreadable.
const NARROWEST: usize = 12;

/// The headline table for a terminal of `width` columns; empty when there is no headline.
///
/// Where the table has no room, each number becomes a short block of lines. Control characters from a
/// plugin never reach the terminal.
pub fn headline_text(report: &Report, width: usize) -> String {
    if report.headline.is_empty() {
        return String::new();
    }
    let rows: Vec<[String; 7]> = report.headline.iter().map(row).collect();
    match widths(&rows, width) {
        Some(widths) => table(&rows, &widths),
        None => blocks(&rows, width.max(NARROWEST)),
    }
}

fn row(h: &Headline) -> [String; 7] {
    let (value, interval) = number::with_interval(h.value, h.interval);
    let value = interval.map_or(value.clone(), |interval| format!("{value} {interval}"));
    let control = h.control.map_or(MISSING.into(), |v| number::beside(v, h.value, h.interval));
    let p = h.p.map_or(MISSING.into(), number::p_value);
    [clean(&h.quantity), clean(&h.condition), value, control, p, number::count(h.n), clean(&h.method)]
}

/// One line without anything that a terminal would act on.
fn clean(text: &str) -> String {
    let invisible = |c: char| matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    let safe: String = text.chars().filter(|c| !invisible(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    safe.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Widths of the columns: the widest column of words gives way first. `None` when they cannot fit.
fn widths(rows: &[[String; 7]], width: usize) -> Option<[usize; 7]> {
    let mut widths: [usize; 7] =
        std::array::from_fn(|c| rows.iter().map(|row| columns(&row[c])).max().unwrap_or(0).max(columns(HEAD[c])));
    while widths.iter().sum::<usize>() + GAP * 6 > width {
        let widest = WORDS.into_iter().max_by_key(|c| widths[*c])?;
        if widths[widest] <= NARROWEST {
            return None;
        }
        widths[widest] -= 1;
    }
    Some(widths)
}

fn table(rows: &[[String; 7]], widths: &[usize; 7]) -> String {
    let mut out = String::new();
    push_row(&mut out, &HEAD.map(String::from), widths);
    let rule: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
    out.push_str(&rule.join(&" ".repeat(GAP)));
    out.push('\n');
    for row in rows {
        push_row(&mut out, row, widths);
    }
    out
}

fn push_row(out: &mut String, row: &[String; 7], widths: &[usize; 7]) {
    let cells: [Vec<String>; 7] = std::array::from_fn(|c| wrap(&row[c], widths[c] as f64, |t| columns(t) as f64));
    for line in 0..cells.iter().map(Vec::len).max().unwrap_or(0) {
        let mut text = String::new();
        for (c, cell) in cells.iter().enumerate() {
            let part = cell.get(line).map_or("", String::as_str);
            let space = " ".repeat(widths[c].saturating_sub(columns(part)));
            let (before, after) = if WORDS.contains(&c) { ("", space.as_str()) } else { (space.as_str(), "") };
            text.push_str(&format!("{before}{part}{after}{}", " ".repeat(GAP)));
        }
        out.push_str(text.trim_end());
        out.push('\n');
    }
}

fn blocks(rows: &[[String; 7]], width: usize) -> String {
    let mut out = String::new();
    for row in rows {
        for (c, cell) in row.iter().enumerate().filter(|(_, cell)| !matches!(cell.as_str(), "" | MISSING)) {
            let text = if c == 0 { cell.clone() } else { format!("{}: {cell}", HEAD[c]) };
            let indent = if c == 0 { "" } else { "  " };
            for line in wrap(&text, (width - indent.len()) as f64, |t| columns(t) as f64) {
                out.push_str(&format!("{indent}{line}\n"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let first = Headline {
            quantity: "misaligned answers".into(),
            condition: "bad-medical organism, 8 questions".into(),
            value: 0.213,
            interval: Some([0.181, 0.2491]),
            control: Some(0.004),
            p: Some(1e-9),
            n: 12000,
            method: "Wilson; permutation over questions".into(),
        };
        let second =
            Headline { quantity: "\u{1b}[31m整合性\u{202E}".into(), value: f64::NAN, ..Headline::default() };
        Report { headline: vec![first, second], ..Report::default() }
    }

    #[test]
    fn columns_line_up_and_lines_fit() {
        for width in [200, 120, 90, 60, 20, 0] {
            let text = headline_text(&report(), width);
            let most = text.lines().map(columns).max().unwrap_or(0);
            assert!(most <= width.max(NARROWEST), "{most} > {width}:\n{text}");
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202E}'), "{text}");
        }
    }

    #[test]
    fn a_wide_terminal_shows_one_line_per_number() {
        let text = headline_text(&report(), 200);
        let expected = "\
quantity            condition                                  value [95 %]  control        p       n  method
──────────────────  ─────────────────────────────────  ────────────────────  ───────  ───────  ──────  ──────────────────────────────────
misaligned answers  bad-medical organism, 8 questions  0.213 [0.181, 0.249]    0.004  < 0.001  12,000  Wilson; permutation over questions
[31m整合性                                                                –        –        –       0
";
        assert_eq!(text, expected);
    }

    #[test]
    fn without_a_headline_there_is_nothing() {
        assert_eq!(headline_text(&Report::default(), 80), "");
    }
}
