//! Forwards the library's `tracing` events and panics to the host's log.
//!
//! Each library has its own `tracing` and its own panic hook, so the host's see nothing of a plugin.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError, RwLock, Weak};

use emhost_abi::{Host, Level, LogRecord, note_location, panic_message};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Where records of threads go that are not inside an entry: the host that was named last.
static LATEST: RwLock<Option<Weak<dyn Host>>> = RwLock::new(None);

thread_local! {
    static ENTERED: RefCell<Vec<Arc<dyn Host>>> = const { RefCell::new(Vec::new()) };
    static SPANS: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Installs the panic hook and the subscriber, once for the library.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|info| {
            note_location(info);
            if let Some(host) = host() {
                let message = format!("panicked: {}", panic_message(info.payload()));
                let record = LogRecord::new(Level::ERROR, "panic", &message);
                let (file, line) = info.location().map_or(("", 0), |at| (at.file(), at.line()));
                host.log(record.at(file, line));
            }
        }));
        // The author may have installed a subscriber of their own: then theirs stays.
        let _ = tracing::subscriber::set_global_default(Forwarder::default());
    });
}

/// Names the host that worker threads log to.
pub(crate) fn send_to(host: &Arc<dyn Host>) {
    *LATEST.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::downgrade(host));
}

/// Logs of this thread go to `host` until the guard is dropped.
pub(crate) fn enter(host: &Arc<dyn Host>) -> Entered {
    ENTERED.with_borrow_mut(|entered| entered.push(Arc::clone(host)));
    Entered
}

/// See [`enter`].
pub(crate) struct Entered;

impl Drop for Entered {
    fn drop(&mut self) {
        let host = ENTERED.with_borrow_mut(Vec::pop);
        drop(host);
    }
}

fn host() -> Option<Arc<dyn Host>> {
    let entered = ENTERED.try_with(|entered| entered.borrow().last().cloned()).ok().flatten();
    entered.or_else(|| LATEST.read().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Weak::upgrade))
}

/// The library's global subscriber.
#[derive(Default)]
struct Forwarder {
    next: AtomicU64,
    spans: Mutex<HashMap<u64, Span>>,
}

/// A span's text, such as `cell{id=a}`, and how many handles to it exist.
struct Span {
    text: String,
    handles: usize,
}

impl Forwarder {
    fn spans<T>(&self, body: impl FnOnce(&mut HashMap<u64, Span>) -> T) -> T {
        body(&mut self.spans.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Subscriber for Forwarder {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> tracing::subscriber::Interest {
        // Hosts of one library may want different levels, so the answer is not remembered.
        tracing::subscriber::Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        host().is_some_and(|host| level(metadata) <= host.log_level())
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields::default();
        span.record(&mut fields);
        let text = format!("{}{}", span.metadata().name(), fields.braces());
        self.spans(|spans| spans.insert(id, Span { text, handles: 1 }));
        Id::from_u64(id)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        self.spans(|spans| {
            if let Some(span) = spans.get_mut(&id.into_u64()) {
                span.text.push_str(&fields.braces());
            }
        });
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let Some(host) = host() else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let entered = SPANS.try_with(|entered| entered.borrow().clone()).unwrap_or_default();
        if !entered.is_empty() {
            let texts = self.spans(|spans| {
                entered.iter().filter_map(|id| spans.get(id).map(|span| Value::from(span.text.as_str()))).collect()
            });
            fields.values.insert("spans".to_owned(), Value::Array(texts));
        }
        let json = if fields.values.is_empty() { String::new() } else { Value::Object(fields.values).to_string() };
        let metadata = event.metadata();
        let record = LogRecord::new(level(metadata), metadata.target(), &fields.message).with_fields(&json);
        host.log(record.at(metadata.file().unwrap_or_default(), metadata.line().unwrap_or_default()));
    }

    fn enter(&self, id: &Id) {
        let _ = SPANS.try_with(|entered| entered.borrow_mut().push(id.into_u64()));
    }

    fn exit(&self, id: &Id) {
        let _ = SPANS.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            if let Some(at) = entered.iter().rposition(|&entered| entered == id.into_u64()) {
                entered.remove(at);
            }
        });
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.spans(|spans| {
            if let Some(span) = spans.get_mut(&id.into_u64()) {
                span.handles += 1;
            }
        });
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        self.spans(|spans| {
            let Some(span) = spans.get_mut(&id.into_u64()) else { return false };
            span.handles -= 1;
            let closed = span.handles == 0;
            if closed {
                spans.remove(&id.into_u64());
            }
            closed
        })
    }
}

fn level(metadata: &Metadata<'_>) -> Level {
    match *metadata.level() {
        tracing::Level::ERROR => Level::ERROR,
        tracing::Level::WARN => Level::WARN,
        tracing::Level::INFO => Level::INFO,
        tracing::Level::DEBUG => Level::DEBUG,
        tracing::Level::TRACE => Level::TRACE,
    }
}

/// An event's message and its other fields.
#[derive(Default)]
struct Fields {
    message: String,
    values: Map<String, Value>,
}

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => {
                self.values.insert(name.to_owned(), value);
            }
        }
    }

    fn braces(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.values {
            let separator = if text.is_empty() { '{' } else { ' ' };
            let _ = write!(text, "{separator}{name}={value}");
        }
        if !text.is_empty() {
            text.push('}');
        }
        text
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, Value::from(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no NaN and no infinity.
        let value = if value.is_finite() { Value::from(value) } else { Value::from(value.to_string()) };
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::from(value));
    }
}
