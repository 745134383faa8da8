//! How often intervals over few questions hold the true rate, in simulated studies: 50 samples per question, each question
//! with its own rate.

use emhost_stats::bootstrap::Bootstrap;
use emhost_stats::clusters::{clustered_mean, clustered_rate, korn_graubard};
use emhost_stats::interval::{Interval, wilson};
use emhost_stats::random::Rng;

const SAMPLES: usize = 50;
const STUDIES: u64 = 2000;

/// How the rates of questions spread around the true rate.
#[derive(Clone, Copy, Debug)]
enum Spread {
    /// A beta distribution with this intra-class correlation.
    Beta(f64),
    /// A normal distribution of log odds with this deviation.
    LogitNormal(f64),
}

/// Marsaglia and Tsang 2000, "A simple method for generating gamma variables".
fn gamma(rng: &mut Rng, shape: f64) -> f64 {
    if shape < 1.0 {
        return gamma(rng, shape + 1.0) * (1.0 - rng.uniform()).powf(1.0 / shape);
    }
    let d = shape - 1.0 / 3.0;
    loop {
        let x = rng.normal();
        let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && (1.0 - rng.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

fn odds_to_rate(log_odds: f64) -> f64 {
    1.0 / (1.0 + (-log_odds).exp())
}

/// The mean of the log odds for which the mean rate is `rate`, by bisection on a trapezoid sum over 12 deviations.
fn center(rate: f64, deviation: f64) -> f64 {
    let mean = |center: f64| {
        let points = (-600..=600).map(|i| f64::from(i) / 100.0);
        let (sum, all) = points.fold((0.0, 0.0), |(sum, all), z| {
            let weight = (-z * z / 2.0).exp();
            (sum + weight * odds_to_rate(center + deviation * z), all + weight)
        });
        sum / all
    };
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..80 {
        let middle = f64::midpoint(low, high);
        if mean(middle) < rate { low = middle } else { high = middle }
    }
    low
}

/// The answers of a study, question by question.
fn study(rng: &mut Rng, questions: usize, rate: f64, spread: Spread, center: f64) -> Vec<bool> {
    let mut hits = Vec::with_capacity(questions * SAMPLES);
    for _ in 0..questions {
        let own = match spread {
            Spread::Beta(correlation) => {
                let strength = 1.0 / correlation - 1.0;
                let (a, b) = (gamma(rng, rate * strength), gamma(rng, (1.0 - rate) * strength));
                a / (a + b)
            }
            Spread::LogitNormal(deviation) => odds_to_rate(center + deviation * rng.normal()),
        };
        hits.extend((0..SAMPLES).map(|_| rng.uniform() < own));
    }
    hits
}

type Method = (&'static str, fn(&[bool], &[usize]) -> Interval);

const DEFAULT: Method =
    ("clustered_rate", |hits, names| clustered_rate(hits, names, 0.95).expect("several clusters").interval);
const NAIVE: Method =
    ("wilson", |hits, _| wilson(hits.iter().filter(|&&hit| hit).count(), hits.len(), 0.95).expect("proper counts"));
const KORN_GRAUBARD: Method =
    ("korn_graubard", |hits, names| korn_graubard(hits, names, 0.95).expect("several clusters").interval);
const T: Method = ("clustered_mean", |hits, names| {
    clustered_mean(&numbers(hits), names, 0.95).map_or(Interval { low: 0.0, high: 0.0, level: 0.95 }, |m| m.interval)
});
const PERCENTILE: Method = ("percentile", |hits, names| {
    let bootstrap = Bootstrap { draws: 500, ..Bootstrap::default() };
    bootstrap.clustered_mean(&numbers(hits), names).expect("several clusters").interval
});

fn numbers(hits: &[bool]) -> Vec<f64> {
    hits.iter().map(|&hit| f64::from(u8::from(hit))).collect()
}

/// Share of studies in which each method's interval holds the rate; prints it with the mean width.
fn coverage(questions: usize, rate: f64, spread: Spread, methods: &[Method]) -> Vec<f64> {
    let center = match spread {
        Spread::Beta(_) => 0.0,
        Spread::LogitNormal(deviation) => center(rate, deviation),
    };
    let names: Vec<usize> = (0..questions * SAMPLES).map(|i| i / SAMPLES).collect();
    let (mut covered, mut width) = (vec![0.0; methods.len()], vec![0.0; methods.len()]);
    for i in 0..STUDIES {
        let hits = study(&mut Rng::new(2026, i), questions, rate, spread, center);
        for (m, (_, method)) in methods.iter().enumerate() {
            let interval = method(&hits, &names);
            covered[m] += f64::from(u8::from(interval.low <= rate && rate <= interval.high)) / STUDIES as f64;
            width[m] += (interval.high - interval.low) / STUDIES as f64;
        }
    }
    let line = |((name, _), (c, w)): (&Method, (&f64, &f64))| format!("{name} {:.1} % (width {w:.3})", c * 100.0);
    let lines: Vec<String> = methods.iter().zip(covered.iter().zip(&width)).map(line).collect();
    println!("{questions} questions, rate {rate}, {spread:?}: {}", lines.join(", "));
    covered
}

/// The default must be between 93 and 97 % (four standard errors of 2,000 studies are 2 %), and Wilson's must fail.
fn check(questions: usize) {
    for correlation in [0.1, 0.2, 0.3] {
        for rate in [0.1, 0.2, 0.4] {
            let shares = coverage(questions, rate, Spread::Beta(correlation), &[DEFAULT, NAIVE]);
            assert!((0.93..=0.97).contains(&shares[0]), "{questions}, {rate}, {correlation}: covers {}", shares[0]);
            assert!(shares[1] < 0.70, "{questions}, {rate}, {correlation}: Wilson's covers {}", shares[1]);
        }
    }
}

#[test]
fn the_default_interval_of_a_rate_keeps_its_level_with_8_questions() {
    check(8);
}

#[test]
fn the_default_interval_of_a_rate_keeps_its_level_with_12_questions() {
    check(12);
}

#[test]
fn the_default_interval_of_a_rate_keeps_its_level_with_24_questions() {
    check(24);
}

#[test]
fn off_its_model_the_default_interval_of_a_rate_covers_more_than_the_bootstrap_and_wilson() {
    for (questions, rate, deviation) in [(8, 0.1, 1.5), (12, 0.3, 1.0), (24, 0.1, 2.0)] {
        // Rates that do not follow a beta distribution: 92.4, 94.0 and 91.0 % at a nominal 95 %, short of the level.
        let shares = coverage(questions, rate, Spread::LogitNormal(deviation), &[DEFAULT, PERCENTILE, NAIVE]);
        assert!(shares[0] > shares[1] && shares[0] > shares[2], "{questions}, {rate}, {deviation}: {shares:?}");
    }
}

#[test]
#[ignore = "a table of all methods in harder settings, for people: a minute"]
fn low_rates_in_few_questions() {
    for questions in [8, 24] {
        for rate in [0.02, 0.1, 0.4] {
            for spread in [Spread::Beta(0.1), Spread::Beta(0.3), Spread::LogitNormal(1.5), Spread::LogitNormal(2.5)] {
                let all = [DEFAULT, KORN_GRAUBARD, T, PERCENTILE, NAIVE];
                assert!(coverage(questions, rate, spread, &all)[0] > 0.90);
            }
        }
    }
}
