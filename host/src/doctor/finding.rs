//! One thing that was looked at.

use serde::Serialize;

/// How it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// As it should be.
    Good,
    /// It works, but there is something to know.
    Notice,
    /// It does not work.
    Bad,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word.
    pub topic: &'static str,
    /// How it stands.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do, where there is something to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Exit status of commands that need it; 0 where it is not bad.
    pub exit_code: u8,
}

impl Finding {
    /// All is well.
    pub fn good(topic: &'static str, found: impl Into<String>) -> Self {
        Self { topic, state: State::Good, found: found.into(), advice: None, exit_code: 0 }
    }

    /// It works; what to do if the user wants more.
    pub fn notice(topic: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { topic, state: State::Notice, found: found.into(), advice: Some(advice.into()), exit_code: 0 }
    }

    /// Commands that need it end with this exit status.
    pub fn bad(topic: &'static str, exit_code: u8, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { topic, state: State::Bad, found: found.into(), advice: Some(advice.into()), exit_code }
    }

    /// One or two lines: mark, topic and what was found; below it what to do.
    pub fn text(&self) -> String {
        let mark = match self.state {
            State::Good => "ok",
            State::Notice => "!",
            State::Bad => "BAD",
        };
        let advice = self.advice.as_ref().map(|advice| format!("\n{:16}→ {advice}", "")).unwrap_or_default();
        format!("{mark:<4}{:<12}{}{advice}", self.topic, self.found)
    }
}
