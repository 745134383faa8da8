//! The keys of a configuration: each is known by name, and one that nobody asked for is an error.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::model::files::Files;
use crate::model::{ModelError, Result};

/// Sizes above this are mistakes; it keeps a wrong file from asking for all memory.
const LARGEST: f64 = (1u64 << 30) as f64;

/// Keys that say nothing about the forward pass: how the checkpoint was made, stored, trained or sampled.
const WITHOUT_EFFECT: &[&str] = &[
    "_attn_implementation_autoset",
    "_name_or_path",
    "add_cross_attention",
    "architectures",
    "attention_dropout",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "cache_implementation",
    "chunk_size_feed_forward",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "embd_pdrop",
    "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "id2label",
    "initializer_range",
    "is_decoder",
    "is_encoder_decoder",
    "is_llama_config",
    "label2id",
    "length_penalty",
    "max_length",
    "min_length",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_router_logits",
    "output_scores",
    "pad_token_id",
    "prefix",
    "pretraining_tp",
    "problem_type",
    "remove_invalid_values",
    "repetition_penalty",
    "resid_pdrop",
    "return_dict",
    "return_dict_in_generate",
    "router_aux_loss_coef",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers.js_config",
    "transformers_version",
    "typical_p",
    "unsloth_fixed",
    "unsloth_version",
    "use_bfloat16",
    "use_cache",
];

/// The keys of one object of a file that nobody has taken yet.
pub struct Keys<'a> {
    files: &'a Files,
    file: &'static str,
    /// What stands before a key in messages: nothing, or `text_config.`.
    within: String,
    left: Map<String, Value>,
}

impl<'a> Keys<'a> {
    /// All keys of a file.
    pub fn open(files: &'a Files, file: &'static str) -> Result<Self> {
        Ok(Self { files, file, within: String::new(), left: files.json(file)? })
    }

    /// An error about the value of a key.
    pub fn refuse(&self, key: &str, found: impl Display, supported: &str) -> ModelError {
        self.files.unsupported(self.file, format!("{}{key} is {found}; supported: {supported}", self.within))
    }

    /// Gives a key a value where it is absent; `null` counts as present.
    pub fn default(&mut self, key: &str, value: impl Into<Value>) {
        if !self.left.contains_key(key) {
            self.left.insert(key.to_owned(), value.into());
        }
    }

    /// Takes a value; `null` counts as absent.
    pub fn value(&mut self, key: &str) -> Option<Value> {
        self.left.remove(key).filter(|value| !value.is_null())
    }

    /// Takes a value that must be there.
    pub fn need<T>(&self, key: &str, value: Option<T>) -> Result<T> {
        value.ok_or_else(|| self.refuse(key, "missing", "a value"))
    }

    fn take<T>(&mut self, key: &str, expected: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>> {
        match self.value(key) {
            None => Ok(None),
            Some(value) => read(&value).map(Some).ok_or_else(|| self.refuse(key, value, expected)),
        }
    }

    /// Takes a number above 0.
    pub fn positive(&mut self, key: &str) -> Result<Option<f64>> {
        self.take(key, "a number above 0", |value| value.as_f64().filter(|number| *number > 0.0 && number.is_finite()))
    }

    fn whole(&mut self, key: &str, least: f64, expected: &str) -> Result<Option<usize>> {
        let fits = |n: &f64| (least..=LARGEST).contains(n) && n.fract() == 0.0;
        self.take(key, expected, |value| value.as_f64().filter(fits).map(|n| n as usize))
    }

    /// Takes a whole number from 1 up.
    pub fn size(&mut self, key: &str) -> Result<Option<usize>> {
        self.whole(key, 1.0, "a whole number from 1 to 2^30")
    }

    /// Takes a number of blocks, which may be 0.
    pub fn count(&mut self, key: &str) -> Result<Option<usize>> {
        self.whole(key, 0.0, "a whole number from 0 to 2^30")
    }

    /// Takes a whole number from 1 up that must be there.
    pub fn need_size(&mut self, key: &str) -> Result<usize> {
        let size = self.size(key)?;
        self.need(key, size)
    }

    /// Takes `true` or `false`.
    pub fn flag(&mut self, key: &str) -> Result<Option<bool>> {
        self.take(key, "true or false", Value::as_bool)
    }

    /// Takes a text.
    pub fn text(&mut self, key: &str) -> Result<Option<String>> {
        self.take(key, "a text", |value| value.as_str().map(str::to_owned))
    }

    /// Takes a list of numbers.
    pub fn numbers(&mut self, key: &str) -> Result<Option<Vec<f64>>> {
        let all = |value: &Value| value.as_array()?.iter().map(Value::as_f64).collect();
        self.take(key, "a list of numbers", all)
    }

    /// Takes a list of texts.
    pub fn texts(&mut self, key: &str) -> Result<Option<Vec<String>>> {
        let all = |value: &Value| value.as_array()?.iter().map(|v| v.as_str().map(str::to_owned)).collect();
        self.take(key, "a list of texts", all)
    }

    /// Takes one token id or a list of them.
    pub fn tokens(&mut self, key: &str) -> Result<Option<Vec<u32>>> {
        let id = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
        self.take(key, "a token id or a list of token ids", |value| match value {
            Value::Array(ids) => ids.iter().map(id).collect(),
            one => id(one).map(|id| vec![id]),
        })
    }

    /// Takes an object, whose keys must be taken in their turn.
    pub fn object(&mut self, key: &str) -> Result<Option<Keys<'a>>> {
        let left = self.take(key, "an object", |value| value.as_object().cloned())?;
        Ok(left.map(|left| Keys { files: self.files, file: self.file, within: format!("{}{key}.", self.within), left }))
    }

    /// Takes a key that may only have one value, or be absent.
    pub fn only(&mut self, key: &str, value: impl Into<Value>) -> Result<()> {
        let value = value.into();
        match self.value(key) {
            Some(found) if found != value => Err(self.refuse(key, found, &value.to_string())),
            _ => Ok(()),
        }
    }

    /// An error where keys are left that nobody took.
    pub fn finish(self) -> Result<()> {
        match self.left.keys().find(|key| !WITHOUT_EFFECT.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(self.files.unsupported(
                self.file,
                format!(
                    "{}{key} is a key that the engine does not know, and it may change what the model computes; \
                     remove it if it does not",
                    self.within
                ),
            )),
        }
    }
}
