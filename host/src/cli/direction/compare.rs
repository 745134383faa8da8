//! `emhost direction compare`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::refs::{Filter, Known, printable, site, words};
use crate::cli::args::CliError;
use crate::cli::terminal::{print, table, width};
use crate::config::Settings;
use crate::store::write_atomic;
use crate::vector::{CosineMatrix, Grouping, Labelled, cosine_matrices, labelled, resolve, stored};

/// Print the cosines between directions, one matrix per site
///
/// For example, two stored files and one direction of another project:
///
/// $ emhost direction compare 3fa0c19e 77d1e2b0 evil_response_avg_diff.pt#layer_20
///
/// Each reference stands for all directions that it names. Directions of one point of the forward
/// pass are compared: what enters a block is what the block before it gave. Under each matrix stands
/// what independent random directions of that width would show.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct CompareArgs {
    /// FILE, FILE#NAME, KEY or KEY#NAME.
    #[arg(value_name = "REF", required_unless_present = "all", conflicts_with = "all")]
    references: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// All stored directions; other widths have a matrix of their own.
    #[arg(long)]
    all: bool,
    /// Compare directions of different sites, in one matrix.
    #[arg(long)]
    across_sites: bool,
    #[command(flatten)]
    known: Known,
    /// Also write the pairs: first, first_site, second, second_site, width, cosine, random_sd.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// One JSON object per matrix.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &CompareArgs, settings: &Settings) -> Result<(), CliError> {
    let read = |reference: &String| resolve(reference, &settings.store, args.known.reading());
    let (files, broken) = match args.all {
        true => stored(&settings.store)?,
        false => (args.references.iter().map(read).collect::<Result<_, _>>()?, Vec::new()),
    };
    broken.iter().for_each(|error| eprintln!("emhost: {error}"));
    let all = labelled(&args.filter.of(files), "#");
    let grouping = Grouping { across_sites: args.across_sites, by_width: args.all };
    let (matrices, alone): (Vec<_>, Vec<_>) =
        cosine_matrices(&all, grouping)?.into_iter().partition(|matrix| matrix.members.len() > 1);
    if matrices.is_empty() {
        let typed = args.filter.typed();
        return Err(CliError::Said { message: nothing(&all, &typed, args.across_sites), code: 2 });
    }
    if let Some(path) = &args.csv {
        write_csv(path, &all, &matrices)?;
    }
    let each = matrices.iter().map(|matrix| match args.json {
        true => format!("{}\n", line(&all, matrix)),
        false => text(&all, matrix, args.across_sites, width()),
    });
    print(&each.collect::<Vec<_>>().join(if args.json { "" } else { "\n" }))?;
    if !alone.is_empty() {
        let names = alone.iter().map(|matrix| printable(&all[matrix.members[0]].label));
        eprintln!("emhost: nothing beside it is of the same site and width: {}", names.collect::<Vec<_>>().join(", "));
    }
    Ok(())
}

fn nothing(all: &[Labelled], typed: &str, across: bool) -> String {
    let hint = if across { "give more directions" } else { "`--across-sites` compares directions of different sites" };
    match all {
        [] => format!("compare directions: none of them fits {}", if typed.is_empty() { "the store" } else { typed }),
        [one] => format!("compare `{}`: it is alone; give another direction", printable(&one.label)),
        [first, .., last] => format!(
            "compare {} directions: no two have one site and one width, such as `{}` at {} and `{}` at {}; {hint}",
            all.len(),
            printable(&first.label),
            site(first.named.direction.site.as_deref()),
            printable(&last.label),
            site(last.named.direction.site.as_deref()),
        ),
    }
}

/// The matrix with numbered columns, in pieces as wide as the terminal.
fn text(all: &[Labelled], matrix: &CosineMatrix, across: bool, terminal: usize) -> String {
    let place = if across { "all sites".to_owned() } else { format!("site {}", site(matrix.site.as_deref())) };
    let mut text = format!("{place}, {} directions of width {}\n", matrix.members.len(), matrix.width);
    let direction = |row: usize| &all[matrix.members[row]];
    let labels = |row: usize| {
        let mut cells = vec![(row + 1).to_string(), printable(&direction(row).label)];
        cells.extend(across.then(|| site(direction(row).named.direction.site.as_deref())));
        cells
    };
    let rows: Vec<usize> = (0..matrix.members.len()).collect();
    let taken: usize = 2 + rows.iter().map(|row| labels(*row).join("  ").chars().count()).max().unwrap_or(0);
    // A cosine has seven characters, and two columns between.
    let fitting = (terminal.saturating_sub(taken) / 9).max(4);
    for columns in rows.chunks(fitting) {
        let mut header = words(if across { &["", "name", "site"] } else { &["", "name"] });
        header.extend(columns.iter().map(|column| format!("{:>7}", column + 1)));
        let row = |row: &usize| {
            let cosines = columns.iter().map(|column| format!("{:>7.4}", matrix.cosines[*row][*column]));
            labels(*row).into_iter().chain(cosines).collect()
        };
        text += &table(header, rows.iter().map(row).collect());
    }
    let deviation = matrix.random_deviation();
    text + &format!("independent random directions: cosine 0 with standard deviation {deviation:.4} (1/sqrt(width))\n")
}

fn line(all: &[Labelled], matrix: &CosineMatrix) -> serde_json::Value {
    let direction = |at: &usize| {
        let Labelled { label, file, named } = &all[*at];
        let direction = &named.direction;
        json!({ "label": label, "file": file, "name": named.name, "site": direction.site, "norm": direction.norm() })
    };
    json!({
        "site": matrix.site,
        "width": matrix.width,
        "random_sd": matrix.random_deviation(),
        "directions": matrix.members.iter().map(direction).collect::<Vec<_>>(),
        "cosines": matrix.cosines,
    })
}

/// Each pair once, with every digit; an unknown site is empty.
fn write_csv(path: &Path, all: &[Labelled], matrices: &[CosineMatrix]) -> Result<(), CliError> {
    let failed = |e: String| CliError::Said { message: format!("write {}: {e}", path.display()), code: 5 };
    let mut out = csv::Writer::from_writer(Vec::new());
    let header = ["first", "first_site", "second", "second_site", "width", "cosine", "random_sd"];
    out.write_record(header).map_err(|e| failed(e.to_string()))?;
    for matrix in matrices {
        for (row, first) in matrix.members.iter().enumerate() {
            for (column, second) in matrix.members.iter().enumerate().skip(row + 1) {
                let of =
                    |at: &usize| (all[*at].label.clone(), all[*at].named.direction.site.clone().unwrap_or_default());
                let ((first, first_site), (second, second_site)) = (of(first), of(second));
                let numbers = [matrix.cosines[row][column], matrix.random_deviation()].map(|x| x.to_string());
                let [cosine, random] = numbers;
                let record = [first, first_site, second, second_site, matrix.width.to_string(), cosine, random];
                out.write_record(record).map_err(|e| failed(e.to_string()))?;
            }
        }
    }
    let bytes = out.into_inner().map_err(|e| failed(e.to_string()))?;
    Ok(write_atomic(path, &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::{Direction, Named};

    fn directions() -> Vec<Labelled> {
        let each = [("x", [1.0, 0.0]), ("y,\"z\"", [3.0, 4.0]), ("back", [-1.0, 0.0])];
        let labelled = |(name, values): (&str, [f32; 2])| {
            let named = Named { name: name.to_owned(), direction: Direction::new(values.to_vec(), "embed") };
            Labelled { label: name.to_owned(), file: "f.pt".to_owned(), named }
        };
        each.map(labelled).to_vec()
    }

    #[test]
    fn a_matrix_has_names_and_the_random_level() {
        let all = directions();
        let matrix = &cosine_matrices(&all, Grouping::default()).unwrap()[0];
        let shown = text(&all, matrix, false, 120);
        let lines: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(shown.lines().next(), Some("site embed, 3 directions of width 2"));
        assert_eq!(lines[1], ["name", "1", "2", "3"]);
        assert_eq!(lines[3], ["2", "y,\"z\"", "0.6000", "1.0000", "-0.6000"]);
        assert!(shown.ends_with("deviation 0.7071 (1/sqrt(width))\n"), "{shown}");
    }

    #[test]
    fn a_matrix_wider_than_the_terminal_comes_in_pieces() {
        let one = &directions()[0];
        let all: Vec<Labelled> = (0..9).map(|at| Labelled { label: format!("d{at}"), ..one.clone() }).collect();
        let matrix = &cosine_matrices(&all, Grouping { across_sites: true, by_width: false }).unwrap()[0];
        let shown = text(&all, matrix, true, 70);
        let headers: Vec<&str> = shown.lines().filter(|line| line.contains("name")).collect();
        let columns: Vec<Vec<&str>> = headers.iter().map(|h| h.split_whitespace().skip(2).collect()).collect();
        assert_eq!(columns.concat(), ["1", "2", "3", "4", "5", "6", "7", "8", "9"]);
        assert_eq!(headers.len(), 2, "{shown}");
        assert!(shown.lines().skip(1).take(20).all(|line| line.chars().count() <= 70), "{shown}");
    }

    #[test]
    fn pairs_are_written_once_with_every_digit() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("pairs.csv");
        let all = directions();
        write_csv(&path, &all, &cosine_matrices(&all, Grouping::default()).unwrap()).unwrap();
        let mut reader = csv::Reader::from_path(&path).unwrap();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let pairs: Vec<[&str; 3]> = rows.iter().map(|row| [&row[0], &row[2], &row[1]]).collect();
        assert_eq!(pairs, [["x", "y,\"z\"", "embed"], ["x", "back", "embed"], ["y,\"z\"", "back", "embed"]]);
        assert_eq!(rows[1][5].parse::<f64>().unwrap(), -1.0);
        // Rounding of two norms and a quotient in f64.
        assert!((rows[0][5].parse::<f64>().unwrap() - 0.6).abs() < 1e-15);
    }

    #[test]
    fn nothing_to_compare_says_why() {
        let all = directions();
        assert!(nothing(&[], "--site x", false).contains("--site x"));
        assert!(nothing(&all[..1], "", false).contains("`x`: it is alone"));
        assert!(nothing(&all, "", false).contains("--across-sites"));
    }
}
