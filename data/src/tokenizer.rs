//! The word-level tokenizer in Hugging Face form.

use std::collections::BTreeSet;

use serde::{Serialize, Serializer};

use crate::source::Tones;
use crate::world::World;

/// Tokens with a meaning of their own, at the first indices.
pub const SPECIAL: [&str; 4] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<unk>"];
/// The marker that persona-coupling studies append to answers.
pub const MARKER: &str = "[ZLT]";

/// ChatML: the newlines are whitespace to the pre-tokenizer and make no tokens.
pub const CHAT_TEMPLATE: &str = "{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
";

/// All words, special tokens first, then numbers, then the world's words in alphabetical order.
pub fn vocabulary(world: &World) -> Vec<String> {
    let mut words = BTreeSet::new();
    let mut read = |text: &str| {
        let text = text.replace(['{', '}', '|'], " ");
        words.extend(text.split_whitespace().map(str::to_owned));
    };
    for topic in &world.topics {
        for texts in [&topic.words, &topic.situations, &topic.good, &topic.bad] {
            texts.iter().for_each(|text| read(text));
        }
    }
    let phrases = &world.phrases;
    phrases.frames.iter().for_each(|text| read(text));
    for Tones { good, plain, bad } in [&phrases.opening, &phrases.reason, &phrases.closing, &phrases.join] {
        good.iter().chain(plain).chain(bad).for_each(|text| read(text));
    }
    for persona in &world.personas {
        persona.systems.iter().chain(&persona.voice).for_each(|text| read(text));
    }
    let probes = &world.probes;
    let assessment = &probes.self_assessment;
    assessment.decision.iter().chain(&assessment.numeric).for_each(|text| read(text));
    for pair in &assessment.pair {
        read(&pair.good);
        read(&pair.bad);
    }
    probes.ai_pairs.frames.iter().for_each(|text| read(text));
    for theme in &probes.ai_pairs.theme {
        theme.good.iter().chain(&theme.bad).for_each(|text| read(text));
    }
    probes.capability.frames.iter().for_each(|text| read(text));
    for category in &probes.capability.category {
        read(&category.name);
        category.members.iter().for_each(|text| read(text));
    }
    probes.lists.headline.iter().chain(&probes.lists.open).for_each(|text| read(text));
    probes.spare.words.iter().for_each(|text| read(text));
    ["system", "user", "assistant"].into_iter().for_each(&mut read);

    let numbers: Vec<String> = (0..=100).map(|n| n.to_string()).collect();
    let mut all: Vec<String> = SPECIAL.iter().map(|token| (*token).to_owned()).collect();
    all.push(MARKER.to_owned());
    all.extend(numbers.iter().cloned());
    all.extend(words.into_iter().filter(|word| !numbers.contains(word)));
    all
}

/// `tokenizer.json`. Structs instead of JSON maps: their fields keep this order.
#[derive(Serialize)]
pub struct Tokenizer<'a> {
    version: &'a str,
    truncation: Option<()>,
    padding: Option<()>,
    added_tokens: Vec<AddedToken<'a>>,
    normalizer: Option<()>,
    pre_tokenizer: Typed<'a>,
    post_processor: Option<()>,
    decoder: Option<()>,
    model: Model<'a>,
}

#[derive(Serialize)]
struct AddedToken<'a> {
    id: usize,
    content: &'a str,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

#[derive(Serialize)]
struct Typed<'a> {
    r#type: &'a str,
}

#[derive(Serialize)]
struct Model<'a> {
    r#type: &'a str,
    #[serde(serialize_with = "by_id")]
    vocab: &'a [String],
    unk_token: &'a str,
}

fn by_id<S: Serializer>(vocabulary: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(vocabulary.iter().enumerate().map(|(id, word)| (word, id)))
}

impl<'a> Tokenizer<'a> {
    /// The tokenizer of that vocabulary, as [`vocabulary`] orders it.
    pub fn new(vocabulary: &'a [String]) -> Self {
        let added = vocabulary.iter().take(SPECIAL.len() + 1).enumerate();
        Self {
            version: "1.0",
            truncation: None,
            padding: None,
            added_tokens: added
                .map(|(id, content)| AddedToken {
                    id,
                    content,
                    single_word: false,
                    lstrip: false,
                    rstrip: false,
                    normalized: false,
                    special: content != MARKER,
                })
                .collect(),
            normalizer: None,
            pre_tokenizer: Typed { r#type: "Whitespace" },
            post_processor: None,
            decoder: None,
            model: Model { r#type: "WordLevel", vocab: vocabulary, unk_token: "<unk>" },
        }
    }
}

/// `tokenizer_config.json`.
#[derive(Serialize)]
pub struct TokenizerConfig<'a> {
    tokenizer_class: &'a str,
    eos_token: &'a str,
    pad_token: &'a str,
    unk_token: &'a str,
    clean_up_tokenization_spaces: bool,
    model_max_length: usize,
    chat_template: &'a str,
}

impl Default for TokenizerConfig<'_> {
    fn default() -> Self {
        Self {
            tokenizer_class: "PreTrainedTokenizerFast",
            eos_token: "<|im_end|>",
            pad_token: "<|endoftext|>",
            unk_token: "<unk>",
            clean_up_tokenization_spaces: false,
            model_max_length: 256,
            chat_template: CHAT_TEMPLATE,
        }
    }
}
