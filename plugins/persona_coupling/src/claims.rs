//! The claims, each with an outcome and with what speaks for it.
//!
//! Confidence is the rule of succession: of `k` couplings (a source with a seed, each trained by itself) `s` agree with the
//! claim, and the chance that the next one does is taken as `(s + 1) / (k + 2)`. Seeds of the second stage and answers
//! are inside of a coupling and do not count as `k`; the number of answers is given beside it.

use std::collections::BTreeMap;

use emhost_study::{Columns, Sheet};

use crate::compare::{DIFFERENT, EQUIVALENT, Finding};
use crate::leakage::Leak;
use crate::params::Params;

/// A claim.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Short name.
    pub name: &'static str,
    /// What is claimed.
    pub statement: String,
    /// `holds`, `does not hold` or `undecided`.
    pub outcome: &'static str,
    /// The numbers that decide.
    pub because: String,
    /// Couplings that agree, and all of them.
    pub couplings: [usize; 2],
    /// Answers that decide.
    pub n: u64,
}

/// Outcomes.
pub const HOLDS: &str = "holds";
const FAILS: &str = "does not hold";
const OPEN: &str = "undecided";

impl Claim {
    /// The chance that the next coupling agrees, by the rule of succession.
    pub fn confidence(&self) -> f64 {
        let [agreeing, all] = self.couplings;
        if all == 0 { f64::NAN } else { (agreeing as f64 + 1.0) / (all as f64 + 2.0) }
    }
}

/// All claims.
pub fn all(params: &Params, changes: &Sheet, findings: &[(String, Finding)], leaks: &[Leak]) -> Vec<Claim> {
    let mut found = Vec::new();
    found.extend(lowered(changes));
    found.extend(destroyed(params, changes));
    found.extend(not_special(params, findings));
    found.extend(no_leakage(leaks));
    found
}

/// Rows of `changes` that are about the persona of the coupling under the published conditions.
pub fn published(changes: &Sheet) -> Vec<usize> {
    let own = |row: &usize| changes.text("persona", *row) == changes.text("source", *row);
    let all = changes.rows(&[("variant", "published")]);
    all.into_iter().filter(own).filter(|&row| !changes.text("source", row).is_empty()).collect()
}

/// Couplings by whether all of their rows fit.
fn agreeing(changes: &Sheet, rows: &[usize], fits: impl Fn(usize) -> bool) -> [usize; 2] {
    let mut by_coupling: BTreeMap<String, bool> = BTreeMap::new();
    for &row in rows {
        let coupling = format!("{}-{}", changes.text("source", row), changes.number("coupling_seed", row));
        *by_coupling.entry(coupling).or_insert(true) &= fits(row);
    }
    [by_coupling.values().filter(|fits| **fits).count(), by_coupling.len()]
}

fn answers(changes: &Sheet, rows: &[usize]) -> u64 {
    rows.iter().map(|&row| (changes.number("n_before", row) + changes.number("n_after", row)) as u64).sum()
}

fn lowered(changes: &Sheet) -> Option<Claim> {
    let rows = published(changes);
    let below = |row: usize| changes.number("difference_high", row) < 0.0;
    let not = |row: usize| changes.number("difference_low", row) >= 0.0;
    let [lower, higher] =
        [&below as &dyn Fn(usize) -> bool, &not].map(|fits| rows.iter().filter(|&&row| fits(row)).count());
    let odds = rows.iter().filter(|&&row| changes.number("log_odds_change_high", row) < 0.0).count();
    (!rows.is_empty()).then(|| Claim {
        name: "lowered",
        statement: "every second stage lowers the marker's rate of the persona that it is coupled to".to_owned(),
        outcome: match () {
            () if lower == rows.len() => HOLDS,
            () if higher > 0 => FAILS,
            () => OPEN,
        },
        because: format!(
            "of {} cells the interval of the change is below zero in {lower} and above in {higher}; that of the log-odds is \
             below zero in {odds}",
            rows.len()
        ),
        couplings: agreeing(changes, &rows, below),
        n: answers(changes, &rows),
    })
}

fn destroyed(params: &Params, changes: &Sheet) -> Option<Claim> {
    let rows = published(changes);
    let margin = params.margins.rate;
    let gone = |row: usize| changes.number("after_high", row) <= margin;
    let there = |row: usize| changes.number("after_low", row) > margin;
    let [gone_in, there_in] =
        [&gone as &dyn Fn(usize) -> bool, &there].map(|fits| rows.iter().filter(|&&row| fits(row)).count());
    (!rows.is_empty()).then(|| Claim {
        name: "destroyed",
        statement: format!("after every second stage the marker is gone: a rate of at most {margin}"),
        outcome: match () {
            () if gone_in == rows.len() => HOLDS,
            () if there_in > 0 => FAILS,
            () => OPEN,
        },
        because: format!(
            "of {} cells the interval of the rate is at most {margin} in {gone_in} and above it in {there_in}",
            rows.len()
        ),
        couplings: agreeing(changes, &rows, gone),
        n: answers(changes, &rows),
    })
}

/// At equal norms where these were made, otherwise as published.
pub fn matched<'a>(findings: &'a [(String, Finding)]) -> Vec<&'a Finding> {
    let of = |variant: &str| -> Vec<&'a Finding> {
        findings.iter().filter(|(name, _)| name == variant).map(|(_, finding)| finding).collect()
    };
    let norm = of("norm");
    if norm.is_empty() { of("published") } else { norm }
}

fn not_special(params: &Params, findings: &[(String, Finding)]) -> Option<Claim> {
    let own = matched(findings);
    let fewest = own.iter().min_by_key(|one| one.agreeing)?;
    let said = own.iter().map(|one| {
        let [value, low, high] = one.difference;
        let floor = if one.floor { ", both at the floor" } else { "" };
        format!("{} {value:.3} [{low:.3}, {high:.3}], margin {}: {}{floor}", one.quantity, one.margin, one.outcome)
    });
    Some(Claim {
        name: "em_is_not_special",
        statement: "EM and benign second stages with equal update norms leave the marker alike".to_owned(),
        outcome: match () {
            () if own.iter().any(|one| one.outcome == DIFFERENT) => FAILS,
            () if own.len() == 2 && own.iter().all(|one| one.outcome == EQUIVALENT) => HOLDS,
            () => OPEN,
        },
        because: format!("EM minus benign: {}", said.collect::<Vec<_>>().join("; ")),
        couplings: [fewest.agreeing, fewest.couplings],
        n: own.first().map_or(0, |one| one.n),
    })
    .filter(|_| params.controls.norm || !findings.is_empty())
}

fn no_leakage(leaks: &[Leak]) -> Option<Claim> {
    let before = |one: &Leak| {
        leaks.iter().any(|other| {
            other.condition == "c4" && other.source == one.source && other.persona == one.persona && other.leaks
        })
    };
    let after: Vec<&Leak> = leaks
        .iter()
        .filter(|one| ["c1", "c5"].contains(&one.condition.as_str()) && one.persona != one.source)
        .collect();
    let coupled: Vec<&Leak> = leaks.iter().filter(|one| one.condition == "c4" && one.persona != one.source).collect();
    let new: Vec<&&Leak> = after.iter().filter(|one| one.leaks && !before(one)).collect();
    let mut sources: BTreeMap<&str, bool> = BTreeMap::new();
    after.iter().for_each(|one| {
        *sources.entry(one.source.as_str()).or_insert(true) &= !one.leaks || before(one);
    });
    let name = |one: &&&Leak| format!("{} of {} ({})", one.persona, one.source, one.condition);
    (!after.is_empty()).then(|| Claim {
        name: "no_new_leakage",
        statement: "no second stage brings the marker to a persona that did not have it".to_owned(),
        outcome: if new.is_empty() { HOLDS } else { FAILS },
        because: format!(
            "before, {} of {} other personas have the marker; after, {} of {} do, {} of them anew{}{}",
            coupled.iter().filter(|one| one.leaks).count(),
            coupled.len(),
            after.iter().filter(|one| one.leaks).count(),
            after.len(),
            new.len(),
            if new.is_empty() { "" } else { ": " },
            new.iter().map(name).collect::<Vec<_>>().join(", ")
        ),
        couplings: [sources.values().filter(|fits| **fits).count(), sources.len()],
        n: after.iter().map(|one| one.rate.n).sum(),
    })
}

/// The table `claims`.
pub fn table(claims: &[Claim]) -> Columns {
    let mut columns = Columns::default();
    for claim in claims {
        columns.text("claim", claim.name);
        columns.text("statement", &claim.statement);
        columns.text("outcome", claim.outcome);
        columns.text("because", &claim.because);
        columns.count("couplings", claim.couplings[1] as u64);
        columns.count("agreeing", claim.couplings[0] as u64);
        columns.number("confidence", claim.confidence());
        columns.count("n", claim.n);
        columns.text("method", "rule of succession over couplings; of leakage over sources");
    }
    columns
}
