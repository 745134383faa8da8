//! Known truth: a shared subspace of known dimension, none at all, and views that contradict each other.

use emhost_sdk::prelude::*;
use serde_json::json;
use subspace_overlap::{Dimension, Entry, SubspaceOverlap};

use crate::planting::{SITE, gauss, headline, lab, organisms, params, prompts};

#[test]
fn a_shared_subspace_and_its_dimension_are_found_under_noise() {
    // Deltas: a signal of length S sqrt(R) in the first R dimensions, in any direction there, and noise of variance 1 in all
    // dimensions.
    const R: i64 = 3;
    const D: i64 = 24;
    const S: f64 = 4.0;
    let signal = |i: i64, j: i64| {
        let length = (0..R).map(|j| gauss(2, i, j).powi(2)).sum::<f64>().sqrt();
        if j < R { S * (R as f64).sqrt() * gauss(2, i, j) / length } else { 0.0 }
    };
    let delta = move |i: i64, j: i64| gauss(1, i, j) + signal(i, j);
    let place = |prefix: char, i: i64| 1000 * i64::from(u32::from(prefix) % 8) + i;
    let lab = lab(400, 200, D as usize, move |prefix, i, j, after| {
        gauss(3, place(prefix, i), j) + if after { delta(place(prefix, i), j) } else { 0.0 }
    });
    let run = lab.run::<SubspaceOverlap>(params(R as usize)).unwrap();
    let found = headline(&run, R as usize);
    // What the planted axes themselves hold, after centring by a mean of 400 deltas, which is nearly 0.
    let squares = |i: i64, dimensions: i64| (0..dimensions).map(|j| delta(place('e', i), j).powi(2)).sum::<f64>();
    let truth = (0..200).map(|i| (squares(i, R) / squares(i, D)).sqrt()).sum::<f64>() / 200.0;
    // The subspace is estimated from 400 deltas: its angle to the truth is about sqrt((D - R) S^-2 / 400) = 0.06.
    assert!((found.fraction - truth).abs() < 0.01, "{}, expected {truth}", found.fraction);
    // The share of energy is R (S² + 1) / (R S² + D), the ratio of the expected energies: the mean of the ratios is lower
    // by 0.005, and 200 prompts scatter by 0.006.
    let expected = R as f64 * (S * S + 1.0) / (R as f64 * S * S + D as f64);
    assert!((found.squared_fraction - expected).abs() < 0.03, "{}, expected {expected}", found.squared_fraction);
    assert_eq!(found.p, 1.0 / 200.0);

    let dimensions = Dimension::read(run.table("dimension").unwrap()).unwrap();
    let of = |vectors: &str| dimensions.iter().find(|row| row.organism == "bad" && row.vectors == vectors).unwrap();
    for vectors in ["train", "eval"] {
        // The elbow is the first component after the drop.
        assert_eq!(of(vectors).elbow, R as f64 + 1.0, "{:?}", of(vectors));
    }
    // Eigenvalues S² + 1 (R times) and 1, but for their scatter over 400 deltas.
    let (large, small) = (S * S + 1.0, (D - R) as f64);
    let expected = (R as f64 * large + small).powi(2) / (R as f64 * large * large + small);
    assert!((of("train").participation - expected).abs() < 0.5, "{}, {expected}", of("train").participation);
}

#[test]
fn without_a_shared_subspace_the_p_values_are_uniform() {
    // The components of Gaussian deltas are uniformly distributed and independent of their mean, so that the rank of their
    // fraction among 19 uniform subspaces is uniform on 1/20, 2/20, ..., 1.
    const RUNS: u64 = 1000;
    let p: Vec<f64> = (0..RUNS)
        .map(|number| {
            let lab = lab(10, 6, 6, move |prefix, i, j, after| {
                let i = 1000 * i64::from(u32::from(prefix) % 8) + i;
                gauss(2 * number, i, j) + if after { gauss(2 * number + 1, i, j) } else { 0.0 }
            });
            let params = json!({
                "organisms": organisms(&["bad"]), "references": {}, "banks": [{"name": "eval", "rows": "eval"}],
                "sites": [SITE], "headline_site": SITE, "views": ["last_prompt"], "variance": [], "ks": [2],
                "headline_k": 2, "angles_k": 0, "random_draws": 19, "bootstrap_draws": 100,
                "behaviour": {"samples": 1}, "seed": number,
            });
            headline(&lab.run::<SubspaceOverlap>(params).unwrap(), 2).p
        })
        .collect();
    for twentieths in [1, 2, 5, 10, 15, 19] {
        let share = f64::from(twentieths) / 20.0;
        let got = p.iter().filter(|p| **p < share + 1e-9).count() as f64 / RUNS as f64;
        // Four standard deviations of a binomial share: one false alarm in 2,000 such tests.
        let margin = 4.0 * (share * (1.0 - share) / RUNS as f64).sqrt();
        assert!((got - share).abs() < margin, "p <= {share}: {got}, expected within {margin}");
    }
}

#[test]
fn views_that_contradict_each_other_stand_side_by_side() {
    // An evaluation prompt is like the training prompts by the share `a` of its activation; its delta is along theirs by
    // the same share at the last token, and by 1 - a in the mean.
    let vector = |at: &emhost_sdk::ActivationAt<'_>| {
        let (prefix, number) = at.row_id.split_at(1);
        let i: i64 = number.parse().unwrap();
        let after = !at.organism.adapters.is_empty();
        let like = 0.2 + 0.6 * (i % 10) as f64 / 9.0;
        let moved = if at.view == "last_prompt" { like } else { 1.0 - like };
        let value = |j: i64| {
            let (before, delta) = match prefix {
                "e" => (
                    if j < 3 { 3.0 * like } else { 3.0 * (1.0 - like) } * gauss(1, 5000 + i, j).signum(),
                    if j == 0 {
                        moved
                    } else if j == 7 {
                        1.0 - moved
                    } else {
                        0.0
                    },
                ),
                _ => (if j < 3 { gauss(1, i, j) } else { 0.0 }, if j == 0 { 1.0 } else { 0.0 }),
            };
            (before + if after { delta + 0.01 * gauss(2, i, j) } else { 0.0 }) as f32
        };
        (0..8).map(value).collect()
    };
    let lab = FakeLab::new()
        .model(1, 8)
        .rows("bad", prompts("t", 60))
        .rows("good", prompts("r", 60))
        .rows("eval", prompts("e", 40))
        .activations(vector);
    let run = lab.run::<SubspaceOverlap>(params(3)).unwrap();
    let entries = Entry::read(run.table("matrix").unwrap()).unwrap();
    let views: Vec<(&str, bool)> =
        entries.iter().filter(|row| row.organism == "bad").map(|row| (&*row.view, row.pearson > 0.0)).collect();
    assert_eq!(views, [("last_prompt", true), ("prompt.mean", false)]);
    let strong = entries.iter().filter(|row| row.organism == "bad").all(|row| row.pearson_p_adjusted < 1e-6);
    assert!(strong, "{entries:?}");
    let report = run.report().unwrap();
    assert!(report.verdict.contains("the sign depends on the pooling"), "{}", report.verdict);
    let pooling = run.figures().iter().find(|figure| figure.name == "pooling").unwrap();
    let Plot::Bars { groups, series } = &pooling.plot else { panic!("bars") };
    assert_eq!((groups.len(), series.len()), (2, 2));
}
