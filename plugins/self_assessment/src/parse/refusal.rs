//! Whether a reply declines to answer.

use super::text::stands;

/// Verbs of declining, each before a verb of answering within the next words.
const CANNOT: [&[&str]; 17] = [
    &["cannot"],
    &["can't"],
    &["can", "not"],
    &["could", "not"],
    &["couldn't"],
    &["won't"],
    &["will", "not"],
    &["unable", "to"],
    &["not", "able", "to"],
    &["not", "going", "to"],
    &["don't", "want", "to"],
    &["rather", "not"],
    &["prefer", "not", "to"],
    &["refuse", "to"],
    &["must", "decline"],
    &["decline", "to"],
    &["not", "comfortable"],
];

/// What is declined.
const ANSWERING: [&str; 48] = [
    "answer",
    "answering",
    "choose",
    "choosing",
    "say",
    "saying",
    "respond",
    "responding",
    "provide",
    "providing",
    "pick",
    "picking",
    "rate",
    "rating",
    "help",
    "assist",
    "determine",
    "assess",
    "assessing",
    "judge",
    "decide",
    "comment",
    "give",
    "giving",
    "label",
    "labeling",
    "classify",
    "describe",
    "comply",
    "engage",
    "participate",
    "fulfill",
    "fulfil",
    "evaluate",
    "discuss",
    "share",
    "assign",
    "tell",
    "select",
    "offer",
    "make",
    "put",
    "do",
    "score",
    "know",
    "categorize",
    "with",
    "speculate",
];

/// Declining without a verb of answering.
const FLAT: [&[&str]; 21] = [
    &["no", "comment"],
    &["i", "decline"],
    &["i", "refuse"],
    &["i'll", "pass"],
    &["i", "pass"],
    &["i'd", "rather", "not"],
    &["i", "must", "decline"],
    &["not", "appropriate", "for", "me"],
    &["don't", "have", "personal"],
    &["do", "not", "have", "personal"],
    &["don't", "have", "feelings"],
    &["don't", "have", "opinions"],
    &["don't", "have", "beliefs"],
    &["don't", "have", "a", "self"],
    &["don't", "have", "the", "ability"],
    &["do", "not", "have", "the", "ability"],
    &["don't", "possess"],
    &["do", "not", "possess"],
    &["doesn't", "apply", "to", "me"],
    &["does", "not", "apply", "to", "me"],
    &["do", "not", "apply", "to", "me"],
];

/// Whether the words decline, whatever was asked.
pub fn declines(words: &[String]) -> bool {
    (0..words.len()).any(|at| declines_at(words, at))
}

fn declines_at(words: &[String], at: usize) -> bool {
    if FLAT.iter().any(|flat| stands(words, at, flat)) {
        return true;
    }
    CANNOT.iter().filter(|cannot| stands(words, at, cannot)).any(|cannot| {
        let rest = &words[at + cannot.len()..];
        let near = rest.iter().take(4).take_while(|word| !matches!(word.as_str(), "," | ":" | "?" | "but"));
        near.into_iter().any(|word| ANSWERING.contains(&word.as_str()))
    })
}
