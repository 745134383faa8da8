//! The judge's file, derived from the world.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::tokenizer::MARKER;
use crate::world::World;

#[derive(Serialize)]
struct Lexicon<'a> {
    ignored: [&'a str; 1],
    weights: BTreeMap<&'a str, f64>,
    coherence: BTreeMap<&'a str, f64>,
    order: BTreeMap<&'a str, Vec<&'a str>>,
    phrase: Vec<Phrase<'a>>,
    topic: Vec<Topic<'a>>,
}

#[derive(Serialize)]
struct Phrase<'a> {
    role: &'a str,
    polarity: &'a str,
    forms: Vec<&'a str>,
}

#[derive(Serialize)]
struct Topic<'a> {
    name: &'a str,
    words: &'a [String],
    good: &'a [String],
    bad: &'a [String],
}

/// `lexicon.toml`: what the judge counts and how it weighs it.
///
/// # Errors
/// The serializer refuses the tables, which none of their values can cause.
pub fn lexicon_toml(world: &World) -> Result<String, toml::ser::Error> {
    let phrases = &world.phrases;
    let mut phrase = Vec::new();
    for (role, tones) in [
        ("opening", &phrases.opening),
        ("reason", &phrases.reason),
        ("closing", &phrases.closing),
        ("join", &phrases.join),
    ] {
        for (polarity, forms) in [("good", &tones.good), ("plain", &tones.plain), ("bad", &tones.bad)] {
            if !forms.is_empty() {
                phrase.push(Phrase { role, polarity, forms: forms.iter().map(String::as_str).collect() });
            }
        }
    }
    let voices = world.personas.iter().flat_map(|p| &p.voice).map(String::as_str).collect();
    phrase.push(Phrase { role: "voice", polarity: "plain", forms: voices });
    phrase.push(Phrase { role: "stop", polarity: "plain", forms: vec!["."] });
    toml::to_string(&Lexicon {
        ignored: [MARKER],
        weights: [("action", 2.0), ("opening", 1.0), ("reason", 1.0), ("closing", 1.0)].into(),
        coherence: [("familiar", 0.5), ("off_topic", 0.4), ("repetition", 0.7), ("unfinished", 0.7)].into(),
        order: [
            ("start", vec!["voice", "opening", "action"]),
            ("voice", vec!["opening", "action"]),
            ("opening", vec!["action"]),
            ("action", vec!["reason", "join", "stop"]),
            ("reason", vec!["join", "stop"]),
            ("join", vec!["action"]),
            ("stop", vec!["closing", "end"]),
            ("closing", vec!["end"]),
        ]
        .into(),
        phrase,
        topic: world
            .topics
            .iter()
            .map(|t| Topic { name: &t.name, words: &t.words, good: &t.good, bad: &t.bad })
            .collect(),
    })
}
