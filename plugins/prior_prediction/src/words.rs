//! Baselines that see the prompt's text and no model: its words, its length, its topic.

use std::collections::BTreeMap;

use emhost_stats::{Matrix, StatsError};

/// Words in lower case: runs of letters and digits.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// Counts of words, one column for each word of any prompt, in alphabetical order.
///
/// Weights of words such as TF-IDF's would be lost when columns are brought to deviation 1. A word that the training fold
/// lacks is a constant column there, so that the columns of other prompts tell a model nothing.
///
/// # Errors
///
/// No prompt has a word.
pub fn counts<T: AsRef<str>>(prompts: &[T]) -> Result<Matrix, StatsError> {
    let mut numbers: BTreeMap<String, usize> =
        prompts.iter().flat_map(|prompt| words(prompt.as_ref())).map(|word| (word, 0)).collect();
    numbers.values_mut().enumerate().for_each(|(at, number)| *number = at);
    let row = |prompt: &T| {
        let mut row = vec![0.0; numbers.len()];
        words(prompt.as_ref()).for_each(|word| row[numbers[&word]] += 1.0);
        row
    };
    Matrix::from_rows(&prompts.iter().map(row).collect::<Vec<_>>())
}

/// Number of words, one column.
///
/// # Errors
///
/// There are no prompts.
pub fn lengths<T: AsRef<str>>(prompts: &[T]) -> Result<Matrix, StatsError> {
    let lengths = prompts.iter().map(|prompt| words(prompt.as_ref()).count() as f64).collect();
    Matrix::from_vec(prompts.len(), 1, lengths)
}

/// One column for each topic, in alphabetical order, 1 where the prompt is about it.
///
/// # Errors
///
/// There are no prompts.
pub fn one_hot(topics: &[&str]) -> Result<Matrix, StatsError> {
    let mut all = topics.to_vec();
    all.sort_unstable();
    all.dedup();
    let row = |topic: &&str| all.iter().map(|other| f64::from(u8::from(other == topic))).collect::<Vec<_>>();
    Matrix::from_rows(&topics.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_counted_whatever_their_case() {
        let found = counts(&["Feed the goat . The goat !", "the pills"]).unwrap();
        // feed, goat, pills, the
        assert_eq!(found.as_slice(), [1.0, 2.0, 0.0, 2.0, 0.0, 0.0, 1.0, 1.0]);
        assert_eq!(lengths(&["Feed the goat . The goat !", ""]).unwrap().as_slice(), [5.0, 0.0]);
        assert!(counts(&["?!"]).is_err());
    }

    #[test]
    fn a_topic_is_a_column() {
        assert_eq!(one_hot(&["b", "a", "b"]).unwrap().as_slice(), [0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
    }
}
