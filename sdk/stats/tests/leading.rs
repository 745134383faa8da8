//! The quick ways to a PCA and to overlaps give what the plain ones give, and say when they cannot.

use emhost_stats::overlap::{Coordinates, reconstruction_cosine, row_overlaps};
use emhost_stats::random::normal_matrix;
use emhost_stats::{Leading, Matrix, Pca, Scatter, StatsError};

/// Rows with the spectrum of a power law around a mean of `level` in every column.
fn rows(n: usize, d: usize, level: f64) -> Matrix {
    let mut data = normal_matrix(n, d, 1).expect("not empty").as_slice().to_vec();
    for (at, value) in data.iter_mut().enumerate() {
        *value = level + *value * ((at % d) as f64 + 4.0).powf(-0.85);
    }
    Matrix::from_vec(n, d, data).expect("finite")
}

fn relative(got: f64, want: f64) -> f64 {
    (got / want - 1.0).abs()
}

/// Compares the leading components with the same of a full fit.
#[track_caller]
fn check(leading: &Pca, full: &Pca, tolerance: f64) {
    assert_eq!(leading.n(), full.n());
    assert!(relative(leading.total_variance(), full.total_variance()) < tolerance);
    assert!(relative(leading.participation(), full.participation()) < tolerance);
    for (got, want) in leading.mean().iter().zip(full.mean()) {
        assert!((got - want).abs() <= tolerance * want.abs().max(1.0), "mean {got}, {want}");
    }
    for (i, (got, want)) in leading.variances().iter().zip(full.variances()).enumerate() {
        assert!(relative(*got, *want) < tolerance, "variance {i}: {got}, {want}");
        let cosine: f64 = leading.components().row(i).iter().zip(full.components().row(i)).map(|(a, b)| a * b).sum();
        // Signs follow the same rule. Neighbouring variances are some thousandths apart.
        assert!((cosine - 1.0).abs() < tolerance, "component {i}: {cosine}");
    }
}

#[test]
fn leading_components_are_those_of_the_full_fit() {
    // By columns, by rows, and so small that all are fitted.
    for (n, d) in [(1300, 1100), (1100, 1300), (700, 600), (600, 700), (90, 40)] {
        let rows = rows(n, d, 5.0);
        let full = Pca::fit(&rows).expect("rows vary");
        let wanted = Leading { k: 70, share: 0.8 };
        let leading = Pca::fit_leading(&rows, wanted).expect("rows vary");
        check(&leading, &full, 1e-10);
        let k = full.components_for_variance(0.8).expect("a proper share");
        assert_eq!(leading.components_for_variance(0.8), Ok(k));
        assert_eq!(leading.elbow(), full.elbow());
        let fewer = n.min(d) > 1024;
        assert_eq!(leading.is_complete(), !fewer, "{n} x {d}");
        assert_eq!(leading.variances().len(), if fewer { k.max(70) } else { d.min(n - 1) }, "{n} x {d}");
        if fewer {
            let error = leading.components_for_variance(0.99).expect_err("not fitted");
            assert!(matches!(error, StatsError::NotInRange { .. }), "{error}");
            assert_eq!(Pca::fit_leading(&rows, wanted).expect("rows vary"), leading, "the seed is fixed");
        }
    }
}

#[test]
fn a_share_that_takes_nearly_all_components_is_fitted_whole() {
    for (n, d) in [(1300, 1100), (1100, 1300)] {
        let rows = rows(n, d, 0.0);
        let whole = Pca::fit_leading(&rows, Leading { k: 0, share: 0.999 }).expect("rows vary");
        assert!(whole.is_complete());
        check(&whole, &Pca::fit(&rows).expect("rows vary"), 1e-9);
    }
}

#[test]
fn a_variance_that_a_product_would_blur_is_left_to_the_svd() {
    let plain = rows(700, 600, 0.0);
    let data = plain.as_slice().iter().enumerate().map(|(at, v)| if at % 600 == 3 { v * 1e6 } else { *v }).collect();
    let rows = Matrix::from_vec(700, 600, data).expect("finite");
    let full = Pca::fit(&rows).expect("rows vary");
    assert!(full.variances()[9] < 1e-8 * full.variances()[0]);
    assert_eq!(Pca::fit_leading(&rows, Leading { k: 10, share: 0.5 }), Ok(full.clone()));
    // The first one alone holds the share, and the product has it.
    let first = Pca::fit_leading(&rows, Leading { k: 1, share: 0.5 }).expect("rows vary");
    assert!(relative(first.variances()[0], full.variances()[0]) < 1e-12);
}

#[test]
fn rows_may_arrive_in_any_batches() {
    let (n, d) = (1111, 30);
    let whole = rows(n, d, 1e4);
    let values: Vec<f32> = whole.as_slice().iter().map(|&v| v as f32).collect();
    let stored = Matrix::from_f32(n, d, &values).expect("finite");
    let by = |batch: usize| {
        let mut scatter = Scatter::new(d).expect("not empty");
        values.chunks(batch * d).for_each(|rows| scatter.push(rows).expect("whole rows"));
        assert_eq!(scatter.n(), n);
        scatter.pca().expect("rows vary")
    };
    let at_once = by(n);
    assert!([1, 100, 512, 513].iter().all(|&batch| by(batch) == at_once));
    // The offset is 1e5 standard deviations: squares of the raw values would leave 6 digits.
    check(&at_once, &Pca::fit(&stored).expect("rows vary"), 1e-10);
    let mut wide = Scatter::new(d).expect("not empty");
    wide.push(stored.as_slice()).expect("whole rows");
    assert_eq!(wide.pca().expect("rows vary"), at_once, "f64 rows are the same rows");
}

#[test]
fn a_scatter_matrix_of_few_rows_has_their_rank() {
    let rows = rows(20, 50, 1.0);
    let mut scatter = Scatter::new(50).expect("not empty");
    scatter.push(rows.as_slice()).expect("whole rows");
    let pca = scatter.pca().expect("rows vary");
    assert_eq!(pca.variances().len(), 19);
    check(&pca, &Pca::fit(&rows).expect("rows vary"), 1e-10);
}

#[test]
fn coordinates_give_the_measures_at_every_k() {
    let (train, eval) = (rows(80, 20, 0.3), rows(25, 20, 0.5));
    let pca = Pca::fit(&train).expect("rows vary");
    let coordinates = Coordinates::new(&eval, pca.mean(), &pca.basis(15).expect("in range")).expect("finite");
    assert_eq!((coordinates.rows(), coordinates.k()), (25, 15));
    for k in 1..=15 {
        let basis = pca.basis(k).expect("in range");
        let (want, got) = (row_overlaps(&eval, pca.mean(), &basis), coordinates.row_overlaps(k).expect("in range"));
        for (row, (want, got)) in want.expect("finite").iter().zip(&got).enumerate() {
            // Sums of 20 products each.
            assert!((want.fraction() - got.fraction()).abs() < 1e-14);
            assert_eq!((want.norm, want.centered_norm), (got.norm, got.centered_norm));
            assert_eq!(coordinates.row_overlap(row, k).as_ref(), Ok(got));
            let vector = eval.row(row);
            let distance = coordinates.mahalanobis(row, k, pca.variances()).expect("in range");
            assert!(relative(distance, pca.mahalanobis(vector, k).expect("in range")) < 1e-12);
            let cosine = coordinates.reconstruction_cosine(row, k).expect("not zero");
            assert!((cosine - reconstruction_cosine(vector, pca.mean(), &basis).expect("not zero")).abs() < 1e-13);
        }
    }
    let wrong = |result: Result<f64, StatsError>| assert!(matches!(result, Err(StatsError::OutOfRange { .. })));
    wrong(coordinates.row_overlap(0, 16).map(|row| row.norm));
    wrong(coordinates.row_overlap(25, 1).map(|row| row.norm));
    wrong(coordinates.mahalanobis(0, 0, pca.variances()));
    wrong(coordinates.mahalanobis(0, 5, &[1.0; 4]));
    wrong(coordinates.reconstruction_cosine(0, 16));
    assert!(matches!(coordinates.mahalanobis(0, 1, &[0.0]), Err(StatsError::NotInRange { .. })));
    let at_mean = Matrix::from_rows(&[pca.mean()]).expect("not empty");
    let zero = Coordinates::new(&at_mean, pca.mean(), &pca.basis(1).expect("in range"));
    assert!(matches!(zero, Err(StatsError::ZeroVector { index: 0, .. })));
}

#[test]
fn the_elbow_is_where_the_ratios_turn() {
    let at = |ratios: &[f64]| {
        // Two rows per direction give exactly these variances.
        let d = ratios.len();
        let mut data = vec![0.0; 2 * d * d];
        for (i, ratio) in ratios.iter().enumerate() {
            (data[2 * i * d + i], data[(2 * i + 1) * d + i]) = (ratio.sqrt(), -ratio.sqrt());
        }
        Pca::fit(&Matrix::from_vec(2 * d, d, data).expect("finite")).expect("rows vary").elbow()
    };
    assert_eq!(at(&[0.5, 0.3, 0.1, 0.05, 0.05]), Some(3));
    assert_eq!(at(&[0.9, 0.06, 0.03, 0.01]), Some(2));
    assert_eq!(at(&[1.0]), Some(1));
}

#[test]
fn what_cannot_be_fitted_has_a_name() {
    let two = [[1.0, 2.0], [1.0, 2.0]].concat();
    let of = |rows: &[f64]| {
        let mut scatter = Scatter::new(2)?;
        scatter.push(rows)?;
        scatter.pca()
    };
    let message = |result: Result<Pca, StatsError>| result.expect_err("no answer").to_string();
    assert!(message(of(&[])).contains("0 given"));
    assert!(message(of(&two[..2])).contains("1 given"));
    assert!(message(of(&two)).contains("all 2"));
    assert!(message(of(&two[..3])).contains("expected 4, got 3"));
    assert!(message(of(&[1.0, f64::NAN])).contains("value 1 is NaN"));
    assert!(message(of(&[1e200, 0.0, -1e200, 0.0])).contains("overflows"));
    assert!(message(of(&[1e-200, 0.0, -1e-200, 0.0])).contains("underflows"));
    assert!(Scatter::new(0).is_err() && Scatter::new(usize::MAX).is_err());
    let share = Leading { k: 1, share: 1.1 };
    assert!(message(Pca::fit_leading(&rows(3, 2, 0.0), share)).contains("share of variance 1.1"));
    let equal = Matrix::from_vec(600, 600, vec![0.1; 600 * 600]).expect("finite");
    assert!(message(Pca::fit_leading(&equal, Leading { share: 0.5, ..share })).contains("all 600"));
}
