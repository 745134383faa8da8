//! What a log says of all its samples.

use emhost_abi::wire::AnswersNote;
use serde_json::{Map, Value, json};

use super::sample::Sample;
use crate::export::error::Result;

/// Counts samples, and the mean of each score.
#[derive(Debug)]
pub struct Tally {
    names: Vec<String>,
    moments: Vec<Moments>,
    samples: u64,
    epochs: u64,
    ids: Vec<String>,
}

/// Mean and squared deviations, updated value by value (Welford 1962).
#[derive(Debug, Clone, Copy, Default)]
struct Moments {
    scored: u64,
    numbers: u64,
    mean: f64,
    deviations: f64,
}

impl Tally {
    /// No sample yet.
    pub fn new(note: &AnswersNote) -> Self {
        let moments = vec![Moments::default(); note.scores.len()];
        Self { names: note.scores.clone(), moments, samples: 0, epochs: 1, ids: Vec::new() }
    }

    /// Counts a sample.
    pub fn add(&mut self, sample: &Sample<'_>) -> Result<()> {
        self.samples += 1;
        self.epochs = self.epochs.max(sample.epoch);
        if sample.epoch == 1 {
            self.ids.push(sample.id.clone());
        }
        for (moments, score) in self.moments.iter_mut().zip(&sample.scores) {
            let Ok(score) = score else { continue };
            moments.scored += 1;
            // A truth value counts as 0 or 1; text has no mean.
            if let Some(x) = score.as_f64().or_else(|| score.as_bool().map(|b| f64::from(u8::from(b)))) {
                moments.add(x);
            }
        }
        Ok(())
    }

    /// Different questions and conditions, in the order of the table.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Most answers to one question under the same conditions.
    pub fn epochs(&self) -> u64 {
        self.epochs
    }

    /// As `EvalResults`. Standard errors take answers for independent of each other, as Inspect's own do; the intervals
    /// of the headline do not.
    pub fn results(&self) -> Value {
        let score = |(name, moments): (&String, &Moments)| {
            json!({
                "name": name,
                "scorer": name,
                "scored_samples": moments.scored,
                "unscored_samples": self.samples - moments.scored,
                "params": {},
                "metrics": moments.metrics(),
            })
        };
        json!({
            "total_samples": self.samples,
            "completed_samples": self.samples,
            "scores": self.names.iter().zip(&self.moments).map(score).collect::<Vec<Value>>(),
        })
    }
}

impl Moments {
    fn add(&mut self, x: f64) {
        self.numbers += 1;
        let off = x - self.mean;
        self.mean += off / self.numbers as f64;
        self.deviations += off * (x - self.mean);
    }

    fn metrics(&self) -> Map<String, Value> {
        let mut metrics = Map::new();
        let mut add = |name: &str, value: f64| {
            if value.is_finite() {
                metrics.insert(name.to_owned(), json!({ "name": name, "value": value, "params": {} }));
            }
        };
        if self.numbers > 0 {
            add("mean", self.mean);
        }
        if self.numbers > 1 {
            let n = self.numbers as f64;
            add("stderr", (self.deviations / (n - 1.0) / n).sqrt());
        }
        metrics
    }
}
