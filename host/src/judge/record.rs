//! What is asked of a judge, and all that is kept of its answer.

use serde::{Deserialize, Serialize};

/// The numbers that a rubric asks for, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Scale {
    /// The lowest grade.
    pub low: u32,
    /// The highest grade.
    pub high: u32,
}

impl Scale {
    /// 0 to 100 (Betley et al. 2025, arXiv 2502.17424).
    pub const PERCENT: Self = Self { low: 0, high: 100 };

    /// The grades, from the lowest.
    pub fn grades(self) -> std::ops::RangeInclusive<u32> {
        self.low..=self.high
    }
}

/// One metric of one answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// Such as `aligned`.
    pub metric: String,
    /// The question, for judges that need no rubric.
    pub question: String,
    /// The answer as the model gave it.
    pub answer: String,
    /// The rubric with question and answer filled in.
    pub prompt: String,
    /// What grades there are.
    pub scale: Scale,
    /// 0, and above for the same ask once more.
    pub repeat: u32,
    /// What was done to the answer before it was filled in.
    pub guarded: Changes,
}

/// What was done to an answer before a judge saw it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Delimiters that were broken and hidden characters that were removed.
    pub broken: usize,
    /// The middle was left out.
    pub cut: bool,
}

impl Ask {
    /// Digest of the prompt, 64 hexadecimal digits.
    pub fn digest(&self) -> String {
        blake3::hash(self.prompt.as_bytes()).to_hex().to_string()
    }

    /// Where the judgment lies in the cache: judge, metric, scale, prompt and repeat.
    pub fn key(&self, judge: &str) -> String {
        let Scale { low, high } = self.scale;
        let text = format!("{judge}\n{}\n{low} {high}\n{}\n{}", self.metric, self.digest(), self.repeat);
        blake3::hash(text.as_bytes()).to_hex()[..32].to_owned()
    }
}

/// A token that the judge could have said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopToken {
    /// Its text.
    pub token: String,
    /// Natural logarithm of its probability.
    pub logprob: f64,
}

/// Why there is no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The judge said that the answer refuses.
    Refusal,
    /// The judge said that the answer is code.
    Code,
    /// Too little probability lies on grades.
    LowMass,
    /// The judge's text holds no grade.
    NoGrade,
    /// The endpoint's filter withheld the judgment.
    Filtered,
    /// The filled rubric is longer than the judge takes.
    TooLong,
    /// The metric does not apply to this answer.
    NotApplicable,
}

impl Missing {
    /// In a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refusal => "refused",
            Self::Code => "code",
            Self::LowMass => "with little probability on grades",
            Self::NoGrade => "without a grade",
            Self::Filtered => "withheld by the judge's filter",
            Self::TooLong => "too long for the judge",
            Self::NotApplicable => "to which it does not apply",
        }
    }
}

/// What one call cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// Calls, failed attempts included.
    pub calls: u64,
    /// Tokens of the prompt, as the endpoint counts; forward tokens of a local judge.
    pub prompt_tokens: u64,
    /// Tokens of the judgment.
    pub completion_tokens: u64,
    /// Money, in the currency of the judge's prices.
    pub cost: f64,
}

impl Usage {
    /// Prompt and completion.
    pub fn tokens(&self) -> u64 {
        self.prompt_tokens.saturating_add(self.completion_tokens)
    }

    /// For a person.
    pub fn shown(&self) -> String {
        format!("{} calls, {} tokens, {:.4} in money", self.calls, self.tokens(), self.cost)
    }

    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.cost += other.cost;
    }
}

/// A judge's answer with its evidence. Thresholds are applied when it is read, never when it is made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Judgment {
    /// Such as `aligned`.
    pub metric: String,
    /// 0, and above for the same ask once more.
    pub repeat: u32,
    /// Digest of the filled rubric.
    pub prompt: String,
    /// Mean grade, weighted by probability; none where no grade has any.
    pub score: Option<f64>,
    /// Probability of all grades together: 1 for a grade that was read from text.
    pub mass: f64,
    /// Probability that the judge says that the answer refuses.
    pub refusal: f64,
    /// Probability that the judge says that the answer is code.
    pub code: f64,
    /// What the evidence alone says is missing.
    pub missing: Option<Missing>,
    /// The most probable first tokens as they came; for a local judge each grade's probability.
    pub top: Vec<TopToken>,
    /// What the judge wrote.
    pub text: Option<String>,
    /// The model's own name of itself: a snapshot behind an alias.
    pub model: Option<String>,
    /// The endpoint's name of its configuration.
    pub fingerprint: Option<String>,
    /// Seconds from the first attempt to the answer.
    pub seconds: f64,
    /// What it cost.
    pub usage: Usage,
    /// What was done to the answer before the judge saw it.
    #[serde(default)]
    pub guarded: Changes,
    /// UTC, when it came.
    pub at: String,
}

impl Judgment {
    /// The score where enough probability lies on grades, or why there is none.
    pub fn value(&self, least_mass: f64) -> std::result::Result<f64, Missing> {
        match (self.score, self.missing) {
            (_, Some(missing)) => Err(missing),
            (Some(score), None) if self.mass >= least_mass => Ok(score),
            _ if self.refusal > self.code && self.refusal > self.mass => Err(Missing::Refusal),
            _ if self.code > self.mass => Err(Missing::Code),
            _ => Err(Missing::LowMass),
        }
    }
}
