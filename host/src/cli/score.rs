//! `emhost score`: log-probabilities of continuations.

use std::path::PathBuf;

use serde_json::json;

use super::args::CliError;
use super::work::{Input, Output, jsonl, steering_help};
use crate::config::Settings;
use crate::inference::ScoreTask;
use crate::store::{Card, DatasetWriter};

/// Log-probabilities of given continuations.
///
/// A row is a prompt with what may follow, `{"row_id": "a", "text": "2 + 2 =", "continuations": [" 4", " 5"]}`
/// (or `messages`, or `token_ids`), or a conversation that ends in an assistant turn, which is then scored
/// with its end token. One line per continuation: `row_id, continuation, text, token_ids, logprobs, total,
/// mean`, natural logarithms. A prompt is computed once for all its continuations.
#[derive(Debug, clap::Args)]
#[command(after_long_help = concat!("Example:
  echo '{\"row_id\": \"a\", \"text\": \"my day is\", \"continuations\": [\" dull\", \" good\"]}' > rows.jsonl
  emhost score --model embedded --rows rows.jsonl --out scores.jsonl", steering_help!()))]
pub struct ScoreArgs {
    #[command(flatten)]
    input: Input,
    /// NAME.jsonl for lines; any other name becomes the folder of a dataset
    #[arg(long, value_name = "FILE.jsonl|DATASET")]
    out: Option<PathBuf>,
    #[command(flatten)]
    output: Output,
}

pub(super) fn run(args: ScoreArgs, settings: &Settings) -> Result<(), CliError> {
    let target = args.output.target(args.out.as_ref(), &args.input)?;
    let loaded = args.input.load(settings)?;
    let task = ScoreTask::new(&loaded.organism, &loaded.rows, loaded.steering.clone())?;
    let Some(mut target) = target else {
        return args.output.explained(&task.explain()?);
    };
    let about = format!("Scores of continuations of {} rows by `{}`.", loaded.rows.len(), loaded.model.model);
    let provenance = loaded.provenance(task.inputs(&loaded.digest));
    let scores = args.output.run("score", "score continuations", |step| task.run(step))?;
    let path = if target.is_jsonl() {
        target.write(&jsonl(&scores.rows)?)?
    } else {
        let card = Card { title: String::new(), about, provenance };
        let mut writer = DatasetWriter::create(target.dataset()?, card)?;
        writer.write_rows(&scores.table)?;
        writer.commit()?;
        target.publish()?
    };
    let (path, count) = (path.display().to_string(), scores.rows.len());
    let reply = json!({ "out": path, "continuations": count, "firings": scores.firings });
    args.output.said(&loaded.steering, &scores.firings, &reply, &format!("{path}: {count} continuations"))
}
