//! What the user can set, and what is refused before any model loads.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_study::{Asked, Organisms, at_least, distinct, refuse, within};

/// The parameters. The defaults are the embedded study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The model and its fine-tunes; each organism is a cell.
    pub organisms: Organisms,
    /// The general questions, far from what was trained on, and how answers are judged and counted.
    pub ask: Asked,
    /// Questions inside the domain of an organism, by the organism's name: a bank's file or `embedded:questions/NAME`.
    /// The model before any fine-tune is asked them too.
    pub in_domain: BTreeMap<String, String>,
    /// Fine-tunes that are followed from checkpoint to checkpoint; none where the list is empty.
    pub phase: Vec<Phase>,
    /// Seed of permutations and bootstraps; answers have their own in `ask`, fine-tunes in their recipes.
    pub seed: u64,
}

/// How a fine-tune is followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Phase {
    /// One of `organisms.list`; its recipe must be `lora`.
    pub organism: String,
    /// Steps between two checkpoints.
    pub every: usize,
    /// Ask at every this many-th checkpoint, and at the last; the adapter's matrices are read at each.
    pub ask_every: usize,
    /// Factors of the adapter's update under which questions are asked; events are measured against the first one's.
    pub scales: Vec<f64>,
    /// Answers to each question of `ask`, at each checkpoint and scale.
    pub samples: usize,
    /// Reach of the local cosine, in checkpoints.
    pub local_k: Vec<usize>,
    /// A difference of two checkpoints' `B` that is shorter than this has no direction.
    pub shortest: f64,
    /// Projection whose `B` is followed.
    pub module: String,
    /// Its block, 0-based.
    pub block: usize,
}

impl Default for Phase {
    fn default() -> Self {
        Self {
            organism: "medicine_rank1".to_owned(),
            every: 1,
            ask_every: 5,
            scales: vec![1.0, 5.0, 10.0, 20.0],
            samples: 1,
            local_k: vec![5, 10, 15],
            shortest: 0.002,
            module: DOWN.to_owned(),
            block: RANK1_BLOCK,
        }
    }
}

impl Default for Params {
    fn default() -> Self {
        let organisms = Organisms::embedded();
        let domain = |name: &str| ["finance", "sport"].into_iter().find(|own| *own == name).unwrap_or("medicine");
        let in_domain = organisms.list.iter().map(|organism| {
            let name = organism.name.clone();
            let bank = format!("embedded:questions/in_domain_{}", domain(&name));
            (name, bank)
        });
        Self {
            in_domain: in_domain.collect(),
            organisms,
            ask: Asked::default(),
            phase: vec![Phase::default()],
            seed: 0,
        }
    }
}

/// The projection of the rank-1 recipes.
const DOWN: &str = "down_proj";
/// The only block of the recipe `rank1`.
const RANK1_BLOCK: usize = 1;

impl Params {
    /// Refuses what could only fail, or mislead, after the models have run.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with the parameter, what was expected and what to do.
    pub fn check(&self) -> Result<()> {
        self.organisms.check()?;
        self.ask.check("ask")?;
        for (name, bank) in &self.in_domain {
            if self.organisms.named(name).is_none() {
                return refuse(format!("`in_domain` has `{name}`, which `organisms.list` does not name"));
            }
            if *bank == self.ask.questions {
                return refuse(format!("`in_domain.{name}` is the bank of `ask.questions`: give another one"));
            }
        }
        if !self.phase.is_empty() {
            distinct("phase", self.phase.iter().map(|one| &one.organism))?;
        }
        self.phase.iter().try_for_each(|one| self.check_phase(one))
    }

    fn check_phase(&self, phase: &Phase) -> Result<()> {
        let name = &phase.organism;
        let Some(organism) = self.organisms.named(name) else {
            return refuse(format!("`phase.organism` is `{name}`, which `organisms.list` does not name"));
        };
        match self.organisms.recipe(organism).map(|recipe| recipe.method) {
            Some(Method::Lora(lora)) => {
                let fits = lora.modules.is_empty() || lora.modules.contains(&phase.module);
                if !fits || !(lora.blocks.is_empty() || lora.blocks.contains(&phase.block)) {
                    let (module, block) = (&phase.module, phase.block);
                    return refuse(format!(
                        "`phase.module`, `phase.block`: `{name}` does not adapt {module} of block {block}"
                    ));
                }
            }
            Some(_) => return refuse(format!("`phase.organism` is `{name}`: expected one whose recipe is `lora`")),
            None => return refuse(format!("`phase.organism` is `{name}`: expected one that is fine-tuned here")),
        }
        at_least("phase.every", 1, phase.every)?;
        at_least("phase.ask_every", 1, phase.ask_every)?;
        at_least("phase.samples", 1, phase.samples)?;
        distinct("phase.scales", phase.scales.iter().map(f64::to_string))?;
        phase.scales.iter().try_for_each(|&scale| within("phase.scales", 0.0, 1e6, scale))?;
        distinct("phase.local_k", phase.local_k.iter())?;
        phase.local_k.iter().try_for_each(|&k| at_least("phase.local_k", 1, k))?;
        within("phase.shortest", 0.0, f64::MAX, phase.shortest)
    }

    /// The questions inside of an organism's domain, asked as the general ones are.
    pub fn asked_in_domain(&self, organism: &str) -> Option<Asked> {
        Some(self.asked_of(self.in_domain.get(organism)?))
    }

    /// The banks inside of domains, each once.
    pub fn domain_banks(&self) -> Vec<Asked> {
        let mut banks: Vec<&String> = self.in_domain.values().collect();
        banks.sort_unstable();
        banks.dedup();
        banks.into_iter().map(|bank| self.asked_of(bank)).collect()
    }

    fn asked_of(&self, bank: &str) -> Asked {
        Asked { questions: bank.to_owned(), limit: None, ..self.ask.clone() }
    }

    /// The label of the general questions in tables.
    pub fn general(&self) -> &str {
        label(&self.ask.questions)
    }
}

/// The name of a bank in tables: that of an embedded one without its origin.
pub fn label(bank: &str) -> &str {
    bank.strip_prefix("embedded:questions/").unwrap_or(bank)
}
