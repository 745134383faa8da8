//! `emhost capture`: activations of rows as a dataset.

use std::path::PathBuf;

use emhost_abi::wire::{DatasetReply, Pooling, Tokens};

use super::args::CliError;
use super::work::{Input, Output, steering_help};
use crate::config::Settings;
use crate::inference::{CaptureTask, Captured, Columns};
use crate::model::activations::Look;
use crate::store::{ActivationType, Card, Part};

/// Run a model over rows and store activations.
///
/// A row is `{"row_id": "a", "text": "..."}`, or has `messages` (a conversation, rendered with the model's
/// chat template) or `token_ids`. The result is a folder that datasets, polars, pandas and DuckDB open:
/// one vector per token, in one column per site, with `row_id`, `pos` and `token_id`; or with `--pool mean`
/// one vector per row. Values are captured after the interventions.
///
/// Sites: `embed`, `blocks.N.resid_pre|attn_out|resid_mid|mlp_out|resid_post` with N a number, `*` or
/// `{2..4}`, `final_norm`, `logits`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = concat!("Example:
  emhost capture --model embedded --rows embedded:questions/general \\
      --sites 'blocks.*.resid_post' --positions last_prompt --out acts
  emhost data info acts", steering_help!()))]
pub struct CaptureArgs {
    #[command(flatten)]
    input: Input,
    /// Site names and patterns, separated by commas
    #[arg(long, value_delimiter = ',', required = true, value_name = "PATTERNS")]
    sites: Vec<String>,
    /// all, prompt, answer, last_prompt, last, or indices such as `0,-1` (negative from the prompt's end)
    #[arg(long, default_value = "all", value_parser = positions, allow_hyphen_values = true)]
    positions: Tokens,
    /// none: a vector per token; mean: the mean of a row's vectors, summed in f64
    #[arg(long, default_value = "none", value_parser = pooling, value_name = "none|mean")]
    pool: Pooling,
    /// Type of the stored numbers
    #[arg(long, default_value = "f32", value_parser = ["f32", "f16"])]
    dtype: String,
    /// Folder of the dataset
    #[arg(long, value_name = "DATASET")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: CaptureArgs, settings: &Settings) -> Result<(), CliError> {
    let target = args.output.target(args.out.as_ref(), &args.input)?;
    if target.as_ref().is_some_and(super::target::Target::is_jsonl) {
        return Err(CliError::Said { message: "activations are written as a dataset, a folder".to_owned(), code: 2 });
    }
    let loaded = args.input.load(settings)?;
    let look = Look { tokens: args.positions, pooling: args.pool };
    let looks = vec![(serde_json::json!(look.tokens).to_string(), look)];
    let stored = if args.dtype == "f16" { ActivationType::F16 } else { ActivationType::AsGiven };
    let task = CaptureTask::new(&loaded.organism, &loaded.rows, &args.sites, looks, loaded.steering.clone())?
        .stored(Columns::Needed, stored);
    let Some(mut target) = target else {
        return args.output.explained(&task.explain()?);
    };
    let about = format!("Activations of `{}` over {} rows.", loaded.model.model, loaded.rows.len());
    let provenance = loaded.provenance(task.inputs(&loaded.digest));
    let card = Card { title: String::new(), about, provenance };
    let made = target.dataset()?;
    let Captured { dataset, firings, .. } =
        args.output.run("capture", "run the model", |step| task.write(&made, card, step))?;
    let (rows, sites, digest) = (dataset.rows(Part::Acts), dataset.sites(), dataset.digest().to_owned());
    let path = target.publish()?.display().to_string();
    let text = format!("{path}: {rows} rows, {} sites, digest {digest}", sites.len());
    let reply = DatasetReply { dataset: path, rows, sites, digest, firings: firings.clone() };
    args.output.said(&loaded.steering, &firings, &reply, &text)
}

fn positions(text: &str) -> Result<Tokens, String> {
    Ok(match text {
        "all" => Tokens::All,
        "prompt" => Tokens::Prompt,
        "answer" => Tokens::Answer,
        "last_prompt" => Tokens::LastPrompt,
        "last" => Tokens::Last,
        list => {
            Tokens::At(
                list.split(',').map(str::trim).map(str::parse).collect::<Result<_, _>>().map_err(|_| {
                    "expected all, prompt, answer, last_prompt, last or indices such as 0,-1".to_owned()
                })?,
            )
        }
    })
}

fn pooling(text: &str) -> Result<Pooling, String> {
    match text {
        "none" => Ok(Pooling::None),
        "mean" => Ok(Pooling::Mean),
        _ => Err("expected none or mean".to_owned()),
    }
}
