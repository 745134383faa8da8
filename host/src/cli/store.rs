//! `emhost store`.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::args::CliError;
use super::terminal::print;
use crate::config::Settings;
use crate::flat::flat;
use crate::store::{Collected, Keep, Stage, Stages, differences, sweep_all};
use crate::units::{bytes, parse_bytes, parse_duration, seconds};

/// Look into the store: what was computed once and is found again.
///
/// A stage is a fine-tune, a set of activations or completions, named by a digest of everything that decides it. Any
/// number of users and machines share one store (`emhost config show`): make its folder with
/// `install -d -m 2775 -g GROUP FOLDER`, and what each of them adds is open to the group, whatever their umask.
#[derive(Debug, clap::Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    command: StoreCommand,
}

#[derive(Debug, clap::Subcommand)]
enum StoreCommand {
    /// List stages: key, operation, size, seconds it took, when it was last used.
    Ls {
        /// Only this operation: `train`, `forward`, `sample`, `score`, `answers`.
        #[arg(long)]
        op: Option<String>,
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Add up sizes by operation.
    Du {
        /// One JSON object per line.
        #[arg(long)]
        json: bool,
    },
    /// Print the inputs behind a stage, and in what it differs from another.
    ///
    /// Without OTHER it is compared with the stage of the same operation that shares the most inputs: this says why
    /// something was computed anew.
    Why {
        /// Key, or its first digits.
        key: String,
        /// Another key.
        other: Option<String>,
        /// JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove what nobody has used for long, and what killed processes left.
    Gc {
        /// Stages that were not used for this long: 30d, 12h.
        #[arg(long, default_value = "30d", value_parser = parse_duration)]
        unused_for: Duration,
        /// Keep at most as many bytes, those used last: 500GB. `--unused-for` does not count then.
        #[arg(long, value_parser = parse_bytes)]
        max_bytes: Option<u64>,
        /// Say what would go, and remove nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Compare every byte with its digest.
    Verify {
        /// Keys; without, all stages.
        keys: Vec<String>,
        /// Remove stages that are damaged: they are computed again when they are needed.
        #[arg(long)]
        remove: bool,
    },
}

pub(super) fn run(args: StoreArgs, settings: &Settings) -> Result<(), CliError> {
    let root = settings.store.join("stages");
    if !root.is_dir() {
        let message = format!("{}: there is no store yet; the first run makes it", settings.store.display());
        return Err(CliError::Said { message, code: 5 });
    }
    let stages = Stages::open(root)?;
    match args.command {
        StoreCommand::Ls { op, json } => list(&stages, op.as_deref(), json),
        StoreCommand::Du { json } => sizes(&stages, json),
        StoreCommand::Why { key, other, json } => why(&stages, &key, other.as_deref(), json),
        StoreCommand::Gc { unused_for, max_bytes, dry_run } => {
            let keep = Keep { used_within: unused_for, bytes: max_bytes };
            let mut went = stages.collect(keep, dry_run)?;
            went.strays.extend(sweep_all(&settings.store.join("judgments"), dry_run));
            collected(went, dry_run)
        }
        StoreCommand::Verify { keys, remove } => verify(&stages, &keys, remove),
    }
}

fn list(stages: &Stages, op: Option<&str>, json: bool) -> Result<(), CliError> {
    let (all, broken) = stages.all()?;
    let mut text = String::new();
    for stage in all.iter().filter(|stage| op.is_none_or(|op| op == stage.record.op)) {
        let record = &stage.record;
        text += &match json {
            true => format!(
                "{}\n",
                json!({ "key": stage.key, "op": record.op, "bytes": record.bytes(), "made": record.made, "unused_seconds": age(stage).as_secs() })
            ),
            false => format!(
                "{}  {:<8} {:>10} {:>9}  used {} ago\n",
                &stage.key[..12],
                record.op,
                bytes(record.bytes()),
                seconds(record.made.seconds),
                seconds(age(stage).as_secs_f64()),
            ),
        };
    }
    print(&text)?;
    broken.iter().for_each(|error| eprintln!("emhost: {error}"));
    Ok(())
}

fn age(stage: &Stage) -> Duration {
    SystemTime::now().duration_since(stage.used).unwrap_or_default()
}

fn sizes(stages: &Stages, json: bool) -> Result<(), CliError> {
    let mut by_op: BTreeMap<String, (u64, u64, f64)> = BTreeMap::new();
    for stage in stages.all()?.0 {
        let sum = by_op.entry(stage.record.op.clone()).or_default();
        *sum = (sum.0 + 1, sum.1 + stage.record.bytes(), sum.2 + stage.record.made.seconds);
    }
    let mut text = String::new();
    let mut line = |op: &str, (count, size, took): (u64, u64, f64)| {
        text += &match json {
            true => format!("{}\n", json!({ "op": op, "stages": count, "bytes": size, "seconds": took })),
            false => format!("{op:<10} {count:>7} stages {:>10}   {} of work\n", bytes(size), seconds(took)),
        };
    };
    let all = by_op.values().fold((0, 0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1, a.2 + b.2));
    by_op.iter().for_each(|(op, sum)| line(op, *sum));
    if !json {
        line("all", all);
    }
    Ok(print(&text)?)
}

fn why(stages: &Stages, key: &str, other: Option<&str>, as_json: bool) -> Result<(), CliError> {
    let stage = stages.named(key)?;
    let other = match other {
        Some(other) => Some(stages.named(other)?),
        None => stage.nearest(&stages.all()?.0).cloned(),
    };
    let differ = other.as_ref().map(|other| (other, differences(&stage.record.inputs, &other.record.inputs)));
    if as_json {
        let differ = differ.map(|(other, found)| {
            let each = found.iter().map(|d| json!({ "input": d.path, "this": d.first, "other": d.second }));
            json!({ "key": other.key, "op": other.record.op, "differences": each.collect::<Vec<_>>() })
        });
        return Ok(print(&format!("{:#}\n", json!({ "key": stage.key, "record": stage.record, "other": differ })))?);
    }
    let (record, made) = (&stage.record, &stage.record.made);
    let mut text = format!(
        "{} {}\n{}\nmade {} on {} by user {} with emhost {}, in {}\n{} in {} files\n\ninputs\n",
        record.op,
        stage.key,
        stage.folder.display(),
        made.at,
        made.machine,
        made.user,
        made.emhost,
        seconds(made.seconds),
        bytes(record.bytes()),
        record.files.len()
    );
    let inputs = record.inputs.as_object().map(flat).unwrap_or_default();
    text += &inputs.into_iter().map(|(path, value)| format!("  {path} = {}\n", short(value))).collect::<String>();
    if let Some((other, found)) = differ {
        text += &format!("\ndiffers from {} {} in {} inputs\n", other.record.op, &other.key[..12], found.len());
        let shown = |value: &Option<Value>| value.as_ref().map_or("absent".to_owned(), short);
        for difference in &found {
            text += &format!("  {}: {} | {}\n", difference.path, shown(&difference.first), shown(&difference.second));
        }
    }
    Ok(print(&text)?)
}

/// One line.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn collected(went: Collected, dry: bool) -> Result<(), CliError> {
    let size: u64 = went.stages.iter().map(|stage| stage.record.bytes()).sum();
    let done = if dry { "would remove" } else { "removed" };
    let mut text: String = went
        .stages
        .iter()
        .map(|stage| {
            format!(
                "{} {} {}, used {} ago\n",
                &stage.key[..12],
                stage.record.op,
                bytes(stage.record.bytes()),
                seconds(age(stage).as_secs_f64())
            )
        })
        .collect();
    text += &format!(
        "{done} {} stages, {}, and {} leftovers of killed processes\n",
        went.stages.len(),
        bytes(size),
        went.strays.len()
    );
    print(&text)?;
    match went.failed.as_slice() {
        [] => Ok(()),
        failed => {
            failed.iter().for_each(|error| eprintln!("emhost: {error}"));
            Err(CliError::Said { message: format!("{} stages could not be removed or read", failed.len()), code: 5 })
        }
    }
}

fn verify(stages: &Stages, keys: &[String], remove: bool) -> Result<(), CliError> {
    let (chosen, broken) = match keys {
        [] => stages.all()?,
        keys => (keys.iter().map(|key| stages.named(key)).collect::<Result<_, _>>()?, Vec::new()),
    };
    let (mut damaged, mut size) = (broken.len(), 0);
    broken.iter().for_each(|error| eprintln!("emhost: {error}"));
    for stage in &chosen {
        size += stage.record.bytes();
        let damage = stage.verify();
        if damage.is_empty() {
            continue;
        }
        damaged += 1;
        damage.iter().for_each(|damage| eprintln!("{}/{}: {damage}", stage.record.op, &stage.key[..12]));
        if remove {
            crate::store::remove_folder(&stage.folder)?;
            eprintln!("{}/{}: removed", stage.record.op, &stage.key[..12]);
        }
    }
    match damaged {
        0 => Ok(print(&format!("{} stages, {}: every byte is as it was written\n", chosen.len(), bytes(size)))?),
        count => {
            let hint = if remove { "" } else { "; `--remove` lets them be computed again" };
            Err(CliError::Said { message: format!("{count} stages are damaged{hint}"), code: 5 })
        }
    }
}
