//! The geometry of planted paths.

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

use em_finetune::{composition, path, turn};

/// A walk whose steps are these, from the origin, in three dimensions.
fn walk(steps: &[[f64; 3]]) -> Vec<Vec<f64>> {
    let mut points = vec![vec![0.0; 3]];
    for step in steps {
        let last = points.last().unwrap();
        points.push(last.iter().zip(step).map(|(at, by)| at + by).collect());
    }
    points
}

#[test]
fn a_straight_path_never_turns_whatever_its_speed() {
    let points = walk(&[[1.0, 2.0, 2.0], [0.5, 1.0, 1.0], [2.0, 4.0, 4.0], [1.0, 2.0, 2.0]]);
    for (at, k) in [(1, 1), (2, 1), (3, 1), (2, 2)] {
        let found = turn(&points, at, k, 0.002).unwrap().unwrap();
        // A few roundings of 53 bits.
        assert!((found.cosine - 1.0).abs() < 1e-12, "{found:?}");
    }
    let found = path(&points).unwrap().unwrap();
    assert!((found.shares[0] - 1.0).abs() < 1e-12 && found.shares[1].is_nan(), "{found:?}");
    assert!(found.points.iter().all(|[first, second]| first.is_finite() && second.is_nan()));
}

#[test]
fn a_right_angle_is_a_zero_at_the_corner_and_a_one_elsewhere() {
    let points = walk(&[[1.0, 0.0, 0.0]; 3].into_iter().chain([[0.0, 1.0, 0.0]; 3]).collect::<Vec<_>>());
    let cosine = |at: usize, k: usize| turn(&points, at, k, 0.002).unwrap().unwrap().cosine;
    let of_reach = |k: usize| (k..=6 - k).map(|at| cosine(at, k)).collect::<Vec<_>>();
    assert_eq!(of_reach(1), [1.0, 1.0, 0.0, 1.0, 1.0]);
    let wide = of_reach(2);
    // One step before the corner: (2, 0) and (1, 1).
    assert!((wide[0] - 0.5_f64.sqrt()).abs() < 1e-12 && wide[1] == 0.0, "{wide:?}");
    let found = path(&points).unwrap().unwrap();
    assert!((found.shares[0] + found.shares[1] - 1.0).abs() < 1e-12, "{found:?}");
    // The plane keeps distances.
    let far = (found.points[0][0] - found.points[6][0]).hypot(found.points[0][1] - found.points[6][1]);
    assert!((far - 18.0_f64.sqrt()).abs() < 1e-12, "{far}");
}

#[test]
fn a_turn_back_is_minus_one_and_what_is_too_short_or_too_near_the_end_is_missing() {
    let points = walk(&[[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0], [0.001, 0.0, 0.0]]);
    assert_eq!(turn(&points, 1, 1, 0.002).unwrap().unwrap().cosine, -1.0);
    let short = turn(&points, 2, 1, 0.002).unwrap().unwrap();
    assert!(short.cosine.is_nan() && short.before == 1.0 && (short.after - 0.001).abs() < 1e-15);
    assert_eq!(turn(&points, 2, 1, 0.0).unwrap().unwrap().cosine, -1.0);
    assert_eq!(turn(&points, 0, 1, 0.0).unwrap(), None);
    assert_eq!(turn(&points, 2, 2, 0.0).unwrap(), None);
    assert_eq!(path(&vec![vec![1.0, 2.0]; 3]).unwrap(), None);
}

#[test]
fn composition_is_that_of_the_definition_and_missing_where_shapes_do_not_allow() {
    // A = [3, 4], B = [3, 4]: A B = 25 of 25; rotated by a right angle: 0.
    assert_eq!(composition(&[3.0, 4.0], &[3.0, 4.0], 1), 1.0);
    assert_eq!(composition(&[3.0, 4.0], &[-4.0, 3.0], 1), 0.0);
    // Rank 2 of width 2: A = I, B = [[1, 2], [3, 4]]; |A B| = |B|, |A| = sqrt 2.
    let found = composition(&[1.0, 0.0, 0.0, 1.0], &[1.0, 2.0, 3.0, 4.0], 2);
    assert!((found - 0.5_f64.sqrt()).abs() < 1e-12, "{found}");
    assert!(composition(&[1.0, 2.0, 3.0], &[1.0, 2.0], 1).is_nan());
    assert!(composition(&[0.0, 0.0], &[1.0, 2.0], 1).is_nan());
}
