//! What do the scalars of rank-1 adapters encode? (study 1, arXiv 2506.11618, section on LoRA interpretation)
//!
//! An adapter of rank 1 writes one direction, by an amount `A x` that is one number per token. Three cells: `scalars`
//! captures these numbers at every answer token and fits probes on them; `scaling` multiplies adapters by factors, chosen
//! by what the probes say; `patching` puts the numbers of one prompt into another one.

mod capture;
mod contrast;
mod figures;
mod params;
mod patching;
mod probe;
mod probing;
mod records;
mod report;
mod roles;
mod scaling;
mod splits;
mod summary;
mod tables;

use emhost_sdk::prelude::*;
use emhost_study::Asked;

pub use params::{
    Bins, Blocks, Domain, Factor, Filter, Group, Keep, Params, Patching, Probe, Regime, Roles, Scaling, SplitBy,
    TokenSet,
};
pub use probe::{Fit, fit};
pub use roles::Role;

use params::IN_DOMAIN;

/// The experiment with its checked parameters.
pub struct LoraProbe(Params);

/// What a cell does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Part {
    Scalars,
    Scaling,
    Patching,
}

impl Experiment for LoraProbe {
    type Params = Params;

    const NAME: &'static str = "lora_probe";
    const ABOUT: &'static str = "An adapter of rank 1 has one number per token. Do these numbers tell misaligned from aligned \
        answers, or the narrow domain from everything else, and which adapter tells which? Probes beside permuted labels, \
        over tokens as published and over answers; then adapters times factors, and the numbers of one prompt put into \
        another (study 1, arXiv 2506.11618).";
    const OPERATIONS: &'static [&'static str] = &[
        op::MODEL_INFO,
        op::ROWS_READ,
        op::TRAIN,
        op::SAMPLE,
        op::JUDGE,
        op::FORWARD,
        op::GRADIENTS,
        op::DATASET_OPEN,
    ];
    const RECIPE: &'static str = "";

    fn new(params: Params) -> Result<Self> {
        params.check()?;
        Ok(Self(params))
    }

    fn plan(&self) -> Result<Vec<Cell>> {
        let cells = [
            ("scalars", "scalars at every answer token, and probes on them", Part::Scalars),
            ("scaling", "adapters times factors", Part::Scaling),
            ("patching", "scalars of one prompt put into another", Part::Patching),
        ];
        let cell = |(id, about, part)| Ok(Cell::new(id, about, &part)?.with_work(self.work(part)));
        cells
            .into_iter()
            .filter(|(_, _, part)| *part != Part::Patching || self.0.patching.pairs > 0)
            .map(cell)
            .collect()
    }

    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
        let params = &self.0;
        match cell.spec()? {
            Part::Patching => patching::run(lab, params),
            Part::Scaling => {
                let captured = capture::capture(lab, params)?;
                let judged = probing::judge_roles(params, &captured)?;
                scaling::run(lab, params, &captured, &judged)
            }
            Part::Scalars => {
                let captured = capture::capture(lab, params)?;
                if let Some(steps) = &captured.made.steps {
                    lab.emit("training", steps)?;
                }
                lab.emit("bins", records::bins(params, &captured))?;
                lab.emit("tokens", records::tokens(&captured))?;
                if let Some(gradients) = &captured.gradients {
                    lab.emit("importance", records::importance(&captured, gradients)?)?;
                }
                lab.emit("roles", roles::table(&probing::judge_roles(params, &captured)?))?;
                let probed = probing::probe(lab, params, &captured)?;
                lab.emit("probes", tables::probes(params, &captured, &probed))?;
                lab.emit("coefficients", tables::coefficients(&captured, &probed))?;
                let fits = tables::fits(&captured, &probed);
                if fits.rows() > 0 { lab.emit("fits", fits) } else { Ok(()) }
            }
        }
    }

    fn summarize(&self, lab: &Lab) -> Result<()> {
        let summary = summary::Summary::read(lab, &self.0)?;
        summary.emit(lab)?;
        for figure in figures::all(&summary) {
            lab.figure(&figure)?;
        }
        lab.report(&report::report(&summary))
    }
}

impl LoraProbe {
    /// What a cell asks for. What cells share is computed once.
    fn work(&self, part: Part) -> Vec<Work> {
        let params = &self.0;
        let model = &params.organisms.model;
        let mut work: Vec<Work> =
            params.organism().ok().and_then(|organism| params.organisms.work(organism)).into_iter().collect();
        let captured = |asked: &Asked| {
            let passes = Passes::Each(asked.samples as u64);
            let forward = Work::new(op::FORWARD, model, asked.rows(), passes).with_new_tokens(asked.max_new_tokens);
            let gradients = Work::new(op::GRADIENTS, model, asked.rows(), passes).with_new_tokens(asked.max_new_tokens);
            if params.filter.on { vec![forward, gradients] } else { vec![forward] }
        };
        for (bank, asked) in params.banks() {
            work.extend(asked.work(model, 1));
            if part != Part::Patching {
                work.extend(captured(&asked));
            }
            if part == Part::Scaling {
                let scaling = &params.scaling;
                let samples = if bank == IN_DOMAIN { scaling.in_domain_samples } else { scaling.general_samples };
                let conditions = 2 + scaling.regimes.iter().map(|regime| regime.doses.len()).sum::<usize>();
                work.extend(asked.with_samples(samples).work(model, conditions));
            }
        }
        if part == Part::Patching {
            // Each question unpatched and patched from two others, which are completed too.
            let patching = &params.patching;
            let asked = Asked { limit: Some(patching.pairs), ..params.general.with_samples(patching.samples) };
            work.extend(asked.work(model, 5));
        }
        work
    }
}

emhost_sdk::export_experiment!(LoraProbe);
