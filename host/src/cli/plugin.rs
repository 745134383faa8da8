//! `emhost plugin`: new, list, info.

use std::path::PathBuf;

use super::args::CliError;
use crate::plugins::{self, Found, Info, find, places};

/// Write, list and describe plugins.
#[derive(Debug, clap::Args)]
pub struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PluginCommand {
    /// Write the crate of a new experiment: one source file with a test, ready to build.
    New {
        /// Crate name, such as `my_probe`; the folder has the same name.
        name: String,
        /// Folder in which the crate is made.
        #[arg(long, default_value = ".")]
        parent: PathBuf,
        /// Folder of the emhost-sdk crate; by default that of this build, or else crates.io's.
        #[arg(long)]
        sdk: Option<PathBuf>,
    },
    /// List every plugin that can be found, and where.
    List,
    /// Show a plugin's question, versions and parameters.
    Info {
        /// Plugin, by name or by the path of its library.
        plugin: String,
        /// Print the parameters' JSON Schema instead.
        #[arg(long)]
        schema: bool,
        /// Print the JSON Schema of its recipe files: editors complete and check a recipe whose first line is
        /// `#:schema FILE`.
        #[arg(long, conflicts_with = "schema")]
        recipe_schema: bool,
    },
}

pub(super) fn run(args: PluginArgs) -> Result<(), CliError> {
    let places = places(&PathBuf::from("."));
    match args.command {
        PluginCommand::New { name, parent, sdk } => {
            let folder = plugins::new_plugin(&name, &parent, sdk.as_deref())?;
            let folder = folder.display();
            println!(
                "wrote {folder}\n\n  cd {folder}\n  cargo test\n  cargo build --release\n  emhost run --plugin target/release/{}{name}{}",
                std::env::consts::DLL_PREFIX,
                std::env::consts::DLL_SUFFIX
            );
        }
        PluginCommand::List => {
            let found = plugins::list(&places);
            found.iter().for_each(print_found);
            if found.is_empty() {
                println!("no plugins in:");
                places.iter().for_each(|place| println!("  {}", place.folder.display()));
            }
        }
        PluginCommand::Info { plugin, schema, recipe_schema } => {
            let loaded = plugins::load(&find(&plugin, &places)?)?;
            if recipe_schema {
                println!("{:#}", crate::run::recipe_schema(loaded.manifest()));
            } else if schema {
                println!("{:#}", loaded.manifest().params);
            } else {
                print_info(&Info::from(&loaded));
            }
        }
    }
    Ok(())
}

fn print_found(found: &Found) {
    let note = match &found.refusal {
        Some(refusal) => format!("  refused: {refusal}"),
        None if found.shadowed => "  hidden by the one above".to_owned(),
        None => String::new(),
    };
    println!("{:<24} {}{note}", found.name, found.path.display());
}

fn print_info(info: &Info) {
    let manifest = &info.manifest;
    println!("{} {}    ABI {}\n\n{}\n", manifest.name, manifest.version, info.abi, manifest.about);
    println!(
        "found:      {}\nBLAKE3:     {}\noperations: {}\n",
        info.path.display(),
        info.digest,
        manifest.operations.join(", ")
    );
    println!("parameters (set with --set NAME=VALUE, or in a recipe's [params]):");
    for parameter in &info.parameters {
        let default = parameter.default.as_ref().map(|value| format!(" = {value}")).unwrap_or_default();
        let required = if parameter.required { ", required" } else { "" };
        println!("  {}: {}{default}{required}", parameter.name, parameter.takes);
        parameter.about.lines().for_each(|line| println!("      {line}"));
    }
}
