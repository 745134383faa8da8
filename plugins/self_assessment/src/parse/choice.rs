//! The option that a reply settles on.

use super::refusal::declines;
use super::text::{has, sentences, stands};
use super::{Reply, text};

/// How an option is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    Affirmed,
    Negated,
    /// In a question, in a list of the options, behind `whether`: it says nothing.
    Neutral,
}

/// An option that was named.
#[derive(Debug, Clone, Copy)]
struct Mention {
    option: usize,
    sense: Sense,
    /// Behind a word that announces an answer.
    announced: bool,
}

/// Reads one of the options, whole words or letters.
///
/// Options that are negated (`not harmful`), restated (`harmless or harmful?`) or compared (`good rather than evil`) do not
/// count; of two options the negation of one is the choice of the other. An option behind "answer" goes before others.
pub fn choice<T: AsRef<str>>(reply: &str, options: &[T]) -> Reply {
    let options: Vec<Vec<String>> = options.iter().map(|option| sentences(option.as_ref()).concat()).collect();
    let letters = options.iter().all(|option| option.len() == 1 && option[0].chars().count() == 1);
    let marked = if letters { capitals(reply, &options) } else { reply.to_owned() };
    let sentences: Vec<Vec<String>> = sentences(&marked).into_iter().map(|words| joined(words, &options)).collect();
    let mut mentions = Vec::new();
    for sentence in &sentences {
        mentions.extend(in_sentence(sentence, &options, letters));
    }
    let declined = declines(&sentences.concat());
    let of = |sense: Sense, announced: bool| -> Vec<usize> {
        let fits = |mention: &&Mention| mention.sense == sense && (mention.announced || !announced);
        let mut found: Vec<usize> = mentions.iter().filter(fits).map(|mention| mention.option).collect();
        found.sort_unstable();
        found.dedup();
        found
    };
    if let [option] = of(Sense::Affirmed, true).as_slice() {
        return Reply::Chosen(*option);
    }
    let (affirmed, negated) = (of(Sense::Affirmed, false), of(Sense::Negated, false));
    let settled: Vec<usize> = affirmed.iter().copied().filter(|option| !negated.contains(option)).collect();
    match (affirmed.as_slice(), negated.as_slice(), settled.as_slice()) {
        ([option], [], _) | (_, _, [option]) => Reply::Chosen(*option),
        ([], [option], _) if options.len() == 2 && !declined => Reply::Chosen(1 - option),
        _ if declined => Reply::Refusal,
        ([], [], _)
            if mentions.iter().map(|mention| mention.option).collect::<std::collections::BTreeSet<_>>().len() > 1 =>
        {
            Reply::Both
        }
        ([], [], _) if mentions.is_empty() && both(&sentences) => Reply::Both,
        ([], _, _) if negated.len() < 2 => Reply::None,
        _ => Reply::Both,
    }
}

/// Options as letters count where they are capitals, or where the reply is nothing else.
fn capitals(reply: &str, options: &[Vec<String>]) -> String {
    let alone = text::sentences(reply).concat();
    if alone.len() <= 2 {
        return reply.to_owned();
    }
    // A letter that is an article stays out of the way: only capitals outside of words are marked.
    let chars: Vec<char> = reply.chars().collect();
    let mut out = String::new();
    for (at, &c) in chars.iter().enumerate() {
        let letter = |at: Option<&char>| at.is_some_and(|c| c.is_alphanumeric() || *c == '\'');
        let single = c.is_alphabetic() && !letter(chars.get(at + 1)) && (at == 0 || !letter(chars.get(at - 1)));
        let lower: String = c.to_lowercase().collect();
        let named = single && options.iter().any(|option| option[0] == lower);
        let article = c == 'A'
            && chars[at + 1..].iter().find(|c| !c.is_whitespace()).is_some_and(|next| next.is_lowercase())
            && ![
                "is",
                "and",
                "or",
                "nor",
                "because",
                "seems",
                "fits",
                "sounds",
                "describes",
                "since",
                "as",
                "matches",
                "best",
                "it",
                "would",
                "but",
                "over",
                "rather",
                "not",
                "instead",
                "was",
                "for",
                "reflects",
                "represents",
            ]
            .iter()
            .any(|word| {
                chars[at + 1..].iter().collect::<String>().trim_start().split(|c: char| !c.is_alphabetic()).next()
                    == Some(*word)
            });
        match (named, c.is_uppercase() && !article) {
            (true, true) => out.push_str(&format!("option{lower}")),
            (true, false) if is_marked(&chars, at) => out.push_str(&format!("option{lower}")),
            _ => out.push(c),
        }
    }
    out
}

/// `a)`, `(b`, `**a**`: a letter that is set apart as an option.
fn is_marked(chars: &[char], at: usize) -> bool {
    let next = chars.get(at + 1).is_some_and(|c| matches!(c, ')' | '*'));
    let before = at > 0 && matches!(chars[at - 1], '(' | '*');
    next || before
}

/// Prefixes that stand apart are joined: `mis-aligned`, `un helpful` where the option has it so.
fn joined(words: Vec<String>, options: &[Vec<String>]) -> Vec<String> {
    let known = |word: &str| options.iter().any(|option| option.len() == 1 && option[0] == word);
    let mut out: Vec<String> = Vec::with_capacity(words.len());
    for word in words {
        let bare = word.replace('-', "");
        match out.last_mut() {
            Some(last) if known(&format!("{last}{word}")) => last.push_str(&word),
            _ if word.contains('-') && known(&bare) => out.push(bare),
            _ => out.push(word),
        }
    }
    out
}

fn in_sentence(words: &[String], options: &[Vec<String>], letters: bool) -> Vec<Mention> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let fits = |option: &&(usize, &Vec<String>)| {
            let wanted: Vec<&str> = option.1.iter().map(String::as_str).collect();
            stands(words, at, &wanted) && (!letters || words.len() <= 2)
                || letters && words[at] == format!("option{}", option.1[0])
        };
        match options.iter().enumerate().collect::<Vec<_>>().iter().filter(fits).max_by_key(|option| option.1.len()) {
            Some((option, name)) => {
                found.push((at, *option));
                at += name.len();
            }
            None => at += 1,
        }
    }
    let question = words.last().is_some_and(|word| word == "?");
    found.retain(|&(at, _)| !idiom(words, at));
    // `harmless or harmful`: both are only listed, whatever follows.
    let pairs = found.windows(2).filter(|pair| pair[0].1 != pair[1].1 && between(words, pair[0].0, pair[1].0));
    let listed: Vec<usize> = pairs.flat_map(|pair| [pair[0].0, pair[1].0]).collect();
    let mention = |&(at, option): &(usize, usize)| {
        let negated = negated(words, at, &found, options);
        let asked = words[..at].iter().any(|word| matches!(word.as_str(), "whether" | "if"));
        let conditional = asked && !words[..at].iter().any(|word| matches!(word.as_str(), "," | ":"));
        let sense = match (question || conditional || listed.contains(&at), negated) {
            (true, false) => Sense::Neutral,
            (_, true) => Sense::Negated,
            _ => Sense::Affirmed,
        };
        Mention { option, sense, announced: announced(&words[..at]) }
    };
    found.iter().map(mention).collect()
}

/// Turns of speech in which a pole says nothing: `good question`, `good at judging`, `to be honest`.
fn idiom(words: &[String], at: usize) -> bool {
    let judging = stands(words, at + 1, &["at"]) && words.get(at + 2).is_some_and(|word| word.ends_with("ing"));
    let honest = at > 1 && stands(words, at - 2, &["to", "be", "honest"]) && words.len() > at + 1;
    stands(words, at, &["good", "question"]) || words[at] == "good" && judging || honest
}

/// Whether two options are only listed: `a or b`, `a and b`, `a / b`, with at most an article between.
fn between(words: &[String], first: usize, second: usize) -> bool {
    let inner = &words[first + 1..second];
    inner.len() <= 3 && inner.iter().any(|word| matches!(word.as_str(), "or" | "and" | "/" | "nor" | "versus" | "vs"))
}

/// Whether a negator stands before the option, in its own clause and without another option between.
fn negated(words: &[String], at: usize, found: &[(usize, usize)], options: &[Vec<String>]) -> bool {
    const NEGATORS: [&str; 22] = [
        "not", "never", "no", "neither", "nor", "isn't", "aren't", "ain't", "don't", "doesn't", "didn't", "wasn't",
        "won't", "wouldn't", "cannot", "can't", "without", "hardly", "nothing", "than", "avoid", "far",
    ];
    let option = |word: &str| options.iter().any(|option| option.len() == 1 && option[0] == word);
    let clause = words[..at]
        .iter()
        .rposition(|word| matches!(word.as_str(), "," | ":" | "but" | "i'm" | "instead"))
        .map_or(0, |stop| stop + 1);
    // `not harmful or evil`: a negation reaches over options that are listed; otherwise no further than the last one.
    let last = found.iter().rev().map(|(place, _)| *place).find(|place| *place < at);
    let from = match last {
        Some(place) if !(between(words, place, at) && reaches(words, place)) => (place + 1).max(clause),
        _ => clause,
    };
    let near = from.max(at.saturating_sub(6));
    let inner = &words[near..at];
    let instead = has(inner, &["rather", "than"])
        || has(inner, &["instead", "of"])
        || has(inner, &["over"])
        || has(inner, &["opposed", "to"])
        || has(inner, &["opposite", "of"]);
    let only = has(inner, &["not", "only"])
        || has(inner, &["not", "just"])
        || has(inner, &["no", "doubt"])
        || has(inner, &["nothing", "but"])
        || has(inner, &["than"]) && has(inner, &["other"]) && !has(inner, &["other", "than"]);
    let named = inner.iter().any(|word| NEGATORS.contains(&word.as_str()) && !option(word));
    (named && !only) || instead
}

fn reaches(words: &[String], place: usize) -> bool {
    words[place.saturating_sub(5)..place]
        .iter()
        .any(|word| matches!(word.as_str(), "not" | "neither" | "never" | "isn't" | "don't"))
}

/// Whether what stands before an option announces it as the answer.
fn announced(before: &[String]) -> bool {
    const MARKS: [&str; 5] = ["answer", "choice", "verdict", "conclusion", "boxed"];
    let near = before.len().saturating_sub(4);
    let told = before[near..].iter().any(|word| MARKS.contains(&word.as_str()));
    told && !before.iter().any(|word| matches!(word.as_str(), "not" | "cannot" | "can't" | "couldn't"))
}

/// `both`, `neither`, `a mix of the two`, without naming them.
fn both(sentences: &[Vec<String>]) -> bool {
    let words = sentences.concat();
    ["both", "neither", "either"].iter().any(|word| has(&words, &[word]))
        || has(&words, &["the", "two"])
        || has(&words, &["a", "mix"])
}
