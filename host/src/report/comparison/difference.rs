//! How far two runs are apart, and how sure that is.

use emhost_abi::wire::Headline;
use emhost_stats::interval::difference;

/// The difference of the second run from the first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Difference {
    /// What was measured.
    pub quantity: String,
    /// Under which condition.
    pub condition: String,
    /// Second minus first.
    pub value: f64,
    /// Interval at 95 %, where one is defined.
    pub interval: Option<[f64; 2]>,
    /// p-value, where a test was made.
    pub p: Option<f64>,
    /// Name of the interval and of the test.
    pub method: String,
}

/// The method of [`independent_difference`].
pub const MOVER: &str = "MOVER of the two intervals, runs as independent";

/// The difference `second - first` of two values whose samples are independent.
///
/// Its interval comes from theirs ([`emhost_stats::interval::difference`]). Without both intervals there is none.
pub fn independent_difference(first: &Headline, second: &Headline) -> Difference {
    let value = second.value - first.value;
    let finite = |i: Option<[f64; 2]>| i.filter(|i| i.iter().all(|v| v.is_finite()));
    let interval = match (finite(first.interval), finite(second.interval)) {
        (Some([l1, u1]), Some([l2, u2])) if value.is_finite() => {
            Some(difference(second.value, [l2, u2], first.value, [l1, u1]))
        }
        _ => None,
    };
    let method = if interval.is_some() { MOVER } else { "" };
    Difference {
        quantity: second.quantity.clone(),
        condition: second.condition.clone(),
        value,
        interval,
        p: None,
        method: method.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: f64, interval: Option<[f64; 2]>) -> Headline {
        Headline { value, interval, ..Headline::default() }
    }

    #[test]
    fn an_interval_that_is_missing_is_not_made_up() {
        let check = |a: Option<[f64; 2]>, b: Option<[f64; 2]>| {
            let difference = independent_difference(&number(0.1, a), &number(0.3, b));
            assert_eq!((difference.interval, difference.method.as_str()), (None, ""));
        };
        check(None, Some([0.2, 0.4]));
        check(Some([0.0, 0.2]), None);
        check(Some([0.0, f64::INFINITY]), Some([0.2, 0.4]));
    }
}
