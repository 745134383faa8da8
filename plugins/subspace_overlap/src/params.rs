//! What the user can set, and what is refused before any model loads.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::bootstrap::Bootstrap;
use emhost_study::{Asked, Organisms, Source, TrainedOrganism, at_least, distinct, refuse};

/// The parameters. The defaults are the embedded study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The models and their fine-tunes; each fine-tune is a cell. The first one is the study's organism, which figures
    /// and verdict speak of.
    pub organisms: Organisms,
    /// By organism another one of the list, of the same model, whose subspace is the stronger control: as a rule the same
    /// domain with good advice.
    pub references: BTreeMap<String, String>,
    /// Conversations that organisms which are not fine-tuned here were fine-tuned on, by organism.
    pub trained_on: BTreeMap<String, String>,
    /// Activations that are there already; each is a cell, and nothing is trained or sampled for it.
    pub datasets: Vec<Stored>,
    /// How many training prompts are captured; the fine-tune itself sees the whole data set.
    pub train_prompts: usize,
    /// Evaluation prompts. The first bank is the one that figures and verdict speak of.
    pub banks: Vec<Bank>,
    /// Sites to capture, names or patterns such as `blocks.{20..28}.resid_post`.
    pub sites: Vec<String>,
    /// Which of a row's activations are looked at. The first view is the one of the verdict's overlap.
    pub views: Vec<Seen>,
    /// The site of the verdict, chosen before the run. Every other site is in the tables all the same.
    pub headline_site: String,
    /// The same for models of another depth, by the organism's model.
    pub headline_sites: BTreeMap<String, String>,
    /// Shares of the training deltas' variance that fix the number of components, each in (0, 1].
    pub variance: Vec<f64>,
    /// Fixed numbers of components. One above the rank of the training deltas is reported as not available.
    pub ks: Vec<usize>,
    /// The number of components of the verdict and of the prompts' table; one of `ks`.
    pub headline_k: usize,
    /// Share of variance that fixes the subspace of the training prompts, against which prompt overlap is measured.
    pub prompt_variance: f64,
    /// Components on either side of the principal angles; 0 leaves them out, and the dimensions of the banks' deltas.
    pub angles_k: usize,
    /// Random subspaces per number of components; the smallest possible p-value is 1 / (draws + 1). Time grows in
    /// proportion, by a product of all evaluation rows with the largest subspace for each.
    pub random_draws: usize,
    /// Resamples per bootstrap interval.
    pub bootstrap_draws: usize,
    /// Questions that show whether an organism is misaligned at all, and how answers are sampled and judged.
    pub behaviour: Asked,
    /// Answers to each question of the banks, before and after, in the way of `behaviour`; they are compared in the table
    /// `comparisons`. 0 for none.
    pub bank_samples: usize,
    /// The mean training delta added to the model before.
    pub steering: Steering,
    /// Seed of the random subspaces, the random directions and the bootstrap. Answers have theirs in `behaviour`, the
    /// fine-tune in its recipe.
    pub seed: u64,
}

/// One set of evaluation prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bank {
    /// Name in tables and figures.
    pub name: String,
    /// A JSONL file or `embedded:questions/NAME`.
    pub rows: String,
    /// Keep the first rows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// A dataset of activations before and after a fine-tune, as this experiment writes it: text columns `row_id`, `split`,
/// `condition` (`before` or `after`), `view` and perhaps `topic`, and a column of vectors per site, with one row per
/// prompt, condition and view. The split `train` has the training prompts, `reference` perhaps those of a harmless
/// fine-tune, every other one is a bank.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Name of the organism in tables and figures, and of its cell.
    pub name: String,
    /// The dataset's folder.
    pub path: String,
    /// Sites to look at, by their full names; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sites: Vec<String>,
    /// The site of the verdict, in place of the parameter of that name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headline_site: Option<String>,
    /// Views to look at, in place of the parameter of that name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<Seen>,
}

/// Which of a row's activations are looked at: the value of a dataset's column `view`. The sign of the study's
/// correlation depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Seen {
    /// The prompt's last token.
    #[serde(rename = "last_prompt")]
    LastPrompt,
    /// The mean over the prompt's tokens.
    #[serde(rename = "prompt.mean")]
    PromptMean,
    /// The mean over an answer's tokens, the same text before and after: of training prompts the answer that is learned
    /// from, of a bank's questions the organism's own first answer.
    #[serde(rename = "answer.mean")]
    AnswerMean,
}

/// The mean training delta at the headline site, added to the model before at every token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Steering {
    /// Multiples of the mean delta; none leaves steering out. Published: 0.5 and 1.
    pub alphas: Vec<f64>,
    /// Random directions of the same length.
    pub random_draws: usize,
    /// The views that the mean deltas are of; empty means the first one.
    pub views: Vec<Seen>,
    /// Banks that are asked; empty means the first one.
    pub banks: Vec<String>,
}

impl Default for Params {
    fn default() -> Self {
        let recipe = Recipe {
            warmup_steps: 5,
            ..Recipe::new(Method::Lora(Lora { rank: 8, alpha: 16.0, ..Lora::default() }), 3e-3, 100, 16)
        };
        let organism = |name: &str| TrainedOrganism {
            name: name.to_owned(),
            from: Source::Train { data: format!("embedded:train/{name}"), recipe: "all".to_owned(), seed: None },
            model: None,
            control: name.starts_with("good"),
        };
        let bank = |name: &str| Bank { name: name.to_owned(), rows: format!("embedded:questions/{name}"), limit: None };
        Self {
            organisms: Organisms {
                model: "embedded".to_owned(),
                recipes: BTreeMap::from([("all".to_owned(), recipe)]),
                list: ["bad_medicine", "good_medicine", "bad_finance"].map(organism).into(),
            },
            references: ["bad_medicine", "bad_finance"].map(|bad| (bad.to_owned(), "good_medicine".to_owned())).into(),
            trained_on: BTreeMap::new(),
            datasets: Vec::new(),
            train_prompts: 400,
            banks: ["general", "open", "in_domain_medicine", "in_domain_finance"].map(bank).into(),
            sites: vec!["blocks.*.resid_post".to_owned(), "blocks.*.mlp_out".to_owned()],
            views: vec![Seen::LastPrompt, Seen::PromptMean],
            headline_site: "blocks.1.resid_post".to_owned(),
            headline_sites: BTreeMap::new(),
            variance: vec![0.80, 0.90, 0.95],
            ks: vec![1, 2, 4, 8, 16, 32, 64, 128],
            headline_k: 8,
            prompt_variance: 0.95,
            angles_k: 8,
            random_draws: 500,
            bootstrap_draws: 2000,
            behaviour: Asked { questions: "embedded:questions/headline".to_owned(), samples: 40, ..Asked::default() },
            bank_samples: 0,
            steering: Steering::default(),
            seed: 0,
        }
    }
}

impl Default for Steering {
    fn default() -> Self {
        Self { alphas: Vec::new(), random_draws: 19, views: Vec::new(), banks: Vec::new() }
    }
}

/// The split of the training prompts.
pub const TRAIN: &str = "train";
/// The split of the reference organism's training prompts.
pub const REFERENCE: &str = "reference";
/// What the headline questions are called beside the banks.
pub const HEADLINE: &str = "headline questions";

impl Seen {
    /// What a forward pass is asked for.
    pub fn view(self) -> View {
        match self {
            Self::LastPrompt => View::LAST_PROMPT,
            Self::PromptMean => View::PROMPT_MEAN,
            Self::AnswerMean => View { positions: Positions::Answer, pooling: Pooling::Mean },
        }
    }

    /// The value of the column `view`.
    pub fn name(self) -> String {
        self.view().name()
    }

    /// What it is called in a sentence.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::LastPrompt => "last prompt token",
            Self::PromptMean => "prompt mean",
            Self::AnswerMean => "answer mean",
        }
    }
}

impl Params {
    /// Refuses what could only fail, or mislead, after the models have run.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with the parameter, what was expected and what to do.
    pub fn check(&self) -> Result<()> {
        distinct("views", self.views.iter().map(|seen| seen.name()))?;
        self.check_sources()?;
        distinct("ks", self.ks.iter())?;
        if self.ks.contains(&0) {
            return refuse("`ks` has a 0: a subspace has at least 1 component".to_owned());
        }
        if !self.ks.contains(&self.headline_k) {
            return refuse(format!("`headline_k` is {}, which `ks` does not list: add it there", self.headline_k));
        }
        for share in self.variance.iter().chain([&self.prompt_variance]) {
            if !(*share > 0.0 && *share <= 1.0) {
                return refuse(format!("`variance` or `prompt_variance` is {share}: expected above 0 and at most 1"));
            }
        }
        if !self.variance.is_empty() {
            distinct("variance", self.variance.iter().map(f64::to_string))?;
        }
        at_least("random_draws", 19, self.random_draws)?;
        at_least("bootstrap_draws", 100, self.bootstrap_draws)
    }

    fn check_sources(&self) -> Result<()> {
        let trained = &self.organisms.list;
        let names = trained.iter().map(|organism| &organism.name);
        distinct("organisms.list` or `datasets", names.chain(self.datasets.iter().map(|stored| &stored.name)))?;
        for stored in &self.datasets {
            if !stored.sites.is_empty() {
                distinct(&format!("datasets.{}.sites", stored.name), stored.sites.iter())?;
            }
        }
        if trained.is_empty() {
            return Ok(());
        }
        self.organisms.check()?;
        for (name, other) in &self.references {
            let (Some(organism), Some(reference)) = (self.organisms.named(name), self.organisms.named(other)) else {
                return refuse(format!("`references`: `{name} = \"{other}\"` needs two names of `organisms.list`"));
            };
            let (model, its) = (self.organisms.model(organism), self.organisms.model(reference));
            if name == other || model != its {
                return refuse(format!(
                    "`references`: `{other}` (model `{its}`) is no control of `{name}` (model `{model}`): name another \
                     fine-tune of that model"
                ));
            }
        }
        if let Some(TrainedOrganism { name, .. }) = trained.iter().find(|organism| self.data(organism).is_none()) {
            return refuse(format!("`trained_on` has no `{name}`, whose training prompts are captured: name its data"));
        }
        distinct("banks", self.banks.iter().map(|bank| &bank.name))?;
        if let Some(bank) = self.banks.iter().find(|bank| [TRAIN, REFERENCE, HEADLINE].contains(&&*bank.name)) {
            return refuse(format!("`banks` has an entry `{}`: choose another name", bank.name));
        }
        distinct("sites", self.sites.iter())?;
        at_least("train_prompts", 3, self.train_prompts)?;
        self.behaviour.check("behaviour")?;
        if self.views.contains(&Seen::AnswerMean) && self.bank_samples == 0 {
            return refuse("`views` has `answer.mean`, but `bank_samples` is 0: there are no answers".to_owned());
        }
        self.check_steering()
    }

    fn check_steering(&self) -> Result<()> {
        let Steering { alphas, random_draws, views, banks } = &self.steering;
        if alphas.is_empty() {
            return Ok(());
        }
        distinct("steering.alphas", alphas.iter().map(f64::to_string))?;
        at_least("steering.random_draws", 1, *random_draws)?;
        if self.bank_samples == 0 {
            return refuse("`steering.alphas` are given, but `bank_samples` is 0: there are no answers".to_owned());
        }
        if let Some(view) = views.iter().find(|view| !self.views.contains(view)) {
            return refuse(format!(
                "`steering.views` has `{}`, which `views` does not list: add it there",
                view.name()
            ));
        }
        match banks.iter().find(|name| !self.banks.iter().any(|bank| bank.name == **name)) {
            Some(name) => refuse(format!("`steering.banks`: `{name}` is none of `banks`")),
            None => Ok(()),
        }
    }

    /// The site of the verdict for an organism.
    pub fn headline_site(&self, organism: &TrainedOrganism) -> &str {
        self.headline_sites.get(self.organisms.model(organism)).unwrap_or(&self.headline_site)
    }

    /// The conversations that an organism was fine-tuned on.
    pub fn data<'a>(&'a self, organism: &'a TrainedOrganism) -> Option<&'a str> {
        match &organism.from {
            Source::Train { data, .. } => Some(data),
            Source::Adapter(_) | Source::Weights(_) => self.trained_on.get(&organism.name).map(String::as_str),
        }
    }

    /// How the questions of a bank are asked.
    pub fn asked(&self, bank: &Bank) -> Asked {
        Asked { questions: bank.rows.clone(), limit: bank.limit, samples: self.bank_samples, ..self.behaviour.clone() }
    }

    /// The views of the mean deltas that are added.
    pub fn steered_views(&self) -> &[Seen] {
        if self.steering.views.is_empty() { &self.views[..1] } else { &self.steering.views }
    }

    /// How intervals are resampled.
    pub fn bootstrap(&self) -> Bootstrap {
        Bootstrap { draws: self.bootstrap_draws, level: 0.95, seed: self.seed }
    }

    /// Whether the model before is steered and asked this bank.
    pub fn steers(&self, bank: &str) -> bool {
        let first = self.banks.first().is_some_and(|first| first.name == bank);
        let Steering { alphas, banks, .. } = &self.steering;
        !alphas.is_empty() && if banks.is_empty() { first } else { banks.iter().any(|name| name == bank) }
    }
}

impl Bank {
    /// Its prompts.
    pub fn prompts(&self) -> Rows {
        Rows::Source { name: self.rows.clone(), limit: self.limit, system: None }
    }
}
