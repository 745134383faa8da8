//! Probes against scikit-learn's, on the same rows: see reference.py.

use emhost_stats::Matrix;
use emhost_stats::splits::Split;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    x: Vec<Vec<f64>>,
    labels: Vec<bool>,
    fits: Vec<Fitted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fitted {
    split: String,
    c: f64,
    train: Vec<usize>,
    test: Vec<usize>,
    accuracy: f64,
    coefficients: Vec<f64>,
    intercept: f64,
}

#[test]
fn the_probes_equal_scikit_learns() {
    let reference: Reference = serde_json::from_str(include_str!("reference.json")).unwrap();
    let x = Matrix::from_rows(&reference.x).unwrap();
    assert_eq!(reference.fits.len(), 24);
    for expected in reference.fits {
        let split = Split { train: expected.train, test: expected.test };
        let got = lora_probe::fit(&x, &reference.labels, &split, expected.c).unwrap();
        let place = format!("{}, c {}", expected.split, expected.c);
        assert!((got.accuracy - expected.accuracy).abs() < 1e-12, "{place}: {}, {}", got.accuracy, expected.accuracy);
        let pairs = got.coefficients.iter().zip(&expected.coefficients);
        for (got, expected) in pairs.chain([(&got.intercept, &expected.intercept)]) {
            // Both stop near the minimum of one convex function, not at it.
            assert!((got - expected).abs() < 1e-6, "{place}: {got}, {expected}");
        }
    }
}
