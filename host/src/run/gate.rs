//! As many operations at once as there is memory for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::model::organism::Organism;

/// Lets operations in while their memory is there; one is always let in.
#[derive(Debug, Default)]
pub struct Gate {
    inside: Mutex<Inside>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    count: usize,
    /// What those inside asked for; some of it they may not have taken yet.
    bytes: u64,
}

/// The right to compute, until it is dropped.
#[derive(Debug)]
pub struct Pass<'a> {
    gate: &'a Gate,
    bytes: u64,
}

impl Gate {
    /// Waits until `bytes` of memory are free beside what others have asked for; none once `stop` says so.
    pub fn enter(&self, bytes: u64, stop: impl Fn() -> bool) -> Option<Pass<'_>> {
        let mut inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        while inside.count > 0 && free_bytes().is_some_and(|free| free < bytes.saturating_add(inside.bytes)) {
            if stop() {
                return None;
            }
            let waited = self.left.wait_timeout(inside, Duration::from_millis(200));
            inside = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        inside.count += 1;
        inside.bytes += bytes;
        Some(Pass { gate: self, bytes })
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut inside = self.gate.inside.lock().unwrap_or_else(PoisonError::into_inner);
        inside.count -= 1;
        inside.bytes -= self.bytes;
        self.gate.left.notify_all();
    }
}

/// Memory that an operation with an organism takes beside its weights, about: what training a step of 4,096 tokens keeps
/// of every block.
pub fn working_bytes(organism: &Organism) -> u64 {
    let config = &organism.config;
    let numbers = 4 * config.width + 3 * config.mlp_width + config.heads.query_width() + 2 * config.heads.kv_width();
    4 * 4096 * (numbers * config.blocks) as u64
}

/// Memory that processes may still take: of the machine, or of the control group if that is less; none if unknown.
pub fn free_bytes() -> Option<u64> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
        Some(1024 * number(line.trim().trim_end_matches("kB"))?)
    });
    let group = || {
        let most = number(&read("/sys/fs/cgroup/memory.max")?)?;
        let used = number(&read("/sys/fs/cgroup/memory.current")?)?;
        // Cached files give way.
        let stat = read("/sys/fs/cgroup/memory.stat")?;
        let files = stat.lines().find_map(|line| number(line.strip_prefix("file ")?)).unwrap_or(0);
        Some(most.saturating_sub(used.saturating_sub(files)))
    };
    [machine, group()].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_always_let_in_and_others_wait_for_their_memory() {
        let gate = Gate::default();
        let first = gate.enter(u64::MAX / 2, || true).expect("nobody is inside");
        assert!(free_bytes().is_some_and(|free| free > 0));
        assert!(gate.enter(1, || true).is_none());
        drop(first);
        let both = [gate.enter(1, || true), gate.enter(1, || true)];
        assert!(both.iter().all(Option::is_some));
    }
}
