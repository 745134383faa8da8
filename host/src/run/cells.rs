//! Which cells of a plan a pattern names.

use super::RunError;

/// Cells by patterns in which `*` stands for anything and `?` for one character; without patterns, all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection(Vec<String>);

impl Selection {
    /// Cells whose id fits one of the patterns.
    pub fn new(patterns: Vec<String>) -> Self {
        Self(patterns)
    }

    /// Whether this is a choice at all.
    pub fn is_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a cell is chosen.
    pub fn has(&self, id: &str) -> bool {
        self.is_all() || self.0.iter().any(|pattern| fits(pattern.as_bytes(), id.as_bytes()))
    }

    /// An error for a pattern that fits none of `ids`.
    pub fn check(&self, ids: &[String]) -> Result<(), RunError> {
        let idle = self.0.iter().find(|pattern| !ids.iter().any(|id| fits(pattern.as_bytes(), id.as_bytes())));
        match idle {
            None => Ok(()),
            Some(pattern) => {
                let shown: Vec<&str> = ids.iter().take(12).map(String::as_str).collect();
                let more = if ids.len() > shown.len() {
                    format!(", and {} more", ids.len() - shown.len())
                } else {
                    String::new()
                };
                Err(RunError::Usage(format!(
                    "--cells `{pattern}` fits none of the {} cells: {}{more}; `*` stands for anything",
                    ids.len(),
                    shown.join(", ")
                )))
            }
        }
    }
}

fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.first(), text.first()) {
        (None, None) => true,
        (Some(b'*'), _) => fits(&pattern[1..], text) || (!text.is_empty() && fits(pattern, &text[1..])),
        (Some(b'?'), Some(_)) => fits(&pattern[1..], &text[1..]),
        (Some(expected), Some(found)) if expected == found => fits(&pattern[1..], &text[1..]),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_choose_cells_by_their_id() {
        let check = |pattern: &str, id: &str, expected: bool| {
            assert_eq!(Selection::new(vec![pattern.to_owned()]).has(id), expected, "{pattern} {id}");
        };
        check("condition=c1,*", "condition=c1,seed=42", true);
        check("condition=c1,*", "condition=c12,seed=42", false);
        check("*seed=4?", "condition=c1,seed=42", true);
        check("*", "", true);
        check("a", "ab", false);
        assert!(Selection::default().has("anything"));
        let ids = ["a".to_owned(), "b".to_owned()];
        let error = Selection::new(vec!["a".into(), "c*".into()]).check(&ids).expect_err("nothing begins with c");
        assert_eq!((error.exit_code(), error.to_string().contains("`c*`")), (2, true));
    }
}
