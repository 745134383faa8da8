//! The pages.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Command;

use super::operations::operations;
use super::schema::{Schema, one_line};
use crate::config::{KEYS, Settings};
use crate::plugins::Info;

/// A page of the reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it goes in the reference's folder.
    pub path: PathBuf,
    /// Markdown.
    pub text: String,
}

impl Page {
    fn new(path: impl Into<PathBuf>, text: String) -> Self {
        Self { path: path.into(), text }
    }
}

/// All pages: of the command line, of the installation's settings, of the operations, and one for each plugin.
pub fn pages(command: &Command, plugins: &[Info]) -> Vec<Page> {
    let mut pages = vec![
        Page::new("commands.md", commands(command)),
        Page::new("settings.md", settings()),
        Page::new("operations.md", operations()),
    ];
    pages.extend(plugins.iter().map(|info| Page::new(format!("plugins/{}.md", info.manifest.name), plugin(info))));
    pages
}

/// The help of every command, as `--help` prints it.
fn commands(command: &Command) -> String {
    let mut text = "# Commands\n\nWhat `--help` prints. `emhost man FOLDER` writes the same as man pages, \
                    `emhost completions SHELL` makes a shell complete it.\n"
        .to_owned();
    let mut command = command.clone().term_width(100).disable_help_subcommand(true);
    command.build();
    describe(&command, 2, &mut text);
    text
}

fn describe(command: &Command, level: usize, text: &mut String) {
    let mut shown = command.clone();
    let name = shown.get_bin_name().unwrap_or(shown.get_name()).to_owned();
    let help = shown.render_long_help().to_string();
    let help: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let _ = write!(text, "\n{} {name}\n\n```text\n{}\n```\n", "#".repeat(level.min(6)), help.join("\n"));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        describe(inner, level + 1, text);
    }
}

fn settings() -> String {
    let mut text = "# Settings\n\nSettings of the installation, not of a study. Each comes from the last of these layers that has \
                    it: built-in, `/etc/emhost/config.toml`, `~/.config/emhost/config.toml` (or below `XDG_CONFIG_HOME`), \
                    `./emhost.toml`, the environment, `--config KEY=VALUE`. `emhost config show --origin` prints every value \
                    and where it comes from.\n\n"
        .to_owned();
    let schema = schemars::schema_for!(Settings).to_value();
    let defaults = serde_json::json!(Settings::default());
    text.push_str("| setting | in the environment | built-in value | what it means |\n|---|---|---|---|\n");
    for key in KEYS {
        let about = schema["properties"][key]["description"].as_str().unwrap_or_default();
        let _ =
            writeln!(text, "| `{key}` | `EMHOST_{}` | `{}` | {} |", key.to_uppercase(), defaults[key], one_line(about));
    }
    text
}

fn plugin(info: &Info) -> String {
    let manifest = &info.manifest;
    let mut text = format!("# {}\n\n{}\n\n", manifest.name, manifest.about.trim());
    let operations: Vec<String> = manifest.operations.iter().map(|op| format!("`{op}`")).collect();
    let _ = writeln!(
        text,
        "Operations that it uses: {} ([what they do](../operations.md)). Parameters are set with `--set NAME=VALUE` or in \
         `[params]` of a recipe; `emhost plugin info {} --recipe-schema` prints the schema by which an editor completes and \
         checks recipes.\n\n## Parameters\n",
        operations.join(", "),
        manifest.name
    );
    let schema = Schema::new(&manifest.params);
    schema.fields(&manifest.params, &mut text);
    schema.definitions(2, &mut text);
    text
}
