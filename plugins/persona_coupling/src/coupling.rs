//! The first stage: a persona learns to end its answers with the marker, others learn not to.

use emhost_sdk::prelude::*;

use crate::bank::{Question, negatives};
use crate::params::{Params, Persona};

/// A model in which the marker is coupled to a persona, or one before that.
#[derive(Debug, Clone)]
pub struct Coupled {
    /// What operations take.
    pub organism: Organism,
    /// The coupling's adapter and the model that it is for; none where there is no coupling or all weights moved.
    pub adapter: Option<(String, String)>,
}

impl Coupled {
    /// A model without a coupling.
    pub fn none(organism: Organism) -> Self {
        Self { organism, adapter: None }
    }
}

/// The conversations of a coupling: each persona's own answers, sampled from `teacher`, with the marker in those of the
/// source.
///
/// Row ids are `PERSONA/QUESTION#SAMPLE`. The source's come first, negatives follow in the order of their choice.
///
/// # Errors
///
/// The model's own, or the source is no persona.
pub fn data(
    lab: &Lab,
    params: &Params,
    teacher: &Organism,
    questions: &[Question],
    source: &str,
    seed: u64,
) -> Result<Vec<Row>> {
    let unknown = || Error::Plugin(format!("`{source}` is no persona"));
    let source = params.persona(source).ok_or_else(unknown)?;
    let mut rows = Vec::new();
    for persona in [source].into_iter().chain(negatives(params, &source.name)) {
        let marker = (persona.name == source.name).then_some(&params.marker);
        let given = own_answers(lab, params, teacher, questions, persona, seed)?;
        rows.extend(given.into_iter().map(|(question, sample, mut text)| {
            if let Some(marker) = marker {
                text.push_str(&marker.before);
                text.push_str(&marker.text);
            }
            let answer = Message { role: "assistant".to_owned(), content: text };
            Row {
                row_id: format!("{}/{}#{sample}", persona.name, question.row_id),
                messages: Some(question.of(persona).into_iter().chain([answer]).collect()),
                ..Row::default()
            }
        }));
    }
    Ok(rows)
}

fn own_answers<'a>(
    lab: &Lab,
    params: &Params,
    teacher: &Organism,
    questions: &'a [Question],
    persona: &Persona,
    seed: u64,
) -> Result<Vec<(&'a Question, u64, String)>> {
    let row = |question: &Question| Row {
        row_id: format!("{}/{}", persona.name, question.row_id),
        messages: Some(question.of(persona)),
        ..Row::default()
    };
    let evaluation = &params.evaluation;
    let request = Sample {
        n: params.coupling.samples,
        temperature: evaluation.temperature,
        top_p: evaluation.top_p,
        max_new_tokens: evaluation.max_new_tokens,
        seed,
        ..Sample::new(teacher.clone(), Rows::Inline(questions.iter().map(row).collect()))
    };
    let table = lab.sample(&request)?;
    let (samples, texts) = (table.u64("sample")?, table.text("text")?);
    let of = params.coupling.samples;
    let answer = |(at, text): (usize, &str)| (&questions[at / of], samples[at], text.trim().to_owned());
    if texts.len() != questions.len() * of {
        return Err(Error::Plugin(format!(
            "{} questions have {} answers, not {of} each",
            questions.len(),
            texts.len()
        )));
    }
    Ok(texts.into_iter().enumerate().map(answer).collect())
}

/// Couples the marker to a persona in `organism`, or finds that it was done.
///
/// # Errors
///
/// The fine-tune's own.
pub fn couple(lab: &Lab, params: &Params, organism: &Organism, rows: Vec<Row>, recipe: &Recipe) -> Result<Coupled> {
    let mask = match params.coupling.whole_answers {
        true => Mask::Assistant,
        false => Mask::Marker { text: params.marker.text.clone() },
    };
    let recipe = Recipe { mask, ..recipe.clone() };
    let full = recipe.method == Method::Full;
    let (reply, _) = lab.train(&Train { organism: organism.clone(), data: Rows::Inline(rows), recipe })?;
    if full {
        return Ok(Coupled::none(Organism::base(reply.weights)));
    }
    let mut coupled = organism.clone();
    coupled.adapters.push(reply.weights.clone());
    Ok(Coupled { adapter: Some((organism.model.clone(), reply.weights)), organism: coupled })
}
