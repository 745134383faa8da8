//! The page that sets runs side by side.

use super::markup::{escape, link_relative, open_box, pairs};
use super::{metrics, sections, shell};
use crate::report::comparison::{self, ComparedRun, ComparisonReport, Parameter, letter};
use crate::report::number::MISSING;

/// Writes a comparison as one HTML file, under the same rules as a run's report.
///
/// Numbers line up by quantity and condition; what the runs do not share is shown and left out of figures.
pub fn render_comparison(report: &ComparisonReport) -> String {
    let mut body = String::new();
    let lined_up = comparison::metrics(report);
    runs(&mut body, &report.runs);
    metrics::section(&mut body, &report.runs, &lined_up);
    metrics::figure(&mut body, &report.runs, &lined_up);
    parameters(&mut body, report);
    let caveats = all_caveats(report);
    sections::caveats(&mut body, &caveats, &[]);
    provenance(&mut body, report);
    sections::reproduce(&mut body, &report.command);
    let mut page = String::new();
    let count = super::markup::plural(report.runs.len(), "run");
    sections::opening(&mut page, &["comparison", &count], &report.title, &report.question);
    sections::verdict(&mut page, &report.verdict, caveats.len(), 0);
    page.push_str(&shell::contents(&body));
    shell::document(&report.title, &(page + &body))
}

fn runs(out: &mut String, runs: &[ComparedRun]) {
    if runs.is_empty() {
        return;
    }
    out.push_str("<section id=\"runs\">\n<h2>Runs</h2>\n");
    open_box(out, "Runs");
    out.push_str("<table class=\"runs\">\n<thead><tr>");
    for name in ["", "Run", "Report", "Plugin", "When", "Seeds"] {
        out.push_str(&format!("<th scope=\"col\">{name}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (r, run) in runs.iter().enumerate() {
        let seeds: Vec<String> = run.seeds.iter().map(u64::to_string).collect();
        let cells = [
            escape(&run.name),
            format!("<code>{}</code>", link_relative(&run.href, &run.run_id)),
            escape(format!("{} {}", run.plugin, run.version).trim()),
            escape(&run.when),
            escape(&seeds.join(", ")),
        ];
        out.push_str(&format!("<tr><th scope=\"row\">{}</th>", letter(r)));
        for cell in cells {
            out.push_str(&format!("<td>{}</td>", if cell.is_empty() { MISSING } else { &cell }));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

/// The parameters that differ; the equal ones fold away.
fn parameters(out: &mut String, report: &ComparisonReport) {
    let (differing, equal): (Vec<Parameter>, Vec<Parameter>) =
        comparison::parameters(report).into_iter().partition(Parameter::differs);
    if differing.is_empty() && equal.is_empty() {
        return;
    }
    out.push_str("<section id=\"parameters\">\n<h2>Parameters</h2>\n");
    if differing.is_empty() {
        out.push_str("<p>All parameters are equal.</p>\n");
    } else {
        open_box(out, "Parameters that differ");
        out.push_str("<table class=\"parameters\">\n<thead><tr><th scope=\"col\">Differs</th>");
        for r in 0..report.runs.len() {
            out.push_str(&format!("<th scope=\"col\">{}</th>", letter(r)));
        }
        out.push_str("</tr></thead>\n<tbody>\n");
        for parameter in &differing {
            out.push_str(&format!("<tr><th scope=\"row\"><code>{}</code></th>", escape(&parameter.name)));
            for value in &parameter.values {
                match value {
                    Some(value) => out.push_str(&format!("<td><code>{}</code></td>", escape(value))),
                    None => out.push_str(&format!("<td class=\"missing\">{MISSING}</td>")),
                }
            }
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n</div>\n");
    }
    if !equal.is_empty() {
        let said = super::markup::plural(equal.len(), "parameter");
        out.push_str(&format!("<details class=\"equal\"><summary>{said} equal in all runs</summary>\n"));
        let values: Vec<(String, String)> =
            equal.into_iter().map(|p| (p.name, p.values.into_iter().flatten().next().unwrap_or_default())).collect();
        pairs(out, &values);
        out.push_str("</details>\n");
    }
    out.push_str("</section>\n");
}

/// The comparison's caveats, then those of its runs: each once, with the letters of the runs that make it.
fn all_caveats(report: &ComparisonReport) -> Vec<String> {
    let mut all: Vec<(&str, Vec<String>)> = Vec::new();
    for (r, run) in report.runs.iter().enumerate() {
        for caveat in &run.caveats {
            match all.iter_mut().find(|(text, _)| text == caveat) {
                Some((_, letters)) if letters.last() == Some(&letter(r)) => {}
                Some((_, letters)) => letters.push(letter(r)),
                None => all.push((caveat, vec![letter(r)])),
            }
        }
    }
    let of_runs = all.into_iter().map(|(text, letters)| format!("{}: {text}", letters.join(", ")));
    report.caveats.iter().cloned().chain(of_runs).collect()
}

fn provenance(out: &mut String, report: &ComparisonReport) {
    if report.provenance.is_empty() && report.runs.iter().all(|run| run.provenance.is_empty()) {
        return;
    }
    out.push_str("<section id=\"provenance\">\n<h2>Provenance</h2>\n");
    pairs(out, &report.provenance);
    for (r, run) in report.runs.iter().enumerate().filter(|(_, run)| !run.provenance.is_empty()) {
        out.push_str(&format!("<details class=\"equal\"><summary>{}</summary>\n", escape(&run.label(r))));
        pairs(out, &run.provenance);
        out.push_str("</details>\n");
    }
    out.push_str("</section>\n");
}
