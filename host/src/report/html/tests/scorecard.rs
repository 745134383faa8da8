//! Scorecards, on a run's page and on their own.

use super::super::{render_html, render_scorecards};
use crate::report::sample;

#[test]
fn verdicts_are_told_by_symbol_and_word() {
    for page in [render_html(&sample::report()), render_scorecards(&sample::scorecards())] {
        for (symbol, word) in [("✓", "reproduced"), ("✗", "not reproduced"), ("○", "not testable")] {
            let told = format!("<span class=\"told\"><span aria-hidden=\"true\">{symbol}</span> {word}</span>");
            assert!(page.contains(&told), "{word}");
        }
    }
}

#[test]
fn a_claim_shows_both_numbers_and_why() {
    let page = render_html(&sample::report());
    for expected in [
        "0.821 ± 0.05",
        "<span class=\"strong\">0.840</span><small>[0.820, 0.860]</small>",
        "within the tolerance<small>test: bootstrap over clusters</small><small>defect: one seed</small>",
        "<small>Qwen2.5-32B-Instruct</small><small>table 3</small>",
    ] {
        assert!(page.contains(expected), "{expected}");
    }
}

#[test]
fn studies_are_counted_linked_and_shown_with_their_defects() {
    let page = render_scorecards(&sample::scorecards());
    assert!(page.contains("<a href=\"#study-1\">What Shapes Emergent Misalignment?</a></th><td class=\"num\">1</td><td class=\"num\">1</td><td class=\"num\">1</td><td class=\"num\">3</td>"));
    assert!(page.contains("<a href=\"subspace_overlap-8c1f/report.html\">subspace_overlap-8c1f</a>"));
    assert!(page.contains("The published numbers have no intervals.") && page.contains("no run yet"));
    assert!(page.contains("<b>2</b> <span class=\"told\"><span aria-hidden=\"true\">○</span> not testable"));
    assert!(render_scorecards(&[]).contains("0 claims"));
}
