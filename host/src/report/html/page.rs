//! The page: its data, its order and its security policy.

use emhost_abi::wire::{Figure, Report};

use super::{sections, tables};
use crate::report::table::ReportTable;
use crate::report::text::escape;

/// Everything that a run's report shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunReport {
    /// What the run was, as a short title.
    pub title: String,
    /// Name of the plugin.
    pub plugin: String,
    /// Id of the run.
    pub run_id: String,
    /// The plugin's words and headline numbers.
    pub report: Report,
    /// Figures, in order.
    pub figures: Vec<Figure>,
    /// Tables to show, in order.
    pub tables: Vec<ReportTable>,
    /// The resolved recipe as TOML.
    pub recipe: String,
    /// Names and values: versions, digests, commit, host, seed.
    pub provenance: Vec<(String, String)>,
    /// The exact command that repeats the run.
    pub command: String,
    /// What the host noticed: skipped cells, missing judgments, a changed working tree.
    pub warnings: Vec<String>,
}

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("sort.js");
/// SHA-256 of `sort.js` in base64; a test tells the new one when the script changes.
pub(super) const SCRIPT_SHA256: &str = "udih5U51/3fmOBZnRsmwmt2bcxt2MKq0LrHFy24iBE4=";

/// Writes a report as one HTML file that loads nothing and runs nothing but its own table sorting.
///
/// All text is data: it is escaped, and the page's Content-Security-Policy allows one script, by its digest.
/// Equal reports give equal bytes. A figure that cannot be drawn shows its error in its place.
pub fn render_html(run: &RunReport) -> String {
    let mut out = String::new();
    out.push_str(&format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'sha256-{SCRIPT_SHA256}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
        escape(&run.title)
    ));
    sections::opening(&mut out, run);
    sections::headline(&mut out, &run.report.headline);
    sections::figures(&mut out, &run.figures);
    tables::section(&mut out, &run.tables);
    sections::caveats(&mut out, &run.report.caveats, &run.warnings);
    sections::setting(&mut out, &run.report.setting);
    sections::recipe(&mut out, &run.recipe);
    sections::provenance(&mut out, run);
    out.push_str(&format!("</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"));
    out
}
