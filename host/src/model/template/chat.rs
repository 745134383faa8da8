//! One compiled chat template.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, Local};
use emhost_abi::wire::Message;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value};

use super::json::to_json;
use super::source::prepared;

/// Steps after which a template is stopped: a long conversation takes a few hundred for each turn.
const FUEL: u64 = 1_000_000;
/// Longest text that a template may write beyond its conversation, in bytes.
const LONGEST: usize = 1 << 24;
/// Stack of the thread that renders: values nested by [`FUEL`] steps are freed by recursion.
const STACK: usize = 1 << 28;

/// Why a conversation cannot be rendered, as a fragment that fits after "the chat template".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template itself raised this.
    #[error("refuses it: {0}")]
    Refused(String),
    /// The template does not end, or fills the memory.
    #[error("was stopped: {0}")]
    Stopped(String),
    /// The assistant's turn is not found in what the template wrote.
    #[error("changes the text of turn {turn} (assistant), so that its tokens cannot be told from the others")]
    Changed {
        /// 1-based number among the messages.
        turn: usize,
    },
    /// The template has an error, or uses what is not supported.
    #[error("fails: {0}")]
    Failed(String),
}

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    tokens: BTreeMap<String, String>,
}

impl ChatTemplate {
    /// Compiles a template; `tokens` are special tokens by the name that templates use, such as `bos_token`.
    ///
    /// What transformers passes only on request (`enable_thinking`, `tools`) is undefined or none here too.
    /// `strftime_now` tells the time at which the template was compiled, so that a run renders alike throughout.
    pub fn new(source: &str, tokens: BTreeMap<String, String>) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().map_err(failure)?;
        environment.set_syntax(syntax);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: Value| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, "").with_source(Raised(message.to_string())))
        });
        let now = Local::now();
        environment.add_function("strftime_now", move |format: &str| formatted(now, format));
        environment.add_filter("tojson", to_json);
        environment.add_template_owned("chat", prepared(source)).map_err(failure)?;
        Ok(Self { environment, tokens })
    }

    /// The text of a conversation; `ask` adds the header of the assistant's next turn.
    pub fn render(&self, messages: &[Message], ask: bool) -> Result<String, TemplateError> {
        let mut names: BTreeMap<&str, Value> =
            self.tokens.iter().map(|(name, token)| (name.as_str(), Value::from(token.as_str()))).collect();
        names.insert("messages", messages.iter().map(turn).collect::<Vec<_>>().into());
        names.insert("add_generation_prompt", ask.into());
        names.insert("tools", ().into());
        names.insert("documents", ().into());
        let longest = LONGEST + 2 * messages.iter().map(|m| m.content.len()).sum::<usize>();
        let mut text = Bounded { bytes: Vec::new(), longest };
        let render = || {
            let template = self.environment.get_template("chat")?;
            template.render_captured_to(Value::from_pairs(names), &mut text).map(drop)
        };
        let done = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, render);
            thread
                .map_err(|e| TemplateError::Failed(format!("no thread to render it: {e}")))?
                .join()
                .map_err(|_| TemplateError::Failed("it makes the template engine panic".to_owned()))
        })?;
        if text.bytes.len() == longest {
            return Err(TemplateError::Stopped(format!("it wrote more than {longest} bytes")));
        }
        done.map_err(failure)?;
        String::from_utf8(text.bytes).map_err(|e| TemplateError::Failed(e.to_string()))
    }
}

/// The message of a template's own `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

fn failure(error: Error) -> TemplateError {
    let raised = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<Raised>());
    match raised {
        Some(Raised(message)) => TemplateError::Refused(message.clone()),
        None if error.kind() == ErrorKind::OutOfFuel => {
            TemplateError::Stopped(format!("it took more than {FUEL} steps; does it end?"))
        }
        None => TemplateError::Failed(error.to_string()),
    }
}

/// A writer that refuses to go beyond a length.
struct Bounded {
    bytes: Vec<u8>,
    longest: usize,
}

impl std::io::Write for Bounded {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        let fits = part.len().min(self.longest - self.bytes.len());
        self.bytes.extend_from_slice(&part[..fits]);
        Ok(fits)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn formatted(now: DateTime<Local>, format: &str) -> Result<String, Error> {
    let mut text = String::new();
    write!(text, "{}", now.format(format))
        .map_err(|_| Error::new(ErrorKind::InvalidOperation, format!("strftime_now does not know `{format}`")))?;
    Ok(text)
}

fn turn(message: &Message) -> Value {
    Value::from_pairs([("role", message.role.as_str()), ("content", message.content.as_str())])
}
