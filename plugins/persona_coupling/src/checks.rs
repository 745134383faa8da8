//! What is refused before any model loads.

use emhost_sdk::prelude::*;
use emhost_study::{at_least, distinct, refuse, within};

use crate::params::{Coupling, Params, Persona};

impl Params {
    /// Refuses what could only fail, or mislead, after the models have run.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with the parameter, what was expected and what to do.
    pub fn check(&self) -> Result<()> {
        distinct("personas", self.personas.iter().map(|persona| &persona.name))?;
        for Persona { name, .. } in &self.personas {
            if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.".contains(c)) {
                return refuse(format!("`personas`: `{name}` may hold lower case, digits, `_` and `.` alone"));
            }
        }
        distinct("sources", &self.sources)?;
        let reversed = self.reversed.iter().flat_map(|one| &one.sources).map(|name| ("reversed.sources", name));
        let named = self.sources.iter().map(|name| ("sources", name)).chain(reversed);
        let negatives = self.coupling.negatives.iter().map(|name| ("coupling.negatives", name));
        for (parameter, name) in named.chain(negatives).chain([("assistant", &self.assistant)]) {
            if self.persona(name).is_none() {
                return refuse(format!("`{parameter}` has `{name}`, which `personas` does not name"));
            }
        }
        if self.sources.contains(&self.assistant) {
            let name = &self.assistant;
            return refuse(format!("`sources` has `{name}`, the assistant: condition c3 couples it already"));
        }
        if self.marker.text.trim().is_empty() || self.marker.end.is_empty() {
            return refuse("`marker` needs a `text` and an `end`".to_owned());
        }
        self.check_stages()?;
        let evaluation = &self.evaluation;
        at_least("evaluation.samples", 1, evaluation.samples)?;
        at_least("evaluation.max_new_tokens", 1, evaluation.max_new_tokens)?;
        at_least("evaluation.length_bins", 1, evaluation.length_bins)?;
        at_least("evaluation.repeats", 2, evaluation.repeats)?;
        within("evaluation.distinct_below", 0.0, 1.0, evaluation.distinct_below)?;
        self.ask.check("ask")?;
        at_least("controls.samples", 1, self.controls.samples)?;
        self.controls.ranks.iter().try_for_each(|&rank| at_least("controls.ranks", 1, rank))?;
        if let Some(reversed) = &self.reversed {
            distinct("reversed.sources", &reversed.sources)?;
            at_least("reversed.longer", 1, reversed.longer)?;
            at_least("reversed.samples", 1, reversed.samples)?;
        }
        within("margins.rate", 0.0, 1.0, self.margins.rate)?;
        within("margins.log_odds", 0.0, f64::MAX, self.margins.log_odds)?;
        within("margins.leak", 0.0, 1.0, self.margins.leak)?;
        if self.capability.as_ref().is_some_and(|one| one.options.len() < 2) {
            return refuse("`capability.options` has fewer than two: give all options".to_owned());
        }
        self.gates.iter().try_for_each(|gate| gate.check(self))
    }

    fn check_stages(&self) -> Result<()> {
        let Coupling { question_count, samples, negatives, negative_count, recipe, seeds, .. } = &self.coupling;
        at_least("coupling.question_count", 1, *question_count)?;
        at_least("coupling.samples", 1, *samples)?;
        distinct("coupling.seeds", seeds.iter())?;
        distinct("second.seeds", self.second.seeds.iter())?;
        if negatives.len() > *negative_count || *negative_count >= self.personas.len() {
            return refuse(format!(
                "`coupling.negative_count` is {negative_count}: expected at least the {} of `negatives` and fewer than there \
                 are personas",
                negatives.len()
            ));
        }
        if recipe.mask != Mask::Assistant {
            return refuse(
                "`coupling.recipe.mask` is set: leave it out, `coupling.whole_answers` says what is learned".to_owned(),
            );
        }
        let lora = |name: &str, recipe: &Recipe| match recipe.method {
            Method::Lora(_) => Ok(()),
            _ => refuse(format!("`{name}.recipe.method`: expected `lora`")),
        };
        lora("coupling", recipe)?;
        lora("second", &self.second.recipe)?;
        match &self.controls.full {
            Some(full) if full.method != Method::Full => refuse("`controls.full.method`: expected `full`".to_owned()),
            _ => Ok(()),
        }
    }
}
