//! From rows to token ids with their spans, and back.

use std::ops::Range;

use emhost_abi::wire::{Message, Row};
use serde_json::Value;
use tokenizers::{Encoding, Tokenizer};

use super::error::{ModelError, Result};
use super::files::Files;
use super::template::ChatTemplate;

/// A checkpoint's tokenizer and chat template.
#[derive(Debug)]
pub struct Text {
    tokenizer: Tokenizer,
    template: Option<ChatTemplate>,
    end_token: Option<u32>,
}

/// A row as tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids of prompt and, where there is one, answer.
    pub tokens: Vec<u32>,
    /// Number of tokens before the last assistant turn's text; all of them where the row has no answer.
    pub prompt: usize,
    /// Spans of the assistant turns, each with the token that ends it.
    pub answers: Vec<Range<usize>>,
    /// The rendered text.
    pub text: String,
}

impl Text {
    /// Reads `tokenizer.json`, `tokenizer_config.json` and the chat template.
    pub fn read(files: &Files) -> Result<Self> {
        let refuse = |file: &str, problem: String| files.unsupported(file, problem);
        let tokenizer = Tokenizer::from_bytes(files.require("tokenizer.json")?)
            .map_err(|e| refuse("tokenizer.json", e.to_string()))?;
        let config: Value = match files.read("tokenizer_config.json")? {
            Some(_) => files.json("tokenizer_config.json")?,
            None => Value::Null,
        };
        let special = |name: &str| match &config[name] {
            Value::String(token) => token.clone(),
            other => other["content"].as_str().unwrap_or_default().to_owned(),
        };
        let source = match files.read("chat_template.jinja")? {
            Some(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            None => config["chat_template"].as_str().map(str::to_owned),
        };
        let template = source
            .map(|source| ChatTemplate::new(&source, &special("bos_token"), &special("eos_token")))
            .transpose()
            .map_err(|e| refuse("chat_template.jinja", e.to_string()))?;
        let end_token = tokenizer.token_to_id(&special("eos_token"));
        Ok(Self { tokenizer, template, end_token })
    }

    /// The tokenizer's own end-of-sequence token.
    pub fn end_token(&self) -> Option<u32> {
        self.end_token
    }

    /// Number of tokens that the tokenizer knows.
    pub fn vocabulary(&self) -> usize {
        self.tokenizer.get_vocab_size(true)
    }

    /// Token ids of a row, with the spans of its turns.
    pub fn encode(&self, row: &Row) -> Result<Encoded> {
        let refuse = |problem: &str| ModelError::Row { row_id: row.row_id.clone(), problem: problem.to_owned() };
        let encoded = match (&row.messages, &row.text, &row.token_ids) {
            (Some(messages), None, None) => self.conversation(&row.row_id, messages)?,
            (None, Some(text), None) => {
                let tokens = self.tokens(&row.row_id, text, true)?.get_ids().to_vec();
                Encoded { prompt: tokens.len(), tokens, answers: Vec::new(), text: text.clone() }
            }
            (None, None, Some(ids)) => Encoded { prompt: ids.len(), tokens: ids.clone(), ..Encoded::default() },
            _ => return Err(refuse("give exactly one of `messages`, `text` and `token_ids`")),
        };
        if encoded.tokens.is_empty() { Err(refuse("it has no tokens")) } else { Ok(encoded) }
    }

    /// The prompt of a row: the conversation up to its last user turn, with the header of the answer.
    pub fn encode_prompt(&self, row: &Row) -> Result<Encoded> {
        let mut row = row.clone();
        if let Some(messages) = &mut row.messages {
            while messages.last().is_some_and(|m| m.role == "assistant") {
                messages.pop();
            }
        }
        self.encode(&row)
    }

    /// The tokens of a text that follows the prompt of `row`, without a token that ends it.
    ///
    /// Prompt and continuation are tokenised together, and the prompt's tokens must come out as they are alone. A row
    /// of token ids has no text: its continuations are tokenised by themselves.
    pub fn encode_continuation(&self, row: &Row, prompt: &Encoded, continuation: &str) -> Result<Vec<u32>> {
        let refuse = |problem: String| ModelError::Row { row_id: row.row_id.clone(), problem };
        if row.token_ids.is_some() {
            return Ok(self.tokens(&row.row_id, continuation, false)?.get_ids().to_vec());
        }
        let text = format!("{}{continuation}", prompt.text);
        let tokens = self.tokens(&row.row_id, &text, row.text.is_some())?.get_ids().to_vec();
        match tokens.strip_prefix(prompt.tokens.as_slice()) {
            Some(rest) => Ok(rest.to_vec()),
            None => Err(refuse(format!(
                "the tokenizer joins the end of the prompt with the continuation {continuation:?}, so that the prompt's \
                 tokens change; move the break, a space as a rule, from the prompt's end to the continuation's beginning"
            ))),
        }
    }

    /// Text of token ids without special tokens.
    pub fn decode(&self, tokens: &[u32]) -> Result<String> {
        self.tokenizer.decode(tokens, true).map_err(|e| ModelError::Recipe(format!("decode tokens: {e}")))
    }

    /// Token ids, each with its byte range in `text`.
    fn tokens(&self, row_id: &str, text: &str, special: bool) -> Result<Encoding> {
        let refuse = |problem| ModelError::Row { row_id: row_id.to_owned(), problem };
        self.tokenizer.encode(text, special).map_err(|e| refuse(format!("the tokenizer refuses it: {e}")))
    }

    fn conversation(&self, row_id: &str, messages: &[Message]) -> Result<Encoded> {
        let refuse = |problem: String| ModelError::Row { row_id: row_id.to_owned(), problem };
        let template =
            self.template.as_ref().ok_or_else(|| refuse("the model has no chat template; give `text`".to_owned()))?;
        let render = |messages: &[Message], ask| {
            template.render(messages, ask).map_err(|e| refuse(format!("the chat template refuses it: {e}")))
        };
        let answered = messages.last().is_some_and(|m| m.role == "assistant");
        let text = render(messages, !answered)?;
        let encoding = self.tokens(row_id, &text, false)?;
        let (tokens, offsets) = (encoding.get_ids().to_vec(), encoding.get_offsets());
        let mut answers = Vec::new();
        for (at, _) in messages.iter().enumerate().filter(|(_, m)| m.role == "assistant") {
            let (before, through) = (render(&messages[..at], true)?, render(&messages[..=at], false)?);
            if !text.starts_with(&before) || !through.starts_with(&before) || !text.starts_with(through.trim_end()) {
                return Err(refuse("the chat template changes earlier turns when later ones follow".to_owned()));
            }
            // What a template writes after the turn's end token, a line break as a rule, is not the answer's.
            let (first, last) = (before.len(), through.trim_end().len());
            let start = offsets.partition_point(|(_, end)| *end <= first);
            let stop = offsets.partition_point(|(begin, _)| *begin < last);
            answers.push(start..stop);
        }
        let prompt = answers.last().filter(|_| answered).map_or(tokens.len(), |last| last.start);
        Ok(Encoded { tokens, prompt, answers, text })
    }
}
