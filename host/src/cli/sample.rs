//! `emhost sample`: completions of rows.

use std::path::PathBuf;

use serde_json::json;

use super::args::CliError;
use super::work::{Input, Output, jsonl, steering_help};
use crate::config::Settings;
use crate::inference::SampleTask;
use crate::sample::Request;
use crate::store::Card;

/// Sample completions of rows.
///
/// A row is `{"row_id": "a", "text": "..."}`, or has `messages` (a trailing assistant turn is dropped) or
/// `token_ids`. One line per completion: `row_id, sample, question, text, token_ids, finish_reason` (`token_ids`
/// with the end token, `text` without), and
/// `strength` where there are interventions. Random numbers depend on seed, row id, sample and step alone:
/// a row has the same completions in any batch, and at every strength the same random numbers.
///
/// With `--sites` the activations at the prompt's last token and at every new token are kept too, from the
/// same pass; the result is then a dataset.
#[derive(Debug, clap::Args)]
#[command(after_long_help = concat!("Example:
  emhost sample --model embedded --rows embedded:questions/general --n 2 --out answers.jsonl
  emhost sample --model embedded --rows embedded:questions/general --n 5 \\
      --interventions steer.toml --strengths 0,1,2,4 --out curve.jsonl", steering_help!()))]
pub struct SampleArgs {
    #[command(flatten)]
    input: Input,
    /// Completions per row and strength
    #[arg(long, default_value_t = 10)]
    n: usize,
    /// Longest completion, in tokens
    #[arg(long, default_value_t = 64)]
    max_new_tokens: usize,
    /// End tokens are not chosen before this many new tokens
    #[arg(long, default_value_t = 0)]
    min_new_tokens: usize,
    /// Softmax temperature; 0 always takes the most probable token
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    temperature: f64,
    /// Sample from the smallest set of most probable tokens with this mass
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    top_p: f64,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Also keep activations at these sites, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "PATTERNS")]
    sites: Vec<String>,
    /// NAME.jsonl for lines; any other name becomes the folder of a dataset
    #[arg(long, value_name = "FILE.jsonl|DATASET")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: SampleArgs, settings: &Settings) -> Result<(), CliError> {
    let target = args.output.target(args.out.as_ref(), &args.input)?;
    if target.as_ref().is_some_and(|target| target.is_jsonl() && !args.sites.is_empty()) {
        let message = "activations are written as a dataset: with --sites, --out is a folder".to_owned();
        return Err(CliError::Said { message, code: 2 });
    }
    let loaded = args.input.load(settings)?;
    let request = Request {
        n: args.n,
        temperature: args.temperature,
        top_p: args.top_p,
        max_new_tokens: args.max_new_tokens,
        min_new_tokens: args.min_new_tokens,
        seed: args.seed,
        ..Request::default()
    };
    let task = SampleTask::new(&loaded.organism, &loaded.rows, &args.sites, loaded.steering.clone(), request)?;
    let Some(mut target) = target else {
        return args.output.explained(&task.explain()?);
    };
    let about = format!("Completions of {} rows by `{}`.", loaded.rows.len(), loaded.model.model);
    let provenance = loaded.provenance(task.inputs(&loaded.digest));
    let card = Card { title: String::new(), about, provenance };
    let lines = target.is_jsonl();
    let made = target.dataset()?;
    let sampled = args
        .output
        .run("sample", "sample completions", |step| task.run((!lines).then_some((made.as_path(), card)), step))?;
    let path = if lines { target.write(&jsonl(&sampled.completions)?)? } else { target.publish()? };
    let (path, count) = (path.display().to_string(), sampled.completions.len());
    let reply = json!({
        "out": path,
        "completions": count,
        "sites": sampled.dataset.as_ref().map(|d| d.sites()),
        "digest": sampled.dataset.as_ref().map(|d| d.digest()),
        "firings": sampled.firings,
    });
    args.output.said(&loaded.steering, &sampled.firings, &reply, &format!("{path}: {count} completions"))
}
