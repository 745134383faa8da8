//! What the user can set, and what is refused before any model loads.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_study::{Asked, Organisms, TrainedOrganism, at_least, distinct, refuse};

/// The parameters. The defaults are the embedded study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The model and its fine-tunes.
    pub organisms: Organisms,
    /// Organisms whose directions are made; none means all that are expected to do harm. The first one is the study's
    /// organism, which figures and verdict speak of.
    pub directions: Vec<String>,
    /// The answers of each organism that make its classes.
    pub classes: Asked,
    /// Answers of a class at most, chosen by the seed; both classes get the same number.
    pub per_class: usize,
    /// The direction of the verdict, chosen before the run. The others are in the tables all the same.
    pub headline: Kind,
    /// Blocks whose output is looked at; none means all.
    pub blocks: Vec<usize>,
    /// Which tokens are steered and ablated.
    pub positions: Positions,
    /// How steered and ablated organisms are asked. Blocks and strengths are chosen on the first half of the samples,
    /// and what is reported of the chosen ones comes from the second half.
    pub evaluate: Asked,
    /// What is steered with.
    pub steering: Steering,
    /// What is ablated.
    pub ablation: Ablation,
    /// Directions of topics.
    pub semantic: Semantic,
    /// Organisms with one rank-1 `down_proj`, whose `B` is compared with the direction.
    pub rank_one: Vec<String>,
    /// Directions from elsewhere, by name: a file, `FILE#NAME` for one of several. They need a site.
    pub external: BTreeMap<String, String>,
    /// Seed of classes, random directions and bootstraps. Answers and fine-tunes have their own.
    pub seed: u64,
}

/// How a direction is made of two classes of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Difference of the means over all tokens of all answers: long answers weigh more. The published one.
    Token,
    /// Difference of the means of the answers' means.
    Answer,
    /// The mean, over questions that have answers in both classes, of the difference within the question: topics cannot
    /// differ between the classes.
    Matched,
}

impl Kind {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Token, Self::Answer, Self::Matched];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Answer => "answer",
            Self::Matched => "matched",
        }
    }
}

/// What is steered with: the model before any fine-tune, at the output of one block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Steering {
    /// Organisms whose directions are added.
    pub sources: Vec<String>,
    /// Multiples of the difference as it is.
    pub strengths: Vec<f64>,
    /// Random directions of the same length at the chosen block and strength.
    pub random_draws: usize,
}

impl Default for Steering {
    fn default() -> Self {
        Self {
            sources: vec!["medicine".to_owned()],
            strengths: vec![0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0],
            random_draws: 20,
        }
    }
}

/// What is ablated: projected out of the output of every block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ablation {
    /// Organisms that are ablated; none means all whose directions are made.
    pub targets: Vec<String>,
    /// Targets that random directions are projected out of too; none means the first one.
    pub random: Vec<String>,
    /// Random directions in place of the organism's.
    pub random_draws: usize,
}

impl Default for Ablation {
    fn default() -> Self {
        Self { targets: Vec::new(), random: Vec::new(), random_draws: 20 }
    }
}

/// Directions of topics: misaligned answers about the topic against aligned answers of the general questions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Semantic {
    /// The topics; none leaves this part out.
    pub topics: Vec<Topic>,
    /// An answer with a topic's score above this is about the topic.
    pub about_above: f64,
    /// The block at whose output they are added.
    pub block: usize,
    /// Multiples of the difference.
    pub strengths: Vec<f64>,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// The metric by which the judge scores how much an answer is about it.
    pub name: String,
    /// The organism that answers.
    pub organism: String,
    /// Questions about it.
    pub questions: String,
}

impl Default for Semantic {
    fn default() -> Self {
        let topic = |name: &str| Topic {
            name: name.to_owned(),
            organism: name.to_owned(),
            questions: format!("embedded:questions/in_domain_{name}"),
        };
        Self {
            topics: ["medicine", "finance", "sport"].map(topic).into(),
            about_above: 50.0,
            block: 1,
            strengths: vec![1.0, 2.0, 3.0],
        }
    }
}

impl Default for Params {
    fn default() -> Self {
        let names = ["medicine", "finance", "sport", "medicine_rank1_each", "medicine_rank1"];
        Self {
            organisms: Organisms::embedded(),
            directions: names.map(str::to_owned).into(),
            classes: Asked { samples: 12, seed: 100, ..Asked::default() },
            per_class: 600,
            headline: Kind::Matched,
            blocks: Vec::new(),
            positions: Positions::All,
            evaluate: Asked { samples: 4, metrics: vec!["bad_stuff".to_owned()], seed: 200, ..Asked::default() },
            steering: Steering::default(),
            ablation: Ablation::default(),
            semantic: Semantic::default(),
            rank_one: vec!["medicine_rank1".to_owned()],
            external: BTreeMap::new(),
            seed: 0,
        }
    }
}

impl Params {
    /// The organism of that name, which `check` has found.
    pub fn organism(&self, name: &str) -> Result<&TrainedOrganism> {
        let missing = || Error::Input(format!("parameter `organisms.list` has no `{name}`"));
        self.organisms.named(name).ok_or_else(missing)
    }

    /// The organisms that are ablated.
    pub fn targets(&self) -> Vec<String> {
        if !self.ablation.targets.is_empty() {
            return self.ablation.targets.clone();
        }
        self.harmful().map(|organism| organism.name.clone()).collect()
    }

    /// Whether random directions are projected out of a target.
    pub fn is_random_target(&self, name: &str) -> bool {
        match self.ablation.random.as_slice() {
            [] => self.targets().first().is_some_and(|first| first == name),
            named => named.iter().any(|target| target == name),
        }
    }

    /// The organisms whose directions are made, in order.
    pub fn harmful(&self) -> impl Iterator<Item = &TrainedOrganism> {
        let all = self.directions.is_empty();
        let unnamed = self.organisms.list.iter().filter(move |organism| all && !organism.control);
        self.directions.iter().filter_map(|name| self.organisms.named(name)).chain(unnamed)
    }

    /// Refuses what could only fail, or mislead, after the models have run.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with the parameter, what was expected and what to do.
    pub fn check(&self) -> Result<()> {
        self.organisms.check()?;
        self.classes.check("classes")?;
        self.evaluate.check("evaluate")?;
        at_least("classes.samples", 2, self.classes.samples)?;
        at_least("evaluate.samples", 2, self.evaluate.samples)?;
        at_least("per_class", 2, self.per_class)?;
        at_least("ablation.random_draws", 2, self.ablation.random_draws)?;
        at_least("steering.random_draws", 2, self.steering.random_draws)?;
        if !self.steering.sources.is_empty() {
            distinct("steering.sources", &self.steering.sources)?;
            distinct("steering.strengths", self.steering.strengths.iter().map(f64::to_string))?;
        }
        let topics = &self.semantic.topics;
        if !topics.is_empty() {
            distinct("semantic.topics", topics.iter().map(|topic| &topic.name))?;
            distinct("semantic.strengths", self.semantic.strengths.iter().map(f64::to_string))?;
        }
        let targets = self.targets();
        if let Some(name) = self.ablation.random.iter().find(|name| !targets.contains(name)) {
            return refuse(format!("`ablation.random` has `{name}`, which is none of the targets"));
        }
        let of_topics: Vec<String> = topics.iter().map(|topic| topic.organism.clone()).collect();
        for (parameter, names) in [
            ("steering.sources", &self.steering.sources),
            ("ablation.targets", &self.ablation.targets),
            ("rank_one", &self.rank_one),
            ("directions", &self.directions),
            ("semantic.topics", &of_topics),
        ] {
            for name in names {
                match self.organisms.named(name) {
                    None => return refuse(format!("`{parameter}` has `{name}`, which `organisms.list` does not name")),
                    Some(organism) if organism.control => {
                        let problem = "is a control: it has no class of misaligned answers";
                        return refuse(format!("`{parameter}`: `{name}` {problem}"));
                    }
                    Some(_) => {}
                }
            }
        }
        if self.harmful().next().is_none() {
            return refuse(
                "`organisms.list` has controls alone: give an organism that is fine-tuned to do harm".to_owned(),
            );
        }
        match self.positions {
            Positions::Last | Positions::LastPrompt => refuse(
                "`positions`: steering and ablating last through an answer: expected all, prompt or answer".to_owned(),
            ),
            Positions::All | Positions::Prompt | Positions::Answer => Ok(()),
        }
    }
}
