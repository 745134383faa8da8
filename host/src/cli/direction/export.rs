//! `emhost direction export`.

use std::path::PathBuf;

use clap::Args;

use super::refs::{Known, listed};
use crate::cli::args::CliError;
use crate::cli::terminal::print;
use crate::config::Settings;
use crate::vector::{self, DirectionFile, Labelled, Named, VectorError, labelled, resolve};

/// Write directions to a file: stored ones, and those of files in another form
///
/// For example, layer 20 of a persona vector for llama.cpp:
///
/// $ emhost direction export evil_response_avg_diff.pt --select layer_20 --out evil.gguf
///
/// A control vector can hold block outputs from block 1 on, one per block. Where references have the
/// same name, the file's name or the key goes before it.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct ExportArgs {
    /// FILE, FILE#NAME, KEY or KEY#NAME; several are written to one file.
    #[arg(value_name = "REF", required = true)]
    references: Vec<String>,
    /// File to write: NAME.safetensors or NAME.gguf.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    known: Known,
    /// Only this direction; may be repeated.
    #[arg(long, value_name = "NAME")]
    select: Vec<String>,
    /// Replace the file that is there.
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &ExportArgs, settings: &Settings) -> Result<(), CliError> {
    if !args.force && std::fs::symlink_metadata(&args.out).is_ok() {
        let problem = "it exists already; choose another name, or replace it with --force".to_owned();
        return Err(VectorError::Unwritable { path: args.out.clone(), problem }.into());
    }
    let read = |reference: &String| resolve(reference, &settings.store, args.known.reading());
    let files = args.references.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let all = named(&selected(files, &args.select)?);
    vector::write(&args.out, &all)?;
    Ok(print(&format!("{}\n{}", args.out.display(), listed(&all)))?)
}

/// The directions of these names, of all files that have them; all without names.
fn selected(files: Vec<DirectionFile>, names: &[String]) -> Result<Vec<DirectionFile>, VectorError> {
    if let [file] = files.as_slice() {
        let all = vector::select(&file.path, file.all.clone(), names)?;
        return Ok(vec![DirectionFile { all, ..file.clone() }]);
    }
    let all: Vec<Named> = files.iter().flat_map(|file| file.all.iter().cloned()).collect();
    let paths: Vec<String> = files.iter().map(|file| file.path.display().to_string()).collect();
    vector::select(paths.join("`, `").as_ref(), all, names)?;
    let has = |name: &String| names.is_empty() || names.contains(name);
    let keep = |mut file: DirectionFile| {
        file.all.retain(|named| has(&named.name));
        file
    };
    Ok(files.into_iter().map(keep).collect())
}

/// Names that are unique in the file to be written; folders of a path are no part of them.
fn named(files: &[DirectionFile]) -> Vec<Named> {
    let name = |Labelled { label, file, named }: Labelled| {
        let bare = match label == named.name {
            true => label,
            false => {
                let stem = std::path::Path::new(&file).file_stem().unwrap_or_default().to_string_lossy();
                format!("{stem}/{}", named.name)
            }
        };
        Named { name: bare, ..named }
    };
    labelled(files, "/").into_iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::Direction;

    fn file(path: &str, names: &[&str]) -> DirectionFile {
        let named = |name: &&str| Named { name: (*name).to_owned(), direction: Direction::new(vec![1.0], "embed") };
        DirectionFile { path: path.into(), stage: None, all: names.iter().map(named).collect() }
    }

    fn names(files: Vec<DirectionFile>, select: &[&str]) -> Vec<String> {
        let select: Vec<String> = select.iter().map(|name| (*name).to_owned()).collect();
        named(&selected(files, &select).unwrap()).into_iter().map(|named| named.name).collect()
    }

    #[test]
    fn names_that_meet_are_told_apart_by_their_file() {
        let files = || vec![file("a/one.pt", &["x", "y"]), file("b/two.gguf", &["x", "z"])];
        assert_eq!(names(files(), &[]), ["one/x", "y", "two/x", "z"]);
        assert_eq!(names(files(), &["x"]), ["one/x", "two/x"]);
        assert_eq!(names(files(), &["z", "y"]), ["y", "z"]);
        assert_eq!(names(vec![file("a/one.pt", &["x", "y"])], &["y", "x"]), ["y", "x"]);
        let said = selected(files(), &["w".to_owned()]).unwrap_err().to_string();
        assert!(
            said.contains("`w`") && said.contains("a/one.pt`, `b/two.gguf") && said.contains("x, y, x, z"),
            "{said}"
        );
    }
}
