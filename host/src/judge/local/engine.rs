//! A judge on this machine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use emhost_abi::wire::{Message, Row};
use serde_json::{Value, json};

use super::super::error::{JudgeError, Result};
use super::super::judging::{Event, Judge, Step};
use super::super::record::{Ask, Judgment, Missing, Scale, TopToken, Usage};
use super::trie::Trie;
use crate::model::ModelError;
use crate::model::next::{Logprobs, Next, Run};
use crate::model::parallel::in_order;
use crate::sample::PASS_TOKENS;

/// Grades below this probability are not kept in the record.
const LEAST: f64 = 1e-9;

/// A model that judges, with the exact distribution over the grades' token strings.
///
/// The probability of a grade is that of its string's tokens after the prompt, less that of longer grades that begin
/// with it: 10 is not 100. Strings are cut into tokens as the tokenizer cuts them behind the prompt.
pub struct LocalJudge {
    model: Box<dyn Next>,
    system: Option<String>,
    words: Mutex<HashMap<Scale, Arc<Words>>>,
}

/// An ask as tokens.
struct Encoded {
    prompt: Vec<u32>,
    words: Arc<Words>,
}

/// What a judge may say, as tokens.
struct Words {
    trie: Trie,
    refusal: Option<u32>,
    code: Option<u32>,
    /// The highest grade.
    highest: Vec<u32>,
}

impl LocalJudge {
    /// Judges with a loaded model.
    pub fn new(model: impl Next + 'static, system: Option<String>) -> Self {
        Self { model: Box::new(model), system, words: Mutex::default() }
    }

    /// None where the model takes no prompt so long.
    fn encode(&self, ask: &Ask) -> Result<Option<Encoded>> {
        let row = self.row(&ask.metric, &ask.prompt);
        let encoded = self.model.text().encode_prompt(&row)?;
        let words = self.words(ask.scale)?;
        // Every prompt ends in the template's header of the answer: what follows is cut into tokens alike.
        let highest = self.model.text().encode_continuation(&row, &encoded, &ask.scale.high.to_string())?;
        if highest != words.highest {
            let problem =
                format!("its tokenizer cuts {} otherwise behind this prompt than behind others", ask.scale.high);
            return Err(JudgeError::input(format!("a local judge of `{}`", ask.metric), problem));
        }
        if self.model.check(&row.row_id, &encoded.tokens).is_err() {
            return Ok(None);
        }
        Ok(Some(Encoded { prompt: encoded.tokens, words }))
    }

    fn row(&self, metric: &str, prompt: &str) -> Row {
        let message = |role: &str, content: &str| Message { role: role.to_owned(), content: content.to_owned() };
        let system = self.system.iter().map(|system| message("system", system));
        Row {
            row_id: format!("the rubric `{metric}`"),
            messages: Some(system.chain([message("user", prompt)]).collect()),
            ..Row::default()
        }
    }

    /// The grades of a scale as tokens, found once.
    fn words(&self, scale: Scale) -> Result<Arc<Words>> {
        let mut known = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(words) = known.get(&scale) {
            return Ok(words.clone());
        }
        let row = self.row("a short one", "Grade this.");
        let text = self.model.text();
        let prompt = text.encode_prompt(&row)?;
        let tokens = |said: &str| text.encode_continuation(&row, &prompt, said);
        let mut grades = Vec::new();
        for grade in scale.grades() {
            grades.push((grade, tokens(&grade.to_string())?));
        }
        let trie = Trie::new(&grades);
        // A word is known by its first token, unless a grade begins with that.
        let word = |word: &str| Ok::<_, JudgeError>(tokens(word)?.first().copied().filter(|token| !trie.first(*token)));
        let refusal = word("REFUSAL")?;
        let code = word("CODE")?.filter(|code| Some(*code) != refusal);
        let highest = grades.pop().map(|(_, tokens)| tokens).unwrap_or_default();
        let words = Arc::new(Words { trie, refusal, code, highest });
        known.insert(scale, words.clone());
        Ok(words)
    }

    /// Judges some asks in one pass.
    fn pass(&self, asks: &[Encoded]) -> std::result::Result<Vec<Judgment>, ModelError> {
        let begun = Instant::now();
        let prompts: Vec<&[u32]> = asks.iter().map(|ask| &ask.prompt[..]).collect();
        let runs_of = |(prompt, ask): (usize, &'_ Encoded)| {
            ask.words.trie.runs().into_iter().map(|tokens| (prompt, tokens.to_vec())).collect::<Vec<_>>()
        };
        let runs: Vec<(usize, Vec<u32>)> = asks.iter().enumerate().flat_map(runs_of).collect();
        let runs: Vec<Run<'_>> = runs.iter().map(|(prompt, tokens)| Run { prompt: *prompt, tokens }).collect();
        let (first, further) = self.model.next(&prompts, &runs)?;
        // Every prefix of a run is a path of the trie too.
        let mut after: Vec<HashMap<&[u32], &Logprobs>> = vec![HashMap::new(); asks.len()];
        let mut further = further.iter();
        for run in &runs {
            for (len, logprobs) in (1..=run.tokens.len()).zip(&mut further) {
                after[run.prompt].insert(&run.tokens[..len], logprobs);
            }
        }
        let seconds = begun.elapsed().as_secs_f64() / asks.len().max(1) as f64;
        let judged = asks.iter().zip(&first).zip(&after).map(|((ask, first), after)| {
            let probability = |path: &[u32], token: u32| {
                let logprobs = if path.is_empty() { first } else { after[path] };
                f64::from(logprobs[token as usize]).exp()
            };
            let Words { trie, refusal, code, .. } = &*ask.words;
            let word = |token: &Option<u32>| token.map_or(0.0, |token| probability(&[], token));
            let prompt_tokens = self.model.cost(ask.prompt.len(), &trie.runs()) as u64;
            let usage = Usage { calls: 1, prompt_tokens, ..Usage::default() };
            Judgment { refusal: word(refusal), code: word(code), seconds, usage, ..graded(&trie.grades(probability)) }
        });
        Ok(judged.collect())
    }
}

fn too_long() -> Box<Judgment> {
    Box::new(Judgment { missing: Some(Missing::TooLong), ..Judgment::default() })
}

/// The judgment that a distribution over grades is.
fn graded(grades: &[(u32, f64)]) -> Judgment {
    let mass: f64 = grades.iter().map(|(_, p)| p).sum();
    let sum: f64 = grades.iter().map(|(grade, p)| f64::from(*grade) * p).sum();
    let kept = grades.iter().filter(|(_, p)| *p >= LEAST);
    let top = kept.map(|(grade, p)| TopToken { token: grade.to_string(), logprob: p.ln() }).collect();
    Judgment { score: (mass > 0.0).then(|| sum / mass), mass, top, ..Judgment::default() }
}

impl Judge for LocalJudge {
    fn kind(&self) -> &'static str {
        "local"
    }

    fn identity(&self) -> Value {
        json!({ "model": self.model.identity(), "system": self.system })
    }

    fn special_tokens(&self) -> Vec<String> {
        self.model.text().special_tokens()
    }

    fn judge(&self, asks: &[Ask], _spent: Usage, step: &mut Step<'_>) -> Result<()> {
        let (mut encoded, mut of) = (Vec::new(), Vec::new());
        for (at, ask) in asks.iter().enumerate() {
            if let Some(ask) = self.encode(ask)? {
                encoded.push(ask);
                of.push(at);
            } else if !step(Event::Judged(at, too_long()))? {
                return Err(JudgeError::Interrupted);
            }
        }
        let mut passes: Vec<&[Encoded]> = Vec::new();
        let (mut begin, mut tokens) = (0, 0);
        for (at, ask) in encoded.iter().enumerate() {
            if at > begin && tokens + ask.prompt.len() > PASS_TOKENS {
                passes.push(&encoded[begin..at]);
                (begin, tokens) = (at, 0);
            }
            tokens += ask.prompt.len();
        }
        if begin < encoded.len() {
            passes.push(&encoded[begin..]);
        }
        let mut at = 0;
        in_order::<_, _, JudgeError>(
            &passes,
            self.model.lanes(),
            |pass| self.pass(pass),
            |judged| {
                for judgment in judged {
                    if !step(Event::Judged(of[at], Box::new(judgment)))? {
                        return Err(JudgeError::Interrupted);
                    }
                    at += 1;
                }
                Ok(())
            },
        )
    }
}
