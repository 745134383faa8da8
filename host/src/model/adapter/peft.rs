//! `adapter_config.json`: what is honoured, what is refused by name, and patterns of module paths.

use std::collections::BTreeMap;

use emhost_abi::wire::{Bias, Lora};
use regex::Regex;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::error::{ModelError, Result};

/// The options that the engine reads; all others are kept as they are.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct PeftConfig {
    pub r: usize,
    pub lora_alpha: f64,
    #[serde(default)]
    pub use_rslora: Option<bool>,
    #[serde(default)]
    pub lora_dropout: Option<f64>,
    #[serde(default)]
    pub rank_pattern: Option<BTreeMap<String, usize>>,
    #[serde(default)]
    pub alpha_pattern: Option<BTreeMap<String, f64>>,
    #[serde(default)]
    pub bias: Option<String>,
}

/// Options that change the result in ways that the engine does not compute.
const REFUSED: [&str; 12] = [
    "use_dora",
    "layer_replication",
    "target_parameters",
    "modules_to_save",
    "trainable_token_indices",
    "lora_bias",
    "alora_invocation_tokens",
    "arrow_config",
    "use_qalora",
    "use_bdlora",
    "kasa_config",
    "monteclora_config",
];

/// Ways to start an adapter that also change the weights of the model.
const CHANGED_BASE: [&str; 5] = ["pissa", "olora", "corda", "loftq", "lora_ga"];

impl PeftConfig {
    /// Reads the options.
    ///
    /// # Errors
    ///
    /// Name the option, its value and what is supported.
    pub fn read(all: &Map<String, Value>) -> Result<Self, String> {
        let kind = all.get("peft_type").and_then(Value::as_str).unwrap_or("missing");
        if kind != "LORA" {
            return Err(format!("peft_type is `{kind}`; supported: LORA"));
        }
        let off = |value: &Value| match value {
            Value::Null | Value::Bool(false) => true,
            Value::Array(list) => list.is_empty(),
            Value::Object(map) => map.is_empty(),
            _ => false,
        };
        if let Some(option) = REFUSED.into_iter().find(|option| all.get(*option).is_some_and(|value| !off(value))) {
            return Err(format!("{option} is set, which is not supported"));
        }
        let start = all.get("init_lora_weights").and_then(Value::as_str).unwrap_or_default();
        if CHANGED_BASE.iter().any(|name| start.starts_with(name)) {
            return Err(format!(
                "init_lora_weights is `{start}`, which also changed the model's own weights; save the adapter with PEFT's \
                 `path_initial_model_for_weight_conversion`"
            ));
        }
        let peft: Self = serde_json::from_value(Value::Object(all.clone())).map_err(|e| e.to_string())?;
        if peft.r == 0 {
            return Err("r is 0, expected at least 1".to_owned());
        }
        if let Some(bias) = &peft.bias
            && !matches!(bias.as_str(), "none" | "all" | "lora_only")
        {
            return Err(format!("bias is `{bias}`; supported: none, all, lora_only"));
        }
        Ok(peft)
    }

    /// The same as a recipe has it; modules and blocks come from the tensors.
    pub fn shape(&self) -> Lora {
        Lora {
            rank: self.r,
            alpha: self.lora_alpha,
            rslora: self.use_rslora.unwrap_or(false),
            dropout: self.lora_dropout.unwrap_or(0.0),
            rank_pattern: self.rank_pattern.clone().unwrap_or_default(),
            alpha_pattern: self.alpha_pattern.clone().unwrap_or_default(),
            bias: match self.bias.as_deref() {
                Some("all") => Bias::All,
                Some("lora_only") => Bias::LoraOnly,
                _ => Bias::None,
            },
            ..Lora::default()
        }
    }
}

/// Ranks and alphas by the ends of module paths: PEFT matches `(.*\.)?(KEY)$` with each key an expression.
pub(super) struct Patterns {
    ranks: Vec<(String, Regex, usize)>,
    alphas: Vec<(String, Regex, f64)>,
}

impl Patterns {
    /// Compiles the patterns of a shape.
    pub fn of(shape: &Lora) -> Result<Self> {
        Ok(Self {
            ranks: compile("rank_pattern", &shape.rank_pattern)?,
            alphas: compile("alpha_pattern", &shape.alpha_pattern)?,
        })
    }

    /// What `rank_pattern` says of a module.
    pub fn rank(&self, path: &str) -> Option<usize> {
        self.ranks.iter().find(|(_, key, _)| key.is_match(path)).map(|(.., rank)| *rank)
    }

    /// What `alpha_pattern` says of a module.
    pub fn alpha(&self, path: &str) -> Option<f64> {
        self.alphas.iter().find(|(_, key, _)| key.is_match(path)).map(|(.., alpha)| *alpha)
    }

    /// An error for a key that fits none of the adapted projections.
    pub fn all_fit(&self, paths: &[&str]) -> Result<()> {
        all_fit("rank_pattern", &self.ranks, paths)?;
        all_fit("alpha_pattern", &self.alphas, paths)
    }

    /// An error where two keys that disagree fit one projection.
    pub fn agree(&self, paths: &[&str]) -> Result<()> {
        agree("rank_pattern", &self.ranks, paths)?;
        agree("alpha_pattern", &self.alphas, paths)
    }
}

fn compile<T: Copy>(option: &str, pattern: &BTreeMap<String, T>) -> Result<Vec<(String, Regex, T)>> {
    let one = |(key, value): (&String, &T)| {
        let expression = Regex::new(&format!(r"^(?:.*\.)?(?:{key})$"));
        let expression = expression
            .map_err(|_| ModelError::Recipe(format!("{option} has the key `{key}`, which is no expression")))?;
        Ok((key.clone(), expression, *value))
    };
    pattern.iter().map(one).collect()
}

fn all_fit<T>(option: &str, pattern: &[(String, Regex, T)], paths: &[&str]) -> Result<()> {
    match pattern.iter().find(|(_, expression, _)| !paths.iter().any(|path| expression.is_match(path))) {
        Some((key, ..)) => {
            Err(ModelError::Recipe(format!("{option} has the key `{key}`, which fits no adapted projection")))
        }
        None => Ok(()),
    }
}

fn agree<T: PartialEq>(option: &str, pattern: &[(String, Regex, T)], paths: &[&str]) -> Result<()> {
    for path in paths {
        let fitting: Vec<_> = pattern.iter().filter(|(_, expression, _)| expression.is_match(path)).collect();
        if let [first, rest @ ..] = fitting.as_slice()
            && let Some(other) = rest.iter().find(|other| other.2 != first.2)
        {
            let problem = format!("{option} says two things of `{path}`, by `{}` and by `{}`", first.0, other.0);
            return Err(ModelError::Recipe(problem));
        }
    }
    Ok(())
}
