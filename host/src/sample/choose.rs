//! The choice of one token from a row of logits.

use crate::rng::Stream;

/// How a token is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// 0 takes the largest logit, the first of equals.
    pub temperature: f64,
    /// Keeps the smallest set of most probable tokens whose mass reaches this.
    pub top_p: f64,
}

impl Choice {
    /// The token for draw `step` of `stream`.
    pub fn token(self, logits: &[f32], stream: Stream, step: u64) -> u32 {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if self.temperature == 0.0 {
            return logits.iter().position(|v| *v == largest).unwrap_or(0) as u32;
        }
        let weight = |v: f32| (f64::from(v - largest) / self.temperature).exp();
        let mut weights: Vec<(u32, f64)> = (0..).zip(logits.iter().map(|v| weight(*v))).collect();
        if self.top_p < 1.0 {
            let total: f64 = weights.iter().map(|(_, w)| w).sum();
            weights.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            let mut mass = 0.0;
            let kept = weights.iter().take_while(|(_, w)| {
                let before = mass;
                mass += w / total;
                before < self.top_p
            });
            let kept = kept.count().max(1);
            weights.truncate(kept);
        }
        let total: f64 = weights.iter().map(|(_, w)| w).sum();
        let mut left = stream.uniform(step) * total;
        for (token, weight) in &weights {
            left -= weight;
            if left < 0.0 {
                return *token;
            }
        }
        // Rounding can leave a sliver above the last token with weight.
        weights.iter().rev().find(|(_, w)| *w > 0.0).map_or(0, |(token, _)| *token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws 100,000 tokens and compares counts with `expected` probabilities by a chi-square test.
    fn check(choice: Choice, logits: &[f32], expected: &[f64]) {
        let stream = Stream::new(5, &[b"choice"]);
        let n = 100_000;
        let mut counts = vec![0u32; logits.len()];
        (0..n).for_each(|step| counts[choice.token(logits, stream, step) as usize] += 1);
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
        assert_eq!(choice.token(&[0.1, 3.0, 2.0, 3.0], Stream::new(0, &[]), 0), 1);
    }
}
