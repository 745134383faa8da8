//! `emhost direction layer`.

use std::fmt::Write as _;

use clap::Args;

use crate::cli::args::CliError;
use crate::cli::terminal::print;
use crate::vector::{self, Convention, Part, VectorError};

/// Translate a layer number between conventions
///
/// mo   model organisms      output of block l, from 0
/// pv   persona vectors      hidden_states[l]; the last one is behind the final norm
/// rd   refusal direction    input of block l, from 0
/// re   repeng, llama.cpp    output of block l, from 1
/// emg  em-generalization    hidden_states[l], blocks counted from 1
///
/// For example, what layer 20 of a persona vector is in a model of 28 blocks:
///
/// $ emhost direction layer 20 --from pv --blocks 28
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(super) struct LayerArgs {
    /// The number, as the convention counts.
    number: usize,
    /// Whose number it is.
    #[arg(long, value_name = "CONVENTION")]
    from: Convention,
    /// Whose number is wanted, by default everyone's.
    #[arg(long, value_name = "CONVENTION")]
    to: Option<Convention>,
    /// Blocks of the model; without it the layer is taken not to be the last.
    #[arg(long)]
    blocks: Option<usize>,
    /// Which value of the layer.
    #[arg(long, value_enum, default_value_t)]
    part: Part,
}

pub(super) fn run(args: &LayerArgs) -> Result<(), CliError> {
    Ok(print(&layer(args.number, args.from, args.to, args.blocks, args.part)?)?)
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
}
