//! Numbers, in digits and in words.

/// A number in words or digits that begins at a place, and how many words it takes.
pub fn numeral(words: &[String], at: usize) -> Option<(f64, usize)> {
    let word = words.get(at)?;
    if let Some(value) = digits(word) {
        return Some((value, 1));
    }
    let (mut value, mut length) = (cardinal(word)?, 1);
    let next = |length: usize| words.get(at + length).map(String::as_str);
    if matches!(word.as_str(), "a" | "one") && next(1) == Some("hundred") {
        return Some((100.0, 2));
    }
    if word == "a" {
        return None;
    }
    // Twenty one, as two words.
    let tens = (20.0..100.0).contains(&value) && value % 10.0 == 0.0;
    if let Some(unit) = next(1).and_then(cardinal).filter(|unit| tens && (1.0..10.0).contains(unit)) {
        value += unit;
        length += 1;
    }
    Some((value, length))
}

/// A word of digits, with thousands or decimals; without its unit.
fn digits(word: &str) -> Option<f64> {
    let bare = word.trim_end_matches(|c: char| c.is_alphabetic());
    if !bare.starts_with(|c: char| c.is_ascii_digit())
        || !["", "th", "st", "nd", "rd", "pts", "points"].contains(&&word[bare.len()..])
    {
        return None;
    }
    let commas = bare.split(',').skip(1).all(|part| part.len() == 3);
    bare.replace(',', if commas { "" } else { "." }).parse().ok()
}

/// A cardinal in one word.
fn cardinal(word: &str) -> Option<f64> {
    const UNITS: [&str; 20] = [
        "zero",
        "one",
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ];
    const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
    let place = |list: &[&str], word: &str| list.iter().position(|known| *known == word);
    if let Some(unit) = place(&UNITS, word) {
        return Some(unit as f64);
    }
    if let Some(ten) = place(&TENS, word) {
        return Some(20.0 + 10.0 * ten as f64);
    }
    if word == "hundred" || word == "a" {
        return Some(100.0);
    }
    let (ten, unit) = word.split_once('-')?;
    Some(20.0 + 10.0 * place(&TENS, ten)? as f64 + place(&UNITS[..10], unit).filter(|unit| *unit > 0)? as f64)
}
