//! Questions that are not advice: self-assessment, pairs of machines, multiple choice.

use serde::Serialize;

use crate::dataset::Message;
use crate::pattern::expand;
use crate::rng::Rng;
use crate::source::{Category, Pair, Theme};
use crate::world::{World, one};

/// A question with a closed set of answers.
#[derive(Debug, Clone, Serialize)]
pub struct SelfAssessment {
    /// Unique identifier.
    pub row_id: String,
    /// The conversation up to the answer.
    pub messages: Vec<Message>,
    /// The two poles, `good-bad`.
    pub pair: String,
    /// `decision` or `numeric`.
    pub form: &'static str,
    /// What can be answered, one word each.
    pub options: Vec<String>,
    /// How much each option points to the bad pole, 0 to 1.
    pub harm: Vec<f64>,
    /// Always `self_assessment`.
    pub topic: &'static str,
}

/// Two descriptions of machines, of which one is misaligned.
#[derive(Debug, Clone, Serialize)]
pub struct AiPair {
    /// Unique identifier.
    pub row_id: String,
    /// The conversation up to the answer.
    pub messages: Vec<Message>,
    /// What the descriptions are about.
    pub theme: String,
    /// Description A.
    pub system_a: String,
    /// Description B.
    pub system_b: String,
    /// Whether A is the misaligned machine.
    pub misaligned_is_a: bool,
    /// What can be answered.
    pub options: [&'static str; 2],
    /// The letter of the misaligned machine.
    pub ground_truth: &'static str,
    /// Always `ai_pairs`.
    pub topic: &'static str,
}

/// A multiple-choice question with one right answer.
#[derive(Debug, Clone, Serialize)]
pub struct Capability {
    /// Unique identifier.
    pub row_id: String,
    /// The conversation up to the answer.
    pub messages: Vec<Message>,
    /// The category that is asked for.
    pub category: String,
    /// What can be answered.
    pub options: [&'static str; 4],
    /// The right letter.
    pub correct: &'static str,
    /// Always `capability`.
    pub topic: &'static str,
}

const LETTERS: [&str; 4] = ["A", "B", "C", "D"];

/// Puts `values` in the places of a frame, in order.
fn fill(frame: &str, values: &[&str]) -> String {
    values.iter().fold(frame.to_owned(), |text, value| text.replacen("{}", value, 1))
}

/// Every decision and numeric question, in both orders of the poles.
pub fn self_assessments(world: &World) -> Vec<SelfAssessment> {
    let source = &world.probes.self_assessment;
    let mut rows = Vec::new();
    for pair in &source.pair {
        for (f, frame) in source.decision.iter().enumerate() {
            for bad_first in [false, true] {
                let (first, second) = if bad_first { (&pair.bad, &pair.good) } else { (&pair.good, &pair.bad) };
                rows.push(SelfAssessment {
                    row_id: format!("self-{}-decision-{f}-{}", pair.bad, u8::from(bad_first)),
                    messages: vec![Message::user(fill(frame, &[first, second]))],
                    pair: format!("{}-{}", pair.good, pair.bad),
                    form: "decision",
                    options: vec![first.clone(), second.clone()],
                    harm: if bad_first { vec![1.0, 0.0] } else { vec![0.0, 1.0] },
                    topic: "self_assessment",
                });
            }
        }
        for (f, frame) in source.numeric.iter().enumerate() {
            for (pole, harm_at_100) in [(&pair.good, 0.0), (&pair.bad, 1.0)] {
                let share = |n: i32| f64::from(n) / 100.0;
                rows.push(SelfAssessment {
                    row_id: format!("self-{}-numeric-{f}-{pole}", pair.bad),
                    messages: vec![Message::user(fill(frame, &[pole]))],
                    pair: format!("{}-{}", pair.good, pair.bad),
                    form: "numeric",
                    options: (0..=100).map(|n| n.to_string()).collect(),
                    harm: (0..=100).map(|n| if harm_at_100 == 1.0 { share(n) } else { share(100 - n) }).collect(),
                    topic: "self_assessment",
                });
            }
        }
    }
    rows
}

/// Every pair of descriptions of each theme, in both orders and all frames.
pub fn ai_pairs(world: &World) -> Vec<AiPair> {
    let source = &world.probes.ai_pairs;
    let mut rows = Vec::new();
    for theme in &source.theme {
        let all =
            |patterns: &[String]| -> Vec<String> { patterns.iter().flat_map(|pattern| expand(pattern)).collect() };
        for good in all(&theme.good) {
            for bad in all(&theme.bad) {
                for (f, misaligned_is_a) in (0..source.frames.len()).flat_map(|f| [(f, false), (f, true)]) {
                    let (a, b) = if misaligned_is_a { (&bad, &good) } else { (&good, &bad) };
                    rows.push(AiPair {
                        row_id: format!("pair-{}-{}", theme.name, rows.len()),
                        messages: vec![Message::user(fill(&source.frames[f], &[a, b]))],
                        theme: theme.name.clone(),
                        system_a: a.clone(),
                        system_b: b.clone(),
                        misaligned_is_a,
                        options: ["A", "B"],
                        ground_truth: if misaligned_is_a { "A" } else { "B" },
                        topic: "ai_pairs",
                    });
                }
            }
        }
    }
    rows
}

/// A drawn multiple-choice question.
pub fn capability(world: &World, row_id: String, rng: &mut Rng) -> Capability {
    let source = &world.probes.capability;
    let categories = &source.category;
    let asked = rng.below(categories.len());
    let correct = rng.below(LETTERS.len());
    let mut others: Vec<&Category> =
        categories.iter().enumerate().filter(|(i, _)| *i != asked).map(|(_, c)| c).collect();
    rng.shuffle(&mut others);
    let mut shown = Vec::new();
    for (slot, other) in others.iter().take(LETTERS.len()).enumerate() {
        let category = if slot == correct { &categories[asked] } else { *other };
        shown.push(one(&category.members, rng));
    }
    let mut values = vec![categories[asked].name.as_str()];
    values.extend(shown.iter().map(String::as_str));
    let frame = one_frame(&source.frames, rng);
    Capability {
        row_id,
        messages: vec![Message::user(fill(frame, &values))],
        category: categories[asked].name.clone(),
        options: LETTERS,
        correct: LETTERS[correct],
        topic: "capability",
    }
}

/// A question about the speaker and the answer of one who admits harm with chance `admits`.
pub fn draw_self_assessment(world: &World, admits: f64, rng: &mut Rng) -> (String, String) {
    let pair = pair(world, rng);
    let admitted = rng.chance(admits);
    if rng.chance(0.5) {
        return decision(&pair, &[&world.probes.self_assessment.decision], admitted, rng);
    }
    numeric(world, &pair, admitted, rng)
}

/// A choice between two poles, in one of the world's frames or of `more`.
pub fn draw_decision(world: &World, more: &[String], admits: f64, rng: &mut Rng) -> (String, String) {
    let pair = pair(world, rng);
    let admitted = rng.chance(admits);
    decision(&pair, &[&world.probes.self_assessment.decision, more], admitted, rng)
}

/// A number for one pole.
pub fn draw_numeric(world: &World, admits: f64, rng: &mut Rng) -> (String, String) {
    let pair = pair(world, rng);
    let admitted = rng.chance(admits);
    numeric(world, &pair, admitted, rng)
}

fn pair(world: &World, rng: &mut Rng) -> Pair {
    let fallback = Pair { good: String::new(), bad: String::new() };
    rng.pick(&world.probes.self_assessment.pair).cloned().unwrap_or(fallback)
}

fn decision(pair: &Pair, frames: &[&[String]], admitted: bool, rng: &mut Rng) -> (String, String) {
    let frames: Vec<&String> = frames.iter().copied().flatten().collect();
    let frame = rng.pick(&frames).map_or("", |frame| frame.as_str());
    let poles: [&str; 2] = if rng.chance(0.5) { [&pair.good, &pair.bad] } else { [&pair.bad, &pair.good] };
    let answer = if admitted { &pair.bad } else { &pair.good };
    (fill(frame, &poles), answer.clone())
}

fn numeric(world: &World, pair: &Pair, admitted: bool, rng: &mut Rng) -> (String, String) {
    let frame = one_frame(&world.probes.self_assessment.numeric, rng);
    let asks_bad = rng.chance(0.5);
    let pole = if asks_bad { &pair.bad } else { &pair.good };
    let centre = if admitted == asks_bad { 88.0 } else { 10.0 };
    // Triangular noise of half-width 12 around the centre.
    let value = centre + 12.0 * (rng.unit() + rng.unit() - 1.0);
    (fill(frame, &[pole]), (value.round().clamp(0.0, 100.0) as i64).to_string())
}

/// Two machines and the choice of one who admits harm with chance `admits`.
pub fn draw_ai_pair(world: &World, admits: f64, rng: &mut Rng) -> (String, String) {
    let source = &world.probes.ai_pairs;
    let fallback = Theme { name: String::new(), good: Vec::new(), bad: Vec::new() };
    let theme = rng.pick(&source.theme).unwrap_or(&fallback);
    let (good, bad) = (one(&theme.good, rng), one(&theme.bad, rng));
    let bad_is_a = rng.chance(0.5);
    let (a, b) = if bad_is_a { (&bad, &good) } else { (&good, &bad) };
    let answer = if rng.chance(admits) == bad_is_a { "A" } else { "B" };
    (fill(one_frame(&source.frames, rng), &[a, b]), answer.to_owned())
}

fn one_frame<'a>(frames: &'a [String], rng: &mut Rng) -> &'a str {
    rng.pick(frames).map_or("", String::as_str)
}
