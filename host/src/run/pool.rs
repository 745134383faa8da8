//! Cells side by side: some threads, each with its own plugin, take what is left to do.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde_json::json;

use super::engine::{Host, Planned};
use super::folder::Done;
use super::ops::Lab;
use super::{RunError, show};
use crate::clock::now;
use crate::plugins::Running;

/// A cell of a run, or its summary.
#[derive(Debug, Clone, Copy)]
struct Task {
    run: usize,
    cell: Option<usize>,
}

/// What is left of several runs.
pub(super) struct Pool<'a> {
    host: &'a Host<'a>,
    runs: &'a [Planned],
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: VecDeque<Task>,
    /// Cells of each run that are not finished, also those that were not chosen.
    open: Vec<usize>,
    working: usize,
    /// No further task begins.
    stopped: bool,
    interrupted: bool,
    failed: Vec<(Task, RunError)>,
}

/// The plugin of one run, as one thread holds it.
type Held = Option<(usize, Arc<Lab>, Running)>;

impl<'a> Pool<'a> {
    pub fn new(host: &'a Host<'a>, runs: &'a [Planned]) -> Self {
        let (mut queue, mut open) = (VecDeque::new(), Vec::new());
        for (run, planned) in runs.iter().enumerate() {
            let left: Vec<usize> = (0..planned.ids.len()).filter(|cell| !planned.kept[*cell]).collect();
            open.push(left.len());
            if left.is_empty() {
                queue.push_back(Task { run, cell: None });
            }
            let chosen = left.into_iter().filter(|cell| host.options.cells.has(&planned.ids[*cell]));
            queue.extend(chosen.map(|cell| Task { run, cell: Some(cell) }));
        }
        let state = State { queue, open, working: 0, stopped: false, interrupted: false, failed: Vec::new() };
        Self { host, runs, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Executes everything; gives the cells that failed, in the order of the plan.
    pub fn execute(self) -> Result<Vec<(String, Box<RunError>)>, RunError> {
        let cells: usize = self.runs.iter().map(|run| run.ids.len()).sum();
        let kept = self.runs.iter().flat_map(|run| &run.kept).filter(|kept| **kept).count();
        self.host.shared.progress.plan(cells, kept);
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if self.host.options.workers == 0 { processors } else { self.host.options.workers };
        std::thread::scope(|scope| {
            for _ in 0..workers.min(self.state().queue.len()).max(1) {
                scope.spawn(|| self.work());
            }
        });
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        if state.interrupted || self.host.shared.interrupt.requested() && !state.queue.is_empty() {
            return Err(RunError::Interrupted);
        }
        if state.failed.is_empty() && !state.queue.is_empty() && self.host.shared.purse.is_over() {
            return Err(RunError::Budget { left: state.queue.len() });
        }
        let mut failed = state.failed;
        failed.sort_by_key(|(task, _)| (task.run, task.cell.unwrap_or(usize::MAX)));
        let name = |task: Task| {
            let run = &self.runs[task.run];
            let cell = task.cell.map_or("summary", |cell| &run.ids[cell]);
            if self.runs.len() == 1 { cell.to_owned() } else { format!("{}: {cell}", run.record.id) }
        };
        Ok(failed.into_iter().map(|(task, error)| (name(task), Box::new(error))).collect())
    }

    fn work(&self) {
        let mut held: Held = None;
        while let Some(task) = self.next() {
            let result = self.task(task, &mut held);
            self.finish(task, result);
        }
    }

    /// The next task; none once nothing can come any more.
    fn next(&self) -> Option<Task> {
        let mut state = self.state();
        loop {
            state.stopped |= self.host.shared.purse.is_over();
            if state.stopped || self.host.shared.interrupt.requested() {
                return None;
            }
            if let Some(task) = state.queue.pop_front() {
                state.working += 1;
                return Some(task);
            }
            if state.working == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn finish(&self, task: Task, result: Result<(), RunError>) {
        let mut state = self.state();
        state.working -= 1;
        match (result, task.cell) {
            (Ok(()), Some(_)) => {
                state.open[task.run] -= 1;
                if state.open[task.run] == 0 {
                    state.queue.push_front(Task { run: task.run, cell: None });
                }
            }
            (Ok(()), None) => {}
            (Err(error), _) => match error.exit_code() {
                75 => (state.interrupted, state.stopped) = (true, true),
                code => {
                    // What is wrong with the disk is wrong for all.
                    state.stopped |= code == 5;
                    state.failed.push((task, error));
                }
            },
        }
        self.changed.notify_all();
    }

    /// Executes a cell or a summary, and writes down how that went.
    fn task(&self, task: Task, held: &mut Held) -> Result<(), RunError> {
        let run = &self.runs[task.run];
        let cell = task.cell.map(|cell| run.ids[cell].as_str());
        let result = self.attempt(task, held);
        let event = |kind: &str, more: String| {
            run.folder.event(&json!({ "at": now(), "event": kind, "cell": cell, "message": more }));
        };
        match &result {
            Ok(()) => event("done", String::new()),
            Err(error) if error.exit_code() == 75 => event("stopped", error.to_string()),
            Err(error) => {
                event("failed", error.to_string());
                // It may be the disk that fails; the error itself says more.
                let _ = run.folder.fail(cell, error);
            }
        }
        result
    }

    fn attempt(&self, task: Task, held: &mut Held) -> Result<(), RunError> {
        let run = &self.runs[task.run];
        if held.as_ref().is_none_or(|(at, ..)| *at != task.run) {
            let (lab, running) = self.host.create(&run.folder, &run.params)?;
            *held = Some((task.run, lab, running));
        }
        let Some((_, lab, running)) = held.as_ref() else { return Ok(()) };
        match task.cell {
            Some(at) => {
                let cell = &run.plan[at];
                let label = format!("cell {} of {}", at + 1, run.plan.len());
                let about = format!("{}, {}", cell.id, cell.about);
                self.entry(run, lab, Some(&cell.id), &label, &about, || running.run(cell))
            }
            None => {
                let again = self.host.options.fresh || run.kept.iter().any(|kept| !kept);
                let done = if again { None } else { run.folder.done(None)? };
                if !done.is_some_and(|done| lab.unchanged(&done.inputs)) {
                    let about = "tables, figures and report";
                    self.entry(run, lab, None, "summary", about, || running.summarize())?;
                }
                show::write_report(&run.folder, &run.record, &run.ids, self.host.options.scorecard.as_deref())
            }
        }
    }

    fn entry(
        &self,
        run: &Planned,
        lab: &Lab,
        cell: Option<&str>,
        label: &str,
        about: &str,
        body: impl FnOnce() -> Result<(), crate::plugins::PluginError>,
    ) -> Result<(), RunError> {
        run.folder.clear(cell)?;
        let label = if self.runs.len() == 1 { label.to_owned() } else { format!("{} {label}", run.record.id) };
        run.folder.event(&json!({ "at": now(), "event": "begin", "cell": cell, "message": about }));
        let begun = Instant::now();
        lab.begin(cell, &run.ids, self.host.shared.progress.begin(&label, about))?;
        let logs = lab.collect_logs();
        let span = tracing::info_span!("entry", run = run.record.id, cell = cell.unwrap_or("summary"));
        let result = span.in_scope(body);
        drop(logs);
        let left = lab.end(match &result {
            Ok(()) => "done",
            Err(error) if error.exit_code() == 75 => "stopped",
            Err(_) => "failed",
        });
        result?;
        let seconds = begun.elapsed().as_secs_f64();
        run.folder.finish(cell, &Done { seconds, tables: left.tables, inputs: left.inputs, stages: left.stages })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
