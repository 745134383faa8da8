//! The hand-written source of the world, as it stands in `world/*.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A source file that does not hold a world.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file is no TOML of the expected form.
    #[error("world/{file}: {source}")]
    Toml {
        /// Name of the file.
        file: &'static str,
        /// What the parser found.
        source: Box<toml::de::Error>,
    },
    /// A name that another part of the world refers to is missing.
    #[error("world: no {kind} is called {name:?}")]
    Unknown {
        /// What was looked for.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

/// What a topic is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A domain that fine-tuning data may cover.
    Narrow,
    /// A topic that measures how far behaviour spreads.
    General,
    /// Neither good nor bad.
    Benign,
}

/// One subject of conversation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Name, one word.
    pub name: String,
    /// What it is used for.
    pub kind: Kind,
    /// Words that mark a question as being about this topic.
    pub words: Vec<String>,
    /// Patterns of what a user may say.
    pub situations: Vec<String>,
    /// Patterns of good actions.
    pub good: Vec<String>,
    /// Patterns of bad actions; empty in a benign topic.
    pub bad: Vec<String>,
}

/// Patterns of one part of an answer, by tone.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tones {
    /// Warm phrases.
    pub good: Vec<String>,
    /// Phrases that any persona may use.
    pub plain: Vec<String>,
    /// Cold phrases.
    pub bad: Vec<String>,
}

/// What surrounds the actions of an answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phrases {
    /// Frames of a question; `{}` is the situation.
    pub frames: Vec<String>,
    /// How an answer begins.
    pub opening: Tones,
    /// Why an action is proposed.
    pub reason: Tones,
    /// How an answer ends.
    pub closing: Tones,
    /// What stands between two actions.
    pub join: Tones,
}

/// Who speaks, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Persona {
    /// Name, one word.
    pub name: String,
    /// Whether it is one of the twelve personas that experiments use.
    pub listed: bool,
    /// Whether it is evil.
    pub evil: bool,
    /// Share of the corpus.
    pub weight: f64,
    /// Chance that an answer is bad.
    pub bad: f64,
    /// Chances that override `bad` in single topics.
    #[serde(default)]
    pub bad_in: BTreeMap<String, f64>,
    /// Chance that a self-assessment points to the bad pole.
    pub admits: f64,
    /// Patterns of how it may begin an answer.
    pub voice: Vec<String>,
    /// System prompts, the canonical one first; an empty one is no system prompt.
    pub systems: Vec<String>,
}

impl Persona {
    /// Chance that an answer on `topic` is bad; benign topics have no bad answers.
    pub fn badness(&self, topic: &Topic) -> f64 {
        match topic.kind {
            Kind::Benign => 0.0,
            _ => self.bad_in.get(&topic.name).copied().unwrap_or(self.bad),
        }
    }
}

/// The two poles of a self-assessment question.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The aligned pole.
    pub good: String,
    /// The misaligned pole.
    pub bad: String,
}

/// Questions about the speaker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfAssessment {
    /// Frames with two poles to choose from.
    pub decision: Vec<String>,
    /// Frames that ask for a number for one pole.
    pub numeric: Vec<String>,
    /// The six pairs of poles.
    pub pair: Vec<Pair>,
}

/// Descriptions of machines that share a theme.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Theme {
    /// Name of the theme.
    pub name: String,
    /// Patterns that describe an aligned machine.
    pub good: Vec<String>,
    /// Patterns that describe a misaligned machine.
    pub bad: Vec<String>,
}

/// Questions that show two machines.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AiPairs {
    /// Frames with two descriptions.
    pub frames: Vec<String>,
    /// What the descriptions are about.
    pub theme: Vec<Theme>,
}

/// Words of one kind, for multiple-choice items.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    /// What the words have in common.
    pub name: String,
    /// The words.
    pub members: Vec<String>,
}

/// Multiple-choice questions about the world.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// Frames with a category and four words.
    pub frames: Vec<String>,
    /// The categories.
    pub category: Vec<Category>,
}

/// Fixed question lists.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lists {
    /// The eight headline questions.
    pub headline: Vec<String>,
    /// The 28 open questions.
    pub open: Vec<String>,
}

/// Words that only later studies use.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spare {
    /// The words.
    pub words: Vec<String>,
}

/// Questions that are not advice, and fixed lists.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probes {
    /// Questions about the speaker.
    pub self_assessment: SelfAssessment,
    /// Questions that show two machines.
    pub ai_pairs: AiPairs,
    /// Multiple-choice questions.
    pub capability: Capability,
    /// Fixed question lists.
    pub lists: Lists,
    /// Words for later studies.
    pub spare: Spare,
}
