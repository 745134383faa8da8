//! What is refused before any model loads.

use emhost_sdk::prelude::*;
use emhost_study::{Source, at_least, distinct, refuse, within};

use crate::params::{Basis, Model, Params, Target};

/// Names in tables that no model of `before` may have.
pub const AFTER: &str = "after";
/// Standard normal numbers in place of activations.
pub const RANDOM: &str = "random activations";
/// Counts of the prompt's words.
pub const WORDS: &str = "bag of words";
/// Number of the prompt's words.
pub const LENGTH: &str = "prompt length";
/// The topic, one-hot.
pub const TOPIC: &str = "topic";
/// Sentence embeddings.
pub const SEMANTIC: &str = "semantic embedding";

impl Params {
    /// Refuses what could only fail, or mislead, after the models have run.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with the parameter, what was expected and what to do.
    pub fn check(&self) -> Result<()> {
        self.organisms.check()?;
        self.check_scale()?;
        self.ask.check("ask")?;
        at_least("ask.samples", 2, self.ask.samples)?;
        let banks = [&self.ask.questions].into_iter().chain(&self.banks);
        distinct("banks", banks)?;
        self.check_before()?;
        distinct("sites", self.sites.iter())?;
        distinct("poolings", self.poolings.iter().map(|pooled| pooled.name()))?;
        let headline = &self.headline;
        if !self.poolings.contains(&headline.pooling) {
            return refuse(format!(
                "`headline.pooling` is `{}`, which `poolings` does not list: add it there",
                headline.pooling.name()
            ));
        }
        if headline.pooling.uses_completion() {
            return refuse("`headline.pooling` is `completion_mean`: a completion is no prior information".to_owned());
        }
        if matches!(headline.model, Model::RidgeCv | Model::LassoCv) && self.permutations.draws > 0 {
            return refuse(
                "`headline.model` chooses its penalty by inner folds, which permutations would repeat thousands of times: \
                 fix the penalty, or set `permutations.draws` to 0"
                    .to_owned(),
            );
        }
        self.check_sizes()
    }

    /// Scores are on the scale 0 to 100: a threshold of 0.5 on it counts every answer that is not pure noise as coherent.
    fn check_scale(&self) -> Result<()> {
        let asked = &self.ask;
        let thresholds = [
            ("coherent_above", asked.coherent_above),
            ("misaligned_below", asked.misaligned_below),
            ("aligned_above", asked.aligned_above),
        ];
        for (name, value) in thresholds {
            if value > 0.0 && value < 1.0 {
                return refuse(format!(
                    "`ask.{name}` is {value}: scores are on the scale 0 to 100, so that this threshold would let nearly \
                     every answer pass; did you mean {}?",
                    value * 100.0
                ));
            }
        }
        Ok(())
    }

    fn check_before(&self) -> Result<()> {
        distinct("before", self.before.iter().map(|before| &before.name))?;
        let reserved = [AFTER, RANDOM, WORDS, LENGTH, TOPIC, SEMANTIC];
        for before in &self.before {
            if reserved.contains(&before.name.as_str()) {
                return refuse(format!("`before` has `{}`, the name of something else: choose another", before.name));
            }
        }
        for organism in &self.organisms.list {
            let model = |at: usize| self.before[at].model.as_deref().unwrap_or_else(|| self.organisms.model(organism));
            for second in 0..self.before.len() {
                if let Some(first) = (0..second).find(|first| model(*first) == model(second)) {
                    let [first, other] = [first, second].map(|at| &self.before[at].name);
                    return refuse(format!(
                        "`before`: `{first}` and `{other}` are the same model `{}`: one artefact cannot count as two \
                         results",
                        model(second)
                    ));
                }
            }
            if self.basis == Basis::TrainPrompts && !matches!(organism.from, Source::Train { .. }) {
                return refuse(format!(
                    "`basis` is `train_prompts`, but `{}` is not fine-tuned here, so that its training prompts are not \
                     known: set `basis` to `folds`",
                    organism.name
                ));
            }
        }
        Ok(())
    }

    fn check_sizes(&self) -> Result<()> {
        at_least("train_prompts", 3, self.train_prompts)?;
        at_least("components", 1, self.components)?;
        if !(self.variance > 0.0 && self.variance <= 1.0) {
            return refuse(format!("`variance` is {}: expected above 0 and at most 1", self.variance));
        }
        if !self.random_seeds.is_empty() {
            distinct("random_seeds", self.random_seeds.iter())?;
        }
        distinct("models", self.models.iter().map(|model| model.name()))?;
        for model in self.fitted() {
            let penalty = match model {
                Model::Ridge(alpha) | Model::Lasso(alpha) => alpha,
                _ => 0.0,
            };
            within("models", 0.0, f64::MAX, penalty)?;
        }
        for (name, alphas) in [("lasso_alphas", &self.lasso_alphas), ("ridge_alphas", &self.ridge_alphas)] {
            distinct(name, alphas.iter().map(f64::to_string))?;
            alphas.iter().try_for_each(|alpha| within(name, 0.0, f64::MAX, *alpha))?;
        }
        at_least("inner_folds", 2, self.inner_folds)?;
        at_least("folds.splits", 2, self.folds.splits)?;
        at_least("folds.repeats", 1, self.folds.repeats)?;
        if self.permutations.draws > 0 {
            at_least("permutations.draws", 19, self.permutations.draws)?;
            at_least("permutations.repeats", 1, self.permutations.repeats)?;
        }
        if self.target == Target::MisalignedRate && self.metric != crate::params::ALIGNMENT {
            return refuse(
                "`target` is `misaligned_rate`, which is of the metric `alignment`: leave `metric` out".to_owned(),
            );
        }
        within("false_discovery_rate", 0.0, 1.0, self.false_discovery_rate)
    }
}
