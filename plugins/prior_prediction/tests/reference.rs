//! Features, folds, penalties, intervals and permutations against scikit-learn, scipy and numpy: see reference.py.

use emhost_stats::{Matrix, Pca};
use prior_prediction::{Cv, Design, Folds, Grouped, Model, Penalties, Permutations, Projection, Rounds, Task};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reference {
    rows: Vec<Vec<f64>>,
    train: Vec<Vec<f64>>,
    y: Vec<f64>,
    weak: Vec<f64>,
    topics: Vec<String>,
    plain: Vec<Vec<f64>>,
    fits: Vec<Fitted>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fitted {
    projection: Projection,
    cv: String,
    model: String,
    r2: Vec<f64>,
    rmse: Vec<f64>,
    alphas: Vec<f64>,
    pooled: f64,
    corrected: [f64; 4],
    permuted: Option<[f64; 3]>,
}

#[track_caller]
fn check(what: &str, got: f64, expected: f64) {
    // Both programs solve the same problem to many digits; the lasso stops at a duality gap.
    assert!((got - expected).abs() < 1e-6 * expected.abs().max(1.0), "{what}: {got}, expected {expected}");
}

#[test]
fn features_and_scores_equal_scikit_learns() {
    let reference: Reference = serde_json::from_str(include_str!("reference.json")).unwrap();
    let rows = Matrix::from_rows(&reference.rows).unwrap();
    let pca = Pca::fit(&Matrix::from_rows(&reference.train).unwrap()).unwrap();
    let k = pca.components_for_variance(0.95).unwrap();
    assert!(k > 1 && k < rows.cols());
    let features =
        |projection| prior_prediction::project(&rows, pca.mean(), &pca.basis(k).unwrap(), projection).unwrap();
    let plain = features(Projection::Plain);
    for (got, expected) in plain.iter_rows().zip(&reference.plain) {
        got.iter().zip(expected).for_each(|(got, expected)| check("feature", *got, *expected));
    }

    let topics: Vec<&str> = reference.topics.iter().map(String::as_str).collect();
    let folds = Folds { splits: 5, repeats: 3, seed: 42, grouped: Grouped::KFold };
    let penalties = Penalties { lasso: vec![0.1, 0.3, 1.0, 3.0, 10.0], ridge: vec![0.1, 1.0, 10.0, 100.0] };
    let permutations = Permutations { draws: 50, repeats: 2, seed: 0 };
    assert_eq!(reference.fits.len(), 20);
    for expected in &reference.fits {
        let place = format!("{:?}, {}, {}", expected.projection, expected.cv, expected.model);
        let cv = if expected.cv == "plain" { Cv::Plain } else { Cv::Grouped };
        let model = match expected.model.as_str() {
            "linear" => Model::Linear,
            "ridge" => Model::Ridge(1.0),
            "lasso" => Model::Lasso(1.0),
            "ridge_cv" => Model::RidgeCv,
            _ => Model::LassoCv,
        };
        let rounds = Rounds::new(&folds, cv, &topics).unwrap();
        let parts = Design(vec![features(expected.projection)]).parts(&rounds).unwrap();
        let y = &reference.y;
        let task = Task { y, topics: &topics, cv, rounds: &rounds, inner_folds: 4, penalties: &penalties };
        let got = prior_prediction::validate(&task, &parts, model).unwrap();
        assert_eq!(got.folds.len(), expected.r2.len());
        for (at, fold) in got.folds.iter().enumerate() {
            check(&format!("{place}, R² of fold {at}"), fold.r2(), expected.r2[at]);
            check(&format!("{place}, RMSE of fold {at}"), (fold.errors / fold.n_test as f64).sqrt(), expected.rmse[at]);
        }
        let alphas: Vec<f64> = got.folds.iter().filter_map(|fold| fold.alpha).collect();
        assert_eq!(alphas, expected.alphas, "{place}");
        let score = got.score(y).unwrap();
        check(&format!("{place}, R²"), score.r2, expected.pooled);
        let gain = [score.gain.estimate, score.gain.low, score.gain.high, score.gain.p];
        gain.iter().zip(expected.corrected).for_each(|(got, expected)| check(&place, *got, expected));
        if let Some(permuted) = expected.permuted {
            let task = Task { y: &reference.weak, ..task };
            let got = prior_prediction::test(&task, &parts, model, &permutations).unwrap().unwrap();
            [got.observed, got.mean, got.p]
                .iter()
                .zip(permuted)
                .for_each(|(got, expected)| check(&place, *got, expected));
        }
    }
}
