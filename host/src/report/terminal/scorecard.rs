//! Scorecards as plain text.

use super::grid::{Grid, clean, lines};
use crate::report::number::{self, MISSING};
use crate::report::scorecard::{Scorecard, ScoredClaim, counts_text};

/// All studies, one table each, for a terminal of `width` columns; empty for none.
///
/// Verdicts are told by symbol and word. Control characters never reach the terminal.
pub fn scorecard_text(scorecards: &[Scorecard], width: usize) -> String {
    let mut out = String::new();
    for (i, study) in scorecards.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let source = if study.source.is_empty() { String::new() } else { format!(" ({})", study.source) };
        lines(&mut out, "", &format!("{}{source}", study.title), width);
        lines(&mut out, "", &counts_text(&study.claims), width);
        if !study.claims.is_empty() {
            out.push('\n');
            out.push_str(&grid(&study.claims).text(width));
        }
        for defect in &study.defects {
            lines(&mut out, "", &format!("defect of the original: {defect}"), width);
        }
    }
    out
}

fn grid(claims: &[ScoredClaim]) -> Grid<7> {
    Grid {
        head: ["verdict", "quantity", "model", "published", "value [95 %]", "n", "reason"],
        words: [true, true, true, false, false, false, true],
        rows: claims.iter().map(row).collect(),
    }
}

fn row(claim: &ScoredClaim) -> [String; 7] {
    let (value, interval) = claim.value_text();
    let unit = if claim.unit_text().is_empty() { String::new() } else { format!(", {}", claim.unit_text()) };
    let defect = if claim.defect.is_empty() { String::new() } else { format!("; defect: {}", claim.defect) };
    [
        format!("{} {}", claim.verdict.symbol(), claim.verdict.words()),
        clean(&format!("{}{unit}", claim.quantity)),
        clean(&claim.model),
        claim.published_text(),
        interval.map_or(value.clone(), |interval| format!("{value} {interval}")),
        claim.n.map_or(MISSING.into(), number::count),
        clean(&format!("{}{defect}", claim.reason.trim_end_matches('.'))),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::grid::NARROWEST;
    use super::*;
    use crate::report::scorecard::ScoreVerdict;
    use crate::report::text::columns;

    fn studies() -> Vec<Scorecard> {
        let claim = ScoredClaim {
            quantity: "cosine of mean deltas".into(),
            unit: "1".into(),
            model: "Qwen2.5-32B-Instruct".into(),
            published: vec![0.821],
            tolerance: vec![0.05],
            value: vec![Some(0.846)],
            interval: Some([0.83, 0.861]),
            n: Some(208),
            verdict: ScoreVerdict::Reproduced,
            reason: "within 0.05".into(),
            ..ScoredClaim::default()
        };
        let other = ScoredClaim {
            quantity: "\u{1b}[31mcomponents".into(),
            unit: "components".into(),
            published: vec![84.0, 258.0],
            defect: "one draw".into(),
            reason: "no such site".into(),
            ..ScoredClaim::default()
        };
        vec![
            Scorecard {
                title: "Subspaces".into(),
                source: "arXiv 1".into(),
                claims: vec![claim, other],
                defects: vec!["no seeds".into()],
                ..Scorecard::default()
            },
            Scorecard { title: "Empty".into(), ..Scorecard::default() },
        ]
    }

    #[test]
    fn a_wide_terminal_shows_one_line_per_claim() {
        let expected = "\
Subspaces (arXiv 1)
1 reproduced · 1 not testable

verdict         quantity                    model                    published          value [95 %]    n  reason
──────────────  ──────────────────────────  ────────────────────  ────────────  ────────────────────  ───  ──────────────────────────────
✓ reproduced    cosine of mean deltas       Qwen2.5-32B-Instruct  0.821 ± 0.05  0.846 [0.830, 0.861]  208  within 0.05
○ not testable  [31mcomponents, components                           84 to 258                     –    –  no such site; defect: one draw
defect of the original: no seeds

Empty
no claims
";
        assert_eq!(scorecard_text(&studies(), 200), expected);
    }

    #[test]
    fn lines_fit_any_terminal_and_carry_no_control_characters() {
        for width in [200, 100, 60, 20, 0] {
            let text = scorecard_text(&studies(), width);
            let most = text.lines().map(columns).max().unwrap_or(0);
            assert!(most <= width.max(NARROWEST + 2), "{most} > {width}:\n{text}");
            assert!(!text.contains('\u{1b}'), "{text}");
        }
    }
}
