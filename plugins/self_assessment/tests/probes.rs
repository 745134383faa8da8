//! Probes on planted directions.

use emhost_stats::random::Rng;
use self_assessment::{Labelled, Probes, cosine};

/// Rows of noise of width 16, of which those with a label lie `strength` further along one axis. Twelve groups.
fn rows(count: usize, axis: usize, strength: f64, stream: u64) -> Labelled {
    let mut rng = Rng::new(5, stream);
    let mut found = Labelled { rows: Vec::new(), labels: Vec::new(), groups: Vec::new() };
    for at in 0..count {
        let label = rng.uniform() < 0.4;
        let mut row: Vec<f64> = (0..16).map(|_| rng.normal()).collect();
        row[axis] += if label { strength } else { 0.0 };
        found.rows.push(row);
        found.labels.push(label);
        found.groups.push(format!("g{}", at % 12));
    }
    found
}

#[test]
fn a_planted_direction_is_found_and_transfers() {
    let rules = Probes::default();
    let (doing, saying) = (rows(240, 0, 3.0, 1), rows(240, 7, 3.0, 2));
    for grouped in [false, true] {
        let held = doing.held_out(&rules, grouped).unwrap();
        assert!(held.auc > 0.95 && held.interval[0] < held.auc && held.auc < held.interval[1], "{held:?}");
    }
    let (d, s) = (doing.direction(&rules).unwrap(), saying.direction(&rules).unwrap());
    assert!(cosine(&d.probe.coefficients, &s.probe.coefficients).abs() < 0.2);
    assert!(cosine(&d.difference, &s.difference).abs() < 0.2);
    assert!(doing.halves(&rules).unwrap().iter().all(|cosine| *cosine > 0.8));
    // The same task in another organism, and another task.
    assert!(rows(240, 0, 3.0, 3).transfer(&d.probe).unwrap() > 0.95);
    assert!((saying.transfer(&d.probe).unwrap() - 0.5).abs() < 0.15);
}

#[test]
fn noise_is_not_told_apart() {
    let rules = Probes::default();
    let aucs: Vec<f64> = (10..22).map(|stream| rows(240, 0, 0.0, stream).held_out(&rules, true).unwrap().auc).collect();
    let mean = aucs.iter().sum::<f64>() / aucs.len() as f64;
    // One such curve has a deviation of 0.054 (300 simulations in numpy), the mean of twelve one of 0.016.
    assert!((mean - 0.5).abs() < 0.05, "{mean}: {aucs:?}");
}

#[test]
fn too_few_of_one_class_are_said() {
    let mut few = rows(60, 0, 3.0, 5);
    few.labels.iter_mut().enumerate().for_each(|(at, label)| *label = at < 3);
    assert_eq!(few.missing(&Probes::default()), Some("3 rows in the smaller class, `probes.fewest` is 15".to_owned()));
}
