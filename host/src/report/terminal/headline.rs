//! The headline numbers as plain text.

use emhost_abi::wire::{Headline, Report};

use super::grid::{Grid, clean};
use crate::report::number::{self, MISSING};

/// The headline table for a terminal of `width` columns; empty when there is no headline.
///
/// Where the table has no room, each number becomes a short block of lines. Control characters from a
/// plugin never reach the terminal.
pub fn headline_text(report: &Report, width: usize) -> String {
    if report.headline.is_empty() {
        return String::new();
    }
    let grid = Grid {
        head: ["quantity", "condition", "value [95 %]", "control", "p", "n", "method"],
        words: [true, true, false, false, false, false, true],
        rows: report.headline.iter().map(row).collect(),
    };
    grid.text(width)
}

fn row(h: &Headline) -> [String; 7] {
    let (value, interval) = number::with_interval(h.value, h.interval);
    let value = interval.map_or(value.clone(), |interval| format!("{value} {interval}"));
    let control = h.control.map_or(MISSING.into(), |v| number::beside(v, h.value, h.interval));
    let p = h.p.map_or(MISSING.into(), number::p_value);
    [clean(&h.quantity), clean(&h.condition), value, control, p, number::count(h.n), clean(&h.method)]
}

#[cfg(test)]
mod tests {
    use super::super::grid::NARROWEST;
    use super::*;
    use crate::report::text::columns;

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
