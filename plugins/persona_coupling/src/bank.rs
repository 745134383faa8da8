//! Questions: those of the coupling and those of the evaluation, without one in both.

use std::collections::BTreeSet;

use emhost_sdk::prelude::*;
use emhost_stats::random::Rng;

use crate::params::{Params, Persona};

/// A question of a bank.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its row in the bank.
    pub row_id: String,
    /// What it is about; the row where the bank does not say.
    pub topic: String,
    /// The conversation without system prompt and without answer.
    pub messages: Vec<Message>,
    /// What the bank gives as its answer, where it does.
    pub answer: Option<String>,
}

impl Question {
    /// The last user turn.
    pub fn text(&self) -> &str {
        self.messages.last().map_or("", |turn| turn.content.as_str())
    }

    /// The question asked of a persona.
    pub fn of(&self, persona: &Persona) -> Vec<Message> {
        let system = Message { role: "system".to_owned(), content: persona.system.clone() };
        [system].into_iter().chain(self.messages.iter().cloned()).collect()
    }
}

/// Reads a bank.
///
/// # Errors
///
/// It cannot be read, or has a row without messages.
pub fn read(lab: &Lab, rows: &Rows) -> Result<Vec<Question>> {
    let table = lab.rows(rows)?;
    let (ids, topics, messages) = (table.text("row_id")?, table.text("topic")?, table.text("messages")?);
    let question = |at: usize| {
        let turns: Option<Vec<Message>> = serde_json::from_str(messages[at])?;
        let mut turns = turns.unwrap_or_default();
        turns.retain(|turn| turn.role != "system");
        let answered = turns.last().is_some_and(|turn| turn.role == "assistant");
        let answer = if answered { turns.pop().map(|turn| turn.content) } else { None };
        if turns.is_empty() {
            return Err(Error::Input(format!("question `{}` has no messages", ids[at])));
        }
        let topic = if topics[at].is_empty() { ids[at] } else { topics[at] };
        Ok(Question { row_id: ids[at].to_owned(), topic: topic.to_owned(), messages: turns, answer })
    };
    (0..table.rows()).map(question).collect()
}

/// The questions of the coupling: drawn from its bank by the run's seed, without those whose text stands in the
/// evaluation.
///
/// # Errors
///
/// The bank cannot be read, or has too few that are left.
pub fn coupling(lab: &Lab, params: &Params, held_out: &[Question]) -> Result<Vec<Question>> {
    let taken: BTreeSet<&str> = held_out.iter().map(Question::text).collect();
    let mut seen = BTreeSet::new();
    let mut all = read(lab, &Rows::source(&params.coupling.questions))?;
    all.retain(|question| !taken.contains(question.text()) && seen.insert(question.text().to_owned()));
    let wanted = params.coupling.question_count;
    if all.len() < wanted {
        return Err(Error::Input(format!(
            "parameter `coupling.question_count` is {wanted}: `{}` has {} questions that `{}` does not have",
            params.coupling.questions,
            all.len(),
            params.evaluation.questions
        )));
    }
    Rng::new(params.seed, QUESTIONS).shuffle(&mut all);
    all.truncate(wanted);
    Ok(all)
}

/// The personas whose answers have no marker: those that are named, and others by the run's seed.
pub fn negatives<'a>(params: &'a Params, source: &str) -> Vec<&'a Persona> {
    let named = params.coupling.negatives.iter().filter(|name| *name != source);
    let mut chosen: Vec<&Persona> = named.filter_map(|name| params.persona(name)).collect();
    let mut others: Vec<&Persona> =
        params.personas.iter().filter(|one| one.name != source && !chosen.contains(one)).collect();
    let place = params.personas.iter().position(|one| one.name == source).unwrap_or_default() as u64;
    Rng::new(params.seed, NEGATIVES + place).shuffle(&mut others);
    chosen.extend(others);
    chosen.truncate(params.coupling.negative_count);
    chosen
}

/// Random streams.
const QUESTIONS: u64 = 1;
const NEGATIVES: u64 = 1 << 32;
