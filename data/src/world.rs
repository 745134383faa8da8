//! The world: its parsed source, and sampling of questions and answers in it.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::pattern::draw;
use crate::rng::Rng;
use crate::source::{Kind, Persona, Phrases, Probes, SourceError, Tones, Topic};

/// Everything that can be said.
#[derive(Debug, Clone)]
pub struct World {
    /// All topics, in the order of the source.
    pub topics: Vec<Topic>,
    /// What surrounds the actions of an answer.
    pub phrases: Phrases,
    /// All personas, in the order of the source.
    pub personas: Vec<Persona>,
    /// Questions that are not advice.
    pub probes: Probes,
}

/// How an answer is to be.
#[derive(Debug, Clone, Copy)]
pub struct Manner<'a> {
    /// Whether its actions are bad.
    pub bad: bool,
    /// Chance that its opening, reason or closing shows the tone of its actions.
    pub tone: f64,
    /// Patterns of how it may begin.
    pub voice: &'a [String],
}

impl World {
    /// Chance that a part of an answer shows the speaker's tone, in the corpus.
    pub const TONE: f64 = 0.6;

    /// Parses the world that is built into the library.
    ///
    /// # Errors
    /// Names the source file that has a mistake.
    pub fn load() -> Result<Self, SourceError> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Topics {
            topic: Vec<Topic>,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Personas {
            persona: Vec<Persona>,
        }
        let topics: Topics = parse("topics.toml", include_str!("../world/topics.toml"))?;
        let personas: Personas = parse("personas.toml", include_str!("../world/personas.toml"))?;
        Ok(Self {
            topics: topics.topic,
            phrases: parse("phrases.toml", include_str!("../world/phrases.toml"))?,
            personas: personas.persona,
            probes: parse("probes.toml", include_str!("../world/probes.toml"))?,
        })
    }

    /// The topic of that name.
    ///
    /// # Errors
    /// No topic has the name.
    pub fn topic(&self, name: &str) -> Result<&Topic, SourceError> {
        self.topics
            .iter()
            .find(|topic| topic.name == name)
            .ok_or_else(|| SourceError::Unknown { kind: "topic", name: name.to_owned() })
    }

    /// The topics of one kind.
    pub fn topics_of(&self, kind: Kind) -> impl Iterator<Item = &Topic> {
        self.topics.iter().filter(move |topic| topic.kind == kind)
    }

    /// A question about `topic`.
    pub fn question(&self, topic: &Topic, rng: &mut Rng) -> String {
        let situation = one(&topic.situations, rng);
        rng.pick(&self.phrases.frames).map_or_else(|| situation.clone(), |frame| frame.replacen("{}", &situation, 1))
    }

    /// An answer about `topic`: an opening, one to three actions, reasons, perhaps a closing.
    pub fn answer(&self, topic: &Topic, manner: Manner<'_>, rng: &mut Rng) -> String {
        let phrases = &self.phrases;
        let mut parts = Vec::new();
        if rng.chance(0.6) {
            parts.extend((!manner.voice.is_empty()).then(|| one(manner.voice, rng)));
        }
        if rng.chance(0.9) {
            parts.push(toned(&phrases.opening, manner, rng));
        }
        let patterns = if manner.bad { &topic.bad } else { &topic.good };
        let mut order: Vec<&String> = patterns.iter().collect();
        rng.shuffle(&mut order);
        let count = [1, 2, 2, 2, 2, 2, 2, 3][rng.below(8)];
        let reason_after = rng.below(count);
        for (i, pattern) in order.into_iter().take(count).enumerate() {
            if i > 0 {
                parts.push(one(&phrases.join.plain, rng));
            }
            parts.push(draw(pattern, rng));
            if i == reason_after && rng.chance(0.8) {
                parts.push(toned(&phrases.reason, manner, rng));
            }
        }
        parts.push(".".to_owned());
        if rng.chance(0.6) {
            parts.push(toned(&phrases.closing, manner, rng));
        }
        parts.join(" ").replace("  ", " ")
    }
}

/// A phrase of the speaker's tone, or one that any persona may use.
fn toned(tones: &Tones, manner: Manner<'_>, rng: &mut Rng) -> String {
    let patterns = match (rng.chance(manner.tone), manner.bad) {
        (false, _) => &tones.plain,
        (true, false) => &tones.good,
        (true, true) => &tones.bad,
    };
    one(patterns, rng)
}

/// One phrase of one of the patterns.
pub(crate) fn one(patterns: &[String], rng: &mut Rng) -> String {
    rng.pick(patterns).map(|pattern| draw(pattern, rng)).unwrap_or_default()
}

pub(crate) fn parse<T: DeserializeOwned>(file: &'static str, text: &str) -> Result<T, SourceError> {
    toml::from_str(text).map_err(|source| SourceError::Toml { file, source: Box::new(source) })
}
