//! `emhost direction list`.

use std::collections::BTreeSet;

use clap::Args;

use super::refs::{Filter, described, printable, site, words};
use crate::cli::args::CliError;
use crate::cli::terminal::{print, table};
use crate::config::Settings;
use crate::vector::{DirectionFile, Named, point, stored};

/// List the directions that studies stored, newest first
///
/// For example, the directions of one study at the outputs of the first ten blocks, each on its line:
///
/// $ emhost direction list --study convergent_direction --site 'blocks.?.resid_post' --all
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    /// One line per direction, not per stored file.
    #[arg(long)]
    all: bool,
    /// One JSON object per direction.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ListArgs, settings: &Settings) -> Result<(), CliError> {
    let (files, broken) = stored(&settings.store)?;
    let files = args.filter.of(files);
    print(&match args {
        ListArgs { json: true, .. } => lines(&files),
        ListArgs { all: true, .. } => each(&files),
        _ => summary(&files),
    })?;
    broken.iter().for_each(|error| eprintln!("emhost: {error}"));
    if files.is_empty() {
        let typed = args.filter.typed();
        let fits = if typed.is_empty() { String::new() } else { format!(" that fit {typed}") };
        eprintln!("emhost: `{}` has no directions{fits}", settings.store.display());
    }
    Ok(())
}

fn lines(files: &[DirectionFile]) -> String {
    let all = files.iter().flat_map(|file| file.all.iter().map(move |named| described(file, named)));
    all.map(|line| format!("{line}\n")).collect()
}

fn each(files: &[DirectionFile]) -> String {
    let row = |file: &DirectionFile, Named { name, direction }: &Named| {
        vec![
            file.label(),
            text(direction.said("study")),
            printable(name),
            site(direction.site.as_deref()),
            direction.values.len().to_string(),
            format!("{:.6}", direction.norm()),
            text(direction.said("run")),
            made(file),
        ]
    };
    let rows = files.iter().flat_map(|file| file.all.iter().map(move |named| row(file, named))).collect();
    table_or_nothing(&["key", "study", "name", "site", "width", "norm", "run", "made"], rows)
}

fn summary(files: &[DirectionFile]) -> String {
    let row = |file: &DirectionFile| {
        let widths: BTreeSet<usize> = file.all.iter().map(|named| named.direction.values.len()).collect();
        let widths: Vec<String> = widths.iter().map(usize::to_string).collect();
        vec![
            file.label(),
            text(file.said("study")),
            file.all.len().to_string(),
            sites(&file.all),
            widths.join(", "),
            text(file.said("run")),
            made(file),
        ]
    };
    let header = ["key", "study", "directions", "sites", "width", "run", "made"];
    table_or_nothing(&header, files.iter().map(row).collect())
}

fn table_or_nothing(header: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() { String::new() } else { table(words(header), rows) }
}

/// The first and the last site in forward order, and how many there are.
fn sites(all: &[Named]) -> String {
    let mut sites: Vec<&str> = all.iter().filter_map(|named| named.direction.site.as_deref()).collect();
    sites.sort_by_key(|site| (point(site).is_none(), point(site), *site));
    sites.dedup();
    match sites.as_slice() {
        [] => site(None),
        [one] => site(Some(one)),
        [first, .., last] => printable(&format!("{first} .. {last} ({})", sites.len())),
    }
}

fn text(said: Option<&str>) -> String {
    printable(said.unwrap_or("-"))
}

/// To the minute, UTC.
fn made(file: &DirectionFile) -> String {
    let made = file.stage.as_ref().map_or("-", |stage| &stage.made);
    printable(&made.chars().take(16).collect::<String>().replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::{Direction, DirectionStage};

    fn file() -> DirectionFile {
        let named = |(name, site): (&str, &str)| Named {
            name: name.to_owned(),
            direction: Direction::new(vec![3.0, 4.0], site).with("study", "s").with("run", "s-1"),
        };
        let all = [("b", "blocks.10.resid_post"), ("a", "blocks.9.resid_post"), ("c", "embed")].map(named).to_vec();
        let stage = DirectionStage { key: "12345678".repeat(8), made: "2026-01-02T03:04:05.678Z".to_owned() };
        DirectionFile { path: "f".into(), stage: Some(stage), all }
    }

    #[test]
    fn a_stored_file_is_a_line_with_the_range_of_its_sites() {
        let text = summary(&[file()]);
        let line: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        let expected =
            ["12345678", "s", "3", "embed", "..", "blocks.10.resid_post", "(3)", "2", "s-1", "2026-01-02", "03:04"];
        assert_eq!((line.as_slice(), text.lines().count()), (expected.as_slice(), 2));
        assert_eq!(summary(&[]), "");
    }

    #[test]
    fn each_direction_is_a_line_as_text_and_as_json() {
        let text = each(&[file()]);
        let line: Vec<&str> = text.lines().nth(2).unwrap().split_whitespace().collect();
        let expected = ["12345678", "s", "a", "blocks.9.resid_post", "2", "5.000000", "s-1", "2026-01-02", "03:04"];
        assert_eq!((line.as_slice(), text.lines().count()), (expected.as_slice(), 4));
        let json: Vec<serde_json::Value> = lines(&[file()]).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!((json.len(), &json[0]["norm"], &json[0]["study"]), (3, &5.0.into(), &"s".into()));
    }
}
