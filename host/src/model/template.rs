//! Chat templates: the Jinja text of a checkpoint, rendered as Hugging Face does.

use emhost_abi::wire::Message;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Error, ErrorKind, Value, context};

/// Steps after which a template is stopped: far above any honest one.
const FUEL: u64 = 5_000_000;

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    begin: String,
    end: String,
}

impl ChatTemplate {
    /// Compiles a template; `begin` and `end` are what `bos_token` and `eos_token` stand for.
    pub fn new(source: &str, begin: &str, end: &str) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_filter("tojson", |value: Value| -> Result<String, Error> {
            serde_json::to_string(&value).map_err(|e| Error::new(ErrorKind::BadSerialization, e.to_string()))
        });
        environment.add_template_owned("chat", without_generation_marks(source))?;
        Ok(Self { environment, begin: begin.to_owned(), end: end.to_owned() })
    }

    /// The text of a conversation; `ask` adds the header of the assistant's next turn.
    pub fn render(&self, messages: &[Message], ask: bool) -> Result<String, Error> {
        self.environment.get_template("chat")?.render(context! {
            messages => messages.iter().map(turn).collect::<Vec<_>>(),
            add_generation_prompt => ask,
            bos_token => self.begin.as_str(),
            eos_token => self.end.as_str(),
        })
    }
}

fn turn(message: &Message) -> Value {
    Value::from_pairs([("role", message.role.as_str()), ("content", message.content.as_str())])
}

/// Hugging Face's `{% generation %}` marks spans for its own training and has no meaning elsewhere.
fn without_generation_marks(source: &str) -> String {
    let mut text = source.to_owned();
    for mark in ["generation", "endgeneration"] {
        for (open, close) in [("{%", "%}"), ("{%-", "%}"), ("{%", "-%}"), ("{%-", "-%}")] {
            text = text.replace(&format!("{open} {mark} {close}"), "");
        }
    }
    text
}
