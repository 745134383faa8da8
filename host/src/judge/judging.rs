//! What every judge can do.

use serde_json::Value;

use super::error::Result;
use super::record::{Ask, Judgment, Usage};
use crate::store::StageKey;

/// What a judge tells while it works.
#[derive(Debug)]
pub enum Event {
    /// A judgment, with the number of its ask.
    Judged(usize, Box<Judgment>),
    /// What was paid without a judgment.
    Spent(Usage),
    /// Nothing yet.
    Waiting,
}

/// Is told what happens as it happens; says whether to go on.
pub type Step<'a> = dyn FnMut(Event) -> Result<bool> + 'a;

/// Grades answers.
pub trait Judge {
    /// The table of a judge's description: `lexicon`, `endpoint_logprob`, `endpoint_text`, `endpoint_json`, `local`.
    fn kind(&self) -> &'static str;

    /// Everything that decides its grades, without the rubrics.
    fn identity(&self) -> Value;

    /// Judges in any order. `spent` is what earlier sessions of the same work spent, for the budget.
    fn judge(&self, asks: &[Ask], spent: Usage, step: &mut Step<'_>) -> Result<()>;

    /// What one judgment can cost at most.
    fn most(&self, _ask: &Ask) -> Usage {
        Usage { calls: 1, ..Usage::default() }
    }

    /// Its own metrics among the `wanted` ones, its usual ones where none are named; none where it grades by rubrics.
    fn metrics(&self, _wanted: &[String]) -> Option<Vec<String>> {
        None
    }

    /// Whether judging takes less time than reading what was judged.
    fn is_quick(&self) -> bool {
        false
    }

    /// Tokens that no answer may contain.
    fn special_tokens(&self) -> Vec<String> {
        Vec::new()
    }

    /// 16 hexadecimal digits that name it.
    fn digest(&self) -> String {
        StageKey::of(self.kind(), &self.identity()).as_str()[..16].to_owned()
    }
}
