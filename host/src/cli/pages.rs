//! `emhost completions`, `emhost man` and `emhost reference`: what is written about the commands, from their definitions.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::args::{Cli, CliError};
use super::terminal::print;
use crate::plugins::{self, Info, PluginError, find, places};
use crate::reference;
use crate::store::StoreError;

/// Print a script by which a shell completes commands and options.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  emhost completions bash > ~/.local/share/bash-completion/completions/emhost
  emhost completions zsh > ~/.zfunc/_emhost       # with ~/.zfunc in fpath, before compinit
  emhost completions fish > ~/.config/fish/completions/emhost.fish")]
pub struct CompletionsArgs {
    /// Which shell.
    shell: clap_complete::Shell,
}

/// Write a man page for each command into a folder, such as ~/.local/share/man/man1.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// The folder; it is made where it is missing.
    folder: PathBuf,
}

/// Write the reference in Markdown: all commands, settings and operations, and the parameters of plugins.
///
/// The pages are made from the code and from what plugins say of themselves, so they fit this installation.
#[derive(Debug, clap::Args)]
pub struct ReferenceArgs {
    /// The folder; pages in it that are written again are replaced.
    folder: PathBuf,
    /// Plugins to describe, by name or path; by default all that are found.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    plugins: Vec<String>,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "emhost", &mut script);
    Ok(print(&String::from_utf8_lossy(&script))?)
}

pub(super) fn man(args: &ManArgs) -> Result<(), CliError> {
    fs::create_dir_all(&args.folder).map_err(write_error(&args.folder))?;
    let command = Cli::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, &args.folder).map_err(write_error(&args.folder))?;
    println!("wrote {}", args.folder.join("emhost.1").display());
    Ok(())
}

pub(super) fn reference(args: &ReferenceArgs) -> Result<(), CliError> {
    let places = places(Path::new("."));
    let paths: Vec<PathBuf> = if args.plugins.is_empty() {
        let usable = plugins::list(&places).into_iter().filter(|found| found.refusal.is_none() && !found.shadowed);
        usable.map(|found| found.path).collect()
    } else {
        args.plugins.iter().map(|name| find(name, &places)).collect::<Result<_, PluginError>>()?
    };
    let infos =
        paths.iter().map(|path| Ok(Info::from(&plugins::load(path)?))).collect::<Result<Vec<_>, PluginError>>()?;
    let pages = reference::pages(&Cli::command(), &infos);
    for page in &pages {
        let path = args.folder.join(&page.path);
        let folder = path.parent().unwrap_or(&args.folder);
        fs::create_dir_all(folder).map_err(write_error(folder))?;
        fs::write(&path, &page.text).map_err(write_error(&path))?;
    }
    println!("wrote {} pages into {}", pages.len(), args.folder.display());
    Ok(())
}

fn write_error(path: &Path) -> impl Fn(io::Error) -> StoreError + '_ {
    |source| StoreError::Io { action: "write", path: path.to_owned(), source }
}
