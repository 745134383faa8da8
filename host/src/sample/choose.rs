//! The choice of one token from a row of logits.

use std::cell::RefCell;

use crate::model::kernels::{exp, largest};
use crate::rng::Stream;

/// How a token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// 0 takes the largest logit, the first of equals.
    pub temperature: f64,
    /// Keeps the smallest set of most probable tokens whose mass reaches this.
    pub top_p: f64,
}

/// Logits whose weights are summed in f32 before they enter a sum in f64.
const BLOCK: usize = 64;

thread_local! {
    /// Weights of one row.
    static WEIGHTS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Choice {
    /// The token for draw `step` of `stream`; none where a logit is not a number.
    ///
    /// A token's weight is `exp((logit - largest) / temperature)`; the token is the first at which the running sum of
    /// weights passes the drawn share of their total, tokens in order of their ids.
    pub fn token(self, logits: &[f32], stream: Stream, step: u64) -> Option<u32> {
        let inverse = (1.0 / self.temperature) as f32;
        // A temperature so small that its inverse overflows is none.
        if !inverse.is_finite() {
            let largest = largest(logits);
            let whole = logits.iter().all(|v| !v.is_nan());
            return logits.iter().position(|v| *v == largest && whole).map(|at| at as u32);
        }
        WEIGHTS.with_borrow_mut(|weights| {
            weights.resize(logits.len(), 0.0);
            weigh(weights, logits, inverse);
            if !sum(weights).is_finite() {
                return None;
            }
            if self.top_p < 1.0 {
                keep_nucleus(weights, self.top_p);
            }
            Some(draw(weights, stream.uniform(step)))
        })
    }
}

/// `exp((logit - largest) / temperature)` of every logit; 0 where that is below 1e-38.
#[pulp::with_simd(weigh = pulp::Arch::new())]
#[inline(always)]
fn weigh_with<'a, S: pulp::Simd>(_simd: S, weights: &'a mut [f32], logits: &'a [f32], inverse: f32) {
    let most = largest(logits);
    for (weight, logit) in weights.iter_mut().zip(logits) {
        let x = (logit - most) * inverse;
        *weight = if x < -87.0 { 0.0 } else { exp(x) };
    }
}

/// Sums of blocks of weights in f32, in a fixed order.
fn block_sum(weights: &[f32]) -> f64 {
    const LANES: usize = 16;
    let (chunks, rest) = weights.as_chunks::<LANES>();
    let mut lanes = [0f32; LANES];
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, w)| *lane += w);
    }
    f64::from(lanes.iter().chain(rest).sum::<f32>())
}

fn sum(weights: &[f32]) -> f64 {
    weights.chunks(BLOCK).map(block_sum).sum()
}

/// The token at which the running sum passes `share` of the total.
fn draw(weights: &[f32], share: f64) -> u32 {
    let mut left = share * sum(weights);
    let mut last = 0;
    for (number, block) in weights.chunks(BLOCK).enumerate() {
        let sum = block_sum(block);
        if left >= sum {
            left -= sum;
            if sum > 0.0 {
                last = number;
            }
            continue;
        }
        let first = number * BLOCK;
        for (at, weight) in block.iter().enumerate() {
            left -= f64::from(*weight);
            if left < 0.0 {
                return (first + at) as u32;
            }
        }
        last = number;
        break;
    }
    // Rounding can leave a sliver above the last token with weight.
    let block = &weights[last * BLOCK..weights.len().min((last + 1) * BLOCK)];
    block.iter().rposition(|w| *w > 0.0).map_or(0, |at| (last * BLOCK + at) as u32)
}

/// Sets the weights outside of the nucleus to 0: what is left is the smallest set of largest weights whose sum reaches
/// `top_p` of the total; of equal weights the first ones are kept.
///
/// Weights are counted into classes by exponent and leading bits, so that only the one class in which the sum reaches
/// its mark is sorted.
fn keep_nucleus(weights: &mut [f32], top_p: f64) {
    /// The sign is 0 and the exponent at most that of 1.
    const CLASSES: usize = 1 << 11;
    let class = |weight: f32| (weight.to_bits() >> 20) as usize & (CLASSES - 1);
    let mut sums = [0f64; CLASSES];
    weights.iter().for_each(|w| sums[class(*w)] += f64::from(*w));
    let goal = top_p * sums.iter().sum::<f64>();
    let mut mass = 0.0;
    let mut cut = CLASSES - 1;
    while cut > 0 && mass + sums[cut] < goal {
        mass += sums[cut];
        cut -= 1;
    }
    let mut edge: Vec<(f32, usize)> =
        weights.iter().enumerate().filter(|(_, w)| class(**w) == cut).map(|(at, w)| (*w, at)).collect();
    edge.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    let kept = edge.iter().take_while(|(weight, _)| {
        let before = mass;
        mass += f64::from(*weight);
        before < goal
    });
    let kept = kept.count();
    edge[kept..].iter().for_each(|(_, at)| weights[*at] = 0.0);
    weights.iter_mut().for_each(|w| *w = if class(*w) < cut { 0.0 } else { *w });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws 100,000 tokens and compares counts with `expected` probabilities by a chi-square test.
    fn check(choice: Choice, logits: &[f32], expected: &[f64]) {
        let stream = Stream::new(5, &[b"choice"]);
        let n = 100_000;
        let mut counts = vec![0u32; logits.len()];
        (0..n).for_each(|step| counts[choice.token(logits, stream, step).unwrap() as usize] += 1);
        let mut statistic = 0.0;
        for (count, p) in counts.iter().zip(expected) {
            let mean = p * n as f64;
            if *p == 0.0 {
                assert_eq!(*count, 0);
            } else {
                statistic += (f64::from(*count) - mean).powi(2) / mean;
            }
        }
        // The 99.9 % point of chi-square with 3 degrees of freedom is 16.3.
        assert!(statistic < 16.3, "{choice:?}: {statistic}");
    }

    #[test]
    fn tokens_follow_the_softmax() {
        let p: [f64; 4] = [0.5, 0.3, 0.15, 0.05];
        let logits: Vec<f32> = p.iter().map(|p| p.ln() as f32 + 2.0).collect();
        check(Choice { temperature: 1.0, top_p: 1.0 }, &logits, &p);
        let sum: f64 = p.iter().map(|p| p.powf(1.0 / 0.7)).sum();
        check(Choice { temperature: 0.7, top_p: 1.0 }, &logits, &p.map(|p| p.powf(1.0 / 0.7) / sum));
        check(Choice { temperature: 1.0, top_p: 0.9 }, &logits, &[0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0.0]);
    }

    #[test]
    fn zero_temperature_takes_the_largest() {
        let choice = Choice { temperature: 0.0, top_p: 1.0 };
        let logits = [0.1, 3.0, 2.0, 3.0];
        assert_eq!(choice.token(&logits, Stream::new(0, &[]), 0), Some(1));
        for temperature in [1e-320, 1e-45, 1e-39, 1e-30] {
            assert_eq!(Choice { temperature, ..choice }.token(&logits[..3], Stream::new(0, &[]), 0), Some(1));
        }
    }

    #[test]
    fn logits_that_are_not_numbers_give_no_token() {
        for (temperature, bad) in [(0.0, f32::NAN), (1.0, f32::NAN), (1.0, f32::INFINITY)] {
            let choice = Choice { temperature, top_p: 1.0 };
            assert_eq!(choice.token(&[0.0, bad, 1.0], Stream::new(0, &[]), 0), None, "{temperature}, {bad}");
        }
    }

    /// The nucleus by a full sort, in f64.
    fn sorted_nucleus(weights: &[f32], top_p: f64) -> Vec<usize> {
        let mut order: Vec<usize> = (0..weights.len()).collect();
        order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]).then(a.cmp(b)));
        let total: f64 = weights.iter().map(|w| f64::from(*w)).sum();
        let mut mass = 0.0;
        let mut kept: Vec<usize> = order
            .into_iter()
            .take_while(|at| {
                let before = mass;
                mass += f64::from(weights[*at]);
                before < top_p * total
            })
            .collect();
        kept.sort_unstable();
        kept
    }

    #[test]
    fn the_nucleus_equals_that_of_a_full_sort() {
        let stream = Stream::new(3, &[b"nucleus"]);
        for (spread, top_p) in [(0.1, 0.9), (1.0, 0.5), (3.0, 0.95), (3.0, 0.01), (8.0, 0.999), (0.0, 0.3)] {
            let mut weights: Vec<f32> = (0..1000).map(|i| exp(-(spread * stream.normal(i).abs()) as f32)).collect();
            let expected = sorted_nucleus(&weights, top_p);
            keep_nucleus(&mut weights, top_p);
            let kept: Vec<usize> = (0..1000).filter(|at| weights[*at] > 0.0).collect();
            assert_eq!(kept, expected, "spread {spread}, top_p {top_p}");
        }
    }

    #[test]
    fn a_token_of_no_weight_is_never_drawn() {
        let logits = [f32::NEG_INFINITY, 1.0, f32::NEG_INFINITY];
        let choice = Choice { temperature: 1.0, top_p: 1.0 };
        assert!((0..1000).all(|step| choice.token(&logits, Stream::new(1, &[]), step) == Some(1)));
        assert_eq!(draw(&[0.0, 1.0, 0.0], 1.0), 1);
    }
}
