//! What every page promises: text is data, nothing is loaded, one script runs.

use sha2::{Digest, Sha256};

use super::super::shell::SCRIPT_SHA256;
use super::super::{render_comparison, render_html, render_scorecards};
use crate::report::sample;
use crate::report::table::Cell;

const EVIL: &str = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x'<!--";

fn evil() -> String {
    EVIL.to_string()
}

fn pages() -> [String; 3] {
    [render_html(&sample::report()), render_comparison(&sample::comparison()), render_scorecards(&sample::scorecards())]
}

fn check_harmless(whole: &str, scripts: usize) {
    assert_eq!(whole.matches("<script").count(), scripts);
    assert_eq!(whole.matches("</script>").count(), scripts);
    assert!(!whole.contains("<img"));
    // Data is JSON inside a script element: only `<` could end it, and quotes mean nothing to the page.
    let page: String = whole
        .split("<script type=\"application/json\">")
        .enumerate()
        .map(|(i, part)| match i {
            0 => part,
            _ => part.split_once("</script>").unwrap().1,
        })
        .collect();
    for forbidden in ["<img", "<!--", "\" onload", "' onload"] {
        assert!(!page.replace("<!DOCTYPE", "").contains(forbidden), "{forbidden}");
    }
}

#[test]
fn plugin_and_model_text_never_becomes_markup() {
    let mut run = sample::report();
    (run.title, run.plugin, run.run_id, run.recipe, run.command) = (evil(), evil(), evil(), evil(), evil());
    (run.report.question, run.report.verdict, run.report.setting) = (evil(), evil(), evil());
    (run.report.caveats, run.warnings, run.provenance) = (vec![evil()], vec![evil()], vec![(evil(), evil())]);
    let first = &mut run.report.headline[0];
    (first.quantity, first.condition, first.method) = (evil(), evil(), evil());
    (run.figures[0].title, run.figures[0].caption, run.figures[1].name) = (evil(), evil(), evil());
    let table = &mut run.tables[0];
    (table.note.table, table.note.caption, table.href, table.columns[0]) = (evil(), evil(), evil(), evil());
    table.rows[0][1] = Cell::Text(EVIL.repeat(9));
    let page = render_html(&run);
    // The page's own and the data of the answers.
    check_harmless(&page, 2);
    assert!(page.contains("Failed to draw figure"), "a figure with a bad name shows its error");
}

#[test]
fn answers_and_their_columns_never_become_markup() {
    let mut run = sample::report();
    let answers = &mut run.answers[0];
    (answers.note.table, answers.note.caption, answers.href) = (evil(), evil(), evil());
    answers.note.conditions = vec![evil(), evil()];
    answers.note.scores = vec![evil(), evil()];
    for (i, row) in answers.rows.iter_mut().enumerate() {
        row.question = format!("{EVIL}{}", i % 3);
        row.answer = Some(EVIL.repeat(1 + i));
        row.conditions = vec![Cell::Text(format!("{EVIL}{}", i % 2)), Cell::Missing];
    }
    check_harmless(&render_html(&run), 2);
}

#[test]
fn words_of_comparisons_and_scorecards_never_become_markup() {
    let mut comparison = sample::comparison();
    (comparison.title, comparison.question, comparison.verdict, comparison.command) = (evil(), evil(), evil(), evil());
    (comparison.caveats, comparison.provenance) = (vec![evil()], vec![(evil(), evil())]);
    for run in &mut comparison.runs {
        (run.name, run.run_id, run.plugin, run.version, run.when) = (evil(), evil(), evil(), evil(), evil());
        (run.href, run.caveats, run.provenance) = (evil(), vec![evil()], vec![(evil(), evil())]);
        let place = run.parameters.len();
        run.parameters.push((evil(), format!("{EVIL}{}", run.parameters[1].1)));
        run.parameters.push((format!("{EVIL}{place}"), evil()));
        (run.headline[0].quantity, run.headline[0].condition, run.headline[0].method) = (evil(), evil(), evil());
    }
    check_harmless(&render_comparison(&comparison), 1);
    let mut studies = sample::scorecards();
    let study = &mut studies[0];
    (study.title, study.source, study.run_id, study.href) = (evil(), evil(), evil(), evil());
    study.defects = vec![evil()];
    let claim = &mut study.claims[0];
    (claim.id, claim.quantity, claim.unit, claim.model, claim.test) = (evil(), evil(), evil(), evil(), evil());
    (claim.defect, claim.source, claim.reason) = (evil(), evil(), evil());
    check_harmless(&render_scorecards(&studies), 1);
}

#[test]
fn the_policy_allows_exactly_the_pages_own_script() {
    for page in pages() {
        let (_, rest) = page.split_once("<script>").unwrap();
        let (script, _) = rest.split_once("</script>").unwrap();
        assert_eq!(
            base64(&Sha256::digest(script)),
            SCRIPT_SHA256,
            "a script changed: put the left value into shell.rs"
        );
        let policy = format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{SCRIPT_SHA256}'");
        assert!(page.find(&policy).unwrap() < page.find("<style>").unwrap());
        assert!(!script.contains("innerHTML") && !script.contains("insertAdjacentHTML") && !script.contains("eval("));
    }
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
    for page in pages() {
        for forbidden in ["src=", "@import", "url(http", "<link", "<iframe", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden}");
        }
        let outside = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!outside.contains("http://") && !outside.contains("https://"));
    }
}

#[test]
fn equal_reports_give_equal_bytes() {
    assert_eq!(pages(), pages());
}

#[test]
fn every_id_is_there_once() {
    for page in pages() {
        let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let distinct: std::collections::HashSet<&&str> = ids.iter().collect();
        assert_eq!(ids.len(), distinct.len(), "{ids:?}");
        for target in page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(ids.contains(&target) || page.contains(&format!("id=\"{target}\"")), "#{target} leads nowhere");
        }
    }
}
