//! A run's page: its data and its order.

use emhost_abi::wire::{Figure, Report};

use super::{answers, scorecard, sections, shell, tables};
use crate::report::answers::ReportAnswers;
use crate::report::scorecard::ScoredClaim;
use crate::report::table::ReportTable;

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
    /// Published claims beside the run's numbers; empty for a run that repeats no study.
    pub scorecard: Vec<ScoredClaim>,
    /// Figures, in order.
    pub figures: Vec<Figure>,
    /// Tables to show, in order.
    pub tables: Vec<ReportTable>,
    /// Answers with their judgments, in order.
    pub answers: Vec<ReportAnswers>,
    /// The resolved recipe as TOML.
    pub recipe: String,
    /// Names and values: versions, digests, commit, host, seed.
    pub provenance: Vec<(String, String)>,
    /// The exact command that repeats the run.
    pub command: String,
    /// What the host noticed: skipped cells, missing judgments, a changed working tree.
    pub warnings: Vec<String>,
}

/// Writes a report as one HTML file that loads nothing and runs nothing but its own script.
///
/// All text is data: it is escaped, and the page's Content-Security-Policy allows one script, by its digest.
/// Equal reports give equal bytes. A figure that cannot be drawn shows its error in its place.
pub fn render_html(run: &RunReport) -> String {
    let mut body = String::new();
    sections::headline(&mut body, &run.report.headline);
    scorecard::section(&mut body, &run.scorecard);
    sections::figures(&mut body, &run.figures);
    tables::section(&mut body, &run.tables);
    answers::section(&mut body, &run.answers);
    sections::caveats(&mut body, &run.report.caveats, &run.warnings);
    sections::setting(&mut body, &run.report.setting);
    sections::recipe(&mut body, &run.recipe);
    sections::provenance(&mut body, &run.provenance);
    sections::reproduce(&mut body, &run.command);
    let mut page = String::new();
    sections::opening(&mut page, &[&run.plugin, &run.run_id], &run.title, &run.report.question);
    sections::verdict(&mut page, &run.report.verdict, run.report.caveats.len(), run.warnings.len());
    page.push_str(&shell::contents(&body));
    shell::document(&run.title, &(page + &body))
}
