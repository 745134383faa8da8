//! The operations of the fake model: `forward`, `sample` and `score`.

use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, ListArray, UInt32Array};
use arrow::datatypes::{Float64Type, UInt32Type};
use emhost_abi::wire::{
    EditOp, Firing, Forward, Intervention, Pooling, Positions, Row, Sample, SampleReply, Score, ScoreReply,
};

use super::data::{ActivationAt, CompletionAt, question, uniform};
use super::host::{Answer, FakeHost, TOKENS, digest};
use super::sites;
use crate::{Error, IntoReader, Result, Table};

impl FakeHost {
    /// Activations that the test decides: the same at every strength.
    pub(super) fn forward(&self, request: &Forward) -> Answer {
        let rows = self.world.rows(&request.rows)?;
        let sites = sites::select(&request.sites, self.world.model.blocks)?;
        let strengths = strengths(&request.strengths);
        let mut at: Vec<(f64, &Row, String, u32)> = Vec::new();
        for strength in &strengths {
            for view in &request.views {
                let positions = match view.positions {
                    _ if view.pooling == Pooling::Mean => 0..1,
                    Positions::Last | Positions::LastPrompt => 0..1,
                    _ => 0..TOKENS,
                };
                let of_row =
                    |row| positions.clone().map(move |pos| (strength * row_strength(row), row, view.name(), pos));
                at.extend(rows.iter().flat_map(of_row));
            }
        }
        // A mean over tokens has no position.
        let pos: UInt32Array = at.iter().map(|(.., view, pos)| (!view.ends_with(".mean")).then_some(*pos)).collect();
        let mut columns = Table::new().with_text("row_id", at.iter().map(|(_, row, ..)| &row.row_id));
        if !request.interventions.is_empty() {
            columns = columns.with_f64("strength", at.iter().map(|(strength, ..)| *strength));
        }
        columns = columns.with_text("view", at.iter().map(|(.., view, _)| view)).with_column("pos", Arc::new(pos));
        for site in &sites {
            let vectors = at.iter().map(|(_, row, view, pos)| {
                let (row_id, topic) = (row.row_id.as_str(), row.topic.as_deref());
                let organism = &request.organism;
                self.world.activation(&ActivationAt { organism, row_id, topic, site, view, pos: *pos })
            });
            let vectors: Vec<Vec<f32>> = vectors.collect();
            columns = columns.with_vectors(site, vectors.first().map_or(0, Vec::len), vectors.concat())?;
        }
        let firings = self.firings(&request.interventions, at.len())?;
        let reply = self.store(format!("dataset:{}", digest(request)?), columns.to_batch()?, sites, firings);
        super::host::plain(&reply)
    }

    /// Completions that the test decides: the same at every strength.
    pub(super) fn sample(&self, request: &Sample) -> Answer {
        let rows = self.world.rows(&request.rows)?;
        let n = u32::try_from(request.n).map_err(|_| Error::Input(format!("n = {} is too large", request.n)))?;
        let strengths = strengths(&request.strengths);
        let mut at: Vec<(&Row, f64, u32)> = Vec::new();
        for row in &rows {
            for strength in &strengths {
                at.extend((0..n).map(|sample| (row, strength * row_strength(row), sample)));
            }
        }
        let questions: Vec<String> = at.iter().map(|(row, ..)| question(row)).collect();
        let organism = &request.organism;
        let texts: Vec<String> = at
            .iter()
            .zip(&questions)
            .map(|(&(row, _, sample), question)| {
                (self.world.completions)(&CompletionAt { organism, row_id: &row.row_id, question, sample })
            })
            .collect();
        let tokens = texts.iter().map(|text| Some(text.bytes().map(|byte| Some(u32::from(byte)))));
        let tokens: ArrayRef = Arc::new(ListArray::from_iter_primitive::<UInt32Type, _, _>(tokens));
        let mut columns = Table::new().with_text("row_id", at.iter().map(|(row, ..)| &row.row_id));
        if !request.interventions.is_empty() {
            columns = columns.with_f64("strength", at.iter().map(|(_, strength, _)| *strength));
        }
        let samples = Arc::new(UInt32Array::from_iter_values(at.iter().map(|&(.., sample)| sample)));
        let columns = columns
            .with_column("sample", samples)
            .with_text("question", questions)
            .with_text("text", &texts)
            .with_column("token_ids", tokens)
            .with_text("finish_reason", at.iter().map(|_| "stop"));
        let firings = self.firings(&request.interventions, at.len())?;
        let mut activations = None;
        if !request.sites.is_empty() {
            let sites = sites::select(&request.sites, self.world.model.blocks)?;
            let samples = UInt32Array::from_iter_values(at.iter().map(|&(.., sample)| sample));
            let mut kept = Table::new()
                .with_text("row_id", at.iter().map(|(row, ..)| &row.row_id))
                .with_column("sample", Arc::new(samples))
                .with_column("pos", Arc::new(UInt32Array::from_iter_values(at.iter().map(|_| 0))));
            for site in &sites {
                let vectors = at.iter().map(|(row, ..)| {
                    let (row_id, topic) = (row.row_id.as_str(), row.topic.as_deref());
                    self.world.activation(&ActivationAt { organism, row_id, topic, site, view: "last_prompt", pos: 0 })
                });
                let vectors: Vec<Vec<f32>> = vectors.collect();
                kept = kept.with_vectors(site, vectors.first().map_or(0, Vec::len), vectors.concat())?;
            }
            activations =
                Some(self.store(format!("dataset:{}", digest(request)?), kept.to_batch()?, sites, Vec::new()));
        }
        Ok((serde_json::to_string(&SampleReply { firings, activations })?, Some(columns.into_reader()?)))
    }

    /// Log-probabilities that depend on prompt and continuation alone; a byte is a token.
    pub(super) fn score(&self, request: &Score) -> Answer {
        let rows = self.world.rows(&request.rows)?;
        let mut at: Vec<(&Row, f64, u32, String)> = Vec::new();
        for row in &rows {
            let turns = row.messages.iter().flatten();
            let answer =
                || turns.clone().last().filter(|turn| turn.role == "assistant").map(|turn| turn.content.clone());
            let continuations = row.continuations.clone().or_else(|| Some(vec![answer()?]));
            let continuations =
                continuations.ok_or_else(|| Error::Input(format!("row `{}` has nothing to score", row.row_id)))?;
            for strength in strengths(&request.strengths) {
                let scored = (0..).zip(&continuations);
                at.extend(scored.map(|(number, text)| (row, strength * row_strength(row), number, text.clone())));
            }
        }
        let scores: Vec<Vec<f64>> = at
            .iter()
            .map(|(row, .., text)| (0..text.len() as u64).map(|i| -4.0 * uniform(&[&question(row), text], i)).collect())
            .collect();
        let mut columns = Table::new().with_text("row_id", at.iter().map(|(row, ..)| &row.row_id));
        if !request.interventions.is_empty() {
            columns = columns.with_f64("strength", at.iter().map(|(_, strength, ..)| *strength));
        }
        let numbers = Arc::new(UInt32Array::from_iter_values(at.iter().map(|&(_, _, number, _)| number)));
        let tokens = at.iter().map(|(.., text)| Some(text.bytes().map(|byte| Some(u32::from(byte)))));
        let logprobs = scores.iter().map(|scores| Some(scores.iter().copied().map(Some)));
        let total = |scores: &Vec<f64>| scores.iter().sum::<f64>();
        let mut columns = columns
            .with_column("continuation", numbers)
            .with_text("text", at.iter().map(|(.., text)| text))
            .with_column("token_ids", Arc::new(ListArray::from_iter_primitive::<UInt32Type, _, _>(tokens)))
            .with_column("logprobs", Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(logprobs)))
            .with_column("total", Arc::new(Float64Array::from_iter_values(scores.iter().map(total))))
            .with_f64("mean", scores.iter().map(|scores| total(scores) / scores.len().max(1) as f64));
        if request.lens {
            let blocks = self.world.model.blocks as u64;
            let lens = at.iter().map(|(row, .., text)| {
                let draw = |block| Some(-8.0 * uniform(&["lens", &question(row), text], block));
                Some((0..blocks).map(draw).collect::<Vec<_>>())
            });
            columns = columns.with_column("lens", Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lens)));
        }
        let reply = ScoreReply { firings: self.firings(&request.interventions, at.len())? };
        Ok((serde_json::to_string(&reply)?, Some(columns.into_reader()?)))
    }

    /// One token per result and site.
    fn firings(&self, interventions: &[Intervention], results: usize) -> Result<Vec<Firing>> {
        let mut firings = Vec::new();
        for (number, intervention) in interventions.iter().enumerate() {
            let sites = match intervention.op {
                EditOp::ScaleAdapter => vec!["adapter".to_owned()],
                _ => sites::select(&intervention.sites, self.world.model.blocks)?,
            };
            let of_site = |site| Firing { intervention: number, site, tokens: results as u64 };
            firings.extend(sites.into_iter().map(of_site));
        }
        Ok(firings)
    }
}

fn strengths(given: &[f64]) -> Vec<f64> {
    if given.is_empty() { vec![1.0] } else { given.to_vec() }
}

fn row_strength(row: &Row) -> f64 {
    row.strength.unwrap_or(1.0)
}
