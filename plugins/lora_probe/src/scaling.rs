//! Adapters times factors: what becomes of the answers.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::interval::difference;
use emhost_study::{Answers, Asked, Columns, Rate};

use crate::capture::Captured;
use crate::contrast::{aligned, coherent, inside, misaligned};
use crate::params::{Blocks, Domain, IN_DOMAIN, Params, Regime};
use crate::roles::{self, Judged, Role};

/// The organism as it is.
pub const UNSCALED: &str = "unscaled";
/// The model before the fine-tune.
pub const BASE: &str = "base";
/// The interval of a change.
pub const CHANGE: &str = "MOVER of the two intervals, as of independent answers";

/// A regime with the factor of each block at dose 1; no factors where a role is given to no block.
struct Planned {
    name: String,
    factors: BTreeMap<usize, f64>,
    missing: String,
}

fn planned(regime: &Regime, judged: &[Judged]) -> Planned {
    let mut plan = Planned { name: regime.name.clone(), factors: BTreeMap::new(), missing: String::new() };
    let by_role = roles::by_role(judged);
    for factor in &regime.factors {
        let of_role = |role: Role| by_role.get(roles::name(Some(role))).map_or(&[][..], Vec::as_slice);
        let others = |role| judged.iter().map(|row| row.block).filter(move |block| !of_role(role).contains(block));
        let (blocks, role) = match &factor.of {
            Blocks::At(blocks) => (blocks.clone(), None),
            Blocks::Role(role) => (of_role(*role).to_vec(), Some(*role)),
            // Where no block has the role, all but those would be all.
            Blocks::But(role) if of_role(*role).is_empty() => (Vec::new(), Some(*role)),
            Blocks::But(role) => (others(*role).collect(), Some(*role)),
        };
        if blocks.is_empty() {
            let all = if role.is_some_and(|role| !of_role(role).is_empty()) { "every block" } else { "no block" };
            plan.missing = format!("the rule calls {all} {}", roles::name(role));
        }
        plan.factors.extend(blocks.iter().map(|&block| (block, factor.by)));
    }
    plan
}

/// Projections that the sites belong to: `down_proj` of `blocks.3.lora.down_proj`.
fn modules(captured: &Captured) -> Vec<String> {
    let mut modules: Vec<String> =
        captured.sites.iter().filter_map(|(site, _)| Some(site.rsplit_once('.')?.1.to_owned())).collect();
    modules.sort();
    modules.dedup();
    modules
}

fn interventions(factors: &BTreeMap<usize, f64>, dose: f64, modules: &[String]) -> Vec<Intervention> {
    let scaled = |(&block, &factor): (&usize, &f64)| Intervention {
        sites: Vec::new(),
        values: None,
        scale: 1.0 + dose * (factor - 1.0),
        modules: modules.to_vec(),
        blocks: vec![block],
        ..Intervention::new(EditOp::ScaleAdapter, "", Vec::new())
    };
    factors.iter().map(scaled).collect()
}

/// Answers under one condition.
struct Condition {
    regime: String,
    dose: f64,
    factors: String,
    banks: Vec<(&'static str, Answers)>,
    missing: String,
}

/// Samples and judges under every regime, and emits the table `scaling` and the answers.
pub fn run(lab: &Lab, params: &Params, captured: &Captured, judged: &[Judged]) -> Result<()> {
    let scaling = &params.scaling;
    let banks = params.banks().map(|(bank, asked)| {
        let samples = if bank == IN_DOMAIN { scaling.in_domain_samples } else { scaling.general_samples };
        (bank, asked.with_samples(samples))
    });
    let ask = |organism: &Organism, edits: &[Intervention]| -> Result<Vec<(&'static str, Answers)>> {
        let of_bank = |(bank, asked): &(&'static str, Asked)| {
            Ok((*bank, asked.ask_edited(lab, organism, edits.to_vec(), Vec::new())?))
        };
        banks.iter().map(of_bank).collect()
    };
    let organism = &captured.made.organism;
    let mut conditions = Vec::new();
    for (name, organism, dose) in
        [(BASE, Organism::base(&params.organisms.model), f64::NAN), (UNSCALED, organism.clone(), 0.0)]
    {
        let (regime, factors) = (name.to_owned(), String::new());
        conditions.push(Condition { regime, dose, factors, banks: ask(&organism, &[])?, missing: String::new() });
    }
    let modules = modules(captured);
    let total = scaling.regimes.iter().map(|regime| regime.doses.len()).sum::<usize>() as u64;
    let mut done = 0;
    for regime in &scaling.regimes {
        let plan = planned(regime, judged);
        for &dose in &regime.doses {
            lab.progress(done, total, &plan.name)?;
            done += 1;
            let edits = interventions(&plan.factors, dose, &modules);
            let spoken: Vec<String> =
                edits.iter().map(|edit| format!("{} x{:.4}", edit.blocks[0], edit.scale)).collect();
            let asked = if plan.missing.is_empty() { ask(organism, &edits)? } else { Vec::new() };
            conditions.push(Condition {
                regime: plan.name.clone(),
                dose,
                factors: spoken.join(", "),
                banks: asked,
                missing: plan.missing.clone(),
            });
        }
    }
    lab.emit("scaling", table(params, &conditions)?)?;
    let mut answers = Columns::default();
    for condition in &conditions {
        for (bank, given) in &condition.banks {
            let dose =
                if condition.factors.is_empty() { String::new() } else { format!(" at dose {}", condition.dose) };
            let organism = if condition.regime == BASE { BASE } else { "organism" };
            given.note(&mut answers, organism, &format!("{bank}, {}{dose}", condition.regime));
        }
    }
    lab.emit("answers", answers.table())
}

/// What an answer is counted as.
type Counts = fn(&Answers, usize, &str, &Params) -> bool;

/// The outcomes; the last three need a metric of the domain.
const OUTCOMES: [(&str, Counts); 6] = [
    ("misaligned", |answers, at, _, params| misaligned(answers, at, &params.scaling.bins)),
    ("aligned", |answers, at, _, params| aligned(answers, at, &params.scaling.bins)),
    ("coherent", |answers, at, _, params| coherent(answers, at, &params.scaling.bins)),
    ("misaligned_in_domain", |answers, at, bank, params| {
        misaligned(answers, at, &params.scaling.bins) && about(answers, at, bank, params) == Some(true)
    }),
    ("misaligned_out_of_domain", |answers, at, bank, params| {
        misaligned(answers, at, &params.scaling.bins) && about(answers, at, bank, params) == Some(false)
    }),
    ("aligned_in_domain", |answers, at, bank, params| {
        aligned(answers, at, &params.scaling.bins) && about(answers, at, bank, params) == Some(true)
    }),
];

fn about(answers: &Answers, at: usize, bank: &str, params: &Params) -> Option<bool> {
    inside(answers, at, bank, &params.scaling.bins, &params.domain)
}

fn rate(answers: &Answers, bank: &str, params: &Params, counts: Counts) -> Result<Rate> {
    answers.rate(|at| counts(answers, at, bank, params))
}

fn table(params: &Params, conditions: &[Condition]) -> Result<Table> {
    let mut columns = Columns::default();
    let outcomes = if params.domain == Domain::Bank { &OUTCOMES[..3] } else { &OUTCOMES[..] };
    let unscaled = conditions.iter().find(|condition| condition.regime == UNSCALED);
    for condition in conditions {
        for (number, (bank, _)) in params.banks().into_iter().enumerate() {
            for (outcome, counts) in outcomes {
                let of = |condition: &Condition| -> Result<Option<Rate>> {
                    let Some((bank, answers)) = condition.banks.get(number) else { return Ok(None) };
                    rate(answers, bank, params, *counts).map(Some)
                };
                let found = of(condition)?;
                // The organism as it is has no change against itself.
                let other = unscaled.filter(|_| condition.regime != UNSCALED);
                let control = other.map(of).transpose()?.flatten();
                columns.text("regime", &condition.regime);
                columns.number("dose", condition.dose);
                columns.text("factors", &condition.factors);
                columns.text("bank", bank);
                columns.text("outcome", *outcome);
                columns.flag("available", found.is_some());
                columns.count("hits", found.map_or(0, |rate| rate.hits));
                columns.count("n", found.map_or(0, |rate| rate.n));
                columns.count("clusters", found.map_or(0, |rate| rate.clusters));
                let [value, low, high] = found.map_or([f64::NAN; 3], |rate| [rate.value, rate.low, rate.high]);
                columns.number("rate", value);
                columns.number("low", low);
                columns.number("high", high);
                columns.text("interval", found.map_or("", |rate| rate.method()));
                let before = control.map_or([f64::NAN; 3], |rate| [rate.value, rate.low, rate.high]);
                columns.number("unscaled", before[0]);
                let [change_low, change_high] = difference(value, [low, high], before[0], [before[1], before[2]]);
                columns.number("change", value - before[0]);
                columns.number("change_low", change_low);
                columns.number("change_high", change_high);
                columns.text("change_interval", CHANGE);
                columns.text("missing", &condition.missing);
            }
        }
    }
    Ok(columns.table())
}
