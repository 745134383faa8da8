//! A panic becomes an error before it reaches the boundary: nothing can catch it on the other side.

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

use crate::Failure;

thread_local! {
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// For a panic hook: remembers where the thread's panic happened, so that [`guard`] can tell.
pub fn note_location(info: &PanicHookInfo<'_>) {
    let location = info.location().map(|at| format!("{}:{}", at.file(), at.line()));
    LOCATION.with_borrow_mut(|last| *last = location);
}

/// The text of a panic's payload.
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// Runs an entry; a panic in it becomes a failure of the plugin that names the entry and the place.
pub fn guard<T>(entry: &str, body: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch(body).unwrap_or_else(|panic| Err(Failure::plugin(format!("{entry} {panic}"))))
}

/// Runs `body`; a panic becomes a text such as `panicked at src/lib.rs:12: out of luck`.
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| {
        let message = panic_message(&*payload).to_owned();
        // The payload's own destructor may panic: it is the plugin's type.
        std::mem::forget(payload);
        match LOCATION.take() {
            Some(location) => format!("panicked at {location}: {message}"),
            None => format!("panicked: {message}"),
        }
    })
}
