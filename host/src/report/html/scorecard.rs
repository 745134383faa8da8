//! Published claims beside what came out, in a run's report and on a page of all studies.

use super::markup::{escape, find_box, link_relative, list, open_box, plural, sortable};
use super::tables::FOUND;
use super::{sections, shell};
use crate::report::number::{self, MISSING};
use crate::report::scorecard::{ScoreVerdict, Scorecard, ScoredClaim, counts_text};

/// Writes all studies as one HTML page, under the same rules as a run's report.
pub fn render_scorecards(scorecards: &[Scorecard]) -> String {
    const TITLE: &str = "Scorecard";
    let claims: Vec<ScoredClaim> = scorecards.iter().flat_map(|study| study.claims.iter().cloned()).collect();
    let studies = if scorecards.len() == 1 { "1 study".into() } else { format!("{} studies", scorecards.len()) };
    let mut page = String::new();
    let said = [studies.as_str(), &plural(claims.len(), "claim")];
    sections::opening(&mut page, &said, TITLE, "Which published numbers come out again?");
    counts(&mut page, &claims);
    overview(&mut page, scorecards);
    for (i, study) in scorecards.iter().enumerate() {
        write_study(&mut page, study, i);
    }
    shell::document(TITLE, &page)
}

/// The claims of one run.
pub fn section(out: &mut String, claims: &[ScoredClaim]) {
    if claims.is_empty() {
        return;
    }
    out.push_str("<section id=\"scorecard\">\n<h2>Scorecard</h2>\n");
    counts(out, claims);
    table(out, claims, "Scorecard");
    out.push_str("</section>\n");
}

fn counts(out: &mut String, claims: &[ScoredClaim]) {
    out.push_str("<p class=\"counts\">");
    for verdict in ScoreVerdict::ALL {
        out.push_str(&format!(
            "<span class=\"{}\"><b>{}</b> {}</span> ",
            class(verdict),
            verdict.count(claims),
            told(verdict)
        ));
    }
    out.push_str("</p>\n");
}

/// One line per study, with links to their tables.
fn overview(out: &mut String, scorecards: &[Scorecard]) {
    if scorecards.len() < 2 {
        return;
    }
    out.push_str("<section id=\"studies\">\n<h2>Studies</h2>\n");
    open_box(out, "Studies");
    out.push_str("<table>\n<thead><tr><th scope=\"col\">Study</th>");
    for verdict in ScoreVerdict::ALL {
        out.push_str(&format!("<th scope=\"col\" class=\"num\">{}</th>", told(verdict)));
    }
    out.push_str("<th scope=\"col\" class=\"num\">claims</th></tr></thead>\n<tbody>\n");
    for (i, study) in scorecards.iter().enumerate() {
        out.push_str(&format!("<tr><th scope=\"row\"><a href=\"#study-{}\">{}</a></th>", i + 1, escape(&study.title)));
        for verdict in ScoreVerdict::ALL {
            out.push_str(&format!("<td class=\"num\">{}</td>", verdict.count(&study.claims)));
        }
        out.push_str(&format!("<td class=\"num\">{}</td></tr>\n", study.claims.len()));
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

fn write_study(out: &mut String, study: &Scorecard, i: usize) {
    out.push_str(&format!("<section id=\"study-{}\">\n<h2>{}</h2>\n", i + 1, escape(&study.title)));
    let run = match (study.run_id.as_str(), study.href.as_str()) {
        ("", "") => "no run yet".into(),
        ("", href) => link_relative(href, href),
        (run, "") => escape(run),
        (run, href) => link_relative(href, run),
    };
    let parts = [escape(&study.source), run, escape(&counts_text(&study.claims))];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    out.push_str(&format!("<p class=\"caption\">{}</p>\n", parts.join(" · ")));
    if !study.claims.is_empty() {
        table(out, &study.claims, &study.title);
    }
    if !study.defects.is_empty() {
        out.push_str("<h3 class=\"defects\">Defects of the original</h3>\n");
        list(out, "defects", &study.defects);
    }
    out.push_str("</section>\n");
}

fn table(out: &mut String, claims: &[ScoredClaim], name: &str) {
    if claims.len() > FOUND {
        find_box(out, name);
    }
    open_box(out, name);
    out.push_str("<table class=\"data claims\">\n<thead><tr>");
    for (name, class) in [
        ("Verdict", "word"),
        ("Quantity", "word"),
        ("Published", "num"),
        ("Here", "num"),
        ("n", "num"),
        ("Why", "word"),
    ] {
        out.push_str(&sortable(class, name));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for claim in claims {
        write_claim(out, claim);
    }
    out.push_str("</tbody>\n</table>\n</div>\n");
}

fn write_claim(out: &mut String, claim: &ScoredClaim) {
    out.push_str(&format!(
        "<tr data-claim=\"{}\"><td class=\"word {}\">{}</td>",
        escape(&claim.id),
        class(claim.verdict),
        told(claim.verdict)
    ));
    let notes = [&claim.model, &claim.source].map(|text| small(text)).concat();
    out.push_str(&format!("<th scope=\"row\" class=\"word\">{}{notes}</th>", escape(&claim.quantity)));
    out.push_str(&format!(
        "<td {}>{}{}</td>",
        sort_key("num", claim.published.first().copied()),
        escape(&claim.published_text()),
        small(claim.unit_text())
    ));
    let (value, interval) = claim.value_text();
    let interval = interval.map(|i| small(&i)).unwrap_or_default();
    out.push_str(&format!(
        "<td {}><span class=\"strong\">{}</span>{interval}</td>",
        sort_key("num", claim.value.first().copied().flatten()),
        escape(&value)
    ));
    let n = claim.n.map_or(MISSING.into(), number::count);
    out.push_str(&format!("<td {}>{n}</td>", sort_key("num", claim.n.map(|n| n as f64))));
    let labelled =
        |label: &str, text: &str| if text.is_empty() { String::new() } else { small(&format!("{label}: {text}")) };
    out.push_str(&format!(
        "<td class=\"word why\">{}{}{}</td></tr>\n",
        escape(&claim.reason),
        labelled("test", &claim.test),
        labelled("defect", &claim.defect)
    ));
}

fn small(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("<small>{}</small>", escape(text)) }
}

/// Class and sorting key of a cell.
fn sort_key(class: &str, value: Option<f64>) -> String {
    match value.filter(|v| v.is_finite()) {
        Some(v) => format!("class=\"{class}\" data-v=\"{v:?}\""),
        None => format!("class=\"{class} missing\""),
    }
}

/// Symbol and word: neither needs colour.
fn told(verdict: ScoreVerdict) -> String {
    format!("<span class=\"told\"><span aria-hidden=\"true\">{}</span> {}</span>", verdict.symbol(), verdict.words())
}

fn class(verdict: ScoreVerdict) -> &'static str {
    match verdict {
        ScoreVerdict::Reproduced => "reproduced",
        ScoreVerdict::NotReproduced => "not-reproduced",
        ScoreVerdict::NotTestable => "not-testable",
    }
}
