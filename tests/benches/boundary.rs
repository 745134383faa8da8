//! The cost of crossing the boundary of a loaded plugin, and a check that no data is copied.
//!
//! The calls start inside the plugin, so the numbers are what an author's call costs.

use std::sync::{Arc, Mutex};

use arrow::array::{Array, RecordBatch};
use divan::counter::{BytesCount, ItemsCount};
use emhost::plugins::{Failure, LogRecord, Operations, Reader, Running, load};
use emhost_tests::fixtures;

/// Calls of one run of the plugin.
const CALLS: usize = 100_000;
/// Rows of 8 bytes.
const ROWS: usize = 12_500_000;

fn main() {
    check_addresses();
    divan::main();
}

#[divan::bench(sample_count = 20)]
fn echo_with_tiny_json(bencher: divan::Bencher) {
    let running = running(&format!(r#"{{"mode": "many_calls", "rows": {CALLS}}}"#), Arc::new(Echo::default()));
    let cells = running.plan().expect("the plan is fixed");
    bencher.counter(ItemsCount::new(CALLS)).bench_local(|| running.run(&cells[0]).expect("echoes do not fail"));
}

#[divan::bench(sample_count = 20)]
fn echo_of_100_mb(bencher: divan::Bencher) {
    let running = running(&format!(r#"{{"mode": "big_batch", "rows": {ROWS}}}"#), Arc::new(Echo::default()));
    let cells = running.plan().expect("the plan is fixed");
    bencher.counter(BytesCount::new(8 * ROWS)).bench_local(|| running.run(&cells[0]).expect("echoes do not fail"));
}

/// The plugin compares the buffer that came back with the one that it sent; the host saw the same.
fn check_addresses() {
    let host = Arc::new(Echo { look: true, ..Echo::default() });
    let running = running(&format!(r#"{{"mode": "big_batch", "rows": {ROWS}}}"#), host.clone());
    let cells = running.plan().expect("the plan is fixed");
    running.run(&cells[0]).expect("the buffer has the same address at each end");
    let seen = host.seen.lock().expect("the run is over");
    assert_eq!(seen.len(), 2, "the batch was called with and emitted");
    assert_eq!(seen[0], seen[1], "the host saw one buffer");
    println!("100 MB crossed four times at address {:#x}: no copy", seen[0]);
}

fn running(params: &str, host: Arc<Echo>) -> Running {
    let plugin = load(&fixtures().path("misbehaving")).expect("the fixture loads");
    plugin.create(params, host).expect("the parameters fit")
}

/// Gives back what it gets.
#[derive(Default)]
struct Echo {
    look: bool,
    seen: Mutex<Vec<usize>>,
}

impl Echo {
    fn look(&self, batch: &RecordBatch) {
        let address = batch.column(0).to_data().buffers()[0].as_ptr() as usize;
        self.seen.lock().expect("no bench panics here").push(address);
    }
}

impl Operations for Echo {
    fn log(&self, _: LogRecord<'_>) {}

    fn progress(&self, _: u64, _: u64, _: &str) -> bool {
        true
    }

    fn call(&self, _: &str, arguments: &str, input: Option<Reader>) -> Result<(String, Option<Reader>), Failure> {
        let Some(input) = input else { return Ok((arguments.to_owned(), None)) };
        if !self.look {
            return Ok((arguments.to_owned(), Some(input)));
        }
        let schema = input.schema();
        let batches: Vec<RecordBatch> = input.map(|batch| batch.expect("the stream is whole")).collect();
        batches.iter().for_each(|batch| self.look(batch));
        let stream = arrow::array::RecordBatchIterator::new(batches.into_iter().map(Ok), schema);
        Ok((arguments.to_owned(), Some(Box::new(stream))))
    }

    fn emit(&self, _: &str, rows: Reader) -> Result<(), Failure> {
        rows.for_each(|batch| {
            if self.look {
                self.look(&batch.expect("the stream is whole"));
            }
        });
        Ok(())
    }
}
