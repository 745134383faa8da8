//! The page of a comparison.

use super::super::render_comparison;
use crate::report::comparison::ComparedRun;
use crate::report::sample;

#[test]
fn the_sections_come_in_order() {
    let page = render_comparison(&sample::comparison());
    let order = [
        "class=\"question\"",
        "class=\"verdict\"",
        "id=\"runs\"",
        "id=\"metrics\"",
        "id=\"figures\"",
        "id=\"parameters\"",
        "id=\"caveats\"",
        "id=\"provenance\"",
        "id=\"reproduce\"",
    ];
    let places: Vec<usize> = order.iter().map(|mark| page.find(mark).unwrap_or_else(|| panic!("{mark}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
}

#[test]
fn parameters_that_differ_stand_out_and_equal_ones_fold() {
    let page = render_comparison(&sample::comparison());
    assert!(page.contains("<code>method.lora.rank</code></th><td><code>1</code></td><td><code>32</code></td>"));
    let (_, folded) = page.split_once("1 parameter equal in all runs").unwrap();
    assert!(folded.contains("<dt>steps</dt><dd>600</dd>"));
}

#[test]
fn rows_apart_are_marked_in_words_and_differences_say_their_method() {
    let page = render_comparison(&sample::comparison());
    assert_eq!(page.matches("<tr class=\"apart\">").count(), 2);
    assert!(page.contains("<td class=\"said\"><span class=\"mark\">◆ apart</span>"));
    assert!(page.contains("<span class=\"strong\">+0.200</span><small>[0.136, 0.264]</small>"), "{page}");
    assert!(page.contains("taken as independent (MOVER)"));
    let mut same = sample::comparison();
    same.runs[1].headline = same.runs[0].headline.clone();
    let page = render_comparison(&same);
    assert!(!page.contains("<tr class=\"apart\">") && page.contains("<td class=\"said\">overlap"));
}

#[test]
fn three_runs_name_the_pairs_that_are_apart() {
    let mut three = sample::comparison();
    three.runs.push(three.runs[0].clone());
    let page = render_comparison(&three);
    assert!(page.contains("<small>A B, B C</small>") && !page.contains("B − A"));
    assert!(page.contains("A, C: One base model.") || page.contains("A, B, C: One base model."));
}

#[test]
fn reports_are_linked_by_relative_paths_alone() {
    let check = |href: &str, expected: bool| {
        let mut comparison = sample::comparison();
        comparison.runs[0].href = href.into();
        assert_eq!(render_comparison(&comparison).contains("overlap-1a</a>"), expected, "{href}");
    };
    check("../overlap-1a/report.html", true);
    check("", false);
    check("https://example.org/x", false);
    check("javascript:alert(1)", false);
    check("//example.org/x", false);
}

#[test]
fn runs_without_numbers_or_parameters_make_a_page() {
    let mut bare = sample::comparison();
    bare.runs = vec![ComparedRun::default(), ComparedRun::default()];
    let page = render_comparison(&bare);
    assert!(
        !page.contains("id=\"metrics\"") && !page.contains("id=\"parameters\"") && !page.contains("id=\"figures\"")
    );
}

#[test]
fn panels_have_one_legend() {
    let mut comparison = sample::comparison();
    for run in &mut comparison.runs {
        let mut other = run.headline[0].clone();
        other.quantity = "coherent answers".into();
        run.headline.push(other);
    }
    let page = render_comparison(&comparison);
    assert_eq!((page.matches("class=\"plot panel\"").count(), page.matches(">A: rank 1</text>").count()), (2, 1));
}
