//! `emhost plugin`: new, install, uninstall, list, info.

use std::path::{Path, PathBuf};

use super::args::CliError;
use crate::plugins::{self, Change, Found, Info, Installed, find, places};

/// Write, install, list and describe plugins.
///
/// A plugin is found by name in, the first one wins: the folders in EMHOST_PLUGIN_PATH, ./plugins,
/// ~/.local/share/emhost/plugins, the lib/emhost/plugins of this installation, /usr/local/lib/emhost/plugins and
/// /usr/lib/emhost/plugins. `--plugin` also takes a library's path.
#[derive(Debug, clap::Args)]
pub struct PluginArgs {
    #[command(subcommand)]
    command: PluginCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PluginCommand {
    /// Write the crate of a new experiment: one source file with a test, ready to build.
    #[command(after_long_help = "Example:\n  emhost plugin new my_probe && cd my_probe && cargo test --release\n  \
        emhost plugin install .\n  emhost run --plugin my_probe")]
    New {
        /// Crate name, such as `my_probe`; the folder has the same name.
        name: String,
        /// Folder in which the crate is made.
        #[arg(long, default_value = ".")]
        parent: PathBuf,
        /// Folder of the emhost-sdk crate; by default the one installed with emhost, or that of its source, or else crates.io's.
        #[arg(long)]
        sdk: Option<PathBuf>,
    },
    /// Install plugins, so that they run by name.
    ///
    /// Each is checked as before a run, loaded once, and copied in one step; nothing is installed unless all of them
    /// pass. What is installed belongs to you and only you can change it.
    #[command(
        after_long_help = "Examples:\n  emhost plugin install target/release/libmy_probe.so    a library, for you\n  \
        emhost plugin install my_probe                         a crate, which is built first\n  \
        emhost plugin install --force my_probe                 in place of an older build\n  \
        sudo emhost plugin install --prefix /usr/local target/release/libmy_probe.so    for everybody"
    )]
    Install {
        /// Libraries, or folders of plugins' crates, in which `cargo build --release` is run.
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        destination: Destination,
        /// Replace another build of the same plugin.
        #[arg(long)]
        force: bool,
    },
    /// Remove an installed plugin.
    #[command(after_long_help = "Example:\n  emhost plugin uninstall my_probe")]
    Uninstall {
        /// Plugin, by name.
        name: String,
        #[command(flatten)]
        destination: Destination,
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

/// Where plugins are installed; by default in the user's own folder.
#[derive(Debug, clap::Args)]
struct Destination {
    /// Folder of the libraries, instead of ~/.local/share/emhost/plugins; made where it is missing.
    #[arg(long, value_name = "FOLDER")]
    to: Option<PathBuf>,
    /// Installation for everybody: the folder is PREFIX/lib/emhost/plugins.
    #[arg(long, value_name = "PREFIX", conflicts_with = "to")]
    prefix: Option<PathBuf>,
}

impl Destination {
    /// The folder, and whether it is for everybody.
    fn folder(self) -> Result<(PathBuf, bool), CliError> {
        let user = || plugins::user_folder().map(|folder| (folder, false));
        let given = self.to.or_else(|| Some(plugins::shared_folder(&self.prefix?))).map(|folder| (folder, true));
        given.or_else(user).ok_or_else(|| CliError::Said {
            message: "HOME is not set: say with --to where the plugins are".to_owned(),
            code: 2,
        })
    }
}

pub(super) fn run(args: PluginArgs) -> Result<(), CliError> {
    let places = places(&PathBuf::from("."));
    match args.command {
        PluginCommand::New { name, parent, sdk } => {
            let folder = plugins::new_plugin(&name, &parent, sdk.as_deref())?;
            let folder = folder.display();
            println!(
                "wrote {folder}\n\n  cd {folder}\n  cargo test --release\n  emhost plugin install .\n  emhost run --plugin {}",
                name.replace('-', "_")
            );
        }
        PluginCommand::Install { paths, destination, force } => {
            let (folder, shared) = destination.folder()?;
            plugins::install(&paths, &folder, shared, force, &places)?.iter().for_each(print_installed);
        }
        PluginCommand::Uninstall { name, destination } => {
            let (folder, _) = destination.folder()?;
            println!("removed {}", plugins::uninstall(&name, &folder)?.display());
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

fn print_installed(installed: &Installed) {
    let Installed { name, version, path, change, hidden_by, searched } = installed;
    let done = match change {
        Change::New => "installed",
        Change::Replaced => "replaced",
        Change::Same => "already installed",
    };
    println!("{done}: {name} {version}    {}", path.display());
    if let Some(first) = hidden_by {
        println!("  `--plugin {name}` takes {}, which is found first", first.display());
    } else if !searched {
        let folder = path.parent().unwrap_or(Path::new("."));
        println!("  `--plugin {name}` does not look there: add {} to EMHOST_PLUGIN_PATH", folder.display());
    }
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
