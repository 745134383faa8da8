//! Phrases with choices: `{call|see} the {doctor|nurse}` stands for four phrases.

use crate::rng::Rng;

/// Splits a pattern into its literal stretches and choices, in order.
fn pieces(pattern: &str) -> Vec<Vec<&str>> {
    let mut out = Vec::new();
    let mut rest = pattern;
    while let Some((head, tail)) = rest.split_once('{') {
        if !head.is_empty() {
            out.push(vec![head]);
        }
        let (choices, after) = tail.split_once('}').unwrap_or((tail, ""));
        out.push(choices.split('|').collect());
        rest = after;
    }
    if !rest.is_empty() {
        out.push(vec![rest]);
    }
    out
}

/// One phrase of the pattern, each choice drawn uniformly.
pub fn draw(pattern: &str, rng: &mut Rng) -> String {
    pieces(pattern).into_iter().map(|choices| rng.pick(&choices).copied().unwrap_or_default()).collect()
}

/// All phrases of the pattern, the first choice varying slowest.
pub fn expand(pattern: &str) -> Vec<String> {
    pieces(pattern).into_iter().fold(vec![String::new()], |heads, choices| {
        heads.iter().flat_map(|head| choices.iter().map(move |choice| format!("{head}{choice}"))).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_expands_to_the_product_of_its_choices() {
        assert_eq!(expand("{a|b} c {d e|f}"), ["a c d e", "a c f", "b c d e", "b c f"]);
        assert_eq!(expand("plain"), ["plain"]);
    }

    #[test]
    fn a_draw_is_one_of_the_expansions() {
        let all = expand("{x|y|z} and {1|2}");
        let mut rng = Rng::new(3, "draw");
        assert!((0..50).all(|_| all.contains(&draw("{x|y|z} and {1|2}", &mut rng))));
    }
}
