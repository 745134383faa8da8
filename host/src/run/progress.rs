//! How far a run is: bars on a terminal, lines elsewhere, JSON for programs.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How progress is shown, on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ProgressMode {
    /// Bars on a terminal, lines otherwise.
    #[default]
    Auto,
    /// A line now and then.
    Plain,
    /// One JSON object per line.
    Json,
    /// Nothing.
    None,
}

/// Shows progress of one entry of the plan after the other.
pub struct Progress {
    mode: ProgressMode,
    state: Mutex<State>,
}

struct State {
    entry: String,
    bar: Option<ProgressBar>,
    begun: Instant,
    shown: Option<Instant>,
    part: Option<WorkPart>,
}

/// A stretch of work inside of an entry that counts to one total.
#[derive(Clone, Copy)]
struct WorkPart {
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
        let state = State { entry: String::new(), bar: None, begun: Instant::now(), shown: None, part: None };
        Self { mode, state: Mutex::new(state) }
    }

    /// An entry of the plan begins: `cell 2 of 5`, and what it is about.
    pub fn begin(&self, entry: &str, about: &str) {
        let mut state = self.state();
        state.entry = entry.to_owned();
        (state.begun, state.shown, state.part) = (Instant::now(), None, None);
        match self.mode {
            ProgressMode::Auto => {
                let style = ProgressStyle::with_template("{prefix:.bold} {wide_msg} {bar:24} {pos}/{len} {eta}")
                    .unwrap_or_else(|_| ProgressStyle::default_bar());
                let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_style(style);
                bar.set_prefix(entry.to_owned());
                bar.set_message(about.to_owned());
                state.bar = Some(bar);
            }
            ProgressMode::Plain => eprintln!("{entry}: {about}"),
            ProgressMode::Json => event(&[("event", "begin"), ("entry", entry), ("about", about)], &[]),
            ProgressMode::None => {}
        }
    }

    /// Work inside the entry.
    pub fn update(&self, message: &str, done: u64, total: u64) {
        let mut state = self.state();
        if let Some(bar) = &state.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(message.to_owned());
            return;
        }
        // The time that is left counts from where this part of the entry began.
        let part = match state.part {
            Some(part) if part.total == total && part.done <= done => WorkPart { done, ..part },
            _ => WorkPart { total, done, first: done, begun: Instant::now() },
        };
        state.part = Some(part);
        if done < total && state.shown.is_some_and(|at| at.elapsed() < QUIET) {
            return;
        }
        state.shown = Some(Instant::now());
        match self.mode {
            ProgressMode::Json => {
                event(
                    &[("event", "progress"), ("entry", &state.entry), ("message", message)],
                    &[("done", done as f64), ("total", total as f64)],
                );
            }
            ProgressMode::Plain if done < total => {
                let left = match done - part.first {
                    0 => String::new(),
                    count => {
                        let each = part.begun.elapsed().as_secs_f64() / count as f64;
                        format!(", {:.0} s left", each * (total - done) as f64)
                    }
                };
                eprintln!("{}: {message} {done}/{total}{left}", state.entry);
            }
            _ => {}
        }
    }

    /// The entry is finished.
    pub fn end(&self, outcome: &str) {
        let mut state = self.state();
        let seconds = state.begun.elapsed().as_secs_f64();
        if let Some(bar) = state.bar.take() {
            bar.finish_and_clear();
        }
        match self.mode {
            ProgressMode::Auto | ProgressMode::Plain => eprintln!("{}: {outcome} in {seconds:.1} s", state.entry),
            ProgressMode::Json => {
                event(&[("event", "end"), ("entry", &state.entry), ("outcome", outcome)], &[("seconds", seconds)])
            }
            ProgressMode::None => {}
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn event(texts: &[(&str, &str)], numbers: &[(&str, f64)]) {
    let mut object = serde_json::Map::new();
    texts.iter().for_each(|(name, text)| drop(object.insert((*name).to_owned(), (*text).into())));
    numbers.iter().for_each(|(name, number)| drop(object.insert((*name).to_owned(), (*number).into())));
    eprintln!("{}", serde_json::Value::Object(object));
}
