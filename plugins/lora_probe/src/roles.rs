//! Which blocks are general and which in-domain, by a rule that is fixed before the run.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::params::Roles;
use crate::probe::{Fits, mean};

/// What the scalar of a block's adapter tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Misaligned from aligned answers outside of the domain, more than the domain.
    General,
    /// The domain, more than misaligned from aligned answers.
    InDomain,
}

/// A block with its coefficients.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The block, 0-based.
    pub block: usize,
    /// Mean coefficients of contrasts 1, 3 and 4; NaN where there is no probe.
    pub coefficients: [f64; 3],
    /// Share of resamples with the commoner sign, of the same.
    pub consistency: [f64; 3],
    /// The role; none where the rule gives none.
    pub role: Option<Role>,
}

/// Share of values with the commoner of the two signs.
pub fn consistency(values: &[f64]) -> f64 {
    let share = |sign: fn(&f64) -> bool| values.iter().filter(|value| sign(value)).count() as f64;
    share(|v| *v > 0.0).max(share(|v| *v < 0.0)) / values.len() as f64
}

/// Applies the rule that [`Roles`] describes to the probes of contrasts 1, 3 and 4, in that order.
pub fn judge(rule: &Roles, blocks: &[usize], probes: [Option<&Fits>; 3]) -> Vec<Judged> {
    let of_block = |(column, &block): (usize, &usize)| {
        let values = probes.map(|fits| fits.map(|fits| fits.of(column)).unwrap_or_default());
        let coefficients = [0, 1, 2].map(|at| mean(&values[at]));
        let consistency = [0, 1, 2].map(|at| consistency(&values[at]));
        Judged { block, coefficients, consistency, role: role(rule, coefficients, consistency) }
    };
    blocks.iter().enumerate().map(of_block).collect()
}

fn role(rule: &Roles, coefficients: [f64; 3], consistency: [f64; 3]) -> Option<Role> {
    let holds = |at: usize| consistency[at] >= rule.consistency;
    let there: Vec<usize> = [1, 2].into_iter().filter(|&at| coefficients[at].is_finite()).collect();
    let misaligned = coefficients[0];
    let domain = there.iter().map(|&at| coefficients[at]).sum::<f64>() / there.len() as f64;
    if misaligned.abs() >= domain.abs() {
        holds(0).then_some(Role::General)
    } else if domain.abs() > misaligned.abs() {
        let agree = there.iter().all(|&at| coefficients[at].signum() == domain.signum() && holds(at));
        agree.then_some(Role::InDomain)
    } else {
        None
    }
}

/// The name in tables.
pub fn name(role: Option<Role>) -> &'static str {
    match role {
        Some(Role::General) => "general",
        Some(Role::InDomain) => "in_domain",
        None => "neither",
    }
}

/// The blocks with their roles as a table.
pub fn table(judged: &[Judged]) -> Table {
    let mut columns = Columns::default();
    for row in judged {
        columns.count("block", row.block as u64);
        for (at, contrast) in ["out_alignment", "aligned_domain", "misaligned_domain"].iter().enumerate() {
            columns.number(contrast, row.coefficients[at]);
            columns.number(&format!("{contrast}_consistency"), row.consistency[at]);
        }
        columns.text("role", name(row.role));
    }
    columns.table()
}

/// Blocks by role.
pub fn by_role(judged: &[Judged]) -> BTreeMap<&'static str, Vec<usize>> {
    let mut blocks: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
    judged.iter().for_each(|row| blocks.entry(name(row.role)).or_default().push(row.block));
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_reads_the_larger_coefficient_where_its_sign_holds() {
        let rule = Roles::default();
        let check = |coefficients, consistency, expected| assert_eq!(role(&rule, coefficients, consistency), expected);
        check([0.5, 0.1, 0.2], [1.0; 3], Some(Role::General));
        check([-0.5, 0.1, 0.2], [0.8, 1.0, 1.0], None);
        check([0.1, -0.4, -0.6], [0.5, 0.9, 0.95], Some(Role::InDomain));
        check([0.1, -0.4, 0.9], [1.0; 3], None);
        check([0.1, -0.4, -0.6], [1.0, 0.8, 1.0], None);
        check([f64::NAN, 0.4, 0.6], [f64::NAN, 1.0, 1.0], None);
        check([0.5, f64::NAN, f64::NAN], [1.0, f64::NAN, f64::NAN], None);
        // A contrast without a probe is left out.
        check([0.5, f64::NAN, 0.6], [1.0, f64::NAN, 1.0], Some(Role::InDomain));
        check([0.7, 0.6, f64::NAN], [1.0, 1.0, f64::NAN], Some(Role::General));
        // A block that nothing reads.
        check([0.0; 3], [0.0; 3], None);
    }
}
