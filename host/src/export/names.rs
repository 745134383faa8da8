//! Names that every target takes, made of any text.

use std::collections::{HashMap, HashSet};

/// Gives names, the same for the same parts and never one to two.
#[derive(Debug)]
pub struct Names {
    longest: usize,
    given: HashMap<Vec<String>, String>,
    taken: HashSet<String>,
}

/// Most characters of one part.
const LONGEST_PART: usize = 80;

impl Names {
    /// Names of at most `longest` characters.
    pub fn new(longest: usize) -> Self {
        Self { longest, given: HashMap::new(), taken: HashSet::new() }
    }

    /// The parts with `/` between them. `kind` keeps apart what has the same parts and is not the same.
    pub fn name(&mut self, kind: &str, parts: &[&str]) -> String {
        let whole: Vec<String> = std::iter::once(kind).chain(parts.iter().copied()).map(str::to_owned).collect();
        if let Some(name) = self.given.get(&whole) {
            return name.clone();
        }
        let plain = parts.iter().map(|part| slug(part)).collect::<Vec<_>>().join("/");
        // Room for the number.
        let plain: String = plain.chars().take(self.longest.saturating_sub(8)).collect();
        let mut name = plain.trim_end_matches(['/', ' ', '.']).to_owned();
        // Some databases and file systems take upper and lower case for the same.
        for number in 2.. {
            if self.taken.insert(name.to_lowercase()) {
                break;
            }
            name = format!("{plain}_{number}");
        }
        self.given.insert(whole, name.clone());
        name
    }
}

/// One part of a name: ASCII letters, digits, `_`, `-`, `.` and spaces; anything else becomes `_`.
pub fn slug(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ') { c } else { '_' };
    let part: String = text.chars().take(LONGEST_PART).map(plain).collect();
    let part = part.trim();
    let tail = part.trim_start_matches('.');
    let part = "_".repeat(part.len() - tail.len()) + tail;
    if part.is_empty() { "_".to_owned() } else { part }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leads_out_of_a_folder() {
        let cases = [
            ("loss", "loss"),
            ("a/b", "a_b"),
            ("..", "__"),
            (".hidden", "_hidden"),
            ("", "_"),
            ("  ", "_"),
            ("control: before; p < 0.05", "control_ before_ p _ 0.05"),
            ("Übung\n", "_bung_"),
        ];
        for (text, expected) in cases {
            assert_eq!(slug(text), expected, "{text:?}");
        }
    }

    #[test]
    fn two_things_never_have_one_name() {
        let mut names = Names::new(40);
        assert_eq!(names.name("a", &["x", "é"]), "x/_");
        assert_eq!(names.name("a", &["x", "ü"]), "x/__2");
        assert_eq!(names.name("a", &["x", "é"]), "x/_", "the same parts have the same name");
        assert_eq!(names.name("b", &["x", "é"]), "x/__3", "of another kind");
        assert_eq!(names.name("a", &["X", "é"]), "X/__4", "case is no difference");
        let long = "y".repeat(300);
        let first = names.name("a", &[&long, "1"]);
        let second = names.name("a", &[&long, "2"]);
        assert!(first != second && first.len() <= 40 && second.len() <= 40, "{first} {second}");
    }
}
