//! Several forward passes side by side.
//!
//! On the CPU a pass is fastest on one thread: nothing waits for another thread within it, and its numbers stay in that
//! core's cache. Work is therefore cut into passes, as many at once as there are threads. Only the products and loops
//! of a pass that has the machine to itself are split further.

use std::ops::Range;

use candle_core::Device;
use rayon::prelude::*;

use super::error::Result;

/// Fewest tokens of a part: below, reading all weights on every thread costs more than waiting does.
const PART_TOKENS: usize = 20;

/// Passes that run side by side.
pub fn lanes(device: &Device) -> usize {
    if device.is_cpu() { rayon::current_num_threads() } else { 1 }
}

/// Cuts sequences of the given lengths into parts of about equal length, one for each lane.
pub fn parts(device: &Device, lengths: &[usize]) -> Vec<Range<usize>> {
    let total: usize = lengths.iter().sum();
    let count = lanes(device).min(total / PART_TOKENS).max(1);
    let mut parts = Vec::with_capacity(count);
    let (mut start, mut tokens) = (0, 0);
    for (at, length) in lengths.iter().enumerate() {
        tokens += length;
        if tokens * count >= total * (parts.len() + 1) {
            parts.push(start..at + 1);
            start = at + 1;
        }
    }
    if start < lengths.len() {
        parts.push(start..lengths.len());
    }
    parts
}

/// Cuts a slice at the ends of ranges that follow each other.
pub fn cut<'a, T>(mut all: &'a mut [T], parts: &[Range<usize>]) -> Vec<&'a mut [T]> {
    let part = |range: &Range<usize>| {
        let (part, rest) = std::mem::take(&mut all).split_at_mut(range.len());
        all = rest;
        part
    };
    parts.iter().map(part).collect()
}

/// Runs `work` on all items at once, on the threads of the pool; results are in order.
pub fn at_once<T: Send, R: Send>(items: Vec<T>, work: impl Fn(T) -> Result<R> + Send + Sync) -> Result<Vec<R>> {
    rayon::scope(|_| items.into_par_iter().map(work).collect())
}

/// Runs `work` on every item, `width` of them at once, and hands the results over in order; meanwhile the next ones are
/// computed.
pub fn in_order<T: Sync, R: Send, E: From<super::ModelError>>(
    items: &[T],
    width: usize,
    work: impl Fn(&T) -> Result<R> + Send + Sync,
    mut finished: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    let mut ready: Vec<R> = Vec::new();
    let mut waves = items.chunks(width.max(1));
    loop {
        let wave = waves.next();
        if wave.is_none() && ready.is_empty() {
            return Ok(());
        }
        let mut next: Result<Vec<R>> = Ok(Vec::new());
        rayon::in_place_scope(|scope| {
            if let Some(wave) = wave {
                scope.spawn(|_| next = wave.par_iter().map(&work).collect());
            }
            std::mem::take(&mut ready).into_iter().try_for_each(&mut finished)
        })?;
        ready = next?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::ModelError;
    use super::*;

    #[test]
    fn parts_follow_each_other_and_are_about_equal() {
        let count = lanes(&Device::Cpu);
        for lengths in [vec![1; 400], vec![1000, 1, 1, 1], vec![7, 300, 2, 90, 90, 5], vec![1], vec![]] {
            let parts = parts(&Device::Cpu, &lengths);
            assert!(parts.len() <= count.max(1));
            assert!(parts.iter().all(|part| !part.is_empty()));
            let all: Vec<usize> = parts.into_iter().flatten().collect();
            assert_eq!(all, (0..lengths.len()).collect::<Vec<_>>());
        }
        assert_eq!(parts(&Device::Cpu, &[1; 4]).len(), 1, "few tokens stay together");
    }

    #[test]
    fn results_come_in_order_and_an_error_ends_the_work() {
        let items: Vec<usize> = (0..50).collect();
        let mut seen = Vec::new();
        let keep = |item| {
            seen.push(item);
            Ok::<(), ModelError>(())
        };
        in_order(&items, 4, |item| Ok(*item), keep).unwrap();
        assert_eq!(seen, items);
        let mut count = 0;
        let stop = |_| {
            count += 1;
            if count == 6 { Err(ModelError::Cancelled) } else { Ok(()) }
        };
        assert!(in_order(&items, 4, |item| Ok(*item), stop).is_err());
        assert_eq!(count, 6);
        assert!(in_order(&items, 4, |_| Err::<(), _>(ModelError::Cancelled), |()| Ok::<(), ModelError>(())).is_err());
    }
}
