//! `emhost direction show`.

use clap::Args;
use serde_json::Value;

use super::refs::{Known, described, listed, printable};
use crate::cli::args::CliError;
use crate::cli::terminal::print;
use crate::config::Settings;
use crate::flat::shown;
use crate::vector::{Direction, DirectionFile, Named, resolve};

/// Characters of a value of the provenance; `--json` has all.
const MOST: usize = 200;

/// Print name, site, width and norm of each direction, and where it comes from
///
/// For example, one direction of a stored file:
///
/// $ emhost direction show 3fa0c19e#medical
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ShowArgs {
    /// FILE, FILE#NAME, KEY or KEY#NAME.
    #[arg(value_name = "REF")]
    reference: String,
    #[command(flatten)]
    known: Known,
    /// One JSON object per direction, with its provenance.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ShowArgs, settings: &Settings) -> Result<(), CliError> {
    let file = resolve(&args.reference, &settings.store, args.known.reading())?;
    let text = match args.json {
        true => file.all.iter().map(|named| format!("{}\n", described(&file, named))).collect(),
        false => text(&file),
    };
    Ok(print(&text)?)
}

fn text(file: &DirectionFile) -> String {
    let mut text = match &file.stage {
        Some(stage) => format!("{}\n{}\nmade {}\n\n", stage.key, file.path.display(), printable(&stage.made)),
        None => String::new(),
    };
    text += &listed(&file.all);
    text + &origins(&file.all)
}

/// First what all directions say of their origin, then what only some do, without what the table has.
fn origins(all: &[Named]) -> String {
    let of = |direction: &Direction| -> Vec<(String, String)> {
        let fields = direction.provenance.iter().filter(|(key, value)| !in_table(direction, key, value));
        fields.map(|(key, value)| (printable(key), line(value))).collect()
    };
    let each: Vec<Vec<(String, String)>> = all.iter().map(|named| of(&named.direction)).collect();
    let common = |field: &(String, String)| each.iter().all(|fields| fields.contains(field));
    let shared: Vec<&(String, String)> = each.iter().take(1).flatten().filter(|field| common(field)).collect();
    let lines = |fields: &[&(String, String)]| -> String {
        fields.iter().map(|(key, value)| format!("  {key} = {value}\n")).collect()
    };
    let mut text = String::new();
    if !shared.is_empty() {
        let title = if all.len() == 1 { "origin" } else { "origin of all" };
        text += &format!("\n{title}\n{}", lines(&shared));
    }
    for (named, fields) in all.iter().zip(&each) {
        let own: Vec<&(String, String)> = fields.iter().filter(|field| !common(field)).collect();
        if !own.is_empty() {
            text += &format!("\n{}\n{}", printable(&named.name), lines(&own));
        }
    }
    text
}

/// A norm that is not the vector's own was said by whoever scaled it, and is shown.
fn in_table(direction: &Direction, key: &str, value: &Value) -> bool {
    let same = |said: f64| (said - direction.norm()).abs() <= 1e-5 * direction.norm();
    match key {
        "convention" | "layer" => true,
        "norm" => value.as_f64().is_some_and(same),
        _ => false,
    }
}

fn line(value: &Value) -> String {
    let text = printable(&shown(value));
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, n: u64) -> Named {
        let direction = Direction::new(vec![3.0, 4.0], "embed").with("study", "s").with("n", n).with("norm", 5.0);
        Named { name: name.to_owned(), direction }
    }

    #[test]
    fn what_all_directions_share_is_said_once() {
        let text = origins(&[named("a", 40), named("b", 12)]);
        assert_eq!(text, "\norigin of all\n  study = s\n\na\n  n = 40\n\nb\n  n = 12\n");
        assert_eq!(origins(&[named("a", 40)]), "\norigin\n  n = 40\n  study = s\n");
    }

    #[test]
    fn a_norm_from_before_a_scaling_is_shown_and_long_values_are_cut() {
        let mut scaled = named("a", 40);
        scaled.direction = scaled.direction.with("norm", 31.5).with("rows", "x".repeat(500));
        let text = origins(&[scaled]);
        assert!(text.contains("  norm = 31.5\n"), "{text}");
        assert!(text.contains(&format!("  rows = {}…\n", "x".repeat(MOST))), "{text}");
    }
}
