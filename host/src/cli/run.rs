//! `emhost run`.

use std::path::PathBuf;
use std::time::Duration;

use super::args::CliError;
use super::terminal::{print, width};
use crate::config::Settings;
use crate::installed::or_installed;
use crate::model::device;
use crate::plugins::{self, LoadedPlugin, find, places};
use crate::report::{headline_text, render_comparison};
use crate::run::{
    self, Budget, Cost, Interrupt, Options, Outcome, Preview, ProgressMode, Recipe, RunError, Selection, Study,
    unknown_key,
};
use crate::store::write_atomic;

/// Run a study, or go on with it.
///
/// Give a recipe file, or a plugin with its embedded recipe. The same recipe leads to the same run:
/// finished cells are kept, so that an interrupted run goes on where it was, and cells that failed are tried again.
/// Cells run side by side; what they compute is shared through the store and never computed twice.
#[derive(Debug, clap::Args)]
#[command(after_long_help = RECIPE)]
pub struct RunArgs {
    /// Recipe: TOML with `plugin` and a table `[params]`; what is not here is looked for among the recipes of the installation.
    #[arg(required_unless_present = "plugin")]
    recipe: Option<PathBuf>,
    /// Plugin, by name or by the path of its library; of a recipe with several parts the only one that runs.
    #[arg(long, value_name = "NAME|PATH")]
    plugin: Option<String>,
    /// Set a parameter, such as `random_draws=1000` (see `emhost plugin info NAME`), or an axis of the grid, such as
    /// `grid.seed=[1, 2]`.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Run only the cells whose id fits, such as `condition=c1,*`; a run is summarised once all its cells are finished.
    #[arg(long, value_name = "PATTERN")]
    cells: Vec<String>,
    /// Cells at the same time, where memory allows; 0 for one per processor.
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Caps: no cell begins after `time=2h`; judges stop at `cost=5`, in the currency of their prices. With a comma, both.
    #[arg(long, value_name = "CAPS")]
    budget: Option<Budget>,
    /// Say which cells would run and what they cost: tokens, disk and time, from rates that were measured in this store.
    #[arg(long)]
    dry_run: bool,
    /// With `--dry-run`: JSON.
    #[arg(long, requires = "dry_run")]
    json: bool,
    /// Run finished cells again.
    #[arg(long)]
    fresh: bool,
    /// How progress is shown on stderr.
    #[arg(long, value_enum, default_value_t)]
    progress: ProgressMode,
}

/// What `--help` ends with.
const RECIPE: &str = "\
A recipe is TOML:

  extends = \"base.toml\"            # another recipe, which this one changes
  plugin = \"subspace_overlap\"
  name = \"overlap\"                 # first part of the run's id
  [params]                         # see `emhost plugin info subspace_overlap`
  random_draws = 1000
  [grid]                           # each combination is a run
  seed = [42, 137, 256]
  organisms.recipes.all.learning_rate = [1e-4, 1e-3]

A study that takes several plugins has `[[part]]`s in place of `plugin`, which run one after the other. What stands in
[params] beside them holds for each; --plugin runs one part alone, --set changes all of them.

  [[part]]
  plugin = \"em_finetune\"
  [part.params]
  seed = 1";

pub(super) fn run(mut args: RunArgs, settings: &Settings) -> Result<(), CliError> {
    args.recipe = args.recipe.map(|path| or_installed(&path));
    let usage = |message: String| CliError::Said { message, code: 2 };
    let mut study = match (&args.recipe, &args.plugin) {
        (Some(path), _) => Study::read(path)?,
        (None, Some(plugin)) => Study { name: String::new(), parts: vec![Recipe::bare(plugin)] },
        (None, None) => return Err(usage("give a recipe or --plugin".to_owned())),
    };
    if let (Some(plugin), [only]) = (&args.plugin, &mut study.parts[..]) {
        only.plugin.clone_from(plugin);
    } else if let Some(plugin) = &args.plugin {
        // Of a study's parts the one with this plugin.
        let names: Vec<String> = study.parts.iter().map(|part| part.plugin.clone()).collect();
        study.parts.retain(|part| part.plugin == *plugin);
        if study.parts.is_empty() {
            return Err(usage(format!("the recipe has no part with plugin `{plugin}`, only {}", names.join(", "))));
        }
    }
    if study.parts.len() > 1 && !args.cells.is_empty() {
        return Err(usage("--cells chooses cells of one plugin: name it with --plugin".to_owned()));
    }
    let prepared = study.parts.into_iter().map(|part| Prepared::new(part, &args)).collect::<Result<Vec<_>, _>>()?;
    let options = Options {
        runs: settings.runs.clone(),
        store: settings.store.clone(),
        fresh: args.fresh,
        cells: Selection::new(args.cells),
        workers: args.workers.unwrap_or(settings.workers),
        budget: args.budget.unwrap_or_default(),
        progress: args.progress,
        device: device(&settings.device).map_err(RunError::from)?,
        command: typed(),
        scorecard: args
            .recipe
            .as_deref()
            .map(|path| path.with_file_name("scorecard.toml"))
            .filter(|path| path.is_file()),
    };
    let interrupt = Interrupt::listen(Duration::from_secs(settings.grace_seconds))
        .map_err(|source| CliError::Said { message: format!("listen to signals: {source}"), code: 4 })?;
    if args.dry_run {
        let mut previews = Vec::new();
        for Prepared { plugin, points, .. } in &prepared {
            previews.extend(run::plan(points, plugin, &options, interrupt.clone())?);
        }
        return previewed(&previews, args.json);
    }
    prepared.iter().try_for_each(|part| part.run(settings, &options, &interrupt))
}

/// A plugin that is loaded, with its recipes.
struct Prepared {
    plugin: LoadedPlugin,
    recipe: Recipe,
    points: Vec<Recipe>,
}

impl Prepared {
    /// Loads the plugin, and checks what its parameters are called.
    fn new(mut recipe: Recipe, args: &RunArgs) -> Result<Self, CliError> {
        let plugin = plugins::load(&find(&recipe.plugin, &places(&PathBuf::from(".")))?)?;
        if args.recipe.is_none() {
            recipe = match plugin.manifest().recipe.as_str() {
                "" => Recipe { name: plugin.manifest().name.clone(), ..recipe },
                text => Recipe::parse(text, &plugin.path().join("embedded recipe"))?,
            };
        }
        for assignment in &args.set {
            recipe.set(assignment)?;
        }
        let points = recipe.points()?;
        for point in &points {
            if let Some(problem) = unknown_key(&plugin.manifest().params, &point.params) {
                let message = format!("{problem} (see `emhost plugin info {}`)", plugin.manifest().name);
                return Err(CliError::Said { message, code: 2 });
            }
        }
        Ok(Self { plugin, recipe, points })
    }

    /// Runs the recipes, and prints what came out.
    fn run(&self, settings: &Settings, options: &Options, interrupt: &Interrupt) -> Result<(), CliError> {
        let outcomes = run::run(&self.points, &self.plugin, options, interrupt.clone())?;
        outcomes.iter().try_for_each(said)?;
        if outcomes.len() > 1 && outcomes.iter().all(|outcome| outcome.report.is_some()) {
            let runs = outcomes
                .iter()
                .map(|outcome| run::named(&settings.runs, &outcome.id))
                .collect::<Result<Vec<_>, _>>()?;
            let title = format!("Grid of {}", self.recipe.name);
            let page = run::comparison(&runs, &title, &settings.runs, &options.command);
            let digest = blake3::hash(self.recipe.to_toml().as_bytes()).to_hex();
            let path = settings.runs.join(format!("{}-grid-{}.html", self.recipe.name, &digest[..8]));
            write_atomic(&path, render_comparison(&page).as_bytes())?;
            print(&format!("comparison: {}\n", path.display()))?;
        }
        Ok(())
    }
}

fn previewed(runs: &[Preview], json: bool) -> Result<(), CliError> {
    if json {
        return Ok(print(&format!("{:#}\n", serde_json::json!(runs)))?);
    }
    let mut text = String::new();
    for Preview { id, cells, cost } in runs {
        let open: Vec<&str> = cells.iter().filter(|(_, done)| !done).map(|(id, _)| id.as_str()).collect();
        text += &format!("{id}: {} of {} cells to run\n", open.len(), cells.len());
        text += &open.iter().take(20).map(|cell| format!("  {cell}\n")).collect::<String>();
        if open.len() > 20 {
            text += &format!("  and {} more\n", open.len() - 20);
        }
        if !open.is_empty() {
            text += &format!("{cost}\n");
        }
    }
    let costs: Vec<&Cost> = runs.iter().map(|run| &run.cost).filter(|cost| cost.cells > 0).collect();
    if costs.len() > 1 {
        text += &format!("all of them, what they share counted in each:\n{}\n", Cost::sum(costs));
    }
    Ok(print(&text)?)
}

/// What a person wants to know of a run.
fn said(outcome: &Outcome) -> Result<(), CliError> {
    if outcome.kept > 0 {
        eprintln!("{}: {} of {} cells were finished before", outcome.id, outcome.kept, outcome.cells);
    }
    let folder = outcome.folder.display();
    let text = match &outcome.report {
        _ if outcome.done < outcome.cells => {
            format!(
                "run: {folder}, {} of {} cells are finished; it is summarised once all are\n",
                outcome.done, outcome.cells
            )
        }
        Some(report) => {
            format!("{}\nreport: {}\n", headline_text(report, width()), outcome.folder.join("report.html").display())
        }
        None => format!("run: {folder}\n"),
    };
    Ok(print(&text)?)
}

/// The command line, quoted for a shell where it must be.
pub(super) fn typed() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/=:,+@".contains(c);
    let quote =
        |word: String| if word.chars().all(plain) { word } else { format!("'{}'", word.replace('\'', "'\\''")) };
    std::iter::once("emhost".to_owned()).chain(std::env::args().skip(1)).map(quote).collect::<Vec<_>>().join(" ")
}
