//! What the page promises: text is data, nothing is loaded, the order holds.

use sha2::{Digest, Sha256};

use super::page::SCRIPT_SHA256;
use super::{RunReport, render_html};
use crate::report::{sample, table::Cell};

#[test]
fn plugin_and_model_text_never_becomes_markup() {
    let evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x'";
    let text = || evil.to_string();
    let mut run = sample::report();
    (run.title, run.plugin, run.run_id, run.recipe, run.command) = (text(), text(), text(), text(), text());
    (run.report.question, run.report.verdict, run.report.setting) = (text(), text(), text());
    (run.report.caveats, run.warnings, run.provenance) = (vec![text()], vec![text()], vec![(text(), text())]);
    let first = &mut run.report.headline[0];
    (first.quantity, first.condition, first.method) = (text(), text(), text());
    (run.figures[0].title, run.figures[0].caption, run.figures[1].name) = (text(), text(), text());
    let table = &mut run.tables[0];
    (table.note.table, table.note.caption, table.href, table.columns[0]) = (text(), text(), text(), text());
    table.rows[0][1] = Cell::Text(evil.repeat(9));
    let page = render_html(&run);
    assert_eq!(page.matches("<script").count(), 1);
    assert!(!page.contains("<img") && !page.contains("\" onload") && !page.contains("' onload"));
    assert!(page.contains("Failed to draw figure"), "a figure with a bad name shows its error");
}

#[test]
fn the_policy_allows_exactly_the_sorting_script() {
    let page = render_html(&sample::report());
    let (_, rest) = page.split_once("<script>").unwrap();
    let (script, _) = rest.split_once("</script>").unwrap();
    assert_eq!(base64(&Sha256::digest(script)), SCRIPT_SHA256, "sort.js changed: put the left value into page.rs");
    let policy = format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{SCRIPT_SHA256}'");
    assert!(page.find(&policy).unwrap() < page.find("<style>").unwrap());
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, i| bits << 8 | u32::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            out.push(if i <= chunk.len() { DIGITS[(bits >> (18 - 6 * i)) as usize & 63] as char } else { '=' });
        }
    }
    out
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = render_html(&sample::report());
    for forbidden in ["src=", "@import", "url(http", "<link", "<iframe", "javascript:"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    let outside = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!outside.contains("http://") && !outside.contains("https://"));
}

#[test]
fn the_sections_come_in_order_and_empty_ones_are_left_out() {
    let page = render_html(&sample::report());
    let order = [
        "class=\"question\"",
        "class=\"verdict\"",
        "id=\"headline\"",
        "id=\"figures\"",
        "id=\"tables\"",
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
fn equal_reports_give_equal_bytes() {
    assert_eq!(render_html(&sample::report()), render_html(&sample::report()));
}

#[test]
fn only_paths_below_the_report_are_links() {
    let check = |href: &str, expected: bool| {
        let mut run = sample::report();
        run.tables[0].href = href.into();
        assert_eq!(render_html(&run).contains("<a href=\"tables/"), expected, "{href}");
    };
    check("tables/answers.parquet", true);
    check("javascript:alert(1)", false);
    check("//example.org/x", false);
    check("tables/../../x", false);
}

#[test]
fn numbers_are_shown_short_and_sorted_exactly() {
    let check = |expected: &str| assert!(render_html(&sample::report()).contains(expected), "{expected}");
    check("<td class=\"num strong\">0.613</td><td class=\"num\">[0.571, 0.652]</td>");
    check("<td class=\"num\">&lt; 0.001</td>");
    check("data-v=\"0.0001");
    check("First 24 of 12,000 rows.");
    check("<details><summary>You should double");
}
