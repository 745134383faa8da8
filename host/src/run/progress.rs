//! How far the work is: bars on a terminal, lines elsewhere, JSON for programs.

use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Map, Value, json};

/// How progress is shown, on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, lines otherwise.
    #[default]
    Auto,
    /// A line now and then.
    Plain,
    /// One JSON object per line: `begin`, `progress` with `done`, `total`, `rate` per second and `seconds_left`, `end`.
    Json,
    /// Nothing.
    None,
}

/// Shows the progress of any number of entries at the same time.
#[derive(Clone)]
pub struct Progress {
    mode: ProgressMode,
    bars: MultiProgress,
    whole: Arc<Mutex<Option<Whole>>>,
}

/// One piece of work, such as a cell, while it runs.
pub struct Entry {
    shown: Progress,
    name: String,
    bar: Option<ProgressBar>,
    begun: Instant,
    state: Mutex<State>,
}

/// All entries together.
struct Whole {
    total: u64,
    done: u64,
    bar: Option<ProgressBar>,
}

#[derive(Default)]
struct State {
    said: Option<Instant>,
    part: Option<Part>,
}

/// A stretch of work inside of an entry that counts to one total.
#[derive(Clone, Copy)]
struct Part {
    total: u64,
    done: u64,
    /// What was done when it was first heard of, and when that was.
    first: u64,
    begun: Instant,
}

/// Time between two lines that say the same thing.
const QUIET: Duration = Duration::from_secs(2);

impl Progress {
    /// Shows progress in the given way.
    pub fn new(mode: ProgressMode) -> Self {
        let mode = match mode {
            ProgressMode::Auto if !std::io::stderr().is_terminal() => ProgressMode::Plain,
            other => other,
        };
        let target =
            if mode == ProgressMode::Auto { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { mode, bars: MultiProgress::with_draw_target(target), whole: Arc::default() }
    }

    /// There are `total` entries, of which `done` are done.
    pub fn plan(&self, total: usize, done: usize) {
        let bar = (self.mode == ProgressMode::Auto && total > 1).then(|| {
            let bar = ProgressBar::new(total as u64).with_style(style("{bar:24} {pos} of {len} cells, {eta} left"));
            self.bars.add(bar)
        });
        if let Some(bar) = &bar {
            bar.set_position(done as u64);
            bar.reset_eta();
        }
        *self.whole() = Some(Whole { total: total as u64, done: done as u64, bar });
        if self.mode == ProgressMode::Json {
            say(json!({ "event": "plan", "cells": total, "done": done }));
        }
    }

    /// An entry begins: `cell 2 of 5`, and what it is about.
    pub fn begin(&self, name: &str, about: &str) -> Entry {
        let bar = (self.mode == ProgressMode::Auto).then(|| {
            let style = style("{prefix:.bold} {wide_msg} {bar:24} {pos}/{len} {per_sec} {eta}");
            let bar = self.bars.insert(0, ProgressBar::new(0).with_style(style));
            bar.set_prefix(name.to_owned());
            bar.set_message(about.to_owned());
            bar
        });
        match self.mode {
            ProgressMode::Plain => eprintln!("{name}: {about}"),
            ProgressMode::Json => say(json!({ "event": "begin", "entry": name, "about": about })),
            ProgressMode::Auto | ProgressMode::None => {}
        }
        Entry { shown: self.clone(), name: name.to_owned(), bar, begun: Instant::now(), state: Mutex::default() }
    }

    /// A line that stands between the bars.
    pub fn note(&self, text: &str) {
        match self.mode {
            ProgressMode::Auto => self.bars.suspend(|| eprintln!("{text}")),
            ProgressMode::Plain => eprintln!("{text}"),
            ProgressMode::Json => say(json!({ "event": "note", "message": text })),
            ProgressMode::None => {}
        }
    }

    fn whole(&self) -> MutexGuard<'_, Option<Whole>> {
        self.whole.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    /// Work inside the entry.
    pub fn update(&self, message: &str, done: u64, total: u64) {
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(message.to_owned());
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Rates count from where this part of the entry began.
        let part = match state.part {
            Some(part) if part.total == total && part.done <= done => Part { done, ..part },
            _ => Part { total, done, first: done, begun: Instant::now() },
        };
        state.part = Some(part);
        if done < total && state.said.is_some_and(|at| at.elapsed() < QUIET) {
            return;
        }
        state.said = Some(Instant::now());
        let seconds = part.begun.elapsed().as_secs_f64();
        let rate = (done > part.first && seconds > 0.0).then(|| (done - part.first) as f64 / seconds);
        let left = rate.map(|rate| total.saturating_sub(done) as f64 / rate);
        match self.shown.mode {
            ProgressMode::Json => {
                let mut event = object(
                    json!({ "event": "progress", "entry": self.name, "message": message, "done": done, "total": total }),
                );
                let known = [("rate", rate), ("seconds_left", left)];
                event.extend(known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
                say(Value::Object(event));
            }
            ProgressMode::Plain if done < total => {
                let left = left.map_or_else(String::new, |left| format!(", {left:.0} s left"));
                eprintln!("{}: {message} {done}/{total}{left}", self.name);
            }
            _ => {}
        }
    }

    /// The entry is finished; `counts` if it is one of those that were planned.
    pub fn end(&self, outcome: &str, counts: bool) {
        let seconds = self.begun.elapsed().as_secs_f64();
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            self.shown.bars.remove(bar);
        }
        let mut whole = self.shown.whole();
        let of = match whole.as_mut() {
            Some(whole) if counts => {
                whole.done += 1;
                whole.bar.iter().for_each(|bar| bar.set_position(whole.done));
                Some((whole.done, whole.total))
            }
            _ => None,
        };
        let text = format!("{}: {outcome} in {seconds:.1} s", self.name);
        match self.shown.mode {
            ProgressMode::Auto => self.shown.bars.suspend(|| eprintln!("{text}")),
            ProgressMode::Plain => eprintln!("{text}"),
            ProgressMode::Json => {
                let mut event =
                    object(json!({ "event": "end", "entry": self.name, "outcome": outcome, "seconds": seconds }));
                if let Some((done, total)) = of {
                    event.extend(object(json!({ "cells_done": done, "cells": total })));
                }
                say(Value::Object(event));
            }
            ProgressMode::None => {}
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { Map::new() }
}

/// One line, in one piece also when several threads speak.
fn say(event: Value) {
    eprintln!("{event}");
}
