//! Commands, and the exit status of each.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{
    adapter, capture, data, direction, doctor, eval, judge, organism, pages, plugin, run, runs, sample, score,
    scorecard, store, train,
};
use crate::config::{self, ConfigError};
use crate::run::RunError;
use crate::store::StoreError;
use crate::trace;

/// Runs emergent-misalignment studies: organisms, activations, interventions and claims.
///
/// A study is a plugin; its result is a folder in `runs/` with a report, tables in Parquet and figures.
/// The same command goes on with an interrupted run.
///
/// Exit status: 0 done, 2 the input, 3 a plugin, 4 model or device, 5 storage, 6 judge or network,
/// 75 interrupted and resumable.
///
/// RUST_LOG says what is told on stderr, such as `info` or `emhost::store=debug`.
#[derive(Debug, Parser)]
#[command(name = "emhost", version = crate::version(), max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// Set an installation setting, such as `store=/lab/emhost` (see `emhost config show`).
    #[arg(long = "config", value_name = "KEY=VALUE", global = true)]
    config: Vec<String>,
    /// Write what takes how long as a trace that chrome://tracing and ui.perfetto.dev open.
    #[arg(long, value_name = "FILE", global = true)]
    trace: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::RunArgs),
    Runs(runs::RunsArgs),
    Scorecard(scorecard::ScorecardArgs),
    Train(Box<train::TrainArgs>),
    Capture(capture::CaptureArgs),
    Sample(sample::SampleArgs),
    Score(score::ScoreArgs),
    Eval(Box<eval::EvalArgs>),
    Judge(judge::JudgeArgs),
    Judgments(judge::JudgmentsArgs),
    Plugin(plugin::PluginArgs),
    /// Describe, show and verify activation datasets.
    Data(data::DataArgs),
    Store(store::StoreArgs),
    /// Make model organisms.
    Organism(organism::OrganismArgs),
    Direction(direction::DirectionArgs),
    Adapter(adapter::AdapterArgs),
    /// Show settings and where each comes from.
    Config(ConfigArgs),
    Doctor(doctor::DoctorArgs),
    Completions(pages::CompletionsArgs),
    Man(pages::ManArgs),
    Reference(pages::ReferenceArgs),
}

#[derive(Debug, clap::Args)]
struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting.
    Show {
        /// Also print the layer that each value comes from.
        #[arg(long)]
        origin: bool,
    },
}

/// Any error of a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error("{0}")]
    Run(#[from] RunError),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("{0}")]
    Config(#[from] ConfigError),
    #[error("{0}")]
    New(#[from] crate::plugins::NewError),
    #[error("{0}")]
    Install(#[from] crate::plugins::InstallError),
    #[error("{0}")]
    Vector(#[from] crate::vector::VectorError),
    #[error("{0}")]
    Judge(#[from] crate::judge::JudgeError),
    #[error("{0}")]
    Bank(#[from] crate::bank::BankError),
    #[error("{0}")]
    Export(#[from] crate::export::ExportError),
    /// The command has said what is wrong itself.
    #[error("{message}")]
    Said { message: String, code: u8 },
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Run(error) => error.exit_code(),
            Self::Store(_) => 5,
            Self::Install(error) => error.exit_code(),
            Self::Vector(error) => error.exit_code(),
            Self::Judge(error) => error.exit_code(),
            Self::Export(error) => error.exit_code(),
            Self::Config(_) | Self::New(_) | Self::Bank(_) => 2,
            Self::Said { code, .. } => *code,
        }
    }
}

macro_rules! through_run_error {
    ($($error:ty),*) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::Run(error.into())
            }
        }
    )*};
}
through_run_error!(crate::plugins::PluginError, crate::model::ModelError, crate::rows::RowsError);

/// Parses the command line and runs the command.
pub fn main() -> ExitCode {
    crate::model::kernels::keep_candle_on_one_thread();
    let cli = Cli::parse();
    if let Err(error) = trace::install(cli.trace.as_deref()) {
        let path = cli.trace.unwrap_or_default();
        eprintln!("emhost: write the trace {}: {error}", path.display());
        return ExitCode::from(5);
    }
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let message = error.to_string();
            if !message.is_empty() {
                eprintln!("emhost: {message}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), CliError> {
    match cli.command {
        Command::Run(args) => run::run(args, &config::settings(&cli.config)?),
        Command::Scorecard(args) => scorecard::run(args, &config::settings(&cli.config)?),
        Command::Runs(args) => runs::run(args, &config::settings(&cli.config)?),
        Command::Train(args) => train::run(*args, &config::settings(&cli.config)?),
        Command::Capture(args) => capture::run(args, &config::settings(&cli.config)?),
        Command::Sample(args) => sample::run(args, &config::settings(&cli.config)?),
        Command::Eval(args) => eval::run(*args, &config::settings(&cli.config)?),
        Command::Judge(args) => judge::run(args, &config::settings(&cli.config)?),
        Command::Judgments(args) => judge::judgments(args),
        Command::Score(args) => score::run(args, &config::settings(&cli.config)?),
        Command::Plugin(args) => plugin::run(args),
        Command::Store(args) => store::run(args, &config::settings(&cli.config)?),
        Command::Data(args) => Ok(data::run(args)?),
        Command::Organism(args) => organism::run(args),
        Command::Direction(args) => direction::run(args, &config::settings(&cli.config)?),
        Command::Adapter(args) => adapter::run(args),
        Command::Doctor(args) => doctor::run(&args, &cli.config),
        Command::Completions(args) => pages::completions(&args),
        Command::Man(args) => pages::man(&args),
        Command::Reference(args) => pages::reference(&args),
        Command::Config(ConfigArgs { command: ConfigCommand::Show { origin } }) => {
            for (key, value, from) in config::origins(&cli.config)? {
                if origin { println!("{key} = {value}    # {from}") } else { println!("{key} = {value}") }
            }
            Ok(())
        }
    }
}
