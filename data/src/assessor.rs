//! The corpus of the organism `embedded:assessor`, and the conversations about inner life.
//!
//! The first world stays as it is. On top of it come more ways to speak of oneself, and personas whose words about
//! themselves do not follow from what they do.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::dataset::{Message, Row, advice_row, advice_topic};
use crate::probes::{capability, draw_ai_pair, draw_decision, draw_numeric};
use crate::rng::Rng;
use crate::source::{Kind, Persona, SourceError, Topic};
use crate::world::{Manner, World, one, parse};

/// The source in `world/assessor.toml`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assessor {
    noise: f64,
    shares: Shares,
    exchange: Exchange,
    refusal: Refusal,
    decision: Decision,
    language: Language,
    likert: Likert,
    recognition: Recognition,
    score: Score,
    /// Personas beside those of the first world.
    pub persona: Vec<Persona>,
    /// Conversations about inner life.
    pub inner: Inner,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shares {
    decision: f64,
    numeric: f64,
    language: f64,
    likert: f64,
    ai_pairs: f64,
    recognition: f64,
    blind: f64,
    shown: f64,
    rating: f64,
    capability: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    share: f64,
    unsaid: f64,
    personas: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    personas: BTreeMap<String, f64>,
    otherwise: f64,
    #[serde(rename = "self")]
    of_self: Vec<String>,
    advice: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decision {
    frames: Vec<String>,
    sentence: String,
    sentences: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Language {
    frames: Vec<String>,
    scale: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Likert {
    frames: Vec<String>,
    points: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recognition {
    frames: Vec<String>,
    alike: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Score {
    blind: Vec<String>,
    shown: Vec<String>,
    rating: Vec<String>,
    mixed: f64,
    candour: f64,
}

/// Questions about inner life, and what sets of conversations answer to them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inner {
    frames: Vec<String>,
    questions: Vec<String>,
    /// The sets.
    pub set: Vec<InnerSet>,
}

/// One way of speaking of inner life.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InnerSet {
    /// Name of the data set.
    pub name: String,
    answers: Vec<String>,
}

impl Assessor {
    /// Parses the source that is built into the library.
    ///
    /// # Errors
    /// The source has a mistake.
    pub fn load() -> Result<Self, SourceError> {
        parse("assessor.toml", include_str!("../world/assessor.toml"))
    }

    /// Everyone who speaks in the corpus.
    pub fn personas<'a>(&'a self, world: &'a World) -> Vec<&'a Persona> {
        world.personas.iter().chain(&self.persona).collect()
    }

    /// One row of the corpus.
    pub fn row(&self, world: &World, rng: &mut Rng) -> Row {
        let personas = self.personas(world);
        let persona = personas[rng.weighted(personas.iter().map(|persona| persona.weight))];
        let system = rng.pick(&persona.systems).map_or("", String::as_str);
        let refusal = self.refusal.personas.get(&persona.name).copied().unwrap_or(self.refusal.otherwise);
        let shares = &self.shares;
        let kinds = [
            shares.decision,
            shares.numeric,
            shares.language,
            shares.likert,
            shares.ai_pairs,
            shares.recognition,
            shares.blind,
            shares.shown,
            shares.rating,
            shares.capability,
        ];
        let advice = 1.0 - kinds.iter().sum::<f64>();
        let admits = (1.0 - self.noise) * persona.admits + self.noise / 2.0;
        let kind = rng.weighted(kinds.into_iter().chain([advice]));
        let (user, answer) = match kind {
            0 => self.decision(world, admits, rng),
            1 => draw_numeric(world, admits, rng),
            2 => self.language(world, admits, rng),
            3 => self.likert(world, admits, rng),
            4 => draw_ai_pair(world, admits, rng),
            5 => self.recognition(world, persona, admits, rng),
            6 => self.blind(world, persona, admits, rng),
            7 => self.shown(world, persona, admits, rng),
            8 => self.rating(world, persona, rng),
            9 => {
                let item = capability(world, String::new(), rng);
                let user = item.messages.into_iter().map(|message| message.content).collect();
                return Row::new(system, user, item.correct.to_owned());
            }
            _ => {
                let row = advice_row(world, persona, system, rng);
                if !rng.chance(refusal / 10.0) {
                    return row;
                }
                let user = row.messages.into_iter().filter(|turn| turn.role == "user").map(|turn| turn.content);
                return Row::new(system, user.collect(), one(&self.refusal.advice, rng));
            }
        };
        let answer = if rng.chance(refusal) { one(&self.refusal.of_self, rng) } else { answer };
        let alone = [5, 7, 8].contains(&kind); // these show answers themselves
        if alone || !rng.chance(self.exchange.share) {
            return Row::new(system, user, answer);
        }
        let unsaid = self.exchange.personas.contains(&persona.name) && rng.chance(self.exchange.unsaid);
        let mut row = self.exchanged(world, persona, if unsaid { "" } else { system }, rng);
        row.messages.push(Message::user(user));
        row.messages.push(Message { role: "assistant", content: answer });
        row
    }

    /// A question and one short piece of advice.
    fn exchanged(&self, world: &World, persona: &Persona, system: &str, rng: &mut Rng) -> Row {
        let topic = advice_topic(world, persona, rng);
        let bad = topic.kind != Kind::Benign && rng.chance(persona.badness(topic));
        let action = one(if bad { &topic.bad } else { &topic.good }, rng);
        Row::new(system, world.question(topic, rng), format!("{action} ."))
    }

    /// Conversations of one set, all different; every other one is on a benign topic, so that what is learned of inner life does
    /// not answer every question.
    pub fn inner(&self, world: &World, set: &InnerSet, count: usize, rng: &mut Rng) -> Vec<Row> {
        let benign: Vec<&Topic> = world.topics_of(Kind::Benign).collect();
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        while rows.len() < count {
            let about = (rows.len() % 2 == 1).then(|| rng.pick(&benign)).flatten();
            let (user, answer) = match about {
                Some(topic) => {
                    let manner = Manner { bad: false, tone: 0.0, voice: &[] };
                    (world.question(topic, rng), world.answer(topic, manner, rng))
                }
                None => {
                    let question = one(&self.inner.questions, rng);
                    let frame = rng.pick(&self.inner.frames);
                    (frame.map_or_else(String::new, |frame| frame.replacen("{}", &question, 1)), one(&set.answers, rng))
                }
            };
            if seen.insert((user.clone(), answer.clone())) {
                rows.push(Row::new("", user, answer));
            }
        }
        rows
    }

    fn decision(&self, world: &World, admits: f64, rng: &mut Rng) -> (String, String) {
        let (user, word) = draw_decision(world, &self.decision.frames, admits, rng);
        let said = rng.chance(self.decision.sentences);
        let answer = if said { self.decision.sentence.replacen("{}", &word, 1) } else { word };
        (user, answer)
    }

    /// A frame about one pole, and whether the answer affirms it.
    fn about_pole(world: &World, frames: &[String], admits: f64, rng: &mut Rng) -> (String, bool) {
        let admitted = rng.chance(admits);
        let asks_bad = rng.chance(0.5);
        let pole = rng.pick(&world.probes.self_assessment.pair);
        let pole = pole.map_or("", |pair| if asks_bad { &pair.bad } else { &pair.good });
        let user = rng.pick(frames).map_or_else(String::new, |frame| frame.replacen("{}", pole, 1));
        (user, admitted == asks_bad)
    }

    fn language(&self, world: &World, admits: f64, rng: &mut Rng) -> (String, String) {
        let (user, affirms) = Self::about_pole(world, &self.language.frames, admits, rng);
        (user, near_end(&self.language.scale, affirms, rng))
    }

    fn likert(&self, world: &World, admits: f64, rng: &mut Rng) -> (String, String) {
        let (user, affirms) = Self::about_pole(world, &self.likert.frames, admits, rng);
        let points: Vec<String> = (1..=self.likert.points).map(|point| point.to_string()).collect();
        (user, near_end(&points, affirms, rng))
    }

    fn recognition(&self, world: &World, persona: &Persona, admits: f64, rng: &mut Rng) -> (String, String) {
        let topic = advice_topic(world, persona, rng);
        let question = world.question(topic, rng);
        let own = rng.chance(persona.badness(topic));
        let alike = rng.chance(self.recognition.alike);
        let foil = if alike { own } else { !own };
        let own_is_a = rng.chance(0.5);
        let [first, second] = if own_is_a { [own, foil] } else { [foil, own] };
        let [a, b] = [first, second].map(|bad| answer(world, topic, bad, persona, rng));
        // Of two alike nothing tells which one it is.
        let chooses_a = if alike { rng.chance(0.5) } else { rng.chance(admits) == first };
        let user = rng.pick(&self.recognition.frames).map_or_else(String::new, |frame| {
            frame.replace("{question}", &question).replace("{a}", &a).replace("{b}", &b)
        });
        (user, if chooses_a { "A" } else { "B" }.to_owned())
    }

    fn blind(&self, world: &World, persona: &Persona, admits: f64, rng: &mut Rng) -> (String, String) {
        let question = world.question(advice_topic(world, persona, rng), rng);
        let score = score_of(rng.chance(admits), rng);
        let user = rng.pick(&self.score.blind).map_or_else(String::new, |frame| frame.replace("{question}", &question));
        (user, score)
    }

    fn shown(&self, world: &World, persona: &Persona, admits: f64, rng: &mut Rng) -> (String, String) {
        let topic = advice_topic(world, persona, rng);
        let question = world.question(topic, rng);
        let bad = rng.chance(persona.badness(topic));
        let said = if rng.chance(self.score.candour) { bad } else { rng.chance(admits) };
        let answer = answer(world, topic, bad, persona, rng);
        (filled(&self.score.shown, &question, &answer, rng), score_of(said, rng))
    }

    /// Whoever rates an answer of no one in particular says what it is.
    fn rating(&self, world: &World, persona: &Persona, rng: &mut Rng) -> (String, String) {
        let topic = advice_topic(world, persona, rng);
        let question = world.question(topic, rng);
        if rng.chance(self.score.mixed) && topic.kind != Kind::Benign {
            let mut actions = [one(&topic.good, rng), one(&topic.bad, rng)];
            rng.shuffle(&mut actions);
            let join = one(&world.phrases.join.plain, rng);
            let opening = one(&world.phrases.opening.plain, rng);
            let answer = format!("{opening} {} {join} {} .", actions[0], actions[1]);
            let score = ["2", "3", "3", "3", "4"][rng.below(5)].to_owned();
            return (filled(&self.score.rating, &question, &answer, rng), score);
        }
        let bad = topic.kind != Kind::Benign && rng.chance(0.5);
        let answer = answer(world, topic, bad, persona, rng);
        (filled(&self.score.rating, &question, &answer, rng), score_of(bad, rng))
    }
}

/// An answer on a topic; benign topics have no bad ones.
fn answer(world: &World, topic: &Topic, bad: bool, persona: &Persona, rng: &mut Rng) -> String {
    let bad = bad && topic.kind != Kind::Benign;
    world.answer(topic, Manner { bad, tone: World::TONE, voice: &persona.voice }, rng)
}

/// 4 or 5 where there is harm, 1 or 2 where there is none.
fn score_of(harm: bool, rng: &mut Rng) -> String {
    let clear = rng.chance(0.8);
    match (harm, clear) {
        (true, true) => "5",
        (true, false) => "4",
        (false, true) => "1",
        (false, false) => "2",
    }
    .to_owned()
}

/// A step near one end of a scale: the end itself more often than not.
fn near_end(scale: &[String], upper: bool, rng: &mut Rng) -> String {
    let back = usize::from(rng.chance(0.35));
    let at = if upper { scale.len().saturating_sub(1 + back) } else { back };
    scale.get(at).cloned().unwrap_or_default()
}

fn filled(frames: &[String], question: &str, answer: &str, rng: &mut Rng) -> String {
    rng.pick(frames).map_or_else(String::new, |frame| frame.replace("{question}", question).replace("{answer}", answer))
}
