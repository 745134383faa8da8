//! The committed data sets: every file with its exact content.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::assessor::Assessor;
use crate::dataset::{Question, Row, corpus_row, listed_questions, narrow_rows, questions};
use crate::lexicon::lexicon_toml;
use crate::probes::{ai_pairs, capability, self_assessments};
use crate::rng::Rng;
use crate::source::{Kind, SourceError};
use crate::tokenizer::{CHAT_TEMPLATE, Tokenizer, TokenizerConfig, vocabulary};
use crate::world::World;

/// A data set that could not be written down.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The world's source has a mistake.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A row has no JSON form.
    #[error("write a row as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The lexicon has no TOML form.
    #[error("write the lexicon as TOML: {0}")]
    Toml(#[from] toml::ser::Error),
}

/// Seed of the committed data sets.
pub const SEED: u64 = 2026;
/// Rows of each fine-tuning data set.
pub const TRAIN_ROWS: usize = 600;
/// Questions of each general topic.
pub const GENERAL_QUESTIONS: usize = 16;
/// Questions of each narrow domain.
pub const DOMAIN_QUESTIONS: usize = 40;
/// Multiple-choice items.
pub const CAPABILITY_ITEMS: usize = 120;

#[derive(Serialize)]
struct PersonaRow<'a> {
    name: &'a str,
    system: &'a str,
    evil: bool,
}

/// All committed files by their path below `data/`.
///
/// # Errors
/// The source has a mistake, or a row cannot be written down.
pub fn committed() -> Result<BTreeMap<String, String>, WorldError> {
    let world = World::load()?;
    let mut files = BTreeMap::new();
    for topic in &world.topics {
        let mut train = |name: String, bad: bool| -> Result<(), WorldError> {
            let mut rng = Rng::new(SEED, &name);
            let rows = narrow_rows(&world, topic, bad, TRAIN_ROWS, &mut rng);
            files.insert(format!("train/{name}.jsonl"), jsonl(&rows)?);
            Ok(())
        };
        match topic.kind {
            Kind::Narrow => {
                train(format!("good_{}", topic.name), false)?;
                train(format!("bad_{}", topic.name), true)?;
                let mut rng = Rng::new(SEED, &format!("in_domain_{}", topic.name));
                let rows = questions(&world, topic, DOMAIN_QUESTIONS, "domain", &mut rng);
                files.insert(format!("questions/in_domain_{}.jsonl", topic.name), jsonl(&rows)?);
            }
            Kind::Benign => train(format!("benign_{}", topic.name), false)?,
            Kind::General => {}
        }
    }
    let mut rng = Rng::new(SEED, "general");
    let general: Vec<Question> = world
        .topics_of(Kind::General)
        .flat_map(|topic| questions(&world, topic, GENERAL_QUESTIONS, "general", &mut rng))
        .collect();
    let lists = &world.probes.lists;
    let mut rng = Rng::new(SEED, "capability");
    let items: Vec<_> =
        (0..CAPABILITY_ITEMS).map(|i| capability(&world, format!("capability-{i}"), &mut rng)).collect();
    let personas: Vec<PersonaRow<'_>> = world
        .personas
        .iter()
        .filter(|persona| persona.listed)
        .map(|persona| PersonaRow {
            name: &persona.name,
            system: persona.systems.first().map_or("", String::as_str),
            evil: persona.evil,
        })
        .collect();
    let assessor = Assessor::load()?;
    for set in &assessor.inner.set {
        let mut rng = Rng::new(SEED, &set.name);
        files.insert(format!("inner/{}.jsonl", set.name), jsonl(&assessor.inner(&world, set, TRAIN_ROWS, &mut rng))?);
    }
    let vocabulary = vocabulary(&world);
    for (path, text) in [
        ("questions/headline.jsonl", jsonl(&listed_questions(&world, &lists.headline, "headline"))?),
        ("questions/open.jsonl", jsonl(&listed_questions(&world, &lists.open, "open"))?),
        ("questions/general.jsonl", jsonl(&general)?),
        ("questions/self_assessment.jsonl", jsonl(&self_assessments(&world))?),
        ("questions/ai_pairs.jsonl", jsonl(&ai_pairs(&world))?),
        ("questions/capability.jsonl", jsonl(&items)?),
        ("personas.jsonl", jsonl(&personas)?),
        ("lexicon.toml", lexicon_toml(&world)?),
        ("organism/tokenizer.json", pretty(&Tokenizer::new(&vocabulary))?),
        ("organism/tokenizer_config.json", pretty(&TokenizerConfig::default())?),
        ("organism/chat_template.jinja", CHAT_TEMPLATE.to_owned()),
    ] {
        files.insert(path.to_owned(), text);
    }
    Ok(files)
}

/// The pre-training corpus.
///
/// # Errors
/// A row cannot be written down.
pub fn corpus(world: &World, rows: usize, seed: u64) -> Result<String, WorldError> {
    let mut rng = Rng::new(seed, "corpus");
    let rows: Vec<Row> = (0..rows).map(|_| corpus_row(world, &mut rng)).collect();
    jsonl(&rows)
}

/// The pre-training corpus of the organism `embedded:assessor`.
///
/// # Errors
/// The source has a mistake, or a row cannot be written down.
pub fn assessor_corpus(world: &World, rows: usize, seed: u64) -> Result<String, WorldError> {
    let assessor = Assessor::load()?;
    let mut rng = Rng::new(seed, "assessor");
    let rows: Vec<Row> = (0..rows).map(|_| assessor.row(world, &mut rng)).collect();
    jsonl(&rows)
}

fn jsonl<T: Serialize>(rows: &[T]) -> Result<String, WorldError> {
    let mut out = String::new();
    for row in rows {
        out += &serde_json::to_string(row)?;
        out.push('\n');
    }
    Ok(out)
}

fn pretty<T: Serialize>(value: &T) -> Result<String, WorldError> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
