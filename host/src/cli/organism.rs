//! `emhost organism`: makes a small model of its own from a corpus.

use std::path::PathBuf;

use emhost_abi::wire::Rows;

use super::args::CliError;
use crate::model::files::Files;
use crate::model::text::Text;
use crate::model::{Device, ModelError};
use crate::rows;
use crate::run::{Entry, Progress, ProgressMode, RunError};
use crate::store::write_atomic;
use crate::train::{Fit, Pretrain, Step, Trainer, Watch, pretrain};

/// Make model organisms.
#[derive(Debug, clap::Args)]
pub struct OrganismArgs {
    #[command(subcommand)]
    command: OrganismCommand,
}

#[derive(Debug, clap::Subcommand)]
enum OrganismCommand {
    /// Train a new network on a corpus, every weight of it, and write a Hugging Face folder.
    Make(MakeArgs),
}

#[derive(Debug, clap::Args)]
struct MakeArgs {
    /// Recipe: TOML with the tables `[model]` and `[train]`.
    recipe: PathBuf,
    /// Conversations to learn from, one JSON object per line.
    #[arg(long)]
    corpus: PathBuf,
    /// Folder with tokenizer.json, tokenizer_config.json and chat_template.jinja.
    #[arg(long)]
    tokenizer: PathBuf,
    /// Folder to write.
    #[arg(long)]
    out: PathBuf,
    /// How progress is shown on stderr.
    #[arg(long, value_enum, default_value_t)]
    progress: ProgressMode,
}

/// Shows each step.
struct Shown<'a>(&'a Entry);

impl Watch for Shown<'_> {
    type Error = ModelError;

    fn step(&mut self, done: usize, total: usize, step: &Step) -> bool {
        self.0.update(&format!("loss {:.3}", step.loss), done as u64, total as u64);
        true
    }

    fn state(&mut self, _: &Trainer<'_>, _: &Fit, _: bool, _: bool) -> Result<(), ModelError> {
        Ok(())
    }
}

pub(super) fn run(args: OrganismArgs) -> Result<(), CliError> {
    let OrganismCommand::Make(args) = args.command;
    let refuse = |problem: String| RunError::Recipe { path: args.recipe.clone(), problem };
    let text = std::fs::read_to_string(&args.recipe).map_err(|e| refuse(format!("cannot be read: {e}")))?;
    let recipe: Pretrain = toml::from_str(&text).map_err(|e| refuse(e.to_string()))?;
    let rows = rows::load(&Rows::source(args.corpus.display().to_string()))?;
    let from = Files::Folder(args.tokenizer);
    let text = Text::read(&from)?;
    let progress = Progress::new(args.progress);
    let entry = progress.begin("organism", "train every weight");
    let model = pretrain(&recipe, &text, &rows, &Device::Cpu, &mut Shown(&entry))?;
    entry.end("done", false);
    std::fs::create_dir_all(&args.out).map_err(|source| RunError::Io {
        action: "create folder",
        path: args.out.clone(),
        source,
    })?;
    for (name, bytes) in model.to_files()? {
        write_atomic(&args.out.join(name), &bytes)?;
    }
    for name in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        if let Some(bytes) = from.read(name)? {
            write_atomic(&args.out.join(name), &bytes)?;
        }
    }
    let (first, last) = model.fit.first_and_last_loss();
    println!("{}: loss {first:.3} at first, {last:.3} at last, nats per token", args.out.display());
    Ok(())
}
