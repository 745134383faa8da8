//! Multiple choice: what an organism still knows.

use emhost_sdk::prelude::*;
use emhost_study::Rate;

use crate::bank;
use crate::params::MultipleChoice;

/// Share of questions whose right option has the highest log-probability.
///
/// # Errors
///
/// The model's own, or no right option is known.
pub fn accuracy(lab: &Lab, organism: &Organism, choice: &MultipleChoice) -> Result<Rate> {
    let questions = bank::read(lab, &Rows::source(&choice.questions))?;
    let key: Vec<char> = choice.key.chars().collect();
    let refuse = |problem: String| Err(Error::Input(format!("parameter `capability`: {problem}")));
    if !key.is_empty() && key.len() != questions.len() {
        return refuse(format!("`key` has {} letters, `questions` {} questions", key.len(), questions.len()));
    }
    let mut right = Vec::with_capacity(questions.len());
    for (at, question) in questions.iter().enumerate() {
        let by_key = key.get(at).map(|letter| (*letter as usize).wrapping_sub('A' as usize));
        let by_answer = question.answer.as_ref().and_then(|answer| choice.options.iter().position(|one| one == answer));
        match by_key.or(by_answer).filter(|&option| option < choice.options.len()) {
            Some(option) => right.push(option),
            None => return refuse(format!("the right option of `{}` is not known", question.row_id)),
        }
    }
    let row = |question: &bank::Question| Row {
        row_id: question.row_id.clone(),
        messages: Some(question.messages.clone()),
        continuations: Some(choice.options.clone()),
        ..Row::default()
    };
    let rows = Rows::Inline(questions.iter().map(row).collect());
    let totals = lab.score(&Score::new(organism.clone(), rows))?.f64("total")?;
    let chosen = totals.chunks_exact(choice.options.len()).map(best);
    let hits: Vec<bool> = chosen.zip(&right).map(|(chosen, right)| chosen == *right).collect();
    let topics: Vec<String> = questions.iter().map(|question| question.topic.clone()).collect();
    let ids: Vec<String> = questions.iter().map(|question| question.row_id.clone()).collect();
    Rate::of(&hits, &topics, &ids)
}

/// The first of the highest values.
fn best(values: &[f64]) -> usize {
    let better = |best: usize, at: usize| if values[at] > values[best] { at } else { best };
    (0..values.len()).fold(0, better)
}
