//! A planted study whose numbers numpy and scipy computed (`reference.py`).

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

use serde_json::Value;
use training_dynamics::{Difference, Place, compare, interpolate, on_front, over_points};

const TOPICS: usize = 7;
const STEPS: usize = 6;
const BASE_SEEDS: usize = 3;
const SEEDS: usize = 2;
const SCHEDULES: usize = 9;

/// Sums of a few hundred numbers in another order, quantiles and tails of t by another program.
const TOLERANCE: f64 = 1e-6;

fn reference() -> Value {
    serde_json::from_str(include_str!("reference.json")).unwrap()
}

/// Exact in f64: what `reference.py` computes.
fn value(i: usize, j: usize, k: usize) -> f64 {
    let mixed = (i * i * 7 + j * 13 + k * 29 + i * j * 5 + j * k * 11 + i * k * 3) % 61;
    (mixed as f64 - 30.0) / 32.0
}

fn base(seed: usize, step: usize) -> Place {
    let hump = if step == 4 { 0.08 } else { 0.0 };
    let loss = 1.0 - step as f64 / 16.0 + value(seed, step, 1) / 256.0 + hump;
    let topic = |t: usize| 95.0 - 6.0 * step as f64 - t as f64 + 2.0 * value(seed, step, t + 2);
    Place { loss, topics: (0..TOPICS).map(topic).collect() }
}

fn end(schedule: usize, seed: usize) -> Place {
    let loss = 0.66 + schedule as f64 / 40.0 + value(schedule, seed, 40) / 512.0;
    let merit = if schedule == 3 { 12.0 } else { 0.0 };
    let topic = |t: usize| 90.0 - 30.0 * (1.0 - loss) / 0.3 + merit + 4.0 * value(schedule, seed, t + 50);
    Place { loss, topics: (0..TOPICS).map(topic).collect() }
}

fn study() -> Vec<Difference> {
    let baseline: Vec<Vec<Place>> =
        (0..BASE_SEEDS).map(|seed| (0..STEPS).map(|step| base(seed, step)).collect()).collect();
    let schedules: Vec<(String, Vec<Place>)> = (0..SCHEDULES)
        .map(|schedule| (schedule.to_string(), (0..SEEDS).map(|seed| end(schedule, seed)).collect()))
        .collect();
    compare(&baseline, &schedules, 0.01).unwrap()
}

#[track_caller]
fn check(what: &str, got: f64, expected: &Value) {
    match expected.as_f64() {
        Some(expected) => assert!((got - expected).abs() < TOLERANCE, "{what}: {got}, scipy {expected}"),
        None => assert!(got.is_nan(), "{what}: {got}, but it is not known"),
    }
}

#[test]
fn differences_and_their_tests_are_those_of_scipy() {
    let (found, reference) = (study(), reference());
    let rows = reference["rows"].as_array().unwrap();
    assert_eq!(rows.len(), found.iter().filter(|one| one.p.is_finite()).count());
    for row in rows {
        let (kind, at) = (row["kind"].as_str().unwrap(), row["at"].as_u64().unwrap());
        let name = if kind == "seed control" { format!("baseline, seed {at}") } else { at.to_string() };
        let one = found.iter().find(|one| one.kind.name() == kind && one.schedule == name).unwrap();
        let what = |column: &str| format!("{column} of {name}, {kind}");
        check(&what("difference"), one.difference[0], &row["difference"]);
        check(&what("low"), one.difference[1], &row["low"]);
        check(&what("high"), one.difference[2], &row["high"]);
        check(&what("p"), one.p, &row["p"]);
        check(&what("better"), one.adjusted[0], &row["better"]);
        check(&what("worse"), one.adjusted[1], &row["worse"]);
    }
    // Planted: one schedule has merit, and none is better at the baseline's end with no higher loss.
    let better: Vec<(&str, &str)> =
        found.iter().filter(|one| one.better()).map(|one| (one.kind.name(), one.schedule.as_str())).collect();
    assert_eq!(better, [("equal loss", "3")]);
}

#[test]
fn a_loss_that_the_baseline_never_has_is_not_compared() {
    let (found, reference) = (study(), reference());
    let untested: Vec<u64> = reference["untested"].as_array().unwrap().iter().map(|at| at.as_u64().unwrap()).collect();
    assert_eq!(untested, [0]);
    let one = found.iter().find(|one| one.kind.name() == "equal loss" && one.schedule == "0").unwrap();
    for number in [one.difference[0], one.p, one.adjusted[0], one.adjusted[1], one.losses[1], one.alignments[1]] {
        assert!(number.is_nan(), "{one:?}");
    }
    assert!(one.missing.contains("below the baseline's lowest loss"), "{}", one.missing);
    assert!(one.by_topic.is_empty() && one.seeds == 0);
}

#[test]
fn the_front_is_that_of_all_pairs() {
    let reference = reference();
    let points: Vec<[f64; 2]> = serde_json::from_value(reference["points"].clone()).unwrap();
    let expected: Vec<bool> = serde_json::from_value(reference["front"].clone()).unwrap();
    assert_eq!(on_front(&points), expected);
    for (schedule, point) in points.iter().enumerate() {
        let ends: Vec<Place> = (0..SEEDS).map(|seed| end(schedule, seed)).collect();
        let loss = ends.iter().map(|place| place.loss).sum::<f64>() / SEEDS as f64;
        assert!((loss - point[0]).abs() < TOLERANCE);
    }
}

#[test]
fn correlations_are_those_of_scipy() {
    let reference = reference();
    let points: Vec<[f64; 2]> = serde_json::from_value(reference["points"].clone()).unwrap();
    let found = over_points("schedules", ["", "", "", ""].map(str::to_owned), &points, 0).unwrap();
    let numbers = [found.pearson[0], found.pearson[1], found.pearson[2], found.pearson_p];
    for (at, number) in numbers.into_iter().enumerate() {
        check("pearson", number, &reference["pearson"][at]);
    }
    check("spearman", found.spearman[0], &reference["spearman"][0]);
    // A permutation against Student's t: 9,999 draws and nine points.
    assert!((found.spearman_p - reference["spearman"][1].as_f64().unwrap()).abs() < 0.005, "{}", found.spearman_p);
    assert!(found.spearman[1].is_nan() && found.n == SCHEDULES);
}

#[test]
fn interpolation_is_numpys_inside_and_nothing_outside() {
    let (xs, ys) = ([1.0, 1.5, 1.75, 3.0, 4.0], [2.0, -1.0, 7.5, 0.25, 9.0]);
    for pair in reference()["interpolated"].as_array().unwrap() {
        let at = pair[0].as_f64().unwrap();
        let got = interpolate(at, &xs, &ys);
        assert_eq!(got.is_some(), pair[1].is_f64(), "{at}");
        check("interpolated", got.unwrap_or(f64::NAN), &pair[1]);
    }
}
