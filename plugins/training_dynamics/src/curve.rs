//! The baseline's alignment as a function of its loss.

/// A fine-tune at one moment: its held-out loss, and the mean score of its answers on each topic (NaN where none has one).
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// Nats per token.
    pub loss: f64,
    /// By topic.
    pub topics: Vec<f64>,
}

/// Alignment by topic against loss, linear between checkpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// Ascending.
    losses: Vec<f64>,
    /// Of each loss, the scores by topic.
    topics: Vec<Vec<f64>>,
}

/// What a curve says of a loss.
#[derive(Debug, Clone, PartialEq)]
pub enum Matched {
    /// The loss of the curve that was taken, and the scores by topic there.
    Equal(f64, Vec<f64>),
    /// The curve never gets that low.
    Below,
    /// The curve begins lower.
    Above,
}

impl Curve {
    /// The curve of fine-tunes that differ in their seed: means over seeds at each checkpoint. Of checkpoints that do not
    /// lower the loss nothing is kept, so that a loss is compared with the first time that it was reached.
    ///
    /// None where there is no checkpoint that all have.
    pub fn pooled(seeds: &[&[Place]]) -> Option<Self> {
        let checkpoints = seeds.iter().map(|places| places.len()).min().filter(|&count| count > 0)?;
        let mut curve = Self { losses: Vec::new(), topics: Vec::new() };
        for at in 0..checkpoints {
            let there = mean_place(seeds.iter().map(|places| &places[at]));
            if curve.losses.last().is_none_or(|lowest| there.loss < *lowest) {
                curve.losses.push(there.loss);
                curve.topics.push(there.topics);
            }
        }
        curve.losses.reverse();
        curve.topics.reverse();
        Some(curve)
    }

    /// The lowest loss.
    pub fn lowest(&self) -> f64 {
        self.losses[0]
    }

    /// The scores at a loss. One that is lower than the lowest by no more than the tolerance is taken as the lowest.
    pub fn at(&self, loss: f64, tolerance: f64) -> Matched {
        let lowest = self.lowest();
        let taken = if loss < lowest && loss >= lowest - tolerance { lowest } else { loss };
        let of_topic = |topic: usize| {
            let scores: Vec<f64> = self.topics.iter().map(|scores| scores[topic]).collect();
            interpolate(taken, &self.losses, &scores)
        };
        match (0..self.topics[0].len()).map(of_topic).collect::<Option<Vec<f64>>>() {
            Some(topics) => Matched::Equal(taken, topics),
            None if loss < lowest => Matched::Below,
            None => Matched::Above,
        }
    }
}

/// The mean of some moments.
///
/// # Panics
///
/// There are none.
pub fn mean_place<'a>(places: impl Iterator<Item = &'a Place>) -> Place {
    let places: Vec<&Place> = places.collect();
    let mean =
        |values: &dyn Fn(&Place) -> f64| places.iter().map(|place| values(place)).sum::<f64>() / places.len() as f64;
    Place {
        loss: mean(&|place| place.loss),
        topics: (0..places[0].topics.len()).map(|topic| mean(&|place| place.topics[topic])).collect(),
    }
}

/// `y` at `x`, in straight lines between the points, as `numpy.interp` over ascending `xs`; none outside of them.
///
/// ```
/// use training_dynamics::interpolate;
/// assert_eq!(interpolate(1.5, &[1.0, 2.0, 4.0], &[10.0, 20.0, 0.0]), Some(15.0));
/// assert_eq!(interpolate(0.9, &[1.0, 2.0, 4.0], &[10.0, 20.0, 0.0]), None);
/// ```
pub fn interpolate(x: f64, xs: &[f64], ys: &[f64]) -> Option<f64> {
    let (first, last) = (*xs.first()?, *xs.last()?);
    if !(first..=last).contains(&x) {
        return None;
    }
    let above = xs.partition_point(|&known| known < x);
    if xs[above] == x {
        return Some(ys[above]);
    }
    let slope = (ys[above] - ys[above - 1]) / (xs[above] - xs[above - 1]);
    Some(ys[above - 1] + slope * (x - xs[above - 1]))
}
