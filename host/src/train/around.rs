//! What happens at the sites of a training pass: interventions, vectors that learn, dropout.

use candle_core::{Tensor, Var};

use super::data::Example;
use crate::model::Result;
use crate::model::intervene::{Firings, Interventions, Part, Sequence, Steered};
use crate::model::site::{Site, Tap};
use crate::rng::Stream;

/// Vectors that learn, each added at a site times a factor.
#[derive(Debug, Clone, Default)]
pub(super) struct Vectors {
    pub at: Vec<(Site, Var)>,
    pub alpha: f64,
}

/// What is done at the sites of one step.
pub(super) struct Around<'a> {
    pub interventions: &'a Interventions,
    pub vectors: &'a Vectors,
    /// Whether an adapter drops inputs.
    pub dropout: bool,
    pub seed: u64,
    /// Distinguishes the draws of steps; none outside of training, where nothing is dropped.
    pub step: Option<u64>,
}

impl Around<'_> {
    /// Whether nothing happens at any site.
    pub fn is_empty(&self) -> bool {
        self.interventions.is_empty() && self.vectors.at.is_empty() && !self.dropout
    }

    /// Runs `work` with a tap for these rows.
    pub fn with<T>(&self, rows: &[&Example], work: impl FnOnce(&mut dyn Tap) -> Result<T>) -> Result<T> {
        let mut own = Own { around: self, rows };
        if self.interventions.is_empty() {
            return work(&mut own);
        }
        let sequences: Vec<Sequence> = rows
            .iter()
            .map(|row| Sequence { first: 0, tokens: row.needed(), extent: row.extent(), strength: row.strength })
            .collect();
        let mut firings = Firings::default();
        work(&mut Steered::new(self.interventions, &sequences, Part::Body, &mut own, &mut firings))
    }
}

struct Own<'a> {
    around: &'a Around<'a>,
    rows: &'a [&'a Example],
}

impl Tap for Own<'_> {
    fn visit(&mut self, site: Site, value: Tensor) -> Result<Tensor> {
        let vectors = self.around.vectors;
        match vectors.at.iter().find(|(at, _)| *at == site) {
            None => Ok(value),
            Some((_, vector)) => {
                Ok(value.broadcast_add(&(vector.as_tensor() * vectors.alpha)?.to_dtype(value.dtype())?)?)
            }
        }
    }

    fn dropped(&mut self, site: Site, number: usize, share: f64, x: &Tensor) -> Result<Option<Tensor>> {
        let Some(step) = self.around.step else { return Ok(None) };
        let (tokens, width) = x.dims2()?;
        let (site, number) = (site.to_string(), number as u64);
        let kept = (1.0 / (1.0 - share)) as f32;
        let mut mask = Vec::with_capacity(tokens * width);
        for row in self.rows {
            // The draws belong to the row, not to its place in the batch.
            let path: [&[u8]; 5] =
                [b"dropout", &step.to_le_bytes(), row.row_id.as_bytes(), site.as_bytes(), &number.to_le_bytes()];
            let stream = Stream::new(self.around.seed, &path);
            let count = (row.needed() * width) as u64;
            mask.extend((0..count).map(|at| if stream.uniform(at) < share { 0.0 } else { kept }));
        }
        Ok(Some((x * Tensor::from_vec(mask, (tokens, width), x.device())?.to_dtype(x.dtype())?)?))
    }
}
