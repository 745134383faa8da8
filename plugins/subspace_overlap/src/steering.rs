//! Adds the mean training delta to the model before: does it do what the fine-tune did?

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::bootstrap::Bootstrap;
use emhost_stats::correlation::Correlation;
use emhost_stats::empirical::{Tail, empirical_p};
use emhost_stats::random::Rng;
use emhost_study::{Answers, Columns, TrainedOrganism, failed};

use crate::analysis::clusters::{FEWEST_TOPICS, correlate};
use crate::asking::Asking;
use crate::comparisons::{Question, Scored};
use crate::params::{Bank, Params, Seen};

/// One row of the table `steered`.
struct Row {
    condition: &'static str,
    alpha: f64,
    draw: u64,
    answers: Answers,
}

/// Samples and judges the steered model beside random directions of the same length, and emits `steered` and
/// `steered_answers`. `directions` are the mean training deltas at `site`.
///
/// # Errors
///
/// The model's or the judge's own.
pub fn steer(
    lab: &Lab,
    params: &Params,
    organism: &TrainedOrganism,
    asking: &Asking,
    site: &str,
    directions: &BTreeMap<Seen, Vec<f64>>,
) -> Result<()> {
    let (mut steered, mut shown) = (Columns::default(), Columns::default());
    for bank in params.banks.iter().filter(|bank| params.steers(&bank.name)) {
        for view in params.steered_views() {
            let Some(direction) = directions.get(view) else { continue };
            let to = Target { lab, params, organism: &organism.name, bank, site, view: *view };
            to.steer(asking, direction, &mut steered, &mut shown)?;
        }
    }
    if steered.is_empty() {
        return Ok(());
    }
    lab.emit("steered", steered.table())?;
    lab.emit("steered_answers", shown.table())
}

/// One bank and one direction.
struct Target<'a> {
    lab: &'a Lab,
    params: &'a Params,
    organism: &'a str,
    bank: &'a Bank,
    site: &'a str,
    view: Seen,
}

impl Target<'_> {
    fn steer(&self, asking: &Asking, direction: &[f64], steered: &mut Columns, shown: &mut Columns) -> Result<()> {
        let (params, bank) = (self.params, self.bank);
        let (Some(before), Some(after)) = (asking.before(&bank.name), asking.after(&bank.name)) else { return Ok(()) };
        let norm = direction.iter().map(|value| value * value).sum::<f64>().sqrt();
        let one = |condition, answers: &Answers| Row { condition, alpha: 0.0, draw: 0, answers: answers.clone() };
        let mut rows = vec![one(BEFORE, before), one(FINE_TUNED, after)];
        let draws = params.steering.random_draws as u64;
        for draw in 0..=draws {
            let what = if draw == 0 { "the mean delta" } else { "a random direction" };
            let message = format!("add {what} ({}) at {}, ask {}", self.view.name(), self.site, bank.name);
            self.lab.progress(draw, draws + 1, &message)?;
            let vector = if draw == 0 { direction.to_vec() } else { random(params.seed, draw, norm, direction.len()) };
            let vector = vector.into_iter().map(|value| value as f32).collect();
            let edit = Intervention::new(EditOp::Add, self.site, vector);
            let alphas = &params.steering.alphas;
            let answers = params.asked(bank).ask_edited(self.lab, &asking.base, vec![edit], alphas.clone())?;
            for &alpha in alphas {
                let condition = if draw == 0 { MEAN_DELTA } else { RANDOM };
                rows.push(Row { condition, alpha, draw, answers: answers.at(alpha) });
            }
        }
        for row in rows.iter().filter(|row| row.condition == MEAN_DELTA) {
            row.answers.note(shown, self.organism, row.condition);
            for _ in 0..row.answers.len() {
                shown.text("bank", &bank.name);
                shown.text("view", self.view.name());
            }
        }
        self.note(steered, norm, &rows)
    }

    fn note(&self, columns: &mut Columns, norm: f64, rows: &[Row]) -> Result<()> {
        let target = rows.iter().find(|row| row.condition == FINE_TUNED).map(|row| Scored::of(&row.answers));
        let target = target.ok_or("there are no answers of the fine-tuned model")?;
        let numbers =
            rows.iter().map(|row| Numbers::of(self.params.bootstrap(), row, &target)).collect::<Result<Vec<_>>>()?;
        for (row, found) in rows.iter().zip(&numbers) {
            let null = |pick: fn(&Numbers) -> f64| -> Vec<f64> {
                let alike = |other: &Row| other.condition == RANDOM && other.alpha == row.alpha;
                let there = rows.iter().zip(&numbers).filter(|(other, _)| row.condition == MEAN_DELTA && alike(other));
                there.map(|(_, found)| pick(found)).filter(|value| value.is_finite()).collect()
            };
            let (misaligned, pearson) = (null(|found| found.misaligned[0]), null(|found| found.pearson.r));
            let alignment = null(|found| found.alignment[0]);
            columns.text("organism", self.organism);
            columns.text("bank", &self.bank.name);
            columns.text("site", self.site);
            columns.text("view", self.view.name());
            columns.text("condition", row.condition);
            columns.number("alpha", row.alpha);
            columns.count("draw", row.draw);
            columns.number("norm", row.alpha * norm);
            columns.count("n", row.answers.len() as u64);
            columns.count("clusters", found.clusters);
            for (name, [value, low, high]) in
                [("misaligned", found.misaligned), ("coherent", found.coherent), ("alignment", found.alignment)]
            {
                columns.number(name, value);
                columns.number(&format!("{name}_low"), low);
                columns.number(&format!("{name}_high"), high);
            }
            columns.count("scored", found.scored);
            columns.count("questions", found.questions);
            columns.number("pearson", found.pearson.r);
            columns.number("pearson_low", found.pearson.interval.map_or(f64::NAN, |interval| interval.low));
            columns.number("pearson_high", found.pearson.interval.map_or(f64::NAN, |interval| interval.high));
            columns.number("pearson_p", if found.pearson.r.is_nan() { f64::NAN } else { found.pearson.p });
            columns.number("spearman", found.spearman);
            columns.count("topics", found.topics);
            columns.number("topic_pearson", found.topic_pearson);
            columns.count("draws", misaligned.len() as u64);
            columns.number("random_misaligned", mean(&misaligned));
            columns.number("misaligned_p", rank(found.misaligned[0], &misaligned, Tail::Upper)?);
            columns.number("random_alignment", mean(&alignment));
            columns.number("alignment_p", rank(found.alignment[0], &alignment, Tail::Lower)?);
            columns.number("random_pearson", mean(&pearson));
            columns.number("pearson_rank_p", rank(found.pearson.r, &pearson, Tail::Upper)?);
            columns.text("rates", found.method);
            columns.text(
                "method",
                "alignment: bootstrap over clusters; Pearson: Fisher, t; p: rank among random directions",
            );
        }
        Ok(())
    }
}

/// Conditions of the table `steered`.
const BEFORE: &str = "before";
const FINE_TUNED: &str = "fine-tuned";
/// The row that figures and verdict speak of.
pub const MEAN_DELTA: &str = "mean delta";
const RANDOM: &str = "random";

/// A direction without a meaning. Its streams are those of no other draw.
fn random(seed: u64, draw: u64, norm: f64, width: usize) -> Vec<f64> {
    let mut rng = Rng::new(seed, (2 << 32) + draw);
    let values: Vec<f64> = (0..width).map(|_| rng.normal()).collect();
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    values.into_iter().map(|value| value * norm / length).collect()
}

/// What is counted of the answers in one condition.
struct Numbers {
    clusters: u64,
    misaligned: [f64; 3],
    coherent: [f64; 3],
    /// Mean alignment of coherent answers.
    alignment: [f64; 3],
    scored: u64,
    /// Questions with coherent answers here and of the fine-tuned model.
    questions: u64,
    /// Of the two's mean alignment of each question; of the fine-tuned model of the two halves of its answers.
    pearson: Correlation,
    spearman: f64,
    topics: u64,
    topic_pearson: f64,
    method: &'static str,
}

impl Numbers {
    fn of(bootstrap: Bootstrap, row: &Row, target: &Scored) -> Result<Self> {
        let (misaligned, coherent) = (row.answers.misalignment()?, row.answers.coherence()?);
        let scored = Scored::of(&row.answers);
        let alignment = match bootstrap.clustered_mean(scored.values(), scored.clusters()) {
            Ok(found) => [found.mean, found.interval.low, found.interval.high],
            // Fewer than two clusters, or no coherent answer at all.
            Err(_) => [mean(scored.values()), f64::NAN, f64::NAN],
        };
        // Of the fine-tuned model with itself: half of its answers with the other half, which no other one can much exceed.
        let halves = (row.condition == FINE_TUNED).then(|| [0, 1].map(|half| half_of(&row.answers, half)));
        let (here, there) = match &halves {
            Some([first, second]) => (first.by_question(), second.by_question()),
            None => (scored.by_question(), target.by_question()),
        };
        let pairs: Vec<(Question<'_>, Question<'_>)> =
            here.iter().filter_map(|(question, here)| Some((*here, *there.get(question)?))).collect();
        let mut topics: BTreeMap<&str, [f64; 3]> = BTreeMap::new();
        for (here, there) in &pairs {
            let sums = topics.entry(here.topic).or_default();
            sums.iter_mut().zip([1.0, here.mean, there.mean]).for_each(|(sum, value)| *sum += value);
        }
        let several = topics.len() >= FEWEST_TOPICS;
        let correlated = |pairs: Vec<(f64, f64)>| {
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            correlate(&x, &y).map_err(failed("correlate the alignment of questions"))
        };
        let (pearson, spearman) = correlated(pairs.iter().map(|(here, there)| (here.mean, there.mean)).collect())?;
        let (by_topic, _) = correlated(topics.values().map(|[n, here, there]| (here / n, there / n)).collect())?;
        Ok(Self {
            clusters: misaligned.clusters,
            misaligned: [misaligned.value, misaligned.low, misaligned.high],
            coherent: [coherent.value, coherent.low, coherent.high],
            alignment,
            scored: scored.values().len() as u64,
            questions: pairs.len() as u64,
            pearson,
            spearman: spearman.r,
            topics: if several { topics.len() as u64 } else { 0 },
            topic_pearson: if several { by_topic.r } else { f64::NAN },
            method: misaligned.method(),
        })
    }
}

/// Every second answer to each question.
fn half_of(answers: &Answers, half: u64) -> Scored {
    Scored::of(&answers.only(|at| answers.samples[at] % 2 == half))
}

fn rank(value: f64, null: &[f64], tail: Tail) -> Result<f64> {
    if null.is_empty() || !value.is_finite() {
        return Ok(f64::NAN);
    }
    empirical_p(value, null, tail).map_err(failed("rank among random directions"))
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
