//! What the program says of itself: lines on stderr, lines of JSON in the run that they belong to, and on request a trace of
//! spans that Chrome (`chrome://tracing`) and Perfetto open.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::now;

thread_local! {
    static LOG: RefCell<Option<Arc<Mutex<File>>>> = const { RefCell::new(None) };
}

/// Installs everything; `RUST_LOG` says what is told on stderr (warnings by default) and in runs (by default also what is
/// informative). `chrome` is the file of the trace.
pub fn install(chrome: Option<&Path>) -> std::io::Result<()> {
    let filter = |default: &str| EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let stderr = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(colour);
    let stderr = stderr.with_target(false).without_time();
    let chrome = chrome.map(Chrome::create).transpose()?;
    tracing_subscriber::registry()
        .with(stderr.with_filter(filter("warn")))
        .with(RunLog.with_filter(filter("info")))
        .with(chrome.map(|chrome| chrome.with_filter(EnvFilter::new("emhost=info"))))
        .init();
    Ok(())
}

/// What this thread says goes to `log` until the guard is dropped.
pub fn log_to(log: Arc<Mutex<File>>) -> impl Drop {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            LOG.set(None);
        }
    }
    LOG.set(Some(log));
    Reset
}

/// One line of a run's log; one that cannot be written must not end the run.
pub fn write_line(log: &Mutex<File>, line: &Value) {
    let _ = log.lock().unwrap_or_else(PoisonError::into_inner).write_all(format!("{line}\n").as_bytes());
}

/// Events as lines of JSON in the log of the run that the thread works on.
struct RunLog;

impl<S: Subscriber> Layer<S> for RunLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let Some(log) = LOG.with_borrow(Clone::clone) else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        // What a plugin says is there already, in its own words.
        if fields.0.contains_key("plugin") {
            return;
        }
        let metadata = event.metadata();
        let level = metadata.level().as_str().to_ascii_lowercase();
        let message = fields.0.remove("message").unwrap_or_default();
        write_line(
            &log,
            &json!({ "at": now(), "level": level, "target": metadata.target(), "message": message, "fields": fields.0 }),
        );
    }
}

/// Spans in the trace event format: a JSON array that need not be closed.
struct Chrome {
    file: Mutex<BufWriter<File>>,
    begun: Instant,
}

struct Name(String);

impl Chrome {
    fn create(path: &Path) -> std::io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        file.write_all(b"[\n")?;
        Ok(Self { file: Mutex::new(file), begun: Instant::now() })
    }

    fn write(&self, name: &str, phase: &str) {
        let thread = format!("{:?}", std::thread::current().id());
        let thread: u64 = thread.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0);
        let ts = self.begun.elapsed().as_secs_f64() * 1e6;
        let event = json!({ "name": name, "ph": phase, "ts": ts, "pid": std::process::id(), "tid": thread });
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(format!("{event},\n").as_bytes()).and_then(|()| file.flush());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Chrome {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let values: Vec<String> =
            fields.0.values().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect();
        let name = [attributes.metadata().name().to_owned(), values.join(" ")].join(" ").trim_end().to_owned();
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Name(name));
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(name) = span.extensions().get::<Name>()
        {
            self.write(&name.0, "B");
        }
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(name) = span.extensions().get::<Name>()
        {
            self.write(&name.0, "E");
        }
    }
}

/// Fields as JSON.
#[derive(Default)]
struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}
