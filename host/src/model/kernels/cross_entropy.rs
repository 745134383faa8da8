//! The loss of next-token prediction.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::slices::{numbers, with_numbers};

/// Mean over rows of `-log softmax(logits)[target]`, in nats, for `logits [rows, vocabulary]`.
pub fn cross_entropy(logits: &Tensor, targets: &Arc<Vec<u32>>) -> Result<Tensor> {
    logits.contiguous()?.apply_op1(CrossEntropy { targets: targets.clone() })
}

struct CrossEntropy {
    targets: Arc<Vec<u32>>,
}

/// Largest value of a row, and the sum of `exp(value - largest)` in f64.
fn normaliser(row: &[f32]) -> (f32, f64) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (largest, row.iter().map(|v| f64::from((v - largest).exp())).sum())
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, vocabulary) = layout.shape().dims2()?;
        if rows != self.targets.len() || rows == 0 {
            bail!("{} targets for {rows} rows of logits", self.targets.len());
        }
        let losses: Vec<f64> = numbers(logits, layout)?
            .par_chunks(vocabulary)
            .zip(self.targets.par_iter())
            .map(|(row, target)| {
                let (largest, sum) = normaliser(row);
                sum.ln() - f64::from(row[*target as usize] - largest)
            })
            .collect();
        let mean = losses.iter().sum::<f64>() / rows as f64;
        Ok((CpuStorage::F32(vec![mean as f32]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let vocabulary = logits.dim(1)?;
        let share = grad.to_scalar::<f32>()? / self.targets.len() as f32;
        let back = with_numbers(logits, |logits| {
            let mut out = vec![0f32; logits.len()];
            out.par_chunks_mut(vocabulary).zip(logits.par_chunks(vocabulary)).zip(self.targets.par_iter()).for_each(
                |((out, row), target)| {
                    let (largest, sum) = normaliser(row);
                    let scale = (f64::from(share) / sum) as f32;
                    for (out, v) in out.iter_mut().zip(row) {
                        *out = (v - largest).exp() * scale;
                    }
                    out[*target as usize] -= share;
                },
            );
            Ok(out)
        })?;
        Ok(Some(Tensor::from_vec(back, logits.shape(), logits.device())?))
    }
}
