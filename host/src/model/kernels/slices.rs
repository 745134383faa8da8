//! Access to the numbers of a CPU tensor, and new ones.
#![expect(unsafe_code, reason = "results are not zeroed before they are written")]

use std::mem::MaybeUninit;

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

/// `len` numbers from `fill`; zeroing them first would cost about as much as a small operation itself.
///
/// # Safety
///
/// `fill` writes every number.
pub unsafe fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    let mut numbers = Vec::with_capacity(len);
    fill(&mut numbers.spare_capacity_mut()[..len]);
    // SAFETY: the capacity is there, and the caller promises that every number was written.
    unsafe { numbers.set_len(len) };
    numbers
}
