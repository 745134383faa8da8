//! Input without an answer gives the named error, never a panic and never NaN.

use emhost_stats::bootstrap::Bootstrap;
use emhost_stats::correlation::{pearson, ranks, spearman};
use emhost_stats::empirical::{Tail, empirical_p};
use emhost_stats::interval::{mean_t, rule_of_three, wilson};
use emhost_stats::multiple::{benjamini_hochberg, holm};
use emhost_stats::overlap::{
    cosine, energy_fraction, mean_delta_cosine, principal_angles, reconstruction_cosine, row_cosines, row_overlaps,
    squared_energy_fraction,
};
use emhost_stats::random::{normal_matrix, random_orthonormal};
use emhost_stats::{Basis, Matrix, Pca, StatsError};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// Every entry must fail with a message that holds all the fragments: the kind of error and the offending numbers.
fn check(table: Vec<(&str, Result<(), StatsError>, &[&str])>) {
    for (what, result, fragments) in table {
        let error = result.expect_err(what);
        let message = error.to_string();
        for fragment in fragments {
            assert!(message.contains(fragment), "{what}: \"{message}\" lacks \"{fragment}\"");
        }
        assert!(message.starts_with(char::is_lowercase), "{what}: \"{message}\" does not fit after \"failed to\"");
    }
}

fn bad<T>(result: Result<T, StatsError>) -> Result<(), StatsError> {
    result.map(|_| ())
}

fn matrix(rows: &[&[f64]]) -> Matrix {
    Matrix::from_rows(rows).expect("a proper matrix")
}

fn plane() -> Basis {
    Basis::from_orthonormal(matrix(&[&[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]])).expect("orthonormal")
}

#[test]
fn matrices_refuse_what_is_empty_ragged_or_not_finite() {
    let empty: [[f64; 2]; 0] = [];
    let a = matrix(&[&[1.0, 2.0], &[3.0, 4.0]]);
    check(vec![
        ("no rows", bad(Matrix::from_rows(&empty)), &["empty"]),
        ("no columns", bad(Matrix::from_rows(&[[0.0; 0]])), &["empty"]),
        ("ragged", bad(Matrix::from_rows(&[vec![1.0], vec![1.0, 2.0]])), &["expected 1", "got 2"]),
        ("length", bad(Matrix::from_vec(2, 2, vec![0.0; 3])), &["expected 4", "got 3"]),
        ("size", bad(Matrix::from_vec(usize::MAX, 2, vec![])), &["overflows"]),
        ("NaN", bad(Matrix::from_rows(&[[1.0, 2.0], [NAN, 4.0]])), &["value 2", "NaN"]),
        ("infinity", bad(Matrix::from_f32(1, 2, &[0.0, f32::INFINITY])), &["value 1", "inf"]),
        ("unequal rows", bad(a.sub(&matrix(&[&[1.0, 2.0]]))), &["rows", "expected 2", "got 1"]),
        ("unequal columns", bad(a.sub(&matrix(&[&[1.0], &[2.0]]))), &["columns", "expected 2", "got 1"]),
        ("difference overflows", bad(matrix(&[&[1e308]]).sub(&matrix(&[&[-1e308]]))), &["value 0", "inf"]),
        ("short mean", bad(a.center(&[1.0])), &["expected 2", "got 1"]),
        ("NaN mean", bad(a.center(&[1.0, NAN])), &["value 1", "NaN"]),
        ("row that is not there", bad(a.select_rows(&[0, 2])), &["row 2", "0 to 1"]),
        ("no rows selected", bad(a.select_rows(&[])), &["empty"]),
    ]);
}

#[test]
fn principal_components_refuse_what_has_no_variance() {
    let pca = Pca::fit(&matrix(&[&[1.0, 0.0], &[-1.0, 0.5], &[0.0, 3.0]])).expect("rows vary");
    check(vec![
        ("one row", bad(Pca::fit(&matrix(&[&[1.0, 2.0]]))), &["1 given", "at least 2"]),
        ("equal rows", bad(Pca::fit(&matrix(&[&[0.1, 2.0], &[0.1, 2.0], &[0.1, 2.0]]))), &["spread", "all 3", "0.1"]),
        ("overflow", bad(Pca::fit(&matrix(&[&[1e200, 0.0], &[-1e200, 1.0]]))), &["PCA"]),
        ("underflow", bad(Pca::fit(&matrix(&[&[1e-200, 0.0], &[-1e-200, 0.0]]))), &["underflows"]),
        ("k 0", bad(pca.basis(0)), &["k 0", "1 to 2"]),
        ("k 3", bad(pca.basis(3)), &["k 3", "1 to 2"]),
        ("share 0", bad(pca.components_for_variance(0.0)), &["share of variance 0"]),
        ("share 1.1", bad(pca.components_for_variance(1.1)), &["share of variance 1.1", "at most 1"]),
        ("share NaN", bad(pca.components_for_variance(NAN)), &["NaN"]),
        ("mahalanobis k", bad(pca.mahalanobis(&[0.0, 0.0], 5)), &["k 5"]),
        ("mahalanobis width", bad(pca.mahalanobis(&[0.0], 1)), &["expected 2", "got 1"]),
        ("mahalanobis NaN", bad(pca.mahalanobis(&[0.0, NAN], 1)), &["value 1", "NaN"]),
        ("mahalanobis overflow", bad(pca.mahalanobis(&[1e300, 1e300], 2)), &["overflows"]),
    ]);
}

#[test]
fn a_pca_of_fewer_rows_than_columns_offers_only_components_with_variance() {
    let pca = Pca::fit(&matrix(&[&[1.0, 2.0, 0.0, 5.0], &[0.0, 1.0, 1.0, -5.0], &[2.0, 2.0, 2.0, 0.5]])).expect("vary");
    assert_eq!((pca.components().rows(), pca.variances().len(), pca.ratios().len()), (2, 2, 2));
    assert_eq!(pca.components_for_variance(1.0), Ok(2));
}

#[test]
fn bases_and_overlaps_refuse_what_has_no_direction() {
    let zero = matrix(&[&[0.0, 0.0, 0.0]]);
    let rows = matrix(&[&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0]]);
    let line = Basis::from_orthonormal(matrix(&[&[1.0, 0.0]])).expect("orthonormal");
    let (x, nan) = ([1.0, 2.0, 3.0], [1.0, NAN, 3.0]);
    check(vec![
        ("not unit", bad(Basis::from_orthonormal(matrix(&[&[2.0, 0.0]]))), &["rows 0 and 0", "is 4", "expected 1"]),
        ("not orthogonal", bad(Basis::from_orthonormal(matrix(&[&[1.0, 0.0], &[0.6, 0.8]]))), &["rows 0 and 1", "0.6"]),
        ("spanned by zero", bad(Basis::spanning(&zero)), &["norm is zero"]),
        ("leading 0", bad(plane().leading(0)), &["k 0", "1 to 2"]),
        ("leading 3", bad(plane().leading(3)), &["k 3", "1 to 2"]),
        ("coordinates", bad(plane().coordinates(&[1.0])), &["expected 3", "got 1"]),
        ("projection", bad(plane().project(&nan)), &["value 1", "NaN"]),
        ("row equals mean", bad(row_overlaps(&rows, &[1.0, 1.0, 1.0], &plane())), &["row minus mean 1", "zero"]),
        ("narrow basis", bad(row_overlaps(&rows, &[0.0; 3], &line)), &["expected 2", "got 3"]),
        ("short mean", bad(row_overlaps(&rows, &[0.0; 2], &plane())), &["expected 3", "got 2"]),
        ("norm overflows", bad(row_overlaps(&matrix(&[&[1e200, 0.0, 0.0]]), &[0.0; 3], &plane())), &["overflows"]),
        ("delta is mean", bad(energy_fraction(&x, &x, &plane())), &["row minus mean 0"]),
        ("delta NaN", bad(energy_fraction(&nan, &x, &plane())), &["a delta", "value 1"]),
        ("mean NaN", bad(squared_energy_fraction(&x, &nan, &plane())), &["a mean", "value 1"]),
        ("unequal", bad(reconstruction_cosine(&x, &[0.0; 2], &plane())), &["expected 2", "got 3"]),
        ("zero delta", bad(reconstruction_cosine(&[0.0; 3], &x, &plane())), &["vector 0", "zero"]),
        ("cosine of unequal", bad(cosine(&x, &[1.0])), &["expected 3", "got 1"]),
        ("cosine of nothing", bad(cosine(&[], &[])), &["vector 0", "zero"]),
        ("cosine with zero", bad(cosine(&x, &[0.0; 3])), &["vector 1", "zero"]),
        ("cosine with NaN", bad(cosine(&x, &nan)), &["second", "value 1", "NaN"]),
        ("cosine overflows", bad(cosine(&[1e200], &[1e200])), &["overflows"]),
        ("mean is zero", bad(mean_delta_cosine(&matrix(&[&[1.0], &[-1.0]]), &matrix(&[&[1.0]]))), &["vector 0"]),
        ("unequal widths", bad(mean_delta_cosine(&rows, &matrix(&[&[1.0]]))), &["expected 3", "got 1"]),
        ("zero row", bad(row_cosines(&matrix(&[&[1.0], &[0.0]]), &[1.0])), &["row 1", "zero"]),
        ("zero direction", bad(row_cosines(&rows, &[0.0; 3])), &["direction 0", "zero"]),
        ("angles", bad(principal_angles(&plane(), &line)), &["expected 3", "got 2"]),
    ]);
}

#[test]
fn correlations_refuse_what_does_not_vary() {
    let x = [1.0, 2.0, 4.0];
    check(vec![
        ("two pairs", bad(pearson(&[1.0, 2.0], &[1.0, 2.0])), &["2 given", "at least 3"]),
        ("no pairs", bad(spearman(&[], &[])), &["0 given", "at least 3"]),
        ("unequal", bad(pearson(&x, &[1.0])), &["expected 3", "got 1"]),
        ("constant first", bad(pearson(&[0.1, 0.1, 0.1], &x)), &["first variable", "all 3", "0.1"]),
        ("constant second", bad(spearman(&x, &[0.0, -0.0, 0.0])), &["second variable", "all 3"]),
        ("NaN", bad(pearson(&[1.0, NAN, 2.0], &x)), &["first variable", "value 1", "NaN"]),
        ("infinity", bad(spearman(&x, &[1.0, 2.0, INF])), &["second variable", "value 2", "inf"]),
        ("overflow", bad(pearson(&[-1.7e308, 1.7e308, 1.7e308], &x)), &["overflows"]),
        ("ranks of NaN", bad(ranks(&[NAN])), &["value 0", "NaN"]),
    ]);
}

#[test]
fn counts_levels_and_p_values_out_of_range_are_refused() {
    let few = Bootstrap { draws: 1, ..Bootstrap::default() };
    let odd = Bootstrap { level: 1.0, ..Bootstrap::default() };
    let plain = Bootstrap { draws: 10, ..Bootstrap::default() };
    check(vec![
        ("no trials", bad(wilson(0, 0, 0.95)), &["0 given", "at least 1"]),
        ("too many successes", bad(wilson(3, 2, 0.95)), &["successes 3", "0 to 2"]),
        ("level 1", bad(wilson(1, 2, 1.0)), &["confidence level 1"]),
        ("level 95", bad(mean_t(&[1.0, 2.0], 95.0)), &["confidence level 95"]),
        ("level NaN", bad(mean_t(&[1.0, 2.0], NAN)), &["confidence level NaN"]),
        ("rule of three", bad(rule_of_three(0)), &["0 given"]),
        ("one value", bad(mean_t(&[1.0], 0.95)), &["1 given", "at least 2"]),
        ("NaN value", bad(mean_t(&[1.0, NAN], 0.95)), &["value 1", "NaN"]),
        ("constant values", bad(mean_t(&[100.0; 4], 0.95)), &["all 4", "100"]),
        ("huge values", bad(mean_t(&[1e300, -1e300], 0.95)), &["overflows"]),
        ("one draw", bad(few.mean(&[1.0, 2.0])), &["draws", "1 given"]),
        ("bootstrap level", bad(odd.mean(&[1.0, 2.0])), &["confidence level 1"]),
        ("bootstrap of one", bad(plain.mean(&[1.0])), &["1 given", "at least 2"]),
        ("bootstrap of NaN", bad(plain.mean(&[1.0, NAN])), &["value 1", "NaN"]),
        ("bootstrap overflow", bad(plain.mean(&[1.7e308, 1.7e308])), &["overflows"]),
        ("one cluster", bad(plain.clustered_mean(&[1.0, 2.0], &["q", "q"])), &["clusters", "1 given"]),
        ("unequal clusters", bad(plain.clustered_mean(&[1.0, 2.0], &["q"])), &["expected 2", "got 1"]),
        ("no tests", bad(benjamini_hochberg(&[])), &["empty"]),
        ("p above 1", bad(holm(&[0.5, 1.5])), &["p-value 1.5"]),
        ("p NaN", bad(benjamini_hochberg(&[NAN])), &["p-value NaN"]),
        ("no draws", bad(empirical_p(1.0, &[], Tail::Upper)), &["0 given"]),
        ("NaN observed", bad(empirical_p(NAN, &[1.0], Tail::Upper)), &["observed", "NaN"]),
        ("NaN draw", bad(empirical_p(0.0, &[1.0, NAN], Tail::Lower)), &["value 1", "NaN"]),
        ("basis of 0", bad(random_orthonormal(3, 0, 0)), &["k 0"]),
        ("basis too wide", bad(random_orthonormal(3, 4, 0)), &["k 4", "1 to 3"]),
        ("basis in nothing", bad(random_orthonormal(0, 1, 0)), &["k 1"]),
        ("empty draws", bad(normal_matrix(0, 3, 0)), &["empty"]),
    ]);
}
