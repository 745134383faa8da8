//! What the user can set, and what is refused before any model loads.

use std::collections::BTreeSet;

use emhost_sdk::prelude::*;

/// The parameters. The defaults are the embedded study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The model that is fine-tuned: `embedded`, or a folder that holds a Hugging Face checkpoint.
    pub model: String,
    /// The fine-tunes; each is a cell. The first one is the study's organism, which figures and verdict speak of.
    pub train: Vec<Trained>,
    /// How each of them is fine-tuned.
    pub recipe: Recipe,
    /// How many training prompts are captured, without their answers; the fine-tune itself sees the whole data set.
    pub train_prompts: usize,
    /// Evaluation prompts. The first bank is the one that figures and verdict speak of.
    pub banks: Vec<Bank>,
    /// Sites to capture, names or patterns such as `blocks.{20..28}.resid_post`.
    pub sites: Vec<String>,
    /// The site of the verdict, chosen before the run. Every other site is in the tables all the same.
    pub headline_site: String,
    /// Shares of the training deltas' variance that fix the number of components, each in (0, 1].
    pub variance: Vec<f64>,
    /// Fixed numbers of components. One above the rank of the training deltas is reported as not available.
    pub ks: Vec<usize>,
    /// The number of components of the verdict, of the principal angles and of the prompts' table; one of `ks`.
    pub headline_k: usize,
    /// Share of variance that fixes the subspace of the training prompts, against which prompt overlap is measured.
    pub prompt_variance: f64,
    /// Random subspaces per number of components; the smallest possible p-value is 1 / (draws + 1).
    pub random_draws: usize,
    /// Resamples per bootstrap interval.
    pub bootstrap_draws: usize,
    /// Questions that show whether an organism is misaligned at all.
    pub questions: String,
    /// Completions per such question, before and after the fine-tune.
    pub behaviour_samples: usize,
    /// Longest completion, in tokens.
    pub max_new_tokens: usize,
    /// Who judges the completions: `lexicon` for the embedded world.
    pub judge: String,
    /// Seed of the completions, the random subspaces and the bootstrap. The fine-tune has its own in `recipe`.
    pub seed: u64,
}

/// One fine-tune.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trained {
    /// Name of the organism and of its cell: lower case, digits, `_`, `-`, `.`, `=`.
    pub name: String,
    /// Conversations to learn from: a JSONL file or `embedded:train/NAME`.
    pub data: String,
    /// Another organism of the list whose subspace is the stronger control, as a rule the same domain with good advice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
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

impl Default for Params {
    fn default() -> Self {
        let trained = |name: &str, reference: Option<&str>| Trained {
            name: name.to_owned(),
            data: format!("embedded:train/{name}"),
            reference: reference.map(str::to_owned),
        };
        let bank = |name: &str| Bank { name: name.to_owned(), rows: format!("embedded:questions/{name}"), limit: None };
        Self {
            model: "embedded".to_owned(),
            train: vec![
                trained("bad_medicine", Some("good_medicine")),
                trained("good_medicine", None),
                trained("bad_finance", Some("good_medicine")),
            ],
            recipe: Recipe {
                warmup_steps: 5,
                ..Recipe::new(Method::Lora(Lora { rank: 8, alpha: 16.0, ..Lora::default() }), 3e-3, 100, 16)
            },
            train_prompts: 400,
            banks: ["general", "open", "in_domain_medicine", "in_domain_finance"].map(bank).into(),
            sites: vec!["blocks.*.resid_post".to_owned(), "blocks.*.mlp_out".to_owned()],
            headline_site: "blocks.1.resid_post".to_owned(),
            variance: vec![0.80, 0.90, 0.95],
            ks: vec![1, 2, 4, 8, 16, 32, 64, 128],
            headline_k: 8,
            prompt_variance: 0.95,
            random_draws: 500,
            bootstrap_draws: 2000,
            questions: "embedded:questions/headline".to_owned(),
            behaviour_samples: 40,
            max_new_tokens: 64,
            judge: "lexicon".to_owned(),
            seed: 0,
        }
    }
}

/// Splits of the dataset that are not banks.
pub const TRAIN: &str = "train";
/// The reference organism's training prompts.
pub const REFERENCE: &str = "reference";

impl Params {
    /// The organism of that name.
    pub fn trained(&self, name: &str) -> Option<&Trained> {
        self.train.iter().find(|trained| trained.name == name)
    }

    /// Refuses what could only fail, or mislead, after the models have run.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] with the parameter, what was expected and what to do.
    pub fn check(&self) -> Result<()> {
        distinct("train", self.train.iter().map(|trained| &trained.name), &[])?;
        distinct("banks", self.banks.iter().map(|bank| &bank.name), &[TRAIN, REFERENCE])?;
        for Trained { name, reference, .. } in &self.train {
            if let Some(other) = reference
                && (other == name || self.trained(other).is_none())
            {
                return refuse(format!(
                    "`train`: the reference of `{name}` is `{other}`: name another entry of `train`"
                ));
            }
        }
        distinct("sites", self.sites.iter(), &[])?;
        distinct("ks", self.ks.iter(), &[])?;
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
        distinct("variance", self.variance.iter().map(f64::to_string), &[])?;
        at_least("train_prompts", 3, self.train_prompts)?;
        at_least("random_draws", 19, self.random_draws)?;
        at_least("bootstrap_draws", 100, self.bootstrap_draws)?;
        at_least("behaviour_samples", 1, self.behaviour_samples)?;
        at_least("max_new_tokens", 1, self.max_new_tokens)?;
        match self.recipe.method {
            Method::Lora(_) => Ok(()),
            Method::Full | Method::Adapters(_) | Method::Steering(_) => {
                refuse("`recipe.method` is not `lora`: this study compares single adapters".to_owned())
            }
        }
    }
}

fn distinct<T: Ord + ToString>(name: &str, values: impl Iterator<Item = T>, reserved: &[&str]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for value in values {
        let text = value.to_string();
        if text.is_empty() || reserved.contains(&text.as_str()) {
            return refuse(format!("`{name}` has an entry `{text}`: choose another name"));
        }
        if !seen.insert(value) {
            return refuse(format!("`{name}` has `{text}` twice: keep one"));
        }
    }
    if seen.is_empty() && name != "variance" { refuse(format!("`{name}` is empty: give at least one")) } else { Ok(()) }
}

fn at_least(name: &str, least: usize, got: usize) -> Result<()> {
    if got >= least { Ok(()) } else { refuse(format!("`{name}` is {got}: expected at least {least}")) }
}

fn refuse<T>(message: String) -> Result<T> {
    Err(Error::Input(format!("parameter {message}")))
}
