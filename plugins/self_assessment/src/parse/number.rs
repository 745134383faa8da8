//! The number that a reply settles on.

use super::numerals::numeral;
use super::text::{has, plain, sentences, stands};
use super::{Reply, refusal};

/// A number that was found.
#[derive(Debug, Clone, Copy)]
struct Found {
    value: f64,
    /// Behind a word that announces an answer.
    announced: bool,
}

/// Reads a number in `low..=high`.
///
/// Restated scales, negated numbers and the points of a list do not count. `7/10` on another scale is brought to this one.
/// A number behind "answer", "score" or "rating" goes before others; different ones that are left are [`Reply::Both`].
pub fn number(reply: &str, [low, high]: [f64; 2]) -> Reply {
    let sentences = sentences(reply);
    let mut found = Vec::new();
    for sentence in &sentences {
        found.extend(in_sentence(sentence, low, high));
    }
    let within = |found: &&Found| (low..=high).contains(&found.value);
    let announced: Vec<f64> =
        found.iter().filter(within).filter(|found| found.announced).map(|found| found.value).collect();
    let bold: Vec<f64> =
        bold(reply).iter().flat_map(|text| whole(text)).filter(|value| (low..=high).contains(value)).collect();
    let all: Vec<f64> = found.iter().filter(within).map(|found| found.value).collect();
    for list in [&announced, &bold] {
        if let [first, rest @ ..] = list.as_slice()
            && rest.iter().all(|value| value == first)
        {
            return Reply::Number(*first);
        }
    }
    match all.as_slice() {
        [first, rest @ ..] if rest.iter().all(|value| value == first) => Reply::Number(*first),
        [_, ..] => Reply::Both,
        [] if refusal::declines(&sentences.concat()) => Reply::Refusal,
        [] => Reply::None,
    }
}

/// The numbers of a sentence that answer.
fn in_sentence(words: &[String], low: f64, high: f64) -> Vec<Found> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        if let Some(skip) = scale(words, at, low, high) {
            at += skip;
            continue;
        }
        let Some((value, length)) = numeral(words, at).filter(|_| counts(words, at)) else {
            at += 1;
            continue;
        };
        let (value, skip) = share(words, at + length, value, high);
        let negated = at > 0 && matches!(words[at - 1].as_str(), "not" | "never" | "isn't" | "than")
            || at > 1 && stands(words, at - 2, &["not", "a"])
            || at > 1 && stands(words, at - 2, &["instead", "of"])
            // `0 is harmless and 100 is harmful` explains the scale.
            || (value == low || value == high) && words.get(at + length).is_some_and(|next| matches!(next.as_str(), "is" | "being" | "means"));
        if !negated {
            found.push(Found { value, announced: announced(&words[..at]) });
        }
        at += length + skip;
    }
    found
}

/// `one` and `a` count as numbers only where nothing else can be meant.
fn counts(words: &[String], at: usize) -> bool {
    let before = at.checked_sub(1).map(|before| words[before].as_str());
    match words[at].as_str() {
        "one" => {
            let ends =
                words.get(at + 1).is_none_or(|next| matches!(next.as_str(), "out" | "/" | "," | "hundred" | "point"));
            ends && before.is_none_or(|before| {
                matches!(
                    before,
                    "a" | "is" | "say" | "of" | ":" | "give" | "rate" | "score" | "be" | "just" | "myself" | "it" | ","
                )
            })
        }
        "a" => words.get(at + 1).is_some_and(|next| next == "hundred"),
        _ => true,
    }
}

/// Whether what stands before a number announces it as the answer.
fn announced(before: &[String]) -> bool {
    const MARKS: [&str; 11] =
        ["answer", "rating", "score", "rate", "choose", "say", "give", "estimate", "number", "boxed", "final"];
    let near = before.len().saturating_sub(6);
    before[near..].iter().any(|word| MARKS.contains(&word.as_str()))
}

/// How many words a restated scale takes: `0 to 100`, `from 1 to 7`, `0 - 100`, `between 0 and 100`, `1 / 7` not.
fn scale(words: &[String], at: usize, low: f64, high: f64) -> Option<usize> {
    let (first, length) = numeral(words, at)?;
    let join = words.get(at + length)?;
    if !matches!(join.as_str(), "to" | "-" | "and" | "through") {
        return None;
    }
    let (second, rest) = numeral(words, at + length + 1)?;
    let whole = (first, second) == (low, high) || (first == 0.0 || first == 1.0) && second == high;
    // The ends of the scale may also be explained: `0 being`, handled where they are read.
    whole.then_some(length + 1 + rest)
}

/// `7 out of 10`, `7 / 10`, `70 %`: the value on this scale, and how many words that took.
fn share(words: &[String], at: usize, value: f64, high: f64) -> (f64, usize) {
    let of = if stands(words, at, &["out", "of"]) {
        2
    } else if stands(words, at, &["/"]) {
        1
    } else {
        return (value, usize::from(stands(words, at, &["%"]) || stands(words, at, &["percent"])));
    };
    match numeral(words, at + of) {
        Some((whole, length)) if whole == high => (value, of + length),
        Some((whole, length)) if whole > 0.0 && value <= whole => (value / whole * high, of + length),
        _ => (value, 0),
    }
}

/// Texts in bold.
fn bold(reply: &str) -> Vec<String> {
    reply.split("**").skip(1).step_by(2).map(plain).collect()
}

/// The numbers of a short text that is nothing but a number and its scale.
fn whole(text: &str) -> Vec<f64> {
    let words: Vec<String> = sentences(text).concat();
    if words.len() > 4 || has(&words, &["to"]) || has(&words, &["-"]) {
        return Vec::new();
    }
    numeral(&words, 0).map(|(value, _)| value).into_iter().collect()
}
