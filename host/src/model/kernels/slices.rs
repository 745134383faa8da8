//! Access to the numbers of a CPU tensor.

use candle_core::{CpuStorage, Layout, Result, Tensor, bail};

/// The numbers of a contiguous f32 tensor on the CPU.
pub fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let CpuStorage::F32(all) = storage else { bail!("the kernels take f32 tensors") };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&all[start..end]),
        None => bail!("the kernels take contiguous tensors, got {layout:?}"),
    }
}

/// Calls `f` with the numbers of `tensor`.
pub fn with_numbers<T>(tensor: &Tensor, f: impl FnOnce(&[f32]) -> Result<T>) -> Result<T> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        candle_core::Storage::Cpu(cpu) => f(numbers(cpu, layout)?),
        _ => bail!("the kernels take CPU tensors"),
    }
}
