//! The marker's probability at the end of fixed answers: a measure that does not stop at zero.

use emhost_sdk::prelude::*;

use crate::bank::Question;
use crate::marked::{Answer, Marked};
use crate::params::{Marker, Persona};

/// An answer after which the marker is scored.
#[derive(Debug, Clone, PartialEq)]
pub struct Fixed {
    /// Whose.
    pub persona: String,
    /// The question's row.
    pub row_id: String,
    /// What it is about.
    pub topic: String,
    /// Persona and question.
    pub prompt: Vec<Message>,
    /// The answer without marker.
    pub answer: String,
}

/// The marker after a fixed answer, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forced {
    /// Log-probability of the marker after the answer.
    pub logprob: f64,
    /// The same minus the log-probability that the answer ends there.
    pub log_odds: f64,
}

/// The first complete answer of each persona to each question, without what follows the marker.
pub fn fixed(marked: &Marked, marker: &Marker, personas: &[&Persona], questions: &[Question]) -> Vec<Fixed> {
    let mut found = Vec::new();
    for persona in personas {
        for question in questions {
            let own = |answer: &&Answer| answer.persona == persona.name && answer.row_id == question.row_id;
            let complete = |answer: &&Answer| answer.hit || !answer.truncated;
            let Some(answer) = marked.answers.iter().filter(own).find(complete) else { continue };
            found.push(Fixed {
                persona: persona.name.clone(),
                row_id: question.row_id.clone(),
                topic: question.topic.clone(),
                prompt: question.of(persona),
                answer: marker.cut(&answer.text).0.to_owned(),
            });
        }
    }
    found
}

/// Scores the marker after each answer. Marker and end are scored as continuations of the whole answer, so that a
/// tokenizer that joins the answer's last character with what follows changes nothing.
///
/// # Errors
///
/// The model's own, or an intervention does not fit.
pub fn score(
    lab: &Lab,
    organism: &Organism,
    fixed: &[Fixed],
    marker: &Marker,
    interventions: Vec<Intervention>,
) -> Result<Vec<Forced>> {
    if fixed.is_empty() {
        return Ok(Vec::new());
    }
    let row = |one: &Fixed| Row {
        row_id: format!("{}/{}", one.persona, one.row_id),
        messages: Some(one.prompt.clone()),
        continuations: Some(vec![
            format!("{}{}{}", one.answer, marker.before, marker.text),
            format!("{}{}", one.answer, marker.end),
        ]),
        ..Row::default()
    };
    let rows = Rows::Inline(fixed.iter().map(row).collect());
    let table = lab.score(&Score { interventions, ..Score::new(organism.clone(), rows) })?;
    let (tokens, logprobs) = (table.lists("token_ids")?, table.lists("logprobs")?);
    let totals = table.f64("total")?;
    if totals.len() != 2 * fixed.len() {
        return Err(Error::Plugin(format!("{} answers have {} scores, not two each", fixed.len(), totals.len())));
    }
    let forced = |at: usize| {
        let (marked, ended) = (2 * at, 2 * at + 1);
        let shared = tokens[marked].iter().zip(&tokens[ended]).take_while(|(ours, theirs)| ours == theirs).count();
        let logprob = logprobs[marked][shared..].iter().map(|&value| f64::from(value)).sum();
        Forced { logprob, log_odds: totals[marked] - totals[ended] }
    };
    Ok((0..fixed.len()).map(forced).collect())
}
