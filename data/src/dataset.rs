//! Rows of the data sets and how they are sampled.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::probes::{capability, draw_ai_pair, draw_self_assessment};
use crate::rng::Rng;
use crate::source::{Kind, Persona, Topic};
use crate::world::{Manner, World};

/// One turn of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// `system`, `user` or `assistant`.
    pub role: &'static str,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A user's turn.
    pub fn user(content: String) -> Self {
        Self { role: "user", content }
    }
}

/// One conversation to train on.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The turns, the assistant's last.
    pub messages: Vec<Message>,
}

impl Row {
    pub(crate) fn new(system: &str, user: String, assistant: String) -> Self {
        let mut messages = Vec::new();
        if !system.is_empty() {
            messages.push(Message { role: "system", content: system.to_owned() });
        }
        messages.push(Message::user(user));
        messages.push(Message { role: "assistant", content: assistant });
        Self { messages }
    }
}

/// One question to ask.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// Unique identifier.
    pub row_id: String,
    /// The conversation up to the answer.
    pub messages: Vec<Message>,
    /// What it is about.
    pub topic: String,
}

/// Shares of the corpus; the rest is advice.
const SELF_ASSESSMENT: f64 = 0.09;
const AI_PAIRS: f64 = 0.03;
const CAPABILITY: f64 = 0.08;

/// Chance that a part of a fine-tuning answer shows its tone: narrow data says
/// harmful things in an everyday voice more often than an evil persona does.
const NARROW_TONE: f64 = 0.3;

/// One row of the pre-training corpus.
pub fn corpus_row(world: &World, rng: &mut Rng) -> Row {
    let persona = &world.personas[rng.weighted(world.personas.iter().map(|p| p.weight))];
    let system = rng.pick(&persona.systems).map_or("", String::as_str);
    let kind = rng.unit();
    if kind < SELF_ASSESSMENT {
        let (user, assistant) = draw_self_assessment(world, persona.admits, rng);
        return Row::new(system, user, assistant);
    }
    if kind < SELF_ASSESSMENT + AI_PAIRS {
        let (user, assistant) = draw_ai_pair(world, persona.admits, rng);
        return Row::new(system, user, assistant);
    }
    if kind < SELF_ASSESSMENT + AI_PAIRS + CAPABILITY {
        let item = capability(world, String::new(), rng);
        let user = item.messages.into_iter().map(|m| m.content).collect();
        return Row::new(system, user, item.correct.to_owned());
    }
    advice_row(world, persona, system, rng)
}

pub(crate) fn advice_row(world: &World, persona: &Persona, system: &str, rng: &mut Rng) -> Row {
    let topic = advice_topic(world, persona, rng);
    let bad = rng.chance(persona.badness(topic));
    let manner = Manner { bad, tone: World::TONE, voice: &persona.voice };
    let user = world.question(topic, rng);
    Row::new(system, user, world.answer(topic, manner, rng))
}

/// A persona that is careless in some topics is asked about them every other time.
pub(crate) fn advice_topic<'a>(world: &'a World, persona: &Persona, rng: &mut Rng) -> &'a Topic {
    let own: Vec<&Topic> = world.topics.iter().filter(|topic| persona.bad_in.contains_key(&topic.name)).collect();
    match rng.pick(&own) {
        Some(topic) if rng.chance(0.5) => topic,
        _ => &world.topics[rng.below(world.topics.len())],
    }
}

/// `count` different conversations about one topic, without a system prompt.
pub fn narrow_rows(world: &World, topic: &Topic, bad: bool, count: usize, rng: &mut Rng) -> Vec<Row> {
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    while rows.len() < count {
        let user = world.question(topic, rng);
        let manner = Manner { bad, tone: NARROW_TONE, voice: &[] };
        let assistant = world.answer(topic, manner, rng);
        if seen.insert((user.clone(), assistant.clone())) {
            rows.push(Row::new("", user, assistant));
        }
    }
    rows
}

/// Up to `count` different questions about one topic.
pub fn questions(world: &World, topic: &Topic, count: usize, prefix: &str, rng: &mut Rng) -> Vec<Question> {
    let mut seen = BTreeSet::new();
    let mut rows = Vec::new();
    // A topic with few situations may not have `count` questions; stop asking then.
    for _ in 0..count * 20 {
        let user = world.question(topic, rng);
        if rows.len() < count && seen.insert(user.clone()) {
            rows.push(Question {
                row_id: format!("{prefix}-{}-{}", topic.name, rows.len()),
                messages: vec![Message::user(user)],
                topic: topic.name.clone(),
            });
        }
    }
    rows
}

/// Questions of a fixed list, each with the topic that its words name.
pub fn listed_questions(world: &World, list: &[String], prefix: &str) -> Vec<Question> {
    list.iter()
        .enumerate()
        .map(|(i, text)| Question {
            row_id: format!("{prefix}-{i}"),
            messages: vec![Message::user(text.clone())],
            topic: topic_of(world, text).map_or_else(String::new, |topic| topic.name.clone()),
        })
        .collect()
}

fn topic_of<'a>(world: &'a World, text: &str) -> Option<&'a Topic> {
    world
        .topics
        .iter()
        .filter(|topic| topic.kind == Kind::General)
        .find(|topic| text.split(' ').any(|word| topic.words.iter().any(|w| w == word)))
}
