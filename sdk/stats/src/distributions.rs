//! Quantiles and tails of the normal and Student's t distributions.

use statrs::distribution::{Continuous, ContinuousCDF, Normal, StudentsT};
use statrs::function::beta::{checked_beta_reg, inv_beta_reg};

/// The half width, in standard errors, of a central normal interval of confidence `level`.
pub(crate) fn normal_half_width(level: f64) -> f64 {
    // The lower tail is exact where `(1 + level) / 2` would round.
    -Normal::standard().inverse_cdf((1.0 - level) / 2.0)
}

/// The half width, in standard errors, of a central t interval of confidence `level`; `freedom` is at least 1.
///
/// NaN where it exceeds f64.
pub(crate) fn t_half_width(level: f64, freedom: f64) -> f64 {
    let outside = 1.0 - level;
    let x = inv_beta_reg(freedom / 2.0, 0.5, outside);
    let mut t = (freedom * (1.0 - x) / x).sqrt();
    let Ok(distribution) = StudentsT::new(0.0, 1.0, freedom) else {
        return f64::NAN;
    };
    // The inverse is good to 1e-8 for thousands of degrees of freedom; Newton's steps on the tail restore the digits.
    for _ in 0..2 {
        t += (t_two_sided(t, freedom) - outside) / (2.0 * distribution.pdf(t));
    }
    t
}

/// `P(|T| >= t)` with `freedom` degrees of freedom.
fn t_two_sided(t: f64, freedom: f64) -> f64 {
    t_two_sided_of_x(freedom / (freedom + t * t), freedom)
}

/// `P(|T| >= t)` for the `t` with `x = freedom / (freedom + t²)`: the incomplete beta function `I_x(freedom/2, 1/2)`.
pub(crate) fn t_two_sided_of_x(x: f64, freedom: f64) -> f64 {
    checked_beta_reg(freedom / 2.0, 0.5, x).unwrap_or(1.0)
}
