//! Which schedules no other one beats in both loss and alignment.

use crate::resample::{Draw, Measured, percentiles, undrawn};

/// Whether each point, a loss and an alignment, is on the front: no other has a loss as low and an alignment as high, and
/// one of them better. A point with a missing number is not on it.
///
/// ```
/// use training_dynamics::on_front;
/// assert_eq!(on_front(&[[1.0, 50.0], [2.0, 60.0], [2.0, 40.0]]), [true, true, false]);
/// ```
pub fn on_front(points: &[[f64; 2]]) -> Vec<bool> {
    let beats = |[loss, alignment]: [f64; 2], than: [f64; 2]| {
        loss <= than[0] && alignment >= than[1] && (loss < than[0] || alignment > than[1])
    };
    let known = |point: &[f64; 2]| !point[0].is_nan() && !point[1].is_nan();
    points.iter().map(|point| known(point) && !points.iter().any(|other| beats(*other, *point))).collect()
}

/// What a schedule comes to, over its seeds.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Mean loss, with its interval over drawn questions and seeds.
    pub loss: [f64; 3],
    /// Mean alignment, with its interval over drawn topics and seeds.
    pub alignment: [f64; 3],
    /// Loss minus that of the first schedule, with its interval over the same draws.
    pub loss_difference: [f64; 3],
    /// Whether it is on the front.
    pub on_front: bool,
    /// Share of the draws in which it is.
    pub front_share: f64,
}

/// The ends of schedules, each with its seeds, against each other; the first one is the baseline.
///
/// A draw takes the same topics and held-out questions for all, and seeds of each schedule by themselves.
pub fn standings(schedules: &[Vec<&Measured>], draws: usize, seed: u64) -> Vec<Standing> {
    let Some(first) = schedules.first().and_then(|seeds| seeds.first()) else { return Vec::new() };
    let (questions, topics) = (first.questions.len(), first.topics.len());
    let points: Vec<[f64; 2]> = schedules.iter().map(|seeds| undrawn(seeds.iter().copied())).collect();
    let drawn: Vec<Vec<[f64; 2]>> = (0..draws as u64)
        .map(|draw| {
            let mut draw = Draw::new(seed, draw, questions, topics);
            let of_schedule = |seeds: &Vec<&Measured>| {
                let chosen = draw.seeds(seeds.len());
                draw.drawn(chosen.iter().map(|&at| seeds[at]))
            };
            schedules.iter().map(of_schedule).collect()
        })
        .collect();
    let mut fronts = vec![0usize; schedules.len()];
    for points in &drawn {
        fronts.iter_mut().zip(on_front(points)).for_each(|(count, on)| *count += usize::from(on));
    }
    let now = on_front(&points);
    let standing = |at: usize| {
        let interval = |value: f64, of: &dyn Fn(&Vec<[f64; 2]>) -> f64| {
            let [low, high] = percentiles(drawn.iter().map(of).collect());
            [value, low, high]
        };
        Standing {
            loss: interval(points[at][0], &|draw| draw[at][0]),
            alignment: interval(points[at][1], &|draw| draw[at][1]),
            loss_difference: interval(points[at][0] - points[0][0], &|draw| draw[at][0] - draw[0][0]),
            on_front: now[at],
            front_share: fronts[at] as f64 / draws as f64,
        }
    };
    (0..schedules.len()).map(standing).collect()
}
