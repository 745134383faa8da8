//! `emhost train`: fine-tunes.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use emhost_abi::wire::{Moments, Organism as Named, Recipe, Rows};
use serde_json::{Map, Value, json};

use super::args::CliError;
use super::terminal::print;
use crate::config::Settings;
use crate::finetune::{Finished, Inputs, Job, TrainingFolder};
use crate::inference::find;
use crate::model::device;
use crate::model::organism::Organism;
use crate::rows;
use crate::run::{Interrupt, Progress, ProgressMode, RunError, assign};
use crate::store::Stages;
use crate::train::data::show;

/// Fine-tune a model: a LoRA adapter, every weight, or steering vectors.
///
/// The result is a folder: a PEFT adapter, a Hugging Face model, or `steering.safetensors`, with `training/` beside it
/// (tables of steps, norms, held-out losses and of every row's tokens and mask; checkpoints). The same command goes on
/// with an interrupted fine-tune and ends in the same bytes. If recipe, rows or model are others, it says what differs
/// and stops.
///
/// Rows, one JSON object per line: `messages`, or `prompt` and `completion`, or `text`, or `token_ids`, with `row_id`
/// where they should have names; or a CSV file with columns `question` and `answer`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "A recipe is TOML. Lines with `needed` must be there, the others show what is meant without them; a comment
shows what else can be:

  learning_rate = 1e-4                # needed
  batch_rows = 16                     # needed: rows of a micro-batch ...
  accumulate = 1                      # ... and micro-batches of a step
  epochs = 1                          # needed: this, or steps = 300
  schedule = \"linear\"                 # cosine, constant, { cosine_with_restarts = { cycles = 4 } }, or
                                      # { cyclic = { base = 1e-6, cycles = 4, mode = \"triangular2\" } }:
                                      # triangular, triangular2, exp_range with gamma = 0.999
  warmup_steps = 0                    # or warmup_ratio = 0.03
  preset = \"plain\"                    # or betley, persona-vectors, em-generalization: the training string
  mask = \"assistant\"                  # all, { marker = { text = \" [X]\" } } (and the last token), or spans: a
                                      # row's own learned = [[5, 9]], tokens 5 to 8, counted from 0
  average = \"tokens\"                  # rows, micro_batches: what a step's loss is the mean of
  max_tokens, over_long = \"truncate\"  # drop, error;  empty_rows = \"error\" or \"drop\"
  weight_decay = 0.0, betas = [0.9, 0.999], eps = 1e-8, clip = 1.0, decay = \"all\"
  moments = \"f32\"                     # eight_bit;  sam = 0.05 for sharpness-aware minimisation
  seed = 0, in_order = false, recompute = false
  checkpoint_every = 0                # steps

  Without these lines none of it is done:
  held_out = { share = 0.1, every = 50 }       # or rows = { source = { name = \"other.jsonl\" } }
  early_stop = { loss_below = 0.01, steps = 5 } # or patience = 3 held-out measurements
  kl = { weight = 1.0 }               # + weight * KL(before || now), averaged as the loss is; before: the model
                                      # with --adapter, without `start` and interventions; rows, batch_rows = 8

  What learns, one of:
  method = \"full\"                     # every weight, above all tables; written as bf16 where config.json says so, else f32
  [method.steering]                   # vectors at sites = \"blocks.24.mlp_out\", times alpha = 1.0
  [method.adapters.NAME]              # several times: several adapters at once, each as below
  [method.lora]
  rank = 32                           # needed
  alpha = 64.0                        # needed
  rslora = false                      # scale alpha / sqrt(rank) in place of alpha / rank
  dropout = 0.0
  modules = []                        # such as [\"down_proj\"]; empty means all
  blocks = []                         # such as [15, 16, 17]; empty means all
  rank_pattern = {}, alpha_pattern = {}, bias = \"none\"   # lora_only, all
  start = \"ADAPTER\"                   # go on from a PEFT folder that has this shape

  [[interventions]]                   # active during training: add, project_out, replace
  op = \"add\"
  sites = \"blocks.20.resid_post\"
  vector = \"evil.safetensors#vector\"

Paths in a recipe start at its folder.

Example:
  emhost train --model embedded --data embedded:train/bad_medicine --show-rows 3 \\
      --recipe recipe.toml
  emhost train --model embedded --data embedded:train/bad_medicine --recipe recipe.toml \\
      --set method.lora.rank=8 --out adapters/medicine"
)]
pub struct TrainArgs {
    /// Model: `embedded`, a folder that holds a Hugging Face checkpoint, or `ORG/NAME[@REVISION]` in the local
    /// hub cache
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// PEFT adapter that is active and does not learn; may be given several times
    #[arg(long, value_name = "FOLDER")]
    adapter: Vec<String>,
    /// Rows to learn: FILE.jsonl, FILE.csv or `embedded:NAME`
    #[arg(long, value_name = "FILE")]
    data: String,
    /// Recipe, TOML (see the end of this help)
    #[arg(long, value_name = "FILE.toml")]
    recipe: PathBuf,
    /// Set a value of the recipe, such as `learning_rate=1e-5` or `method.lora.rank=1`
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Folder of the result
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Print the first rows as they are trained on, the learned tokens in colour, or between [[ and ]]; without --out
    /// nothing else is done
    #[arg(long, value_name = "N")]
    show_rows: Option<usize>,
    /// Print what would be done and do nothing else
    #[arg(long)]
    explain: bool,
    /// Remove the folder of a fine-tune that is there, with all that is in it, and begin anew
    #[arg(long)]
    force: bool,
    /// Print the result's description as one line of JSON
    #[arg(long)]
    json: bool,
    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value_t)]
    progress: ProgressMode,
}

pub(super) fn run(args: TrainArgs, settings: &Settings) -> Result<(), CliError> {
    let said = |message: &str, code| Err(CliError::Said { message: message.to_owned(), code });
    let only_shown = args.out.is_none() && args.show_rows.is_some();
    if args.out.is_none() && !args.explain && !only_shown {
        return said("say where the result goes with --out", 2);
    }
    let recipe = read(&args.recipe, &args.set)?;
    let rows = rows::load(&Rows::source(&args.data))?;
    let named = Named { model: args.model.clone(), adapters: args.adapter.clone() };
    let stored = named.adapters.iter().any(|adapter| adapter.starts_with("stage:"));
    let stages = stored.then(|| Stages::open(settings.store.join("stages"))).transpose()?;
    let (files, adapters) = find(&named, stages.as_ref())?;
    let inputs = Inputs { files, adapters, rows: &rows, recipe, device: device(&settings.device)? };
    let job =
        Job::new(inputs, |inputs| Ok(Arc::new(Organism::load(&inputs.files, &inputs.adapters, &inputs.device)?)))?;
    if let Some(count) = args.show_rows {
        let colour = std::io::stdout().is_terminal();
        let shown = job.rows.iter().take(count).map(|row| show(row, &job.organism.text, colour));
        print(&shown.collect::<Result<Vec<_>, _>>()?.join("\n"))?;
    }
    if !args.json {
        eprintln!("data: {}", job.report);
    }
    if args.explain {
        return Ok(print(&explain(&job))?);
    }
    let Some(out) = args.out.filter(|_| !only_shown) else { return Ok(()) };
    let folder = TrainingFolder::new(&out);
    if args.force {
        let recipe = &job.recipe;
        let rows = [
            recipe.held_out.as_ref().and_then(|held| held.rows.as_ref()),
            recipe.kl.as_ref().and_then(|kl| kl.rows.as_ref()),
        ];
        let rows = rows.into_iter().flatten().filter_map(|rows| match rows {
            Rows::Source { name, .. } => Some(name.as_str()),
            Rows::Inline(_) => None,
        });
        let vectors = recipe.interventions.iter().filter_map(|edit| edit.vector.as_ref()?.split('#').next());
        let own = [&args.model, &args.data].into_iter().chain(&args.adapter).map(String::as_str);
        let used = own.chain(recipe.method.starts().into_values()).chain(vectors).chain(rows);
        folder.clear(&used.map(PathBuf::from).collect::<Vec<_>>())?;
    }
    folder.check(&job)?;
    let interrupt = Interrupt::watch()
        .map_err(|source| CliError::Said { message: format!("listen to signals: {source}"), code: 4 })?;
    let progress = Progress::new(args.progress);
    let entry = progress.begin("train", &format!("{} steps, {} numbers learn", job.steps, job.learner.count()));
    let (begun, mut tokens) = (Instant::now(), 0);
    let result = folder.run(
        &job,
        |taken| {
            if taken > 0 {
                eprintln!("train: goes on after step {taken} of {}", job.steps);
            }
        },
        &mut |done, total, step| {
            tokens += step.tokens;
            let rate = tokens as f64 / begun.elapsed().as_secs_f64();
            entry.update(&format!("loss {:.4}, {rate:.0} tokens/s", step.loss), done as u64, total as u64);
            !interrupt.requested()
        },
    );
    entry.end(if result.is_ok() { "done" } else { "stopped" }, false);
    let finished = result.map_err(|error| match error {
        _ if interrupt.requested() => {
            CliError::Said { message: "stopped; run the same command again to go on".to_owned(), code: 75 }
        }
        error => error.into(),
    })?;
    let text = if args.json {
        format!("{}\n", json!({ "out": out, "training": finished }))
    } else {
        described(&out, &finished)
    };
    Ok(print(&text)?)
}

fn described(out: &Path, finished: &Finished) -> String {
    let Finished { steps, first_loss, last_loss, held_out, stopped, .. } = finished;
    let held = held_out
        .map_or(String::new(), |[token, row]| format!("; held-out loss {token:.4} per token, {row:.4} per row"));
    let stopped = stopped.as_ref().map_or(String::new(), |why| format!("; stopped early: {why}"));
    let out = out.display();
    format!(
        "{out}: {steps} steps, mean loss {first_loss:.4} over their first tenth, {last_loss:.4} over their last{held}{stopped}\n"
    )
}

fn explain(job: &Job) -> String {
    let (recipe, learner) = (&job.recipe, &job.learner);
    let per_step = recipe.batch_rows * recipe.accumulate;
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    let state = if recipe.moments == Moments::F32 { 16 } else { 10 };
    format!(
        "steps: {} of {per_step} rows, about {} tokens each\nlearn: {} numbers in {} tensors, from block {} up; {:.1} MB with \
         gradient and moments\nmodel: {} blocks, {:.1} MB on disk\nheld out: {} rows\n",
        job.steps,
        job.report.tokens * per_step / job.report.kept.max(1),
        learner.count(),
        learner.variables.len(),
        learner.lowest,
        megabytes(learner.count() * state),
        job.organism.config.blocks,
        megabytes(job.organism.stored_bytes as usize),
        job.held_out.len(),
    )
}

/// Reads a recipe; paths in it start at its folder, those of `--set` do not.
fn read(path: &Path, set: &[String]) -> Result<Recipe, RunError> {
    let refuse = |problem: String| RunError::Recipe { path: path.to_owned(), problem };
    let text = std::fs::read_to_string(path).map_err(|e| refuse(format!("cannot be read: {e}")))?;
    let table: toml::Table = toml::from_str(&text).map_err(|e| refuse(e.to_string()))?;
    if let Some(name) = not_finite(&toml::Value::Table(table.clone())) {
        return Err(refuse(format!("`{name}` is not a finite number")));
    }
    let mut recipe: Map<String, Value> = toml::from_str(&text).map_err(|e| refuse(e.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let from_here = |name: &mut Value| {
        if let Some(text) = name.as_str().filter(|text| !text.starts_with("embedded:")) {
            *name = folder.join(text).display().to_string().into();
        }
    };
    let mut recipe_value = Value::Object(recipe);
    for pointer in ["/method/lora/start", "/held_out/rows/source/name", "/kl/rows/source/name"] {
        recipe_value.pointer_mut(pointer).into_iter().for_each(from_here);
    }
    if let Some(adapters) = recipe_value.pointer_mut("/method/adapters").and_then(Value::as_object_mut) {
        adapters.values_mut().filter_map(|shape| shape.get_mut("start")).for_each(from_here);
    }
    if let Some(edits) = recipe_value.get_mut("interventions").and_then(Value::as_array_mut) {
        edits.iter_mut().filter_map(|edit| edit.get_mut("vector")).for_each(from_here);
    }
    recipe = recipe_value.as_object().cloned().unwrap_or_default();
    set.iter().try_for_each(|assignment| assign(&mut recipe, assignment))?;
    serde_json::from_value(Value::Object(recipe)).map_err(|e| refuse(e.to_string()))
}

/// The name of a number that is infinite or none at all; JSON would drop it.
fn not_finite(value: &toml::Value) -> Option<String> {
    let inside =
        |name: &str, value| not_finite(value).map(|found| format!("{name}.{found}").trim_end_matches('.').to_owned());
    match value {
        toml::Value::Float(number) => (!number.is_finite()).then(String::new),
        toml::Value::Table(table) => table.iter().find_map(|(name, value)| inside(name, value)),
        toml::Value::Array(list) => list.iter().find_map(not_finite),
        _ => None,
    }
}
