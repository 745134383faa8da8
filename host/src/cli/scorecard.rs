//! `emhost scorecard`.

use std::path::{Path, PathBuf};

use super::args::CliError;
use super::terminal::{print, width};
use crate::config::Settings;
use crate::installed::or_installed;
use crate::report::{Scorecard, render_scorecards, scorecard_text};
use crate::run::{self, Listed, Recipe, RunError, Study};
use crate::scorecard::{ScorecardFile, fill};
use crate::store::write_atomic;

/// Put what was published beside what came out, for all studies on one page.
///
/// Each `experiments/*/scorecard.toml` lists the published claims of a study: the number, its tolerance, the statistic that
/// tests it, known defects of the original. The newest finished run with the parameters of the study's recipe fills it in; where
/// there is none, the newest finished run of its plugin, and the page says so.
#[derive(Debug, clap::Args)]
pub struct ScorecardArgs {
    /// Folder of the studies; by default that of the current folder, or else that of the installation.
    #[arg(long, default_value = "experiments", value_name = "FOLDER")]
    experiments: PathBuf,
    /// Use this run of its plugin instead; may be given several times.
    #[arg(long, value_name = "RUN")]
    run: Vec<String>,
    /// Also write the page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

pub(super) fn run(args: ScorecardArgs, settings: &Settings) -> Result<(), CliError> {
    let chosen = args.run.iter().map(|name| run::named(&settings.runs, name)).collect::<Result<Vec<_>, _>>()?;
    let others = run::list(&settings.runs)?;
    let files = files(&or_installed(&args.experiments))?;
    let page = args.html.as_deref().and_then(Path::parent).map(Path::to_owned).unwrap_or_default();
    let cards = files.iter().map(|path| card(path, &chosen, &others, &page)).collect::<Result<Vec<_>, _>>()?;
    if let Some(path) = &args.html {
        write_atomic(path, render_scorecards(&cards).as_bytes())?;
    }
    Ok(print(&scorecard_text(&cards, width()))?)
}

/// The scorecards of all studies, by name.
fn files(experiments: &Path) -> Result<Vec<PathBuf>, CliError> {
    let refuse = |problem: String| CliError::Said { message: format!("{}: {problem}", experiments.display()), code: 2 };
    let entries = std::fs::read_dir(experiments)
        .map_err(|e| refuse(format!("{e}; name the folder of the studies with --experiments")))?;
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path().join("scorecard.toml")).filter(|path| path.is_file()).collect();
    files.sort();
    if files.is_empty() {
        return Err(refuse("no study in it has a scorecard.toml".to_owned()));
    }
    Ok(files)
}

fn card(path: &Path, chosen: &[Listed], others: &[Listed], page: &Path) -> Result<Scorecard, RunError> {
    let file = ScorecardFile::read(path)?;
    let recipes = recipes(path);
    let as_published = |run: &&Listed| {
        recipes.iter().any(|recipe| recipe.plugin == run.record.plugin && recipe.params == run.record.params)
    };
    let (of_recipe, rest): (Vec<_>, Vec<_>) = others.iter().partition(as_published);
    let in_order = chosen.iter().chain(of_recipe).chain(rest);
    let finished: Vec<&Listed> = in_order.filter(|run| run.report.is_some()).collect();
    let run = finished.iter().find(|run| run.record.plugin == file.plugin);
    let report = run.map(|run| run.folder.root().join("report.html"));
    // A page beside the folder of runs can point into it.
    let href = report.and_then(|report| Some(report.strip_prefix(page).ok()?.display().to_string()));
    let name = |run: &&Listed| {
        let own = if as_published(run) { "" } else { ", with other parameters than the study's recipes" };
        format!("{}{own}", run.record.id)
    };
    Ok(Scorecard {
        title: file.title.clone(),
        source: file.source.clone(),
        run_id: run.map(name).unwrap_or_default(),
        href: href.unwrap_or_default(),
        claims: fill(&file, &finished)?,
        defects: file.defects.clone(),
    })
}

/// The recipes beside a scorecard; one that cannot be read is that of no run.
fn recipes(scorecard: &Path) -> Vec<Recipe> {
    let studies = ["embedded.toml", "paper.toml"].map(|name| Study::read(&scorecard.with_file_name(name)));
    studies.into_iter().flatten().flat_map(|study| study.parts).collect()
}
