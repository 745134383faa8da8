//! The subcommands of `emhost direction`.

use clap::{Args, Subcommand};

use super::{compare, export, layer, list, show, transfer};
use crate::cli::args::CliError;
use crate::config::Settings;

/// List, show, compare and export directions, and translate layer numbers.
///
/// A direction is a vector with a site, such as `blocks.24.resid_post`. Studies store the ones that they find
/// (`emhost direction list`), other projects have them in files. A reference, REF, names both: `FILE`, `FILE#NAME`, `KEY` or
/// `KEY#NAME`, where KEY is 8 or more digits of the key that `list` shows. Without a name it means all directions there. A
/// file goes before a key.
///
/// Read: emhost's safetensors and any other with vectors; torch files of persona vectors (pv), model organisms (mo),
/// refusal direction (rd) and steering-vectors, without running anything in them; GGUF control vectors of repeng and
/// llama.cpp (re). Written: safetensors and GGUF. Interventions in recipes and files (`vector = "FILE#NAME"`) take files:
/// export what is stored.
#[derive(Debug, Args)]
pub(in crate::cli) struct DirectionArgs {
    #[command(subcommand)]
    command: DirectionCommand,
}

#[derive(Debug, Subcommand)]
enum DirectionCommand {
    List(list::ListArgs),
    Show(show::ShowArgs),
    Compare(compare::CompareArgs),
    Export(export::ExportArgs),
    Layer(layer::LayerArgs),
    Transfer(transfer::TransferArgs),
}

/// Runs `emhost direction`.
pub(in crate::cli) fn run(args: DirectionArgs, settings: &Settings) -> Result<(), CliError> {
    match args.command {
        DirectionCommand::List(args) => list::run(&args, settings),
        DirectionCommand::Show(args) => show::run(&args, settings),
        DirectionCommand::Compare(args) => compare::run(&args, settings),
        DirectionCommand::Export(args) => export::run(&args, settings),
        DirectionCommand::Layer(args) => layer::run(&args),
        DirectionCommand::Transfer(args) => transfer::run(&args, settings),
    }
}
