//! What a command is about to do: work, memory, disk and time.

use std::fmt;
use std::time::Instant;

use serde::Serialize;

use crate::model::organism::Organism;
use crate::model::parallel::{at_once, lanes};
use crate::model::{Device, Result};
use crate::units::bytes;

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Rows of the input.
    pub rows: usize,
    /// How often each is run: strengths times samples or continuations.
    pub passes_per_row: usize,
    /// Tokens that are computed; in sampling at most.
    pub tokens: usize,
    /// Forward calls over many rows.
    pub batches: usize,
    /// Rows in the largest of them.
    pub rows_per_batch: usize,
    /// Memory that is needed, about.
    pub memory_bytes: u64,
    /// Size of the result, about; none where it depends on what is sampled.
    pub disk_bytes: Option<u64>,
    /// Time, from a short measurement; none where there is nothing to measure.
    pub seconds: Option<f64>,
}

impl Plan {
    /// Bytes of the weights in memory: on the CPU in the type of the checkpoint, elsewhere in bf16.
    pub(super) fn model_bytes(organism: &Organism) -> u64 {
        if organism.device.is_cpu() { organism.stored_bytes } else { 2 * organism.info().parameters }
    }

    /// Bytes of what a forward call over `tokens` holds at once, about: the residual stream, the parts of attention and
    /// of the MLP.
    pub(super) fn pass_bytes(organism: &Organism, tokens: usize) -> u64 {
        let config = &organism.config;
        let numbers =
            4 * config.width + 3 * config.mlp_width + config.heads.query_width() + 2 * config.heads.kv_width();
        (4 * numbers * tokens) as u64
    }
}

/// Runs a small part, once on each lane as the whole will be, and scales its time; none where the part is empty.
pub(super) fn measure(
    device: &Device,
    part: usize,
    whole: usize,
    run: impl Fn() -> Result<()> + Send + Sync,
) -> Result<Option<f64>> {
    if part == 0 {
        return Ok(None);
    }
    let lanes = lanes(device).min(whole.div_ceil(part));
    let begun = Instant::now();
    at_once(vec![(); lanes], |()| run())?;
    Ok(Some(begun.elapsed().as_secs_f64() * whole as f64 / (lanes * part) as f64))
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, passes_per_row, tokens, batches, rows_per_batch, .. } = self;
        writeln!(f, "rows     {rows}, each run {passes_per_row} time(s)")?;
        writeln!(f, "tokens   {tokens}")?;
        writeln!(f, "batches  {batches}, of up to {rows_per_batch} rows")?;
        writeln!(f, "memory   about {}", bytes(self.memory_bytes))?;
        match self.disk_bytes {
            Some(disk) => writeln!(f, "disk     about {}", bytes(disk))?,
            None => writeln!(f, "disk     small: text and token ids only")?,
        }
        match self.seconds {
            Some(seconds) => write!(f, "time     about {seconds:.1} s, from a short measurement"),
            None => write!(f, "time     unknown, there is nothing to measure"),
        }
    }
}
