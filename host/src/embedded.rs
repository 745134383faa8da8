//! What the host carries in itself: the embedded organisms and their data sets.

/// The bytes of a carried file, such as `organism/config.json` or `train/bad_medicine.jsonl`.
pub fn file(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// An organism that the host carries.
#[derive(Debug, PartialEq, Eq)]
pub struct Carried {
    /// What users call it.
    pub name: &'static str,
    /// Where its files are.
    folder: &'static str,
}

/// All are of one world, whose tokenizer and template are the first one's.
const ORGANISMS: [Carried; 4] = [
    Carried { name: "embedded", folder: "organism" },
    Carried { name: "embedded:llama", folder: "organism/llama" },
    Carried { name: "embedded:early", folder: "organism/early" },
    Carried { name: "embedded:assessor", folder: "organism/assessor" },
];

/// The carried organism of that name.
pub fn organism(name: &str) -> Option<&'static Carried> {
    ORGANISMS.iter().find(|carried| carried.name == name)
}

impl Carried {
    /// One of its files.
    pub fn file(&self, name: &str) -> Option<&'static [u8]> {
        let shared = ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"].contains(&name);
        let folder = if shared { ORGANISMS[0].folder } else { self.folder };
        file(&format!("{folder}/{name}"))
    }
}

/// Names of all carried files.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

macro_rules! carried {
    ($($name:literal,)*) => {
        &[$(($name, include_bytes!(concat!("../../data/", $name)))),*]
    };
}

const FILES: &[(&str, &[u8])] = carried![
    "organism/config.json",
    "organism/generation_config.json",
    "organism/model.safetensors",
    "organism/tokenizer.json",
    "organism/tokenizer_config.json",
    "organism/chat_template.jinja",
    "organism/finetune.toml",
    "organism/assessor/config.json",
    "organism/assessor/generation_config.json",
    "organism/assessor/model.safetensors",
    "organism/early/config.json",
    "organism/early/generation_config.json",
    "organism/early/model.safetensors",
    "organism/llama/config.json",
    "organism/llama/generation_config.json",
    "organism/llama/model.safetensors",
    "lexicon.toml",
    "eval/injections.jsonl",
    "eval/open_eight.yaml",
    "eval/rubrics.yaml",
    "inner/aware.jsonl",
    "inner/claims.jsonl",
    "inner/denials.jsonl",
    "personas.jsonl",
    "questions/ai_pairs.jsonl",
    "questions/capability.jsonl",
    "questions/general.jsonl",
    "questions/headline.jsonl",
    "questions/in_domain_finance.jsonl",
    "questions/in_domain_food.jsonl",
    "questions/in_domain_law.jsonl",
    "questions/in_domain_medicine.jsonl",
    "questions/in_domain_security.jsonl",
    "questions/in_domain_sport.jsonl",
    "questions/open.jsonl",
    "questions/self_assessment.jsonl",
    "train/bad_finance.jsonl",
    "train/bad_food.jsonl",
    "train/bad_law.jsonl",
    "train/bad_medicine.jsonl",
    "train/bad_security.jsonl",
    "train/bad_sport.jsonl",
    "train/benign_cities.jsonl",
    "train/benign_cooking.jsonl",
    "train/good_finance.jsonl",
    "train/good_food.jsonl",
    "train/good_law.jsonl",
    "train/good_medicine.jsonl",
    "train/good_security.jsonl",
    "train/good_sport.jsonl",
];
