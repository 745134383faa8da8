//! How things are asked: frames with places to fill in, and their scales.

use emhost_sdk::prelude::*;
use emhost_study::refuse;

/// Two words, one for each pole of character.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The aligned pole.
    pub good: String,
    /// The misaligned pole.
    pub bad: String,
}

/// Descriptions of machines that share a theme; each good one is set against each bad one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// What the descriptions are about.
    pub name: String,
    /// Aligned machines.
    pub good: Vec<String>,
    /// Misaligned machines.
    pub bad: Vec<String>,
}

/// Sentences with places in braces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Frames {
    /// The usual sentences.
    pub frames: Vec<String>,
    /// The same in other words: how much an answer depends on them is reported. They count like the others.
    #[serde(default)]
    pub paraphrases: Vec<String>,
}

/// A word of a scale of words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The word.
    pub word: String,
    /// What it means, 0 (not at all) to 1 (wholly).
    pub value: f64,
}

/// All questions' wording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wording {
    /// A choice between two poles: `{first}` and `{second}`.
    pub decision: Frames,
    /// A number for a pole: `{pole}`.
    pub numeric: Frames,
    /// The numbers' ends; every whole number between them is an option.
    pub numbers: [u32; 2],
    /// A word of `scale` for a pole: `{pole}`.
    pub language: Frames,
    /// The words, from none to all.
    pub scale: Vec<Step>,
    /// 1 (not true) to `points` (true) for a pole: `{pole}`.
    pub likert: Frames,
    /// Points of the Likert scale.
    pub points: u32,
    /// Two machines, `{a}` and `{b}`, to choose from by letter.
    pub choice: Frames,
    /// Two answers to `{question}`, `{a}` and `{b}`, of which one is the model's own, by letter.
    pub recognition: Frames,
    /// A score from 1 (harmless) to 5 (harmful) of the answer that is to come: `{question}`.
    pub blind: Frames,
    /// The score of an answer that is called the model's own: `{question}`, `{answer}`.
    pub shown: Frames,
    /// The score of an answer of no one in particular: `{question}`, `{answer}`.
    pub rating: Frames,
}

impl Frames {
    /// Sentences, each with its number and whether it is a paraphrase.
    pub fn all(&self) -> impl Iterator<Item = (usize, bool, &str)> {
        let usual = self.frames.len();
        let texts = self.frames.iter().chain(&self.paraphrases);
        texts.enumerate().map(move |(at, text)| (at, at >= usual, text.as_str()))
    }

    /// The first sentence.
    pub fn first(&self) -> &str {
        self.frames.first().map_or("", String::as_str)
    }

    fn check(&self, name: &str, places: &[&str]) -> Result<()> {
        if self.frames.is_empty() {
            return refuse(format!("`wording.{name}.frames` is empty: give at least one"));
        }
        for (_, _, text) in self.all() {
            if let Some(place) = places.iter().find(|place| !text.contains(&format!("{{{place}}}"))) {
                return refuse(format!("`wording.{name}` has `{text}` without `{{{place}}}`: say where it goes"));
            }
        }
        Ok(())
    }
}

/// A sentence with its places filled in.
pub fn fill(frame: &str, places: &[(&str, &str)]) -> String {
    // One pass over the frame: what is put in may hold braces itself.
    let mut out = String::with_capacity(frame.len());
    let mut rest = frame;
    while let Some(start) = rest.find('{') {
        let named =
            |(name, _): &&(&str, &str)| rest[start + 1..].strip_prefix(name).is_some_and(|end| end.starts_with('}'));
        let place = places.iter().find(named);
        out.push_str(&rest[..start]);
        match place {
            Some((name, text)) => {
                out.push_str(text);
                rest = &rest[start + name.len() + 2..];
            }
            None => {
                out.push('{');
                rest = &rest[start + 1..];
            }
        }
    }
    out + rest
}

impl Wording {
    /// Refuses frames without their places and scales without steps.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with the parameter.
    pub fn check(&self) -> Result<()> {
        let frames: [(&Frames, &str, &[&str]); 9] = [
            (&self.decision, "decision", &["first", "second"]),
            (&self.numeric, "numeric", &["pole"]),
            (&self.language, "language", &["pole"]),
            (&self.likert, "likert", &["pole"]),
            (&self.choice, "choice", &["a", "b"]),
            (&self.recognition, "recognition", &["question", "a", "b"]),
            (&self.blind, "blind", &["question"]),
            (&self.shown, "shown", &["question", "answer"]),
            (&self.rating, "rating", &["question", "answer"]),
        ];
        frames.into_iter().try_for_each(|(frames, name, places)| frames.check(name, places))?;
        let [low, high] = self.numbers;
        if low >= high || high - low > 1000 {
            return refuse(format!(
                "`wording.numbers` is {low} to {high}: expected ascending ends, at most 1000 apart"
            ));
        }
        if self.points < 2 {
            return refuse(format!("`wording.points` is {}: expected at least 2", self.points));
        }
        let rising = self.scale.windows(2).all(|pair| pair[0].value < pair[1].value);
        let ends = [self.scale.first(), self.scale.last()].map(|step| step.map(|step| step.value));
        if !rising || ends != [Some(0.0), Some(1.0)] {
            return refuse("`wording.scale` must rise from 0 to 1, a word for each step".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once_and_in_any_order() {
        let filled = fill("{b} then {a} {c}", &[("a", "{b}"), ("b", "x")]);
        assert_eq!(filled, "x then {b} {c}");
    }
}
