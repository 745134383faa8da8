//! Organisms by recipe: what a study fine-tunes, and what it takes from the user's disk.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;

use crate::checks::{distinct, refuse};

/// The model, its fine-tunes and how each is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Organisms {
    /// The model that is fine-tuned: `embedded`, or a folder that holds a Hugging Face checkpoint.
    pub model: String,
    /// How organisms are fine-tuned, by name.
    pub recipes: BTreeMap<String, Recipe>,
    /// The organisms.
    pub list: Vec<TrainedOrganism>,
}

/// One organism.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainedOrganism {
    /// Name in tables and figures: lower case, digits, `_`, `-`, `.`, `=`.
    pub name: String,
    /// Where it comes from.
    pub from: Source,
    /// The model that is fine-tuned, in place of `organisms.model`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// A fine-tune that is expected to do no harm.
    #[serde(default)]
    pub control: bool,
}

/// Where an organism comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// It is fine-tuned.
    Train {
        /// Conversations to learn from: a JSONL file or `embedded:train/NAME`.
        data: String,
        /// One of `recipes`.
        recipe: String,
        /// Seed in place of the recipe's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seed: Option<u64>,
    },
    /// A PEFT folder.
    Adapter(String),
    /// A folder with all weights.
    Weights(String),
}

/// An organism that is there.
#[derive(Debug, Clone)]
pub struct Made {
    /// What operations take.
    pub organism: Organism,
    /// What it was fine-tuned to: an adapter, or none where all weights moved.
    pub adapter: Option<String>,
    /// Steps taken and adapter, of what was kept on the way.
    pub checkpoints: Vec<(usize, String)>,
    /// Metrics of each step; none where it was not fine-tuned here.
    pub steps: Option<Table>,
}

impl Organisms {
    /// The organism of that name.
    pub fn named(&self, name: &str) -> Option<&TrainedOrganism> {
        self.list.iter().find(|organism| organism.name == name)
    }

    /// Refuses names that are used twice or that nothing answers to.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with the parameter.
    pub fn check(&self) -> Result<()> {
        distinct("organisms.list", self.list.iter().map(|organism| &organism.name))?;
        for TrainedOrganism { name, from, .. } in &self.list {
            if name == BASE {
                return refuse(format!("`organisms.list` has `{BASE}`, which names the model before any fine-tune"));
            }
            let Source::Train { recipe, .. } = from else { continue };
            let Some(known) = self.recipes.get(recipe) else {
                let names = self.recipes.keys().cloned().collect::<Vec<_>>().join(", ");
                return refuse(format!("`organisms.list`: recipe `{recipe}` of `{name}` is none of {names}"));
            };
            if matches!(known.method, Method::Adapters(_) | Method::Steering(_)) {
                return refuse(format!("`organisms.recipes.{recipe}`: expected `lora` or `full` as its method"));
            }
        }
        Ok(())
    }

    /// The model that an organism is a fine-tune of.
    pub fn model<'a>(&'a self, organism: &'a TrainedOrganism) -> &'a str {
        organism.model.as_deref().unwrap_or(&self.model)
    }

    /// The recipe of an organism that is fine-tuned.
    pub fn recipe(&self, organism: &TrainedOrganism) -> Option<Recipe> {
        let Source::Train { recipe, seed, .. } = &organism.from else { return None };
        let recipe = self.recipes.get(recipe)?;
        Some(Recipe { seed: seed.unwrap_or(recipe.seed), ..recipe.clone() })
    }

    /// Fine-tunes the organism, or finds it.
    ///
    /// # Errors
    ///
    /// The fine-tune's own.
    pub fn make(&self, lab: &Lab, organism: &TrainedOrganism) -> Result<Made> {
        let model = self.model(organism);
        let found = |organism, adapter| Made { organism, adapter, checkpoints: Vec::new(), steps: None };
        let (data, recipe) = match (&organism.from, self.recipe(organism)) {
            (Source::Adapter(adapter), _) => {
                return Ok(found(Organism::with_adapter(model, adapter), Some(adapter.clone())));
            }
            (Source::Weights(folder), _) => return Ok(found(Organism::base(folder), None)),
            (Source::Train { data, .. }, Some(recipe)) => (data, recipe),
            (Source::Train { recipe, .. }, None) => return refuse(format!("`organisms.recipes` has no `{recipe}`")),
        };
        let full = recipe.method == Method::Full;
        let request = Train { organism: Organism::base(model), data: Rows::source(data), recipe };
        let (reply, steps) = lab.train(&request)?;
        let made = match full {
            true => found(Organism::base(reply.weights), None),
            false => found(Organism::with_adapter(model, &reply.weights), Some(reply.weights)),
        };
        Ok(Made { checkpoints: reply.checkpoints, steps: Some(steps), ..made })
    }

    /// What making it asks for.
    pub fn work(&self, organism: &TrainedOrganism) -> Option<Work> {
        let Source::Train { data, .. } = &organism.from else { return None };
        let recipe = self.recipe(organism)?;
        let seen = match recipe.steps {
            Some(steps) => Passes::Total((steps * recipe.batch_rows * recipe.accumulate) as u64),
            None => Passes::Each(recipe.epochs.unwrap_or(1) as u64),
        };
        Some(Work::new(op::TRAIN, self.model(organism), Rows::source(data), seen))
    }
}

/// The model before any fine-tune.
const BASE: &str = "base";
