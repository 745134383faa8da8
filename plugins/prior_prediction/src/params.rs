//! What the user can set.

use emhost_sdk::prelude::*;
use emhost_study::{Asked, Organisms};

/// The parameters. The defaults are the embedded study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// The model and its fine-tunes; each organism is a cell.
    pub organisms: Organisms,
    /// The questions whose alignment is predicted, and how answers are judged. Scores are on the scale 0 to 100. A mean over
    /// few answers is noisy: the table `targets` says how much of it can be predicted at all.
    pub ask: Asked,
    /// More questions, each analysed by itself; asked as those of `ask`.
    pub banks: Vec<String>,
    /// Models whose activations are prior information: no fine-tune of this study is in them.
    pub before: Vec<Before>,
    /// Sites, names or patterns.
    pub sites: Vec<String>,
    /// Ways of looking at a row. `completion_mean` looks at the organism's answers, which are no prior information: it is
    /// marked as such and never counts for the verdict.
    pub poolings: Vec<Pooled>,
    /// What is predicted.
    pub target: Target,
    /// The judge's metric that is called alignment, 0 to 100 and high for harmless.
    pub metric: String,
    /// Where principal components come from.
    pub basis: Basis,
    /// How many training prompts the basis is fitted on, at most.
    pub train_prompts: usize,
    /// Most components. Published: 150.
    pub components: usize,
    /// Components are taken up to this share of variance. Published: 0.99.
    pub variance: f64,
    /// Seeds of random orthonormal directions, as many of them as components.
    pub random_seeds: Vec<u64>,
    /// Sentence embeddings of the questions as one more baseline.
    pub semantic: Option<Semantic>,
    /// Models that are fitted at the headline's site and pooling; `lasso_cv` and trees not on activations as they are.
    pub models: Vec<Model>,
    /// Penalties that the inner folds of `lasso_cv` choose from. Published: 0.0001 to 10. On targets of 0 to 100 those below
    /// 0.1 give least squares after some thousand times the work.
    pub lasso_alphas: Vec<f64>,
    /// Penalties that the inner folds of `ridge_cv` choose from.
    pub ridge_alphas: Vec<f64>,
    /// Inner folds.
    pub inner_folds: usize,
    /// How questions are split.
    pub folds: Folds,
    /// What the verdict reads, fixed before the run.
    pub headline: Chosen,
    /// Permutations of the target.
    pub permutations: Permutations,
    /// False discovery rate of the verdict, over the declared family.
    pub false_discovery_rate: f64,
}

/// A model whose activations are prior information.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Before {
    /// Name in tables and figures.
    pub name: String,
    /// `embedded`, `embedded:NAME` or a folder with a checkpoint; none means the model that the organism is a fine-tune of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// Which tokens, and what becomes of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Pooled {
    /// The prompt's last token.
    LastPrompt,
    /// The mean over the prompt's tokens.
    PromptMean,
    /// The mean over the tokens of each of the organism's answers, and over the answers.
    CompletionMean,
}

/// What is predicted of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Mean alignment of its coherent answers, 0 to 100.
    AlignmentCoherent,
    /// Mean alignment of all its answers, 0 to 100.
    Alignment,
    /// Share of its answers that are coherent and misaligned, 0 to 1.
    MisalignedRate,
}

/// Where principal components come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// The prompts that the organism was fine-tuned on, seen by the same model: no evaluation question is in it.
    TrainPrompts,
    /// The questions of the training folds.
    Folds,
}

/// Sentence embeddings, made elsewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Semantic {
    /// A dataset's folder, with a column `row_id`.
    pub dataset: String,
    /// The column of vectors.
    pub column: String,
}

/// A model from features to the target. Features are brought to mean 0 and deviation 1 of the training fold first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Least squares; of smallest norm where columns depend on each other.
    Linear,
    /// Ridge regression with this penalty.
    Ridge(f64),
    /// Ridge regression; inner folds choose the penalty.
    RidgeCv,
    /// Lasso with this penalty.
    Lasso(f64),
    /// Lasso; inner folds choose the penalty.
    LassoCv,
    /// A regression tree of this depth. Published: 7.
    Tree(usize),
}

/// How activations become features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Projection {
    /// Coordinates around the mean of the basis.
    Plain,
    /// Their squares, as published.
    Squared,
}

/// How questions are split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Folds {
    /// Parts. Published: 5.
    pub splits: usize,
    /// Rounds of them. Published: 10.
    pub repeats: usize,
    /// Seed of the first round. Published: 42.
    pub seed: u32,
    /// How topics are split in the grouped folds.
    pub grouped: Grouped,
}

/// How topics are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grouped {
    /// Into as many parts, in as many rounds, as the plain folds.
    KFold,
    /// Each topic is a part of its own, once.
    LeaveOneOut,
}

/// What the verdict reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Chosen {
    /// The site, one of `sites`.
    pub site: String,
    /// The pooling, one of `poolings`.
    pub pooling: Pooled,
    /// The model; it is fitted at every site and pooling, and it alone is permuted.
    pub model: Model,
    /// What the verdict speaks of first; the declared family holds both projections.
    pub projection: Projection,
}

/// Permutations of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Permutations {
    /// How many; 0 for none. The smallest possible p-value is 1 / (draws + 1). Published: 200.
    pub draws: usize,
    /// Rounds of folds that each is scored on; the true target is compared by its score on the same ones.
    pub repeats: usize,
    /// Draw `i` orders rows as `numpy.random.RandomState(seed + i).permutation` does.
    pub seed: u32,
}

impl Default for Params {
    fn default() -> Self {
        let mut organisms = Organisms::embedded();
        organisms.list.retain(|organism| ["medicine", "finance", "good_medicine"].contains(&organism.name.as_str()));
        organisms.recipes.retain(|name, _| name == "all");
        let site =
            |block: usize| ["attn_out", "resid_mid", "mlp_out", "resid_post"].map(|s| format!("blocks.{block}.{s}"));
        Self {
            organisms,
            ask: Asked { samples: 8, ..Asked::default() },
            banks: Vec::new(),
            before: vec![
                Before { name: "instruct".to_owned(), model: None },
                Before { name: "pretrained".to_owned(), model: Some("embedded:early".to_owned()) },
            ],
            sites: [1, 3].into_iter().flat_map(site).collect(),
            poolings: vec![Pooled::LastPrompt, Pooled::PromptMean, Pooled::CompletionMean],
            target: Target::AlignmentCoherent,
            metric: "alignment".to_owned(),
            basis: Basis::TrainPrompts,
            train_prompts: 400,
            components: 150,
            variance: 0.99,
            random_seeds: (0..5).collect(),
            semantic: None,
            models: vec![
                Model::Linear,
                Model::Ridge(1.0),
                Model::RidgeCv,
                Model::Lasso(1.0),
                Model::LassoCv,
                Model::Tree(7),
            ],
            lasso_alphas: vec![0.1, 0.3, 1.0, 3.0, 10.0],
            ridge_alphas: vec![0.1, 1.0, 10.0, 100.0, 1e3, 1e4],
            inner_folds: 5,
            folds: Folds::default(),
            headline: Chosen::default(),
            permutations: Permutations::default(),
            false_discovery_rate: 0.05,
        }
    }
}

impl Default for Folds {
    fn default() -> Self {
        Self { splits: 5, repeats: 10, seed: 42, grouped: Grouped::KFold }
    }
}

impl Default for Chosen {
    fn default() -> Self {
        Self {
            site: "blocks.3.resid_post".to_owned(),
            pooling: Pooled::LastPrompt,
            model: Model::Lasso(1.0),
            projection: Projection::Squared,
        }
    }
}

impl Default for Permutations {
    fn default() -> Self {
        Self { draws: 200, repeats: 2, seed: 0 }
    }
}

impl Params {
    /// All banks of questions, the one of the verdict first.
    pub fn asked(&self) -> Vec<Asked> {
        let more = self.banks.iter().map(|bank| Asked { questions: bank.clone(), limit: None, ..self.ask.clone() });
        [self.asking()].into_iter().chain(more.map(|asked| self.with_metric(asked))).collect()
    }

    fn asking(&self) -> Asked {
        self.with_metric(self.ask.clone())
    }

    fn with_metric(&self, mut asked: Asked) -> Asked {
        if self.metric != ALIGNMENT && !asked.metrics.contains(&self.metric) {
            asked.metrics.push(self.metric.clone());
        }
        asked
    }

    /// The models that are fitted at the headline's site and pooling.
    pub fn fitted(&self) -> Vec<Model> {
        let mut models = self.models.clone();
        if !models.contains(&self.headline.model) {
            models.insert(0, self.headline.model);
        }
        models
    }
}

/// The metric that every judge has.
pub const ALIGNMENT: &str = "alignment";

/// The name of a bank in tables: that of an embedded one without its origin.
pub fn label(bank: &str) -> &str {
    bank.strip_prefix("embedded:questions/").unwrap_or(bank)
}

impl Pooled {
    /// The view that the host captures.
    pub fn view(self) -> View {
        match self {
            Self::LastPrompt => View::LAST_PROMPT,
            Self::PromptMean => View::PROMPT_MEAN,
            Self::CompletionMean => View { positions: Positions::Answer, pooling: Pooling::Mean },
        }
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::LastPrompt => "last_prompt",
            Self::PromptMean => "prompt_mean",
            Self::CompletionMean => "completion_mean",
        }
    }

    /// The name in sentences.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::LastPrompt => "last prompt token",
            Self::PromptMean => "prompt mean",
            Self::CompletionMean => "completion mean",
        }
    }

    /// Whether it looks at answers.
    pub fn uses_completion(self) -> bool {
        self == Self::CompletionMean
    }
}

impl Target {
    /// The name in sentences.
    pub fn spoken(self) -> &'static str {
        match self {
            Self::AlignmentCoherent => "mean alignment of coherent answers",
            Self::Alignment => "mean alignment of all answers",
            Self::MisalignedRate => "share of coherent and misaligned answers",
        }
    }
}

impl Model {
    /// The name in tables.
    pub fn name(self) -> String {
        match self {
            Self::Linear => "linear".to_owned(),
            Self::Ridge(alpha) => format!("ridge {alpha}"),
            Self::RidgeCv => "ridge_cv".to_owned(),
            Self::Lasso(alpha) => format!("lasso {alpha}"),
            Self::LassoCv => "lasso_cv".to_owned(),
            Self::Tree(depth) => format!("tree {depth}"),
        }
    }
}

impl Projection {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Plain, Self::Squared];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Squared => "squared",
        }
    }
}
