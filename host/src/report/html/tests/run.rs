//! A run's page: its order, its links and its numbers.

use super::super::{RunReport, render_html};
use crate::report::sample;
use crate::report::table::Cell;

#[test]
fn the_sections_come_in_order_and_empty_ones_are_left_out() {
    let page = render_html(&sample::report());
    let order = [
        "class=\"question\"",
        "class=\"verdict\"",
        "class=\"contents\"",
        "id=\"headline\"",
        "id=\"scorecard\"",
        "id=\"figures\"",
        "id=\"tables\"",
        "id=\"answers\"",
        "id=\"caveats\"",
        "id=\"setting\"",
        "id=\"recipe\"",
        "id=\"provenance\"",
        "id=\"reproduce\"",
    ];
    let places: Vec<usize> = order.iter().map(|mark| page.find(mark).unwrap_or_else(|| panic!("{mark}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
    let empty = render_html(&RunReport { title: "t".into(), ..RunReport::default() });
    assert!(!empty.contains("<section"), "{empty}");
}

#[test]
fn only_paths_below_the_report_are_links() {
    let check = |href: &str, expected: bool| {
        let mut run = RunReport { tables: sample::report().tables, ..RunReport::default() };
        run.tables[0].href = href.into();
        assert_eq!(render_html(&run).contains("<a href=\"tables/"), expected, "{href}");
    };
    check("tables/answers.parquet", true);
    check("javascript:alert(1)", false);
    check("//example.org/x", false);
    check("tables/../../x", false);
    check("tables/x?y", false);
}

#[test]
fn numbers_are_shown_short_and_sorted_exactly() {
    let check = |expected: &str| assert!(render_html(&sample::report()).contains(expected), "{expected}");
    check("<td class=\"num strong\">0.613</td><td class=\"num\">[0.571, 0.652]</td>");
    check("<td class=\"num\">&lt; 0.001</td>");
    check("data-v=\"0.0001");
    check("First 24 of 12,000 rows.");
    check("<details><summary><span class=\"start\">You should double");
}

#[test]
fn columns_sort_by_buttons_that_say_their_state() {
    let page = render_html(&sample::report());
    let columns = sample::report().tables[0].columns.len() + 6;
    assert_eq!(page.matches("aria-sort=\"none\"><button type=\"button\">").count(), columns);
}

#[test]
fn only_long_tables_have_a_filter() {
    let check = |rows: usize, expected: usize| {
        let mut run = RunReport { tables: sample::report().tables, ..RunReport::default() };
        run.tables[0].rows = (0..rows).map(|i| vec![Cell::Integer(i as i64)]).collect();
        assert_eq!(render_html(&run).matches("<p class=\"find\" hidden>").count(), expected, "{rows}");
    };
    check(30, 0);
    check(31, 1);
}
