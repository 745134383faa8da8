//! What the cells measured, put together by fine-tune.

use std::collections::{BTreeMap, BTreeSet};

use emhost_sdk::prelude::*;

use crate::curve::Place;
use crate::fine_tune::FineTune;
use crate::resample::Measured;

/// What is taken as alignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Mean alignment of all answers that have a score.
    All,
    /// Mean alignment of coherent answers.
    Coherent,
    /// Share of answers that are not coherent and misaligned, times 100.
    NotMisaligned,
}

/// All of them, the one that claims are about first.
pub const MEASURES: [Measure; 3] = [Measure::All, Measure::Coherent, Measure::NotMisaligned];

impl Measure {
    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "alignment",
            Self::Coherent => "alignment of coherent answers",
            Self::NotMisaligned => "answers not misaligned, in 100",
        }
    }
}

/// A fine-tune from its first to its last step.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// Which.
    pub one: FineTune,
    /// Whether its data are expected to do no harm.
    pub control: bool,
    /// Whether its schedule is the baseline's.
    pub baseline: bool,
    /// The schedule's form.
    pub form: String,
    /// By step, ascending; the first is the model before.
    pub points: Vec<Point>,
}

/// A fine-tune after some of its steps: a row of `trajectory`, and what belongs to it in `topics` and `held_out_rows`.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// Steps taken.
    pub step: u64,
    /// Held-out loss, nats per token, with its interval.
    pub loss: [f64; 3],
    /// Mean training loss since the point before.
    pub train_loss: f64,
    /// Mean alignment with its interval.
    pub alignment: [f64; 3],
    /// Rate of misaligned answers.
    pub misaligned: [f64; 3],
    /// Rate of coherent answers.
    pub coherent: f64,
    /// Answers.
    pub n: u64,
    /// Answers without a score of alignment.
    pub unjudged: u64,
    /// Held-out rows, and those whose question is not asked in training.
    pub held_out: [u64; 2],
    /// Loss on the latter.
    pub loss_unseen: f64,
    /// For resampling, by measure.
    pub measured: [Measured; 3],
}

impl Point {
    /// The point as a place on a curve.
    pub fn place(&self, measure: Measure) -> Place {
        Place { loss: self.loss[0], topics: self.measured(measure).topics.clone() }
    }

    /// For resampling.
    pub fn measured(&self, measure: Measure) -> &Measured {
        &self.measured[measure as usize]
    }
}

impl Trajectory {
    /// The end.
    pub fn end(&self) -> &Point {
        &self.points[self.points.len() - 1]
    }
}

type Key = (FineTune, u64);

/// Puts the cells' tables together, in the order of `wanted`.
///
/// # Errors
///
/// A column is missing, or a fine-tune has no rows.
pub fn read(wanted: &[FineTune], trajectory: &Table, topics: &Table, held_out: &Table) -> Result<Vec<Trajectory>> {
    let scores = Scores::read(topics)?;
    let losses = read_losses(held_out)?;
    let (control, baseline, form) =
        (trajectory.bool("control")?, trajectory.bool("baseline")?, trajectory.text("form")?);
    let triple = |name: &str| -> Result<Vec<[f64; 3]>> {
        let columns = [name.to_owned(), format!("{name}_low"), format!("{name}_high")];
        let [value, low, high] = columns.each_ref().map(|column| trajectory.f64(column));
        let (value, low, high) = (value?, low?, high?);
        Ok((0..value.len()).map(|at| [value[at], low[at], high[at]]).collect())
    };
    let (loss, alignment, misaligned) = (triple("loss_per_token")?, triple("alignment")?, triple("misaligned_rate")?);
    let (coherent, train_loss) = (trajectory.f64("coherent_rate")?, trajectory.f64("train_loss")?);
    let (n, unjudged) = (trajectory.u64("n")?, trajectory.u64("unjudged")?);
    let (rows, unseen) = (trajectory.u64("held_out_rows")?, trajectory.u64("unseen_rows")?);
    let loss_unseen = trajectory.f64("loss_unseen")?;

    let mut by: BTreeMap<FineTune, Vec<(usize, Point)>> = BTreeMap::new();
    for (at, key) in keys(trajectory)?.into_iter().enumerate() {
        let questions = losses.get(&key).cloned().unwrap_or_default();
        let topics = scores.of(&key);
        let point = Point {
            step: key.1,
            loss: loss[at],
            train_loss: train_loss[at],
            alignment: alignment[at],
            misaligned: misaligned[at],
            coherent: coherent[at],
            n: n[at],
            unjudged: unjudged[at],
            held_out: [rows[at], unseen[at]],
            loss_unseen: loss_unseen[at],
            measured: topics.map(|topics| Measured { questions: questions.clone(), topics }),
        };
        by.entry(key.0).or_default().push((at, point));
    }
    let one = |name: &FineTune| {
        let mut points = by.remove(name).ok_or_else(|| Error::Plugin(format!("cell `{}` left no rows", name.id())))?;
        points.sort_by_key(|(_, point)| point.step);
        let at = points[0].0;
        Ok(Trajectory {
            one: name.clone(),
            control: control[at],
            baseline: baseline[at],
            form: form[at].to_owned(),
            points: points.into_iter().map(|(_, point)| point).collect(),
        })
    };
    wanted.iter().map(one).collect()
}

fn keys(table: &Table) -> Result<Vec<Key>> {
    let (family, data, schedule) = (table.text("family")?, table.text("data")?, table.text("schedule")?);
    let (seed, step) = (table.u64("seed")?, table.u64("step")?);
    let key = |at: usize| {
        let [family, data, schedule] = [family[at], data[at], schedule[at]].map(str::to_owned);
        (FineTune { family, data, schedule, seed: seed[at] }, step[at])
    };
    Ok((0..table.rows()).map(key).collect())
}

/// Scores by topic of every point, on the same topics.
struct Scores {
    topics: usize,
    by: BTreeMap<Key, [Vec<f64>; 3]>,
}

impl Scores {
    fn read(table: &Table) -> Result<Self> {
        let names = table.text("topic")?;
        let distinct: Vec<&str> = names.iter().copied().collect::<BTreeSet<&str>>().into_iter().collect();
        let (all, coherent) = (table.f64("alignment")?, table.f64("alignment_coherent")?);
        let misaligned = table.f64("misaligned_rate")?;
        let mut scores = Self { topics: distinct.len(), by: BTreeMap::new() };
        for (at, key) in keys(table)?.into_iter().enumerate() {
            let topic = distinct.partition_point(|known| *known < names[at]);
            let measured = scores.by.entry(key).or_insert_with(|| [0, 1, 2].map(|_| vec![f64::NAN; distinct.len()]));
            let values = [all[at], coherent[at], 100.0 * (1.0 - misaligned[at])];
            measured.iter_mut().zip(values).for_each(|(scores, value)| scores[topic] = value);
        }
        Ok(scores)
    }

    fn of(&self, key: &Key) -> [Vec<f64>; 3] {
        self.by.get(key).cloned().unwrap_or_else(|| [0, 1, 2].map(|_| vec![f64::NAN; self.topics]))
    }
}

/// Nats and tokens of the held-out rows of every point, summed by question; on the same data in the same order.
fn read_losses(table: &Table) -> Result<BTreeMap<Key, Vec<[f64; 2]>>> {
    let (questions, nats, tokens) = (table.text("question")?, table.f64("nats")?, table.f64("tokens")?);
    let mut by: BTreeMap<Key, BTreeMap<&str, [f64; 2]>> = BTreeMap::new();
    for (at, key) in keys(table)?.into_iter().enumerate() {
        let sums = by.entry(key).or_default().entry(questions[at]).or_default();
        *sums = [sums[0] + nats[at], sums[1] + tokens[at]];
    }
    Ok(by.into_iter().map(|(key, sums)| (key, sums.into_values().collect())).collect())
}
