//! Overlap, angles and controls on planted deltas, against an independent computation.

use emhost_sdk::FakeRun;
use emhost_sdk::prelude::*;
use serde_json::{Value, json};
use subspace_overlap::{Angle, Behaviour, Correlation, Dimension, Entry, MeanDelta, Overlap, Params, SubspaceOverlap};

use crate::planting::{headline, lab, noise, params, start};

#[test]
fn deltas_in_one_plane_overlap_fully_and_beat_random_subspaces() {
    // Before: noise everywhere. The fine-tune moves every prompt within the first 3 of 24 dimensions.
    let lab = lab(60, 24, 24, |prefix, i, j, after| {
        let moved = if after && j < 3 { noise(start(prefix) + 500 + i, j) } else { 0.0 };
        noise(start(prefix) + i, j) + moved
    });
    let run = lab.run::<SubspaceOverlap>(params(3)).unwrap();
    let row = headline(&run, 3);
    // Sums are rounded to f32 by the lab: 24 bits.
    assert!(row.fraction > 1.0 - 1e-6 && row.fraction_low > 1.0 - 1e-6, "{row:?}");
    assert_eq!(row.p, 1.0 / 200.0);
    // sqrt(3/24) = 0.354 is the root of the mean square; 199 draws of 24 prompts in 3 dimensions scatter by about 0.05.
    assert!((row.random - 0.34).abs() < 0.02, "{}", row.random);
    assert!(row.random_low < row.random && row.random < row.random_high && row.random_high < 0.6);
    // The good organism was planted in the same plane: the stronger control sees what the random one does not.
    assert!(row.reference_fraction > 1.0 - 1e-6 && row.reference_difference.abs() < 1e-6);
    let angles = Angle::read(run.table("angles").unwrap()).unwrap();
    let angles: Vec<&Angle> = angles.iter().filter(|angle| angle.organism == "bad").collect();
    assert!(angles.iter().all(|angle| angle.degrees < 1e-3 && angle.random_low > 5.0), "{angles:?}");
    assert!(run.report().unwrap().verdict.contains("not specific to the harmful fine-tune"));
}

#[test]
fn deltas_without_a_shared_subspace_are_not_told_from_random() {
    // Training prompts move within the first 3 dimensions, evaluation prompts anywhere.
    let lab = lab(60, 24, 24, |prefix, i, j, after| {
        let moves = after && (prefix == 'e' || j < 3);
        noise(start(prefix) + i, j) + if moves { noise(start(prefix) + 500 + i, j) } else { 0.0 }
    });
    let run = lab.run::<SubspaceOverlap>(params(3)).unwrap();
    let row = headline(&run, 3);
    assert!(row.p > 0.05 && row.random_low < row.fraction && row.fraction < row.random_high, "{row:?}");
    assert!(run.report().unwrap().verdict.contains("not distinguishable from a random subspace"));
}

#[test]
fn the_numbers_equal_numpys() {
    // As in reference.py.
    fn value(i: i64, j: i64, c: i64) -> f64 {
        ((i * i * 7 + j * 13 + i * j * 5 + i * j * j * 3 + c * 29) % 61 - 30) as f64 / 32.0
    }
    let lab = lab(40, 15, 12, |prefix, i, j, after| {
        let (shift, moved, c) = match prefix {
            't' => (0, 7, 1),
            'r' => (50, 61, 2),
            _ => (100, 117, 3),
        };
        value(i + shift, j, c) + if after { value(i + moved, j, c + 3) } else { 0.0 }
    });
    let run = lab.run::<SubspaceOverlap>(params(4)).unwrap();
    let expected: Value = serde_json::from_str(include_str!("../reference.json")).unwrap();
    let check = |name: &str, got: f64| {
        let expected = expected[name].as_f64().unwrap();
        // Two SVDs of small well-conditioned matrices in f64.
        assert!((got - expected).abs() < 1e-9, "{name}: {got}, expected {expected}");
    };
    let row = headline(&run, 4);
    check("fraction", row.fraction);
    check("squared_fraction", row.squared_fraction);
    check("explained_l2", row.explained_l2);
    check("mahalanobis", row.mahalanobis);
    check("reconstruction_cosine", row.reconstruction_cosine);
    check("train_fraction", row.train_fraction);
    check("reference_fraction", row.reference_fraction);
    check("before_fraction", row.before_fraction);
    let overlaps = Overlap::read(run.table("overlap").unwrap()).unwrap();
    check("variance_k", overlaps.iter().find(|row| row.subspace == "variance:0.9").unwrap().k as f64);
    let angles = Angle::read(run.table("angles").unwrap()).unwrap();
    for (angle, expected) in angles.iter().zip(expected["degrees"].as_array().unwrap()) {
        // An arc cosine near 1 has half the digits; numpy takes it for every angle.
        assert!((angle.degrees - expected.as_f64().unwrap()).abs() < 1e-5, "{angle:?}, expected {expected}");
    }
    let found = &Correlation::read(run.table("correlation").unwrap()).unwrap()[0];
    check("prompt_k", found.prompt_k as f64);
    check("prompt_overlap", found.prompt_overlap);
    check("pearson", found.pearson);
    check("spearman", found.spearman);
    let delta = &MeanDelta::read(run.table("mean_delta").unwrap()).unwrap()[0];
    check("mean_delta_cosine", delta.cosine);
    check("reference_cosine", delta.reference_cosine);
    let dimension = &Dimension::read(run.table("dimension").unwrap()).unwrap()[0];
    check("rank", dimension.rank);
    check("elbow", dimension.elbow);
    check("participation", dimension.participation);
}

#[test]
fn every_table_is_complete_and_the_family_is_the_declared_one() {
    let run =
        FakeLab::new().model(4, 8).run::<SubspaceOverlap>(json!({"random_draws": 50, "bootstrap_draws": 100})).unwrap();
    let (organisms, sites, views, banks, subspaces) = (3, 8, 2, 4, 11);
    let rows = |name: &str| run.table(name).unwrap().rows();
    assert_eq!(rows("overlap"), organisms * sites * views * banks * subspaces);
    assert_eq!(rows("correlation"), organisms * sites * views * banks);
    assert_eq!(rows("mean_delta"), organisms * sites * views * banks);
    assert_eq!(rows("prompts"), organisms * sites * views * banks * 12);
    assert_eq!(rows("angles"), organisms * sites * views * banks * 8);
    assert_eq!(rows("matrix"), organisms * views * banks);
    assert_eq!(rows("training"), organisms * Params::default().organisms.recipes["all"].steps.unwrap());

    let overlaps = Overlap::read(run.table("overlap").unwrap()).unwrap();
    let (there, missing): (Vec<_>, Vec<_>) = overlaps.iter().partition(|row| row.available);
    assert!(missing.iter().all(|row| row.k > 8 && row.fraction.is_nan() && row.p.is_nan()));
    assert_eq!(missing.len(), organisms * sites * views * banks * 4);
    for row in there {
        let numbers = [row.fraction, row.fraction_low, row.fraction_high, row.random, row.p, row.before_fraction];
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)), "{row:?}");
        assert!(row.fraction_low <= row.fraction && row.fraction <= row.fraction_high, "{row:?}");
        assert_eq!(row.reference.is_empty(), row.reference_fraction.is_nan());
    }
    let found = Correlation::read(run.table("correlation").unwrap()).unwrap();
    for row in &found {
        assert_eq!(row.family as usize, found.len());
        assert!(row.pearson_p_adjusted >= row.pearson_p && row.spearman_p_adjusted >= row.spearman_p, "{row:?}");
    }
    let behaviours = Behaviour::read(run.table("behaviour").unwrap()).unwrap();
    let of = |name: &str| {
        behaviours.iter().filter(|row| row.organism == name).map(|row| &*row.condition).collect::<Vec<_>>()
    };
    assert_eq!(of("bad_medicine"), ["before", "after"]);
    assert!(behaviours.iter().all(|row| row.n == 12 * 40 && row.misaligned <= row.coherent));

    let names: Vec<&str> = run.figures().iter().map(|figure| figure.name.as_str()).collect();
    let expected = [
        "overlap_by_k",
        "overlap_by_site_last_prompt",
        "overlap_by_site_prompt_mean",
        "matrix_fraction",
        "matrix_cosine",
        "prompt_overlap",
        "pooling",
        "mean_delta_cosine",
        "prompt_overlap_pearson",
        "behaviour",
    ];
    assert_eq!(names, expected);
    let report = run.report().unwrap();
    assert!(report.caveats.len() >= 10 && report.headline.len() >= 8);
    assert!(report.tables.iter().all(|note| run.table(&note.table).is_ok()));
    let entries = Entry::read(run.table("matrix").unwrap()).unwrap();
    assert!(entries.iter().all(|row| row.fraction.is_finite() && row.pearson.is_finite()));
}

#[test]
fn the_same_parameters_give_the_same_tables_and_another_seed_other_draws() {
    let run = |seed: u64| {
        let params = json!({"random_draws": 50, "bootstrap_draws": 100, "seed": seed});
        FakeLab::new().run::<SubspaceOverlap>(params).unwrap()
    };
    let (first, second, other) = (run(1), run(1), run(2));
    let tables =
        ["matrix", "overlap", "angles", "prompts", "correlation", "mean_delta", "dimension", "behaviour", "training"];
    for table in tables {
        assert_eq!(first.table(table).unwrap(), second.table(table).unwrap(), "{table}");
    }
    assert_eq!(first.report(), second.report());
    let random = |run: &FakeRun| run.table("overlap").unwrap().f64("random").unwrap();
    assert!(random(&first).iter().zip(random(&other)).any(|(a, b)| *a != b && !a.is_nan()));
}

#[test]
fn a_site_where_nothing_moves_is_named() {
    let lab = lab(20, 10, 4, |prefix, i, j, _| noise(start(prefix) + i, j));
    let error = lab.run::<SubspaceOverlap>(params(2)).err().unwrap();
    let expected = "organism `bad`, site `blocks.0.resid_post`, view `last_prompt`, `train`): nothing varies";
    assert!(matches!(&error, Error::Input(message) if message.contains(expected)), "{error}");
}
