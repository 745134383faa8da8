//! Figures of numpy, scipy, scikit-learn and statsmodels (golden.json, written by make_golden.py) are reproduced.

use emhost_stats::bootstrap::Bootstrap;
use emhost_stats::correlation::{pearson, ranks, spearman};
use emhost_stats::empirical::{Tail, empirical_p};
use emhost_stats::interval::{mean_t, wilson};
use emhost_stats::multiple::{benjamini_hochberg, holm};
use emhost_stats::overlap::{self, principal_angles, row_overlaps};
use emhost_stats::random::{Rng, normal_matrix, random_orthonormal};
use emhost_stats::{Basis, Matrix, Pca};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The house rule for well-posed problems.
const RELATIVE: f64 = 1e-8;
/// Values that are zero but for rounding: inputs are of order 1 to 1e4, so 1e4 times the f64 epsilon and some slack.
const ZERO: f64 = 1e-11;

/// Counts what it checks, so that a section that reads nothing cannot pass.
#[derive(Default)]
struct Checker {
    figures: usize,
}

impl Checker {
    fn check(&mut self, what: &str, got: f64, want: f64) {
        self.within(what, got, want, RELATIVE, ZERO);
    }

    fn within(&mut self, what: &str, got: f64, want: f64, relative: f64, absolute: f64) {
        self.figures += 1;
        let close = (got - want).abs() <= relative * want.abs() + absolute;
        assert!(close, "{what}: got {got:e}, want {want:e}");
    }

    fn all(&mut self, what: &str, got: &[f64], want: &[f64]) {
        assert_eq!(got.len(), want.len(), "{what}: number of values");
        got.iter().zip(want).enumerate().for_each(|(i, (&g, &w))| self.check(&format!("{what}[{i}]"), g, w));
    }

    fn rows(&mut self, what: &str, got: &Matrix, want: &[Vec<f64>]) {
        assert_eq!(got.rows(), want.len(), "{what}: number of rows");
        got.iter_rows().zip(want).for_each(|(g, w)| self.all(what, g, w));
    }

    fn at_least(&self, figures: usize) {
        assert!(self.figures >= figures, "only {} figures checked", self.figures);
    }
}

struct Case(Value);

impl Case {
    fn get<T: DeserializeOwned>(&self, key: &str) -> T {
        serde_json::from_value(self.0[key].clone()).unwrap_or_else(|e| panic!("{key}: {e}"))
    }

    fn vec(&self, key: &str) -> Vec<f64> {
        self.get(key)
    }

    fn matrix(&self, key: &str) -> Matrix {
        Matrix::from_rows(&self.get::<Vec<Vec<f64>>>(key)).expect("golden inputs are proper matrices")
    }
}

fn cases(section: &str) -> Vec<Case> {
    let golden: Value = serde_json::from_str(include_str!("golden.json")).expect("golden.json is JSON");
    let Value::Array(cases) = &golden[section] else { panic!("golden.json has no list {section}") };
    cases.iter().cloned().map(Case).collect()
}

#[test]
fn the_generator_gives_the_words_of_numpys_philox() {
    for case in cases("words") {
        let mut rng = Rng::new(case.get("seed"), case.get("stream"));
        let want: Vec<u64> = case.get("words");
        assert_eq!(want, want.iter().map(|_| rng.next_u64()).collect::<Vec<_>>());
    }
}

#[test]
fn normal_draws_follow_box_and_muller_on_those_words() {
    let mut checker = Checker::default();
    for case in cases("normals") {
        let mut rng = Rng::new(case.get("seed"), case.get("stream"));
        let want = case.vec("normals");
        checker.all("normal", &want.iter().map(|_| rng.normal()).collect::<Vec<_>>(), &want);
    }
    for case in cases("normal_matrices") {
        let want: Vec<Vec<f64>> = case.get("rows");
        let got = normal_matrix(want.len(), want[0].len(), case.get("seed")).expect("not empty");
        checker.rows("normal matrix", &got, &want);
    }
    checker.at_least(48);
}

#[test]
fn shuffles_give_the_documented_order() {
    for case in cases("shuffles") {
        let mut order: Vec<usize> = (0..case.get("n")).collect();
        Rng::new(case.get("seed"), 0).shuffle(&mut order);
        assert_eq!(order, case.get::<Vec<usize>>("order"));
    }
}

#[test]
fn haar_bases_equal_the_product_of_dense_reflections() {
    let mut checker = Checker::default();
    for case in cases("haar") {
        let basis = random_orthonormal(case.get("d"), case.get("k"), case.get("seed")).expect("k is in range");
        checker.rows("haar", basis.matrix(), &case.get::<Vec<Vec<f64>>>("rows"));
    }
    checker.at_least(150);
}

#[test]
fn principal_components_equal_scikit_learns() {
    let mut checker = Checker::default();
    for case in cases("pca") {
        let name: String = case.get("name");
        let pca = Pca::fit(&case.matrix("rows")).expect("golden rows vary");
        checker.all(&format!("{name}: mean"), pca.mean(), &case.vec("mean"));
        checker.rows(&format!("{name}: components"), pca.components(), &case.get::<Vec<Vec<f64>>>("components"));
        // The tiny variances of one case are 1e-12 of the first: no absolute slack, so that they count.
        for (got, want) in pca.variances().iter().zip(case.vec("variances")) {
            checker.within(&format!("{name}: variance"), *got, want, RELATIVE, 0.0);
        }
        for (got, want) in pca.ratios().iter().zip(case.vec("ratios")) {
            checker.within(&format!("{name}: ratio"), *got, want, RELATIVE, 0.0);
        }
        for share in case.get::<Vec<Value>>("shares").into_iter().map(Case) {
            assert_eq!(pca.components_for_variance(share.get("share")), Ok(share.get("k")), "{name}");
        }
        for distance in case.get::<Vec<Value>>("mahalanobis").into_iter().map(Case) {
            let got = pca.mahalanobis(&case.vec("probe"), distance.get("k")).expect("k is in range");
            checker.check(&format!("{name}: mahalanobis"), got, distance.get("distance"));
        }
    }
    checker.at_least(250);
}

#[test]
fn overlaps_equal_scikit_learns_transform_and_inverse_transform() {
    let mut checker = Checker::default();
    for case in cases("overlap") {
        let (train, eval) = (case.matrix("train"), case.matrix("eval"));
        let pca = Pca::fit(&train).expect("golden rows vary");
        let basis = pca.basis(case.get("k")).expect("k is in range");
        let rows = row_overlaps(&eval, pca.mean(), &basis).expect("no row equals the mean");
        checker.all("fraction", &rows.iter().map(|r| r.fraction()).collect::<Vec<_>>(), &case.vec("fractions"));
        checker.all("squared", &rows.iter().map(|r| r.squared_fraction()).collect::<Vec<_>>(), &case.vec("squared"));
        let explained: Option<Vec<f64>> = rows.iter().map(|r| r.explained_l2()).collect();
        checker.all("explained l2", &explained.expect("no row is zero"), &case.vec("explained_l2"));
        for (i, row) in eval.iter_rows().enumerate() {
            let one = overlap::energy_fraction(row, pca.mean(), &basis).expect("no row equals the mean");
            checker.check("fraction of one row", one, case.vec("fractions")[i]);
            let squared = overlap::squared_energy_fraction(row, pca.mean(), &basis).expect("no row equals the mean");
            checker.check("squared fraction of one row", squared, case.vec("squared")[i]);
            let cosine = overlap::reconstruction_cosine(row, pca.mean(), &basis).expect("no row is zero");
            checker.check("reconstruction cosine", cosine, case.vec("reconstruction_cosines")[i]);
        }
        let cosines = overlap::row_cosines(&eval, &train.mean_row()).expect("no row is zero");
        checker.all("row cosine", &cosines, &case.vec("row_cosines"));
        let means = overlap::mean_delta_cosine(&train, &eval).expect("no mean is zero");
        checker.check("mean delta cosine", means, case.get("mean_delta_cosine"));
    }
    checker.at_least(140);
}

#[test]
fn principal_angles_equal_scipys_from_a_trillionth_to_a_right_angle() {
    let mut checker = Checker::default();
    for case in cases("angles") {
        let a = Basis::spanning(&case.matrix("a")).expect("not zero");
        let b = Basis::spanning(&case.matrix("b")).expect("not zero");
        // Angles are accurate to rounding in absolute terms: 1e-14, a few epsilons of the unit vectors' entries.
        for (angles, order) in [(principal_angles(&a, &b), "a, b"), (principal_angles(&b, &a), "b, a")] {
            let (angles, want) = (angles.expect("equal widths"), case.vec("angles"));
            assert_eq!(angles.len(), want.len());
            angles.iter().zip(want).for_each(|(&got, want)| checker.within(order, got, want, 0.0, 1e-14));
        }
    }
    checker.at_least(60);
}

#[test]
fn correlations_equal_scipys_with_ties_and_at_both_ends() {
    let mut checker = Checker::default();
    for case in cases("correlation") {
        let (x, y) = (case.vec("x"), case.vec("y"));
        let (p, s) = (pearson(&x, &y).expect("both vary"), spearman(&x, &y).expect("both vary"));
        checker.check("pearson", p.r, case.get("pearson"));
        checker.check("pearson p", p.p, case.get("pearson_p"));
        checker.check("spearman", s.r, case.get("spearman"));
        checker.check("spearman p", s.p, case.get("spearman_p"));
        assert_eq!((p.n, s.n, s.interval), (x.len(), x.len(), None));
        let want = case.get::<Option<f64>>("low").zip(case.get::<Option<f64>>("high"));
        assert_eq!(p.interval.is_some(), want.is_some());
        if let Some((interval, (low, high))) = p.interval.zip(want) {
            assert_eq!(interval.level, 0.95);
            checker.check("low", interval.low, low);
            checker.check("high", interval.high, high);
        }
        assert_eq!(ranks(&x), Ok(case.vec("ranks")));
    }
    checker.at_least(80);
}

#[test]
fn p_values_of_correlations_equal_scipys_up_to_50000_pairs() {
    let mut checker = Checker::default();
    for case in cases("ladder") {
        let (n, slope): (usize, f64) = (case.get("n"), case.get("slope"));
        let (std, noise_mean, noise_std): (f64, f64, f64) =
            (case.get("std"), case.get("noise_mean"), case.get("noise_std"));
        let x: Vec<f64> = (0..n).map(|i| (i * 7919 % n) as f64).collect();
        let mean = (n - 1) as f64 / 2.0;
        let y: Vec<f64> = (0..n)
            .map(|i| {
                let noise = ((i * i * 31 + 17 * i) % 101) as f64;
                let y = slope * (x[i] - mean) / std + (1.0 - slope * slope).sqrt() * (noise - noise_mean) / noise_std;
                (y * 1000.0).round_ties_even() / 1000.0
            })
            .collect();
        let got = pearson(&x, &y).expect("both vary");
        checker.within(&format!("r at n {n}, slope {slope}"), got.r, case.get("r"), 1e-9, 1e-13);
        // A relative error e of 1 - r² becomes n e / 2 in the tail: 5e4 * 1e-13 at the far end. No absolute slack.
        checker.within(&format!("p at n {n}, slope {slope}"), got.p, case.get("p"), RELATIVE, 0.0);
    }
    checker.at_least(120);
}

#[test]
fn adjusted_p_values_equal_statsmodels() {
    let mut checker = Checker::default();
    for case in cases("multiple") {
        let p = case.vec("p");
        for (got, key) in [(benjamini_hochberg(&p), "bh"), (holm(&p), "holm")] {
            let got = got.expect("p-values are in range");
            got.iter().zip(case.vec(key)).for_each(|(&g, w)| checker.within(key, g, w, RELATIVE, 0.0));
        }
    }
    checker.at_least(100);
}

#[test]
fn wilson_intervals_equal_statsmodels() {
    let mut checker = Checker::default();
    for case in cases("wilson") {
        let got = wilson(case.get("successes"), case.get("n"), case.get("level")).expect("proper counts");
        checker.check("low", got.low, case.get("low"));
        checker.check("high", got.high, case.get("high"));
        assert_eq!(got.level, case.get::<f64>("level"));
    }
    checker.at_least(70);
}

#[test]
fn t_intervals_equal_scipys() {
    let mut checker = Checker::default();
    for case in cases("mean_t") {
        let got = mean_t(&case.vec("values"), case.get("level")).expect("values vary");
        checker.check("mean", got.mean, case.get("mean"));
        checker.check("low", got.interval.low, case.get("low"));
        checker.check("high", got.interval.high, case.get("high"));
    }
    for case in cases("half_widths") {
        let n: usize = case.get("n");
        let level: f64 = case.get("level");
        let values: Vec<f64> = (0..n).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        let got = mean_t(&values, level).expect("values vary");
        checker.check(&format!("half width of n {n} at {level}"), got.interval.high, case.get("half_width"));
        checker.check(&format!("half width of n {n} at {level}"), -got.interval.low, case.get("half_width"));
    }
    checker.at_least(190);
}

#[test]
fn bootstrap_intervals_equal_numpy_on_the_same_draws() {
    let mut checker = Checker::default();
    for case in cases("bootstrap") {
        let bootstrap = Bootstrap { draws: case.get("draws"), level: case.get("level"), seed: case.get("seed") };
        let values = case.vec("values");
        let clusters: Option<Vec<u32>> = case.get("clusters");
        let got = match &clusters {
            Some(clusters) => bootstrap.clustered_mean(&values, clusters),
            None => bootstrap.mean(&values),
        }
        .expect("enough values");
        checker.check("mean", got.mean, case.get("mean"));
        checker.check("low", got.interval.low, case.get("low"));
        checker.check("high", got.interval.high, case.get("high"));
    }
    checker.at_least(12);
}

#[test]
fn empirical_p_values_equal_scipys_permutation_test() {
    let mut checker = Checker::default();
    for case in cases("empirical") {
        for (tail, key) in [(Tail::Upper, "upper"), (Tail::Lower, "lower"), (Tail::TwoSided, "two_sided")] {
            let got = empirical_p(case.get("observed"), &case.vec("draws"), tail).expect("finite draws");
            checker.check(key, got, case.get(key));
        }
    }
    checker.at_least(9);
}
