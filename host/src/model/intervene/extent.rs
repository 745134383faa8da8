//! Which tokens of a row a rule of positions names.

use emhost_abi::wire::Tokens;

use crate::model::text::Encoded;
use crate::model::{ModelError, Result};

/// Where prompt and answer of a row lie, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// First token of the answer, and the one after its last.
    pub answer: [usize; 2],
    /// Tokens of the whole row; none while it grows.
    pub len: Option<usize>,
}

impl Extent {
    /// Of a row that is there as a whole.
    pub fn whole(row: &Encoded) -> Self {
        let len = row.tokens.len();
        let answer = row.answers.last().filter(|_| row.prompt < len).map_or([len, len], |span| [span.start, span.end]);
        Self { prompt: row.prompt, answer, len: Some(len) }
    }

    /// Of a prompt that is being completed: every new token belongs to the answer.
    pub fn growing(prompt: usize) -> Self {
        Self { prompt, answer: [prompt, usize::MAX], len: None }
    }
}

/// Selected tokens of a row, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chosen {
    /// From the first number to before the second.
    Span(usize, usize),
    /// Each named; sorted, none twice.
    Listed(Vec<usize>),
}

impl Chosen {
    /// The tokens of row `row_id` that `positions` names.
    pub fn of(positions: &Tokens, extent: &Extent, row_id: &str) -> Result<Self> {
        let refuse = |problem: String| ModelError::Row { row_id: row_id.to_owned(), problem };
        let prompt = extent.prompt;
        Ok(match positions {
            Tokens::All => Self::Span(0, extent.len.unwrap_or(usize::MAX)),
            Tokens::Prompt => Self::Span(0, prompt),
            Tokens::Answer => Self::Span(extent.answer[0], extent.answer[1]),
            Tokens::LastPrompt => Self::Span(prompt.saturating_sub(1), prompt),
            Tokens::Last => match extent.len {
                Some(len) => Self::Span(len.saturating_sub(1), len),
                None => {
                    let problem = "positions `last` mean nothing while tokens are sampled, because no token is known to \
                                   be the last; use `answer` or `last_prompt`";
                    return Err(refuse(problem.to_owned()));
                }
            },
            Tokens::At(at) => {
                let mut tokens = Vec::with_capacity(at.len());
                for &index in at {
                    let token = if index < 0 { index + prompt as i64 } else { index };
                    let token = usize::try_from(token).ok().filter(|token| extent.len.is_none_or(|len| *token < len));
                    let known = extent.len.unwrap_or(prompt);
                    let outside =
                        || format!("there is no token at position {index}: {prompt} of prompt, {known} in all");
                    tokens.push(token.ok_or_else(|| refuse(outside()))?);
                }
                tokens.sort_unstable();
                tokens.dedup();
                Self::Listed(tokens)
            }
        })
    }

    /// Number of the token among the selected ones; none if it is not selected.
    pub fn rank(&self, token: usize) -> Option<usize> {
        match self {
            Self::Span(first, end) => (*first..*end).contains(&token).then(|| token - first),
            Self::Listed(tokens) => tokens.binary_search(&token).ok(),
        }
    }

    /// How many of the tokens from `first` to before `end` are selected.
    pub fn count(&self, first: usize, end: usize) -> usize {
        match self {
            Self::Span(from, to) => end.min(*to).saturating_sub(first.max(*from)),
            Self::Listed(tokens) => tokens.partition_point(|t| *t < end) - tokens.partition_point(|t| *t < first),
        }
    }

    /// The selected tokens of a row of `len` tokens.
    pub fn tokens(&self, len: usize) -> Vec<usize> {
        match self {
            Self::Span(first, end) => (*first..(*end).min(len)).collect(),
            Self::Listed(tokens) => tokens.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: Extent = Extent { prompt: 4, answer: [4, 7], len: Some(8) };

    #[track_caller]
    fn check(positions: Tokens, extent: Extent, expected: &[usize]) {
        let chosen = Chosen::of(&positions, &extent, "a").expect("the positions exist");
        assert_eq!(chosen.tokens(9), expected);
        for (rank, token) in expected.iter().enumerate() {
            assert_eq!(chosen.rank(*token), Some(rank));
        }
        for (first, end) in [(0, 9), (0, 4), (4, 9), (3, 5), (7, 8), (2, 2)] {
            assert_eq!(chosen.count(first, end), expected.iter().filter(|t| (first..end).contains(t)).count());
        }
    }

    #[test]
    fn positions_name_tokens_of_a_whole_row() {
        check(Tokens::All, ROW, &[0, 1, 2, 3, 4, 5, 6, 7]);
        check(Tokens::Prompt, ROW, &[0, 1, 2, 3]);
        check(Tokens::Answer, ROW, &[4, 5, 6]);
        check(Tokens::LastPrompt, ROW, &[3]);
        check(Tokens::Last, ROW, &[7]);
        check(Tokens::At(vec![7, 0, -1, 3, -4]), ROW, &[0, 3, 7]);
        check(Tokens::Answer, Extent { prompt: 3, answer: [3, 3], len: Some(3) }, &[]);
    }

    #[test]
    fn a_growing_answer_has_every_new_token_and_no_last_one() {
        check(Tokens::Answer, Extent::growing(6), &[6, 7, 8]);
        check(Tokens::At(vec![7, -6]), Extent::growing(6), &[0, 7]);
        assert!(Chosen::of(&Tokens::Last, &Extent::growing(6), "a").is_err());
    }

    #[test]
    fn a_token_outside_the_row_is_an_error_that_names_row_and_position() {
        for index in [8, -5] {
            let error = Chosen::of(&Tokens::At(vec![index]), &ROW, "row 9").expect_err("it is outside").to_string();
            assert!(error.contains("row 9") && error.contains(&index.to_string()), "{error}");
        }
    }
}
