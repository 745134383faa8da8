//! Organisms against the model before, and seeds of one recipe against each other.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::empirical::Tail;
use emhost_stats::interval::difference;
use emhost_stats::multiple::benjamini_hochberg;
use emhost_stats::permutation::Permutation;
use emhost_study::{Clusters, Columns, Source, failed};

use crate::BASE;
use crate::params::Params;
use crate::summary::{Behaviour, Judged};

/// A false discovery rate up to this is told apart.
pub const DISCOVERY: f64 = 0.05;

/// How p-values come about, for tables and reports.
pub const METHOD: &str = "paired sign-flip permutation over clusters, Benjamini-Hochberg";

/// Two organisms on one bank.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What is tested together: against the base, or between seeds.
    pub family: &'static str,
    /// The organism.
    pub organism: String,
    /// What it is compared with.
    pub against: String,
    /// The questions.
    pub bank: String,
    /// Pairs of answers to the same question.
    pub n: u64,
    /// Topics or questions among them.
    pub clusters: u64,
    /// Rates of misaligned answers of the two.
    pub rates: [f64; 2],
    /// The first minus the second.
    pub difference: f64,
    /// Interval at 95 %, from the intervals of the two rates.
    pub interval: [f64; 2],
    /// Two-sided p-value; NaN where there is a single question.
    pub p: f64,
    /// The same, adjusted over the family.
    pub adjusted: f64,
}

/// The family of organisms against the model before.
pub const AGAINST_BASE: &str = "against base";
/// The family of seeds against each other.
pub const BETWEEN_SEEDS: &str = "between seeds";

impl Comparison {
    /// Whether the organism is more often misaligned than what it is compared with.
    pub fn above(&self) -> bool {
        self.adjusted <= DISCOVERY && self.difference > 0.0
    }

    /// Whether the two differ.
    pub fn differs(&self) -> bool {
        self.adjusted <= DISCOVERY
    }
}

/// All comparisons of a run, each family adjusted by itself.
///
/// # Errors
///
/// Two organisms were not asked the same.
pub fn all(params: &Params, behaviours: &[Behaviour], judged: &[Judged]) -> Result<Vec<Comparison>> {
    let mut by: BTreeMap<(&str, &str), Vec<&Judged>> = BTreeMap::new();
    for one in judged {
        by.entry((&one.organism, &one.bank)).or_default().push(one);
    }
    let rate = |organism: &str, bank: &str| {
        behaviours.iter().find(|row| row.organism == organism && row.bank == bank).map(|row| row.misaligned)
    };
    let pair = |family, organism: &str, against: &str, bank: &str| -> Result<Option<Comparison>> {
        let (Some(ours), Some(theirs)) = (by.get(&(organism, bank)), by.get(&(against, bank))) else { return Ok(None) };
        let (Some(first), Some(second)) = (rate(organism, bank), rate(against, bank)) else { return Ok(None) };
        let interval = difference(first[0], [first[1], first[2]], second[0], [second[1], second[2]]);
        let (p, clusters) = permuted(params.seed, ours, theirs)?;
        Ok(Some(Comparison {
            family,
            organism: organism.to_owned(),
            against: against.to_owned(),
            bank: bank.to_owned(),
            n: ours.len() as u64,
            clusters,
            rates: [first[0], second[0]],
            difference: first[0] - second[0],
            interval,
            p,
            adjusted: f64::NAN,
        }))
    };
    let mut found = Vec::new();
    for row in behaviours.iter().filter(|row| row.organism != BASE) {
        found.extend(pair(AGAINST_BASE, &row.organism, BASE, &row.bank)?);
    }
    for seeds in seeds(params) {
        for (at, first) in seeds.iter().enumerate() {
            for second in &seeds[at + 1..] {
                found.extend(pair(BETWEEN_SEEDS, first, second, params.general())?);
            }
        }
    }
    adjust(&mut found, AGAINST_BASE)?;
    adjust(&mut found, BETWEEN_SEEDS)?;
    Ok(found)
}

/// Organisms that differ in their seed alone, two or more of each.
pub fn seeds(params: &Params) -> Vec<Vec<&str>> {
    let mut groups: Vec<(&Source, Vec<&str>)> = Vec::new();
    for organism in &params.organisms.list {
        let Source::Train { data, recipe, .. } = &organism.from else { continue };
        let alike = |of: &Source| matches!(of, Source::Train { data: d, recipe: r, .. } if d == data && r == recipe);
        match groups.iter_mut().find(|(of, _)| alike(of)) {
            Some((_, names)) => names.push(&organism.name),
            None => groups.push((&organism.from, vec![&organism.name])),
        }
    }
    groups.into_iter().map(|(_, names)| names).filter(|names| names.len() > 1).collect()
}

/// The p-value of equal rates when the two organisms' answers to a cluster of questions can be exchanged.
fn permuted(seed: u64, ours: &[&Judged], theirs: &[&Judged]) -> Result<(f64, u64)> {
    let known: BTreeMap<(&str, u64), bool> =
        theirs.iter().map(|one| ((one.row_id.as_str(), one.sample), one.misaligned)).collect();
    let number = |hit: bool| f64::from(u8::from(hit));
    let difference = |one: &&Judged| {
        let other = known.get(&(one.row_id.as_str(), one.sample));
        let other = other
            .ok_or_else(|| format!("`{}` has no answer {} to `{}`", theirs[0].organism, one.sample, one.row_id))?;
        Ok(number(one.misaligned) - number(*other))
    };
    let differences = ours.iter().map(difference).collect::<Result<Vec<f64>>>()?;
    let texts = |of: fn(&Judged) -> &String| ours.iter().map(|one| of(one)).collect::<Vec<&String>>();
    let (topics, questions) = (texts(|one| &one.topic), texts(|one| &one.row_id));
    let names = match Clusters::of(&topics, &questions) {
        Clusters::Topics => topics,
        Clusters::Questions => questions,
        Clusters::Answers => return Ok((f64::NAN, 1)),
    };
    let permutation = Permutation { seed, ..Permutation::default() };
    let test = permutation
        .clustered_sign_flip(&differences, &names, Tail::TwoSided)
        .map_err(failed("compare the answers of two organisms"))?;
    let clusters = names.iter().collect::<std::collections::BTreeSet<_>>().len();
    Ok((test.p, clusters as u64))
}

fn adjust(all: &mut [Comparison], family: &str) -> Result<()> {
    let tested: Vec<usize> = (0..all.len()).filter(|&at| all[at].family == family && all[at].p.is_finite()).collect();
    if tested.is_empty() {
        return Ok(());
    }
    let p: Vec<f64> = tested.iter().map(|&at| all[at].p).collect();
    let adjusted = benjamini_hochberg(&p).map_err(failed("adjust p-values"))?;
    tested.into_iter().zip(adjusted).for_each(|(at, value)| all[at].adjusted = value);
    Ok(())
}

/// The table `comparison`.
pub fn table(all: &[Comparison]) -> Table {
    let mut columns = Columns::default();
    for one in all {
        let size = all.iter().filter(|other| other.family == one.family && other.p.is_finite()).count();
        columns.text("family", one.family);
        columns.text("organism", &one.organism);
        columns.text("against", &one.against);
        columns.text("bank", &one.bank);
        columns.count("n", one.n);
        columns.count("clusters", one.clusters);
        columns.number("rate", one.rates[0]);
        columns.number("rate_against", one.rates[1]);
        columns.number("difference", one.difference);
        columns.number("low", one.interval[0]);
        columns.number("high", one.interval[1]);
        columns.number("p", one.p);
        columns.number("p_adjusted", one.adjusted);
        columns.count("family_size", size as u64);
        columns.text("method", format!("interval of a difference from the two rates' (MOVER); {METHOD}"));
    }
    columns.table()
}
