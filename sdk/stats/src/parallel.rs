//! Work in pieces whose number and size depend on the input alone, so that the processors share it out without changing
//! a bit of the result.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// Does all tasks, on as many threads as there are processors; which thread does which is left to chance.
pub(crate) fn for_each<T: Send>(tasks: Vec<T>, work: impl Fn(T) + Sync) {
    let threads = processors().min(tasks.len());
    if threads <= 1 {
        return tasks.into_iter().for_each(work);
    }
    let queue = Mutex::new(tasks.into_iter());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let drain = || {
        while let Some(task) = next() {
            work(task);
        }
    };
    thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(drain)));
        drain();
    });
}

#[cfg(not(test))]
fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
use tests::processors;

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::for_each;

    thread_local!(static PROCESSORS: Cell<usize> = const { Cell::new(2) });

    pub(super) fn processors() -> usize {
        PROCESSORS.get()
    }

    /// Runs `work` as on a machine with that many processors.
    pub(crate) fn on<T>(count: usize, work: impl FnOnce() -> T) -> T {
        PROCESSORS.set(count);
        work()
    }

    #[test]
    fn every_task_is_done_once_on_any_number_of_processors() {
        for count in [1, 2, 7] {
            let done: Vec<AtomicUsize> = (0..20).map(|_| AtomicUsize::new(0)).collect();
            on(count, || {
                for_each((0..20).collect(), |at: usize| {
                    let _ = done[at].fetch_add(1, Ordering::Relaxed);
                })
            });
            assert!(done.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{done:?}");
        }
    }
}
