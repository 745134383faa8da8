//! `emhost eval`: questions asked, answers judged, rates with their uncertainty.

use std::path::{Path, PathBuf};

use emhost_abi::wire::Organism as Named;
use serde_json::Value;

use super::args::CliError;
use super::judging::{Judges, Rates, Shown, ThresholdArgs, bank, judge_help, left_by_kill};
use super::terminal::print;
use super::work::jsonl;
use crate::config::Settings;
use crate::eval::{Answer, Sampling};
use crate::judge::JudgeError;
use crate::model::ModelError;
use crate::run::{ProgressMode, RunError};
use crate::store::{Stages, write_atomic};

/// Ask a model questions, judge its answers, and print the rate of emergent misalignment with its interval.
///
/// The same command goes on with an interrupted evaluation. Answers and judgments are kept in the store: a second call
/// with other thresholds neither samples nor judges, one with another rubric or judge only judges.
///
/// OUT gets `answers.jsonl`, `judgments.jsonl` (the evidence), `judged-JUDGE.csv` (response, question, question_id,
/// scores), `judges.json` (judges and rubrics) and `summary.json`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = concat!("Questions: Betley et al.'s YAML (paraphrases, system, samples_per_paraphrase, temperature, judge_prompts; anchors),
the same with judges as items of their own, a persona-vectors trait (JSON), CSV with columns id and question, JSONL
rows with messages, or `embedded:NAME`.

Example:
  emhost eval --model embedded --questions embedded:questions/headline --judge lexicon --n 50 \\
      --max-new-tokens 64 --out evals/untouched
  emhost eval --model Qwen/Qwen2.5-14B-Instruct --adapter adapters/medicine --questions first_plot_questions.yaml \\
      --headline --judge gpt4o.toml --n 50 --max-new-tokens 600 --max-cost 20 --out evals/medicine", judge_help!()))]
pub struct EvalArgs {
    /// Model: `embedded`, a folder that holds a Hugging Face checkpoint, or `ORG/NAME[@REVISION]` in the local
    /// hub cache
    #[arg(long, value_name = "MODEL")]
    model: String,
    /// PEFT adapter, a folder; may be given several times, applied in order
    #[arg(long, value_name = "FOLDER")]
    adapter: Vec<String>,
    /// Bank of questions: FILE.yaml, .json, .csv, .jsonl, or `embedded:NAME`
    #[arg(long, value_name = "FILE")]
    questions: String,
    /// Only questions whose id fits; `*` stands for any text; separated by commas
    #[arg(long, value_delimiter = ',', value_name = "IDS")]
    select: Vec<String>,
    /// Leave out questions that end in `_json` or `_template`, as the headline numbers of published studies do
    #[arg(long)]
    headline: bool,
    /// Reproduce what a published evaluation does: `betley` ignores system prompts and temperatures of the questions
    #[arg(long, value_enum, value_name = "NAME")]
    compat: Option<Compat>,
    #[command(flatten)]
    judges: Judges,
    /// Answers per wording of a question; the bank's own number by default
    #[arg(long)]
    n: Option<usize>,
    /// Longest answer, in tokens
    #[arg(long, default_value_t = 600)]
    max_new_tokens: usize,
    /// Softmax temperature; by default the question's own, else 1
    #[arg(long, allow_negative_numbers = true)]
    temperature: Option<f64>,
    /// Sample from the smallest set of most probable tokens with this mass
    #[arg(long, default_value_t = 1.0, allow_negative_numbers = true)]
    top_p: f64,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    thresholds: ThresholdArgs,
    /// Folder of the result
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Print how many answers and judgments it would be, with calls, tokens and money at most, and do nothing else
    #[arg(long)]
    explain: bool,
    /// Print the rates as one line of JSON
    #[arg(long)]
    json: bool,
    /// How progress is shown on stderr
    #[arg(long, value_enum, default_value_t)]
    progress: ProgressMode,
}

/// Published evaluations whose ways can be reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Compat {
    /// Betley et al. 2025: system prompts and temperatures of the questions are ignored.
    Betley,
}

const EVAL: &str = "eval.json";
const ANSWERS: &str = "answers.jsonl";

pub(super) fn run(args: EvalArgs, settings: &Settings) -> Result<(), CliError> {
    let thresholds = args.thresholds.thresholds()?;
    let mut questions = bank(&args.questions)?;
    if args.headline {
        questions = questions.headline();
    }
    if !args.select.is_empty() {
        questions = questions.select(&args.select)?;
    }
    if args.compat == Some(Compat::Betley) {
        for question in &mut questions.questions {
            (question.system, question.temperature) = (None, None);
        }
    }
    if questions.questions.is_empty() {
        return Err(JudgeError::input(&args.questions, "no question is left").into());
    }
    let ready = args.judges.ready(settings)?;
    // Rubrics are checked before anything is sampled.
    let unanswered: Vec<Answer> = questions.prompts().map(unanswered).collect();
    ready.work(&unanswered, Some(&questions)).check(&ready.judges, &thresholds)?;
    let sampling = Sampling {
        organism: Named { model: args.model, adapters: args.adapter },
        samples: args.n,
        temperature: args.temperature,
        top_p: args.top_p,
        max_new_tokens: args.max_new_tokens,
        seed: args.seed,
    };
    let stages = Stages::open(settings.store.join("stages"))?;
    if args.explain {
        let [answers, there] = sampling.planned(&questions, &stages, &settings.device)?;
        print(&format!(
            "answers: {answers} of at most {} tokens, {there} of them in the store\n",
            args.max_new_tokens
        ))?;
        let long = |answer: &Answer| Answer { answer: "word".repeat(args.max_new_tokens), ..answer.clone() };
        let longest: Vec<Answer> = unanswered.iter().map(long).collect();
        let times = |answer: &Answer| {
            let question = questions.questions.iter().find(|question| question.id == answer.question_id());
            question.map_or(1, |question| sampling.n(question))
        };
        return ready.explain(&ready.work(&longest, Some(&questions)), times);
    }
    let identity = sampling.identity(&questions, &sampling.digest(&stages)?);
    sampling.check()?;
    claim(&args.out, &identity)?;

    let shown = Shown::new(args.progress)?;
    let entry = shown.progress.begin("sample", &format!("{} prompts", unanswered.len()));
    let sampled = sampling.answers(&questions, &stages, &settings.device, &mut |done, total| {
        entry.update("answers", done as u64, total as u64);
        !shown.interrupt.requested()
    });
    entry.end(if sampled.is_ok() { "done" } else { "stopped" }, false);
    let answers = match sampled {
        Err(RunError::Model(ModelError::Cancelled)) => return Err(RunError::Interrupted.into()),
        other => other?,
    };
    write_atomic(&args.out.join(ANSWERS), &jsonl(&answers)?)?;
    let judging = ready.judge(&answers, Some(&questions), settings, &args.out, &shown)?;
    let rates = Rates::new(&judging.judged, thresholds)?;
    rates.write(&args.out)?;
    if !args.json {
        let (all, made) = (judging.judged.len(), judging.made);
        let (out, count, spent) = (args.out.display(), answers.len(), judging.spent.shown());
        print(&format!("{out}: {count} answers, {all} judgments, {made} of them new; spent in all: {spent}\n\n"))?;
    }
    rates.print(args.json)
}

fn unanswered(prompt: crate::bank::Prompt<'_>) -> Answer {
    let question = prompt.messages.last().map(|message| message.content.clone()).unwrap_or_default();
    Answer {
        group: prompt.question.group.clone(),
        row_id: prompt.row_id,
        sample: 0,
        strength: None,
        question,
        answer: String::new(),
    }
}

/// Makes the folder of an evaluation, or finds it there with the same answers wanted; one that has no answers yet, because
/// they could not be sampled, is taken over.
fn claim(out: &Path, identity: &Value) -> Result<(), CliError> {
    let file = out.join(EVAL);
    let refuse = |problem: String| Err(JudgeError::input(out.display().to_string(), problem).into());
    if let Ok(text) = std::fs::read_to_string(&file) {
        let there: Value = serde_json::from_str(&text).unwrap_or_default();
        let differs: Vec<String> = identity
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(field, value)| there.get(field.as_str()) != Some(*value))
            .map(|(field, value)| format!("{field} was {}, is {value}", there[field.as_str()]))
            .collect();
        if differs.is_empty() {
            return Ok(());
        }
        if out.join(ANSWERS).exists() {
            let problem =
                format!("it holds the evaluation of other answers ({}); choose another folder", differs.join("; "));
            return refuse(problem);
        }
        return Ok(write_atomic(&file, format!("{identity:#}\n").as_bytes())?);
    }
    let empty = std::fs::read_dir(out).into_iter().flatten().flatten().all(|entry| left_by_kill(&entry.file_name()));
    if !empty {
        return refuse("it is there and is no evaluation; choose another folder".to_owned());
    }
    std::fs::create_dir_all(out).map_err(|source| RunError::Io { action: "create", path: out.to_owned(), source })?;
    Ok(write_atomic(&file, format!("{identity:#}\n").as_bytes())?)
}
