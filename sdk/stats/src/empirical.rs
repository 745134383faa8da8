//! P-values from draws of a null distribution: random directions, permutations, shuffles.

use crate::error::{StatsError, check_count, check_finite};

/// Which draws count as extreme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Draws at least as large as the observed value.
    Upper,
    /// Draws at most as large as the observed value.
    Lower,
    /// Twice the smaller of the two one-sided p-values, at most 1, as `scipy.stats.permutation_test`.
    TwoSided,
}

/// `(1 + draws at least as extreme) / (1 + draws)` (Davison and Hinkley 1997, 4.2.5): never 0, and valid for any number
/// of draws, because the observed value counts as one of them.
///
/// # Errors
/// [`StatsError::TooFew`] without draws, [`StatsError::NonFinite`] for NaN or an infinity.
///
/// ```
/// use emhost_stats::empirical::{empirical_p, Tail};
/// assert_eq!(empirical_p(0.9, &[0.1, 0.5, 0.9], Tail::Upper)?, 0.5);
/// # Ok::<(), emhost_stats::StatsError>(())
/// ```
pub fn empirical_p(observed: f64, draws: &[f64], tail: Tail) -> Result<f64, StatsError> {
    check_count("draws of a null distribution", 1, draws.len())?;
    check_finite("an observed value", &[observed])?;
    check_finite("draws of a null distribution", draws)?;
    let share = |extreme: fn(&f64, &f64) -> bool| {
        (1 + draws.iter().filter(|draw| extreme(draw, &observed)).count()) as f64 / (1 + draws.len()) as f64
    };
    let (upper, lower) = (share(|draw, seen| draw >= seen), share(|draw, seen| draw <= seen));
    Ok(match tail {
        Tail::Upper => upper,
        Tail::Lower => lower,
        Tail::TwoSided => (2.0 * upper.min(lower)).min(1.0),
    })
}
