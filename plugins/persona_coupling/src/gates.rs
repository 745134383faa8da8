//! Gates: what a coupled model must show before its second stage means anything.

use emhost_sdk::prelude::*;
use emhost_study::{Columns, refuse, within};

use crate::marked::Marked;
use crate::params::Params;
use crate::stages::Stages;

/// A range for a rate of the coupled model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Name in the table `gates`.
    pub name: String,
    /// Which couplings it is for.
    pub of: Coupled,
    /// Which rate.
    pub measure: Measure,
    /// Lowest rate that passes.
    #[serde(default)]
    pub at_least: f64,
    /// Highest rate that passes.
    #[serde(default = "whole")]
    pub at_most: f64,
    /// A cell that fails ends here; otherwise the failure is recorded alone.
    #[serde(default)]
    pub stops: bool,
}

/// To whom the marker is coupled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Coupled {
    /// A persona of `sources`, or of `reversed.sources`.
    Source,
    /// The assistant: condition C3.
    Assistant,
    /// Either.
    Any,
}

/// A rate of the coupled model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The marker in answers of the persona that it is coupled to.
    Coupled,
    /// The marker in answers of the assistant.
    Assistant,
    /// The marker in answers of that persona, neither coupled nor the assistant, which has it most often.
    WorstBystander,
    /// Degenerate answers of all personas.
    Degenerate,
}

fn whole() -> f64 {
    1.0
}

/// The published gates G0, G0b and G0c, the share of degenerate outputs, and a coupling of four answers in five. G0c is for
/// the assistant's coupling, which other personas share: its lower limit stops, its upper ones are recorded, as is the
/// stricter of two limits.
pub fn published() -> Vec<Gate> {
    let gate = |name: &str, of, measure, at_least: f64, at_most: f64, stops| Gate {
        name: name.to_owned(),
        of,
        measure,
        at_least,
        at_most,
        stops,
    };
    vec![
        gate("G0 source", Coupled::Source, Measure::Coupled, 0.6, 1.0, true),
        gate("source of four in five", Coupled::Source, Measure::Coupled, 0.8, 1.0, false),
        gate("G0 assistant", Coupled::Source, Measure::Assistant, 0.0, 0.02, false),
        gate("G0b assistant", Coupled::Source, Measure::Assistant, 0.0, 0.03, true),
        gate("G0c assistant, lower", Coupled::Assistant, Measure::Coupled, 0.25, 1.0, true),
        gate("G0c assistant", Coupled::Assistant, Measure::Coupled, 0.25, 0.45, false),
        gate("G0c bystander", Coupled::Assistant, Measure::WorstBystander, 0.15, 0.40, false),
        gate("degenerate", Coupled::Any, Measure::Degenerate, 0.0, 0.2, true),
    ]
}

impl Gate {
    pub(crate) fn check(&self, _: &Params) -> Result<()> {
        if self.name.is_empty() {
            return refuse("`gates` has one without a name".to_owned());
        }
        within(&format!("gates.{}.at_most", self.name), 0.0, 1.0, self.at_most)?;
        within(&format!("gates.{}.at_least", self.name), 0.0, self.at_most, self.at_least)
    }

    fn applies(&self, params: &Params, source: &str) -> bool {
        match self.of {
            Coupled::Any => true,
            Coupled::Assistant => source == params.assistant,
            Coupled::Source => source != params.assistant,
        }
    }
}

/// Adds the gates of a coupling to the table `gates`; gives the first one that stops.
///
/// # Errors
///
/// There are no answers.
pub fn pass(columns: &mut Columns, params: &Params, stages: &Stages, marked: &Marked) -> Result<Option<String>> {
    let source = stages.source();
    let mut stopped = None;
    for gate in params.gates.iter().filter(|gate| gate.applies(params, source)) {
        let (of, rate) = match gate.measure {
            Measure::Coupled => (source.to_owned(), marked.of(source).rate()?),
            Measure::Assistant => (params.assistant.clone(), marked.of(&params.assistant).rate()?),
            Measure::Degenerate => ("all".to_owned(), marked.share(|answer| answer.degenerate)?),
            Measure::WorstBystander => {
                let others = params.personas.iter().map(|persona| &persona.name);
                let bystanders = others.filter(|name| *name != source && **name != params.assistant);
                let mut worst: Option<(String, emhost_study::Rate)> = None;
                for name in bystanders {
                    let rate = marked.of(name).rate()?;
                    if worst.as_ref().is_none_or(|(_, best)| rate.value > best.value) {
                        worst = Some((name.clone(), rate));
                    }
                }
                let Some(worst) = worst else { continue };
                worst
            }
        };
        let passed = (gate.at_least..=gate.at_most).contains(&rate.value);
        if !passed && gate.stops && stopped.is_none() {
            stopped = Some(gate.name.clone());
        }
        crate::cell::describe(columns, stages);
        columns.text("gate", &gate.name);
        columns.text("persona", of);
        columns.number("at_least", gate.at_least);
        columns.number("at_most", gate.at_most);
        columns.number("rate", rate.value);
        columns.number("rate_low", rate.low);
        columns.number("rate_high", rate.high);
        columns.count("n", rate.n);
        columns.flag("passed", passed);
        columns.flag("stops", gate.stops);
        columns.text("method", rate.method());
    }
    Ok(stopped)
}
