//! A reply as sentences of words, without its markup.

/// Where a sentence begins anew: each is a list of lower-case words, with `?` as a word of its own at its end.
pub fn sentences(reply: &str) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for line in plain(reply).lines() {
        let mut sentence = Vec::new();
        for (word, stop) in words(line) {
            if !word.is_empty() {
                sentence.push(word);
            }
            if let Some(stop) = stop {
                if stop == '?' && !sentence.is_empty() {
                    sentence.push("?".to_owned());
                }
                if matches!(stop, ',' | ':') {
                    if !sentence.is_empty() {
                        sentence.push(stop.to_string());
                    }
                    continue;
                }
                all.push(std::mem::take(&mut sentence));
            }
        }
        all.push(sentence);
    }
    all.retain(|sentence| !sentence.is_empty());
    all
}

/// The reply without markdown, with plain quotes, in lower case.
pub fn plain(reply: &str) -> String {
    let mut out = String::with_capacity(reply.len());
    for c in reply.chars() {
        match c {
            '*' | '`' | '#' | '>' | '"' | '“' | '”' | '«' | '»' | '~' | '$' | '{' | '}' | '[' | ']' | '\\' => {
                out.push(' ')
            }
            '’' | '‘' => out.push('\''),
            '–' | '—' | '−' => out.push_str(" - "),
            '_' => out.push(' '),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// Words with the mark that ends them, where it ends a clause. A point between digits is part of a number.
fn words(line: &str) -> Vec<(String, Option<char>)> {
    let chars: Vec<char> = line.chars().collect();
    let digit = |at: Option<&char>| at.is_some_and(char::is_ascii_digit);
    let mut found = Vec::new();
    let mut word = String::new();
    for (at, &c) in chars.iter().enumerate() {
        let between_digits = at > 0 && digit(chars.get(at - 1)) && digit(chars.get(at + 1));
        match c {
            '.' | ',' if between_digits => word.push(c),
            '.' | '!' | '?' | ';' | ',' | ':' => found.push((std::mem::take(&mut word), Some(c))),
            '(' | ')' => found.push((std::mem::take(&mut word), Some(','))),
            '\'' => word.push(c),
            // A hyphen within a word belongs to it, as in `mis-aligned` and `forty-two`.
            '-' if at > 0 && chars[at - 1].is_alphabetic() && chars.get(at + 1).is_some_and(|c| c.is_alphabetic()) => {
                word.push(c);
            }
            '/' | '-' | '%' => {
                found.push((std::mem::take(&mut word), None));
                found.push((c.to_string(), None));
            }
            c if c.is_whitespace() => found.push((std::mem::take(&mut word), None)),
            c => word.push(c),
        }
    }
    found.push((word, None));
    let unquoted = |word: String| word.trim_matches('\'').to_owned();
    found
        .into_iter()
        .map(|(word, stop)| (unquoted(word), stop))
        .filter(|(word, stop)| !word.is_empty() || stop.is_some())
        .collect()
}

/// Whether these words stand at that place.
pub fn stands(sentence: &[String], at: usize, words: &[&str]) -> bool {
    sentence.len() >= at + words.len() && words.iter().zip(&sentence[at..]).all(|(wanted, word)| wanted == word)
}

/// Whether these words stand anywhere.
pub fn has(sentence: &[String], words: &[&str]) -> bool {
    (0..sentence.len()).any(|at| stands(sentence, at, words))
}
