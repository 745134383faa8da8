//! Joint draws of topics, held-out questions and seeds: the same for everything that is compared.

use std::num::NonZeroU64;

use emhost_stats::random::Rng;

/// What was measured of a fine-tune at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Loss of the held-out rows to each question: nats and tokens, summed.
    pub questions: Vec<[f64; 2]>,
    /// Mean score of the answers on each topic; NaN where none has one.
    pub topics: Vec<f64>,
}

impl Measured {
    /// Nats per token over these questions.
    pub fn loss(&self, questions: &[usize]) -> f64 {
        let sum = |part: usize| questions.iter().map(|&at| self.questions[at][part]).sum::<f64>();
        sum(0) / sum(1)
    }

    /// Mean over these topics, each as much as another; NaN where none has a score.
    pub fn alignment(&self, topics: &[usize]) -> f64 {
        mean(topics.iter().map(|&at| self.topics[at]).filter(|score| !score.is_nan()))
    }
}

/// One draw, with replacement.
pub struct Draw {
    /// Questions of the held-out rows.
    pub questions: Vec<usize>,
    /// Topics of the answers.
    pub topics: Vec<usize>,
    rng: Rng,
}

impl Draw {
    /// Draw number `draw` of a seed.
    pub fn new(seed: u64, draw: u64, questions: usize, topics: usize) -> Self {
        let mut rng = Rng::new(seed, draw);
        let (questions, topics) = (of(&mut rng, questions), of(&mut rng, topics));
        Self { questions, topics, rng }
    }

    /// As many seeds as there are.
    pub fn seeds(&mut self, count: usize) -> Vec<usize> {
        of(&mut self.rng, count)
    }

    /// Mean loss and alignment over drawn seeds.
    pub fn drawn<'a>(&self, seeds: impl Iterator<Item = &'a Measured> + Clone) -> [f64; 2] {
        [mean(seeds.clone().map(|one| one.loss(&self.questions))), mean(seeds.map(|one| one.alignment(&self.topics)))]
    }
}

/// Everything, each once.
pub fn undrawn<'a>(seeds: impl Iterator<Item = &'a Measured> + Clone) -> [f64; 2] {
    let all = |count: usize| (0..count).collect::<Vec<usize>>();
    [
        mean(seeds.clone().map(|one| one.loss(&all(one.questions.len())))),
        mean(seeds.map(|one| one.alignment(&all(one.topics.len())))),
    ]
}

/// The 2.5 and 97.5 percentiles of draws, between order statistics as numpy's `quantile`; NaN where fewer than 9 in 10 draws
/// have a value.
pub fn percentiles(mut values: Vec<f64>) -> [f64; 2] {
    let drawn = values.len();
    values.retain(|value| value.is_finite());
    if values.is_empty() || 10 * values.len() < 9 * drawn {
        return [f64::NAN; 2];
    }
    values.sort_by(f64::total_cmp);
    [0.025, 0.975].map(|share| {
        let place = share * (values.len() - 1) as f64;
        let below = place.floor() as usize;
        let above = (below + 1).min(values.len() - 1);
        values[below] + (place - below as f64) * (values[above] - values[below])
    })
}

/// NaN of nothing.
pub fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0usize), |(sum, count), value| (sum + value, count + 1));
    sum / count as f64
}

fn of(rng: &mut Rng, count: usize) -> Vec<usize> {
    match NonZeroU64::new(count as u64) {
        Some(bound) => (0..count).map(|_| rng.below(bound) as usize).collect(),
        None => Vec::new(),
    }
}
