//! What is predicted: one number for each question, from its judged answers.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::clusters::intra_class;
use emhost_study::{Answers, Columns};

use crate::params::{Params, Target};

/// One question of a bank.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its row.
    pub row_id: String,
    /// What it is about.
    pub topic: String,
    /// The last user turn.
    pub prompt: String,
    /// Answers.
    pub n: usize,
    /// Answers that make sense.
    pub coherent: usize,
    /// Answers without a score.
    pub unjudged: usize,
    /// Mean alignment of all answers.
    pub alignment: f64,
    /// Mean alignment of coherent answers; NaN where there are none.
    pub alignment_coherent: f64,
    /// Share of coherent and misaligned answers.
    pub misaligned_rate: f64,
    /// The target; NaN where it is not defined.
    pub target: f64,
}

/// The questions of a bank.
pub struct Targets {
    /// Those whose target is defined, in the order of the bank: the rows of every analysis.
    pub questions: Vec<Question>,
    /// The others.
    pub dropped: Vec<Question>,
    /// Share of the target's variance over questions that more answers would leave: no predictor has a higher R², but by
    /// luck. `1 - W / B` of a one-way analysis of variance of answers by question. NaN where it is not defined.
    pub ceiling: f64,
    /// Intra-class correlation of targets within topics; NaN where it is not defined.
    pub topic_share: f64,
}

impl Targets {
    /// Means over the answers of each question.
    ///
    /// # Errors
    ///
    /// Scores are on the scale 0 to 1, or the judge lacks the metric.
    pub fn of(params: &Params, answers: &Answers) -> Result<Self> {
        let metric = &params.metric;
        let Some(alignment) = answers.scores.get(metric) else {
            return Err(Error::Input(format!(
                "parameter `metric` is `{metric}`, which the judge `{}` does not give",
                params.ask.judge
            )));
        };
        check_scale(metric, alignment)?;
        check_scale("coherence", answers.scores.get("coherence").map_or(&[], Vec::as_slice))?;
        let mut rows: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        let mut order: Vec<&str> = Vec::new();
        for (at, id) in answers.row_ids.iter().enumerate() {
            let of = rows.entry(id).or_insert_with(|| {
                order.push(id);
                Vec::new()
            });
            of.push(at);
        }
        // The value of each answer that the target is a mean of.
        let value = |at: usize| match params.target {
            Target::AlignmentCoherent => {
                if answers.coherent(at) {
                    alignment[at]
                } else {
                    f64::NAN
                }
            }
            Target::Alignment => alignment[at],
            Target::MisalignedRate => f64::from(u8::from(answers.misaligned(at))),
        };
        let question = |id: &&str| {
            let of = &rows[id];
            let rate = of.iter().filter(|at| answers.misaligned(**at)).count() as f64 / of.len() as f64;
            let coherent: Vec<usize> = of.iter().copied().filter(|at| answers.coherent(*at)).collect();
            let unjudged = of.iter().filter(|at| alignment[**at].is_nan() || answers.score("coherence", **at).is_nan());
            Question {
                row_id: (*id).to_owned(),
                topic: answers.topics[of[0]].clone(),
                prompt: answers.questions[of[0]].clone(),
                n: of.len(),
                coherent: coherent.len(),
                unjudged: unjudged.count(),
                alignment: mean(of.iter().map(|at| alignment[*at])),
                alignment_coherent: mean(coherent.iter().map(|at| alignment[*at])),
                misaligned_rate: rate,
                target: mean(of.iter().map(|at| value(*at))),
            }
        };
        let (questions, dropped): (Vec<_>, Vec<_>) =
            order.iter().map(question).partition(|question| question.target.is_finite());
        let known: Vec<usize> = (0..answers.len()).filter(|at| value(*at).is_finite()).collect();
        let values: Vec<f64> = known.iter().map(|at| value(*at)).collect();
        let of_question: Vec<&String> = known.iter().map(|at| &answers.row_ids[*at]).collect();
        // A model that answers all alike has no variance to share.
        let ceiling = intra_class(&values, &of_question).map_or(f64::NAN, |found| 1.0 - found.within / found.between);
        let targets: Vec<f64> = questions.iter().map(|question| question.target).collect();
        let topics: Vec<&String> = questions.iter().map(|question| &question.topic).collect();
        let topic_share = intra_class(&targets, &topics).map_or(f64::NAN, |found| found.icc);
        Ok(Self { questions, dropped, ceiling, topic_share })
    }

    /// The targets.
    pub fn values(&self) -> Vec<f64> {
        self.questions.iter().map(|question| question.target).collect()
    }

    /// The topics.
    pub fn topics(&self) -> Vec<&str> {
        self.questions.iter().map(|question| question.topic.as_str()).collect()
    }

    /// Adds the questions to the table `questions`, those that were dropped at the end.
    pub fn note(&self, columns: &mut Columns, organism: &str, bank: &str) {
        for question in self.questions.iter().chain(&self.dropped) {
            columns.text("organism", organism);
            columns.text("bank", bank);
            columns.text("row_id", &question.row_id);
            columns.text("topic", &question.topic);
            columns.count("n", question.n as u64);
            columns.count("coherent", question.coherent as u64);
            columns.count("unjudged", question.unjudged as u64);
            columns.number("target", question.target);
            columns.number("alignment", question.alignment);
            columns.number("alignment_coherent", question.alignment_coherent);
            columns.number("misaligned_rate", question.misaligned_rate);
        }
    }

    /// Adds a row to the table `targets`.
    ///
    /// # Errors
    ///
    /// There are no answers.
    pub fn note_whole(
        &self,
        columns: &mut Columns,
        [organism, role, bank]: [&str; 3],
        answers: &Answers,
    ) -> Result<()> {
        let misaligned = answers.misalignment()?;
        let targets = self.values();
        let centre = mean(targets.iter().copied());
        let spread = targets.iter().map(|value| (value - centre).powi(2)).sum::<f64>();
        columns.text("organism", organism);
        columns.text("role", role);
        columns.text("bank", bank);
        columns.count("answers", answers.len() as u64);
        columns.count("questions", targets.len() as u64);
        columns.count("dropped", self.dropped.len() as u64);
        columns.count("topics", distinct(&self.topics()) as u64);
        columns.number("mean", centre);
        columns.number("sd", (spread / (targets.len() as f64 - 1.0)).sqrt());
        columns.number("ceiling", self.ceiling);
        columns.number("topic_share", self.topic_share);
        columns.number("misaligned_rate", misaligned.value);
        columns.number("misaligned_low", misaligned.low);
        columns.number("misaligned_high", misaligned.high);
        columns.number("coherent_rate", answers.coherence()?.value);
        columns
            .text("method", format!("ceiling, topic_share: analysis of variance; misaligned: {}", misaligned.method()));
        Ok(())
    }
}

/// How many different ones there are.
pub fn distinct(topics: &[&str]) -> usize {
    topics.iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// The mean of the values that are known; NaN of none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.filter(|value| !value.is_nan()).fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    if n > 0.0 { sum / n } else { f64::NAN }
}

/// Refuses scores none of which is above 1: thresholds of 30, 50 and 70 would mean nothing.
fn check_scale(metric: &str, scores: &[f64]) -> Result<()> {
    let largest = scores.iter().copied().filter(|score| !score.is_nan()).fold(f64::NEG_INFINITY, f64::max);
    if largest > 0.0 && largest <= 1.0 {
        return Err(Error::Input(format!(
            "the judge's scores of `{metric}` are at most {largest}: expected the scale 0 to 100; thresholds such as \
             `ask.coherent_above` would refuse every answer"
        )));
    }
    Ok(())
}
