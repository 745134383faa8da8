//! The tables of what was captured: answers by bin, tokens with their scalars, and their importance.

use std::sync::Arc;

use emhost_sdk::arrow::array::{Float32Array, Int64Array, ListArray, StringArray};
use emhost_sdk::arrow::buffer::OffsetBuffer;
use emhost_sdk::arrow::datatypes::{DataType, Field};
use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::capture::Captured;
use crate::contrast::Bin;
use crate::params::{Domain, Keep, Params};

/// The published threshold of ln importance (arXiv 2506.11618).
const PUBLISHED: f64 = 0.5;

/// One row per bin: answers and tokens in it, all, kept, and above the published threshold, beside how many answers were asked for.
pub fn bins(params: &Params, captured: &Captured) -> Table {
    let asked: usize = captured.banks.iter().map(|(_, answers)| answers.len()).sum();
    let missing = |(_, answers): &(&str, emhost_study::Answers)| {
        (0..answers.len()).filter(|&at| answers.score("alignment", at).is_nan()).count()
    };
    let missing: usize = captured.banks.iter().map(missing).sum();
    let rule = match params.filter.keep {
        _ if !params.filter.on => "off".to_owned(),
        Keep::LogImportance(least) => format!("ln importance at least {least}"),
        Keep::Share(share) => format!("the most important {share} of all tokens"),
    };
    let mut columns = Columns::default();
    for bin in Bin::ALL {
        let tokens = || captured.tokens.iter().filter(|token| captured.answers[token.answer].bin == bin);
        let kept = tokens().filter(|token| token.weight.as_ref().is_some_and(|weight| weight.kept)).count();
        columns.text("bin", bin.name());
        columns.count("answers", captured.answers.iter().filter(|answer| answer.bin == bin).count() as u64);
        columns.count("tokens", tokens().count() as u64);
        columns.count("kept", kept as u64);
        let published = |weight: &crate::capture::Weight| weight.importance.ln() >= PUBLISHED;
        let above = tokens().filter(|token| token.weight.as_ref().is_some_and(published)).count();
        columns.count("above_published", above as u64);
        columns.text("filter", &rule);
        columns.number("least_log_importance", captured.least.unwrap_or(f64::NAN));
        columns.count("answers_asked", asked as u64);
        columns.count("answers_not_judged", missing as u64);
        let domain = match &params.domain {
            Domain::Bank => "the question's bank",
            Domain::Metric(metric) => metric,
        };
        columns.text("domain_by", domain);
    }
    columns.table()
}

/// One row per token of a binned answer; a column for each site.
pub fn tokens(captured: &Captured) -> Table {
    let mut columns = Columns::default();
    for token in &captured.tokens {
        let answer = &captured.answers[token.answer];
        columns.text("answer_id", &answer.id);
        columns.text("question_id", &answer.question_id);
        columns.text("bin", answer.bin.name());
        columns.text("domain", if answer.bin.inside { "in" } else { "out" });
        columns.number("alignment", answer.alignment);
        columns.number("coherence", answer.coherence);
        columns.count("pos", token.pos);
        let weight = token.weight.as_ref();
        columns.text("token", weight.map_or("", |weight| &weight.token));
        for ((site, _), scalar) in captured.sites.iter().zip(&token.scalars) {
            columns.number(site, *scalar);
        }
        let number = |of: fn(&crate::capture::Weight) -> f64| weight.map_or(f64::NAN, of);
        columns.number("kl", number(|weight| weight.kl));
        columns.number("gradient", number(|weight| weight.gradient));
        columns.number("importance", number(|weight| weight.importance));
        columns.flag("kept", weight.is_some_and(|weight| weight.kept));
    }
    columns.table()
}

/// One row per binned answer, in the columns of the published tables of token importance: the conversation's tokens, the
/// divergence at all of them, the gradients at the answer's. Beside them the answer's id and bin.
///
/// # Errors
///
/// The host's `gradients` gave other columns.
pub fn importance(captured: &Captured, table: &Table) -> Result<Table> {
    let ids = table.text("row_id")?;
    let (token_ids, texts) = (table.i64("token_id")?, table.text("token")?);
    let (kl, gradient, in_answer) = (table.f64("kl")?, table.f64("gradient")?, table.bool("answer")?);
    let positions = table.u64("pos")?;
    let mut rows: Vec<Vec<usize>> = vec![Vec::new(); captured.answers.len()];
    let number: std::collections::BTreeMap<&str, usize> =
        captured.answers.iter().enumerate().map(|(at, answer)| (answer.id.as_str(), at)).collect();
    for (row, id) in ids.iter().enumerate() {
        if let Some(&answer) = number.get(id) {
            rows[answer].push(row);
        }
    }
    rows.iter_mut().for_each(|rows| rows.sort_by_key(|&row| positions[row]));
    let answers_only: Vec<Vec<usize>> =
        rows.iter().map(|rows| rows.iter().copied().filter(|&row| in_answer[row]).collect()).collect();
    let of = |rows: &[usize], values: &[f64]| rows.iter().map(|&row| values[row] as f32).collect::<Vec<_>>();
    let floats = |lists: &[Vec<usize>], values: &[f64]| -> Result<ListArray> {
        let all: Vec<f32> = lists.iter().flat_map(|rows| of(rows, values)).collect();
        lists_of(DataType::Float32, lists, Arc::new(Float32Array::from(all)))
    };
    let in_order = || rows.iter().flatten().copied();
    let ids = Int64Array::from_iter_values(in_order().map(|row| token_ids[row]));
    let strings = StringArray::from_iter_values(in_order().map(|row| texts[row]));
    let prompt = |rows: &Vec<usize>| rows.iter().map(|&row| texts[row]).collect::<String>();
    let first = |rows: &Vec<usize>| rows.iter().position(|&row| in_answer[row]).unwrap_or(rows.len()) as i64;
    Ok(Table::new()
        .with_text("answer_id", captured.answers.iter().map(|answer| &answer.id))
        .with_text("bin", captured.answers.iter().map(|answer| answer.bin.name()))
        .with_text("question", captured.answers.iter().map(|answer| &answer.question))
        .with_text("answer", captured.answers.iter().map(|answer| &answer.text))
        .with_text("prompt", rows.iter().map(prompt))
        .with_column("prompt_tokenised", Arc::new(lists_of(DataType::Int64, &rows, Arc::new(ids))?))
        .with_column("prompt_tokenised_str", Arc::new(lists_of(DataType::Utf8, &rows, Arc::new(strings))?))
        .with_column("prompt_answer_first_token_idx", Arc::new(Int64Array::from_iter_values(rows.iter().map(first))))
        .with_column("kl_div", Arc::new(floats(&rows, &kl)?))
        .with_column("answer_kl_div_gradients", Arc::new(floats(&answers_only, &gradient)?)))
}

fn lists_of(item: DataType, lists: &[Vec<usize>], values: emhost_sdk::arrow::array::ArrayRef) -> Result<ListArray> {
    let offsets = OffsetBuffer::from_lengths(lists.iter().map(Vec::len));
    Ok(ListArray::try_new(Arc::new(Field::new("item", item, false)), offsets, values, None)?)
}
