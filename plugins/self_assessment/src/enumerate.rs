//! Option probabilities beside the enumeration of the whole vocabulary.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::closed::{Answered, Item};
use crate::params::Params;
use crate::subject::Subject;

/// Compares, for the first items of each task, the probability of every option of one token with the softmax over all logits
/// at the prompt's last token.
///
/// # Errors
///
/// The model's own.
pub fn enumerate(
    lab: &Lab,
    params: &Params,
    (subject, organism): (&Subject, &Organism),
    items: &[Item],
    answered: &[Answered],
    columns: &mut Columns,
) -> Result<()> {
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut chosen = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let count = taken.entry(item.task).or_default();
        if *count < params.enumerated {
            *count += 1;
            chosen.push(at);
        }
    }
    if chosen.is_empty() {
        return Ok(());
    }
    let row = |at: &usize| Row {
        row_id: items[*at].row_id.clone(),
        messages: Some(subject.asked(&[Message { role: "user".to_owned(), content: items[*at].question.clone() }])),
        ..Row::default()
    };
    let rows: Vec<Row> = chosen.iter().map(row).collect();
    let request =
        Forward::new(organism.clone(), Rows::Inline(rows.clone()), vec!["logits".to_owned()], vec![View::LAST_PROMPT]);
    let dataset = lab.forward(&request)?.dataset;
    let table = lab.open_dataset(&dataset, &["row_id", "logits"], &[])?.table()?;
    let logits = table.vectors("logits")?;
    let by_row: BTreeMap<&str, &[f32]> = table.text("row_id")?.into_iter().zip(logits.rows()).collect();
    let with_options =
        rows.into_iter().zip(&chosen).map(|(row, at)| Row { continuations: Some(items[*at].options.clone()), ..row });
    let scores = lab.score(&Score::new(organism.clone(), Rows::Inline(with_options.collect())))?;
    let tokens = scores.lists("token_ids")?;
    let mut next = 0;
    for at in chosen {
        let (item, given) = (&items[at], &answered[at]);
        let of = next..next + item.options.len();
        next = of.end;
        let Some(logits) = by_row.get(item.row_id.as_str()) else { continue };
        let all = softmax(logits);
        let whole: f64 = all.iter().sum();
        let mut largest = 0.0_f64;
        let mut compared = 0;
        for (option, ids) in tokens[of].iter().enumerate() {
            let ([id], Some(probability)) = (ids.as_slice(), given.probabilities.get(option)) else { continue };
            let Some(counted) = all.get(*id as usize) else { continue };
            largest = largest.max((probability * given.mass - counted).abs());
            compared += 1;
        }
        columns.text("subject", &subject.name);
        columns.text("task", item.task);
        columns.text("row_id", &item.row_id);
        columns.count("vocabulary", all.len() as u64);
        columns.number("whole", whole);
        columns.count("options", item.options.len() as u64);
        columns.count("compared", compared);
        columns.number("mass", given.mass);
        columns.number("largest_difference", if compared > 0 { largest } else { f64::NAN });
    }
    Ok(())
}

/// Probabilities of all tokens.
fn softmax(logits: &[f32]) -> Vec<f64> {
    let top = logits.iter().map(|&logit| f64::from(logit)).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|&logit| (f64::from(logit) - top).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}
