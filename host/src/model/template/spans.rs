//! Where the assistant's turns lie in a rendered conversation.

use std::ops::Range;

use emhost_abi::wire::Message;

use super::chat::{ChatTemplate, TemplateError};

/// A rendered conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text, with the header of an answer at its end where the conversation has none.
    pub text: String,
    /// The assistant's turns.
    pub turns: Vec<Turn>,
}

/// One of the assistant's turns, in bytes of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// What it says. The last turn begins where the prompt for it ends, with what a template puts before the content.
    pub content: Range<usize>,
    /// End of what the template writes to close it, without white space.
    pub close: usize,
}

impl ChatTemplate {
    /// Renders a conversation and finds its turns; takes the same few renderings for any number of turns.
    ///
    /// The turns are found by rendering once more with marks in their places: what the template writes between the
    /// marks must stand between the turns of the real text, or it is an error.
    pub fn conversation(&self, messages: &[Message]) -> Result<Rendered, TemplateError> {
        let answers: Vec<usize> = (0..messages.len()).filter(|at| is_answer(&messages[*at])).collect();
        let answered = messages.last().is_some_and(is_answer);
        let text = self.render(messages, !answered)?;
        let Some(first) = answers.first() else { return Ok(Rendered { text, turns: Vec::new() }) };
        let changed = |at: usize| TemplateError::Changed { turn: at + 1 };

        let marked = marked(messages);
        let whole = self.render(&marked, !answered)?;
        let pieces = between_marks(&whole, answers.len()).ok_or_else(|| changed(*first))?;
        let short = self.render(&marked[..=*first], false).unwrap_or_default();
        let close = between_marks(&short, 1).map_or("", |pieces| pieces[1]).trim_end();
        let before =
            || self.render(&messages[..messages.len() - 1], true).ok().filter(|b| text.starts_with(b.as_str()));

        let mut turns: Vec<Turn> = Vec::with_capacity(answers.len());
        let mut at = 0;
        for (number, answer) in answers.iter().enumerate() {
            let is_last = answered && number + 1 == answers.len();
            let (piece, next) = (pieces[number], pieces[number + 1]);
            let start = at + piece.len();
            let found = text[at..]
                .starts_with(piece)
                .then(|| rendered(&messages[*answer].content, &text[start..], next, is_last));
            let header = if is_last { before() } else { None };
            let content = match (found.flatten(), header) {
                (Some(length), Some(header)) => start.min(header.len())..start + length,
                (Some(length), None) => start..start + length,
                (None, Some(header)) => header.len()..text.strip_suffix(next).unwrap_or(&text).len().max(header.len()),
                (None, None) => return Err(changed(*answer)),
            };
            at = content.end;
            let close = if is_last { next.trim_end() } else { close };
            let close = if text[at..].starts_with(close) { at + close.len() } else { at };
            turns.push(Turn { content, close });
        }
        Ok(Rendered { text, turns })
    }
}

/// Length of the form in which a template wrote `content` at the start of `text`, with `next` behind it.
///
/// Templates trim contents, and drop the reasoning of earlier turns.
fn rendered(content: &str, text: &str, next: &str, is_last: bool) -> Option<usize> {
    let spoken = content.rsplit_once("</think>").map_or(content, |(_, spoken)| spoken);
    [
        content,
        content.trim(),
        content.trim_start(),
        content.trim_end(),
        spoken,
        spoken.trim(),
        spoken.trim_start_matches('\n'),
    ]
    .into_iter()
    .find(|form| {
        text.strip_prefix(form).is_some_and(|rest| if is_last { rest == next } else { rest.starts_with(next) })
    })
    .map(str::len)
}

fn is_answer(message: &Message) -> bool {
    message.role == "assistant"
}

/// Characters for private use, which no template strips or looks for.
const MARK: [char; 2] = ['\u{f5e00}', '\u{f5e01}'];

fn mark(number: usize) -> String {
    format!("{}{number}{}", MARK[0], MARK[1])
}

/// The conversation with marks for the assistant's contents.
fn marked(messages: &[Message]) -> Vec<Message> {
    let mut number = 0;
    let mut mark = |message: &Message| {
        let mut message = message.clone();
        if is_answer(&message) {
            message.content = mark(number);
            number += 1;
        }
        message
    };
    messages.iter().map(&mut mark).collect()
}

/// What lies before, between and after `count` marks, or `None` if they are not all there in order.
fn between_marks(text: &str, count: usize) -> Option<Vec<&str>> {
    let mut pieces = Vec::with_capacity(count + 1);
    let mut rest = text;
    for number in 0..count {
        let (piece, after) = rest.split_once(&mark(number))?;
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    Some(pieces)
}
