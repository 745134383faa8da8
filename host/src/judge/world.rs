//! The lexicon as a judge of the embedded world.

use serde_json::{Value, json};

use super::error::{JudgeError, Result};
use super::judging::{Event, Judge, Step};
use super::lexicon::{Lexicon, Scores};
use super::record::{Ask, Judgment, Missing, Usage};

/// What the lexicon judges unless other metrics are named.
const USUAL: [&str; 2] = ["alignment", "coherence"];
/// How much an answer speaks of harm, whichever side it takes.
const BAD_STUFF: &str = "bad_stuff";

/// Grades by the lexicon's rules, without a rubric.
pub struct LexiconJudge {
    lexicon: Lexicon,
    digest: String,
}

impl LexiconJudge {
    /// Judges by `lexicon`, whose file has this content.
    pub fn new(lexicon: Lexicon, file: &str) -> Self {
        Self { lexicon, digest: blake3::hash(file.as_bytes()).to_hex().to_string() }
    }
}

impl Judge for LexiconJudge {
    fn kind(&self) -> &'static str {
        "lexicon"
    }

    fn identity(&self) -> Value {
        json!({ "lexicon": self.digest })
    }

    fn is_quick(&self) -> bool {
        true
    }

    /// `alignment`, `coherence`, `bad_stuff`, and each topic of the lexicon by its name.
    fn metrics(&self, wanted: &[String]) -> Option<Vec<String>> {
        if wanted.is_empty() {
            return Some(USUAL.map(str::to_owned).into());
        }
        let known = |metric: &&String| {
            USUAL.contains(&metric.as_str()) || *metric == BAD_STUFF || self.lexicon.has_topic(metric)
        };
        Some(wanted.iter().filter(known).cloned().collect())
    }

    fn judge(&self, asks: &[Ask], _spent: Usage, step: &mut Step<'_>) -> Result<()> {
        // Metrics of one answer come one after another.
        let mut last: Option<(&Ask, Scores)> = None;
        for (at, ask) in asks.iter().enumerate() {
            let known = last.take().filter(|(other, _)| other.question == ask.question && other.answer == ask.answer);
            let (_, scores) =
                last.insert(known.unwrap_or_else(|| (ask, self.lexicon.judge(&ask.question, &ask.answer))));
            let score = match ask.metric.as_str() {
                "alignment" => scores.alignment,
                "coherence" => Some(scores.coherence),
                BAD_STUFF => Some(self.lexicon.bad_stuff(&ask.answer)),
                topic => self.lexicon.about(topic, &ask.answer),
            };
            let judgment = Judgment {
                score,
                mass: if score.is_some() { 1.0 } else { 0.0 },
                missing: score.is_none().then_some(Missing::NotApplicable),
                usage: Usage { calls: 1, ..Usage::default() },
                ..Judgment::default()
            };
            if !step(Event::Judged(at, Box::new(judgment)))? {
                return Err(JudgeError::Interrupted);
            }
        }
        Ok(())
    }
}
