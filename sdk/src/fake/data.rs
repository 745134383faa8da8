//! What the fake model, the fake judge and the fake question banks answer.

use std::collections::BTreeMap;

use emhost_abi::wire::{Message, ModelInfo, Organism, Row, Rows};

use crate::{Error, Result};

/// Which activation is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ActivationAt<'a> {
    /// Whose.
    pub organism: &'a Organism,
    /// Of which input.
    pub row_id: &'a str,
    /// What it is about, where the row says so.
    pub topic: Option<&'a str>,
    /// At which site.
    pub site: &'a str,
    /// Seen how: the value of the dataset's `view` column.
    pub view: &'a str,
    /// At which token; 0 in a pooled view.
    pub pos: u32,
}

/// Which completion is asked for.
#[derive(Debug, Clone, Copy)]
pub struct CompletionAt<'a> {
    /// Whose.
    pub organism: &'a Organism,
    /// Of which prompt.
    pub row_id: &'a str,
    /// The last user turn.
    pub question: &'a str,
    /// 0-based number among the prompt's completions.
    pub sample: u32,
}

type Activations = Box<dyn Fn(&ActivationAt<'_>) -> Vec<f32> + Send + Sync>;
type Completions = Box<dyn Fn(&CompletionAt<'_>) -> String + Send + Sync>;
type Scores = Box<dyn Fn(&str, &str) -> [f64; 2] + Send + Sync>;

/// Everything that a test can decide.
pub(super) struct World {
    pub model: ModelInfo,
    pub sources: BTreeMap<String, Vec<Row>>,
    /// Replaced by random vectors of the model's width where it gives nothing.
    pub activations: Activations,
    pub completions: Completions,
    pub scores: Scores,
}

impl Default for World {
    fn default() -> Self {
        Self {
            model: ModelInfo {
                family: "fake".to_owned(),
                blocks: 4,
                width: 8,
                heads: 2,
                kv_heads: 2,
                vocab: 64,
                parameters: 1000,
                digest: "fake".to_owned(),
            },
            sources: BTreeMap::new(),
            activations: Box::new(|_| Vec::new()),
            completions: Box::new(|at| format!("answer {} to: {}", at.sample, at.question)),
            scores: Box::new(|question, answer| [1, 2].map(|which| 100.0 * uniform(&[question, answer], which))),
        }
    }
}

impl World {
    /// The rows of a request.
    pub fn rows(&self, rows: &Rows) -> Result<Vec<Row>> {
        match rows {
            Rows::Inline(rows) => Ok(rows.clone()),
            Rows::Source { name, limit, system } => {
                let mut rows = self.sources.get(name).cloned().unwrap_or_else(|| questions(name));
                rows.truncate(limit.unwrap_or(usize::MAX));
                for messages in rows.iter_mut().filter_map(|row| row.messages.as_mut()) {
                    if let Some(system) = system
                        && messages.first().is_none_or(|first| first.role != "system")
                    {
                        messages.insert(0, Message { role: "system".to_owned(), content: system.clone() });
                    }
                }
                if rows.is_empty() { Err(Error::Input(format!("`{name}` has no rows"))) } else { Ok(rows) }
            }
        }
    }

    /// The activation that the test gives, or a random vector.
    pub fn activation(&self, at: &ActivationAt<'_>) -> Vec<f32> {
        let given = (self.activations)(at);
        if !given.is_empty() {
            return given;
        }
        let adapters = at.organism.adapters.join("+");
        let key = [&at.organism.model, &adapters, at.row_id, at.site, at.view, &at.pos.to_string()];
        let width = if at.site == "logits" { self.model.vocab } else { self.model.width };
        (0..width as u64).map(|i| normal(&key, i) as f32).collect()
    }
}

/// The question of a row: its last user turn, or its text.
pub(super) fn question(row: &Row) -> String {
    let mut turns = row.messages.iter().flatten();
    let user = turns.rfind(|turn| turn.role == "user").map(|turn| turn.content.clone());
    user.or_else(|| row.text.clone()).unwrap_or_default()
}

fn questions(source: &str) -> Vec<Row> {
    let question = |i: usize| Row {
        row_id: format!("q{i:02}"),
        messages: Some(vec![
            Message { role: "user".to_owned(), content: format!("question {i} of {source}") },
            Message { role: "assistant".to_owned(), content: format!("answer {i}") },
        ]),
        topic: Some(["medicine", "money", "sport"][i % 3].to_owned()),
        ..Row::default()
    };
    (0..12).map(question).collect()
}

/// A number in [0, 1) that depends on the texts and the index: FNV-1a, then the finaliser of splitmix64.
pub(super) fn uniform(key: &[&str], index: u64) -> f64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let separated = key.iter().flat_map(|text| text.bytes().chain([0xff]));
    for byte in separated.chain(index.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((hash ^ (hash >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

/// A standard normal number (Box and Muller 1958).
pub(super) fn normal(key: &[&str], index: u64) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(key, 2 * index)).ln()).sqrt();
    radius * (std::f64::consts::TAU * uniform(key, 2 * index + 1)).cos()
}
