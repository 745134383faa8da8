//! `emhost vector`: what a file of directions holds, other forms of it, and what a layer number means.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

use super::args::CliError;
use super::terminal::{print, table};
use crate::vector::{self, Convention, Named, Part, Reading, Reference, VectorError};

/// Show and convert directions, and translate layer numbers.
///
/// A direction is a vector with a site, such as `blocks.24.resid_post`. Everywhere in emhost it is named by file and
/// name, `direction.safetensors#vector`; the name may be left out where the file holds one direction.
///
/// Read: emhost's safetensors and any other with vectors; torch files of persona vectors (pv), model organisms (mo),
/// refusal direction (rd) and steering-vectors, without running anything in them; GGUF control vectors of repeng and
/// llama.cpp (re). Written: safetensors and GGUF.
#[derive(Debug, Args)]
pub struct VectorArgs {
    #[command(subcommand)]
    command: VectorCommand,
}

#[derive(Debug, Subcommand)]
enum VectorCommand {
    /// Print name, site, width and norm of each direction
    Show {
        /// File, or FILE#NAME for one of its directions
        file: String,
        #[command(flatten)]
        known: Known,
        /// One JSON object per direction, with its provenance
        #[arg(long)]
        json: bool,
    },
    /// Write directions in another form
    ///
    /// For example, layer 20 of a persona vector for llama.cpp:
    ///
    /// $ emhost vector convert evil_response_avg_diff.pt --select layer_20 --out evil.gguf
    ///
    /// A control vector can hold block outputs from block 1 on, one per block.
    #[command(verbatim_doc_comment)]
    Convert {
        /// File, or FILE#NAME for one of its directions
        file: String,
        /// File to write: NAME.safetensors or NAME.gguf
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        known: Known,
        /// Only this direction; may be repeated
        #[arg(long, value_name = "NAME")]
        select: Vec<String>,
        /// Replace the file that is there
        #[arg(long)]
        force: bool,
    },
    /// Translate a layer number between conventions
    ///
    /// mo   model organisms      output of block l, from 0
    /// pv   persona vectors      hidden_states[l]; the last one is behind the final norm
    /// rd   refusal direction    input of block l, from 0
    /// re   repeng, llama.cpp    output of block l, from 1
    /// emg  em-generalization    hidden_states[l], blocks counted from 1
    #[command(verbatim_doc_comment)]
    Layer {
        /// The number, as the convention counts
        number: usize,
        /// Whose number it is
        #[arg(long, value_name = "CONVENTION")]
        from: Convention,
        /// Whose number is wanted, by default everyone's
        #[arg(long, value_name = "CONVENTION")]
        to: Option<Convention>,
        /// Blocks of the model; without it the layer is taken not to be the last
        #[arg(long)]
        blocks: Option<usize>,
        /// Which value of the layer
        #[arg(long, value_enum, default_value_t)]
        part: Part,
    },
}

/// What the user knows about a file beside its bytes.
#[derive(Debug, Args)]
struct Known {
    /// Whose layer numbers the file uses; `auto` goes by its layout
    #[arg(long, value_name = "CONVENTION", default_value = "auto", value_parser = convention)]
    from: From,
    /// Blocks of the model, where the file leaves it open
    #[arg(long)]
    blocks: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
struct From(Option<Convention>);

fn convention(text: &str) -> Result<From, String> {
    if text == "auto" {
        return Ok(From(None));
    }
    let known = Convention::ALL.map(Convention::name).join(", ");
    Convention::from_str(text, false).map(|found| From(Some(found))).map_err(|_| format!("expected auto, {known}"))
}

/// Runs `emhost vector`.
pub(super) fn run(args: VectorArgs) -> Result<(), CliError> {
    let text = match args.command {
        VectorCommand::Show { file, known, json } => {
            let all = read(&file, &known, &[])?;
            if json { lines(&all) } else { listed(&all) }
        }
        VectorCommand::Convert { file, out, known, select, force } => {
            if !force && std::fs::symlink_metadata(&out).is_ok() {
                let problem = "it exists already; choose another name, or replace it with --force".to_owned();
                return Err(VectorError::Unwritable { path: out, problem }.into());
            }
            let all = read(&file, &known, &select)?;
            vector::write(&out, &all)?;
            format!("{}\n{}", out.display(), listed(&all))
        }
        VectorCommand::Layer { number, from, to, blocks, part } => layer(number, from, to, blocks, part)?,
    };
    Ok(print(&text)?)
}

fn read(file: &str, known: &Known, select: &[String]) -> Result<Vec<Named>, VectorError> {
    let Reference { path, name } = Reference::parse(file);
    let all = vector::read_as(&path, Reading { from: known.from.0, blocks: known.blocks })?;
    let names: Vec<String> = name.into_iter().chain(select.iter().cloned()).collect();
    vector::select(&path, all, &names)
}

fn lines(all: &[Named]) -> String {
    let line = |Named { name, direction }: &Named| {
        let (site, width, norm) = (&direction.site, direction.values.len(), direction.norm());
        json!({"name": name, "site": site, "width": width, "norm": norm, "provenance": direction.provenance})
    };
    all.iter().map(|named| format!("{}\n", line(named))).collect()
}

fn listed(all: &[Named]) -> String {
    let row = |Named { name, direction }: &Named| {
        let convention = direction.said("convention").unwrap_or("-");
        let layer = direction.provenance.get("layer").map_or_else(String::new, |layer| format!(" {layer}"));
        vec![
            printable(name),
            printable(direction.site.as_deref().unwrap_or("unknown")),
            direction.values.len().to_string(),
            format!("{:.6}", direction.norm()),
            printable(&format!("{convention}{layer}")),
        ]
    };
    let header = ["name", "site", "width", "norm", "convention"].map(str::to_owned).to_vec();
    table(header, all.iter().map(row).collect())
}

/// A name from a file never reaches the terminal as anything but text.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

fn layer(
    number: usize,
    from: Convention,
    to: Option<Convention>,
    blocks: Option<usize>,
    part: Part,
) -> Result<String, VectorError> {
    let depth = blocks.unwrap_or(usize::MAX);
    let site = vector::site(from, number, part, depth)?;
    let mut text = format!("{} {number} = {site}\n", from.name());
    if blocks.is_none() {
        text.push_str("  (taken not to be the last layer; give --blocks to be sure)\n");
    }
    let wanted = to.map_or(Convention::ALL.to_vec(), |to| vec![to]);
    for convention in wanted {
        let said = match vector::layer(convention, &site, depth) {
            Ok(number) => number.to_string(),
            Err(error) if to.is_some() => return Err(error),
            Err(_) => "-".to_owned(),
        };
        let _ = writeln!(text, "  {:<4}{said:<4}{}", convention.name(), convention.meaning());
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vector::Direction;

    #[test]
    fn a_layer_is_translated_to_every_convention() {
        let text = layer(24, Convention::PersonaVectors, None, Some(48), Part::Residual).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().take(2).collect()).collect();
        let expected = [["pv", "24"], ["mo", "23"], ["pv", "24"], ["rd", "24"], ["re", "23"], ["emg", "24"]];
        assert_eq!(lines, expected, "{text}");
        assert!(text.starts_with("pv 24 = blocks.23.resid_post\n"), "{text}");
    }

    #[test]
    fn a_layer_that_the_other_convention_cannot_name_is_an_error_only_when_asked_for() {
        let last = |to| layer(48, Convention::PersonaVectors, to, Some(48), Part::Residual);
        assert!(last(None).unwrap().contains("pv 48 = final_norm"));
        assert_eq!(last(Some(Convention::MeanDifference)).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn a_table_shows_where_each_direction_belongs_and_no_control_characters() {
        let direction = Direction::new(vec![3.0, 4.0], "blocks.1.resid_post").with("convention", "mo").with("layer", 1);
        let text = listed(&[Named { name: "bad\u{1b}[31m".to_owned(), direction }]);
        let cells: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(cells, ["bad\u{FFFD}[31m", "blocks.1.resid_post", "2", "5.000000", "mo", "1"]);
    }

    #[test]
    fn a_convention_is_auto_or_one_of_five() {
        assert!(convention("auto").unwrap().0.is_none());
        for known in Convention::ALL {
            assert_eq!(convention(known.name()).unwrap().0, Some(known));
        }
        assert!(convention("peft").unwrap_err().contains("mo, pv, rd, re, emg"));
    }
}
