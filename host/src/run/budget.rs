//! What a call may take: time, and money for judges.

use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::units::parse_duration;

/// Caps as a person writes them: `time=2h`, `cost=5`, or both with a comma.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Budget {
    /// No cell begins after this time.
    pub time: Option<Duration>,
    /// Money that judges may cost, in the currency of their prices.
    pub cost: Option<f64>,
}

impl FromStr for Budget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut budget = Self::default();
        for part in text.split(',') {
            match part.trim().split_once('=') {
                Some(("time", value)) => budget.time = Some(parse_duration(value)?),
                Some(("cost", value)) => {
                    let cost = value.parse().ok().filter(|cost: &f64| cost.is_finite() && *cost >= 0.0);
                    budget.cost =
                        Some(cost.ok_or_else(|| format!("`{value}` is not an amount of money such as 5 or 0.5"))?);
                }
                _ => return Err(format!("`{part}` is no cap; write time=2h, cost=5, or both with a comma")),
            }
        }
        Ok(budget)
    }
}

/// A budget while it is used.
#[derive(Debug)]
pub struct Purse {
    budget: Budget,
    begun: Instant,
    spent: Mutex<f64>,
}

impl Purse {
    /// Time begins.
    pub fn new(budget: Budget) -> Self {
        Self { budget, begun: Instant::now(), spent: Mutex::default() }
    }

    /// Whether no further cell may begin.
    pub fn is_over(&self) -> bool {
        self.budget.time.is_some_and(|time| self.begun.elapsed() >= time)
    }

    /// Money that is left.
    pub fn left(&self) -> Option<f64> {
        let spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        self.budget.cost.map(|cost| (cost - spent).max(0.0))
    }

    /// Money was spent.
    pub fn spend(&self, cost: f64) {
        *self.spent.lock().unwrap_or_else(PoisonError::into_inner) += cost;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_and_used_up() {
        let budget: Budget = "time=90min, cost=0.5".parse().expect("both caps");
        assert_eq!(budget, Budget { time: Some(Duration::from_secs(5400)), cost: Some(0.5) });
        for wrong in ["", "hours=2", "cost=x", "cost=-1", "time=2"] {
            assert!(wrong.parse::<Budget>().is_err(), "{wrong}");
        }
        let purse = Purse::new(budget);
        purse.spend(0.4);
        assert!(!purse.is_over() && purse.left().is_some_and(|left| (left - 0.1).abs() < 1e-12));
        purse.spend(0.4);
        assert_eq!(purse.left(), Some(0.0));
        assert!(Purse::new(Budget { time: Some(Duration::ZERO), cost: None }).is_over());
    }
}
