//! The numbers of one tensor, in the type that its file has.

use std::ops::Range;

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};

use super::source::Source;

/// Bytes read at a time: small enough for the cache, large enough for the disk.
const CHUNK: usize = 1 << 20;

/// Type of stored numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    F32,
    F16,
    Bf16,
}

impl Kind {
    /// The type of safetensors' name for it.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "F32" => Self::F32,
            "F16" => Self::F16,
            "BF16" => Self::Bf16,
            _ => return None,
        })
    }

    /// Safetensors' name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
        }
    }

    /// Bytes of one number.
    pub fn size(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }
}

/// The numbers of a tensor, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// Single precision.
    F32(Vec<f32>),
    /// Half precision.
    F16(Vec<f16>),
    /// The upper half of single precision.
    Bf16(Vec<bf16>),
}

impl Numbers {
    /// Reads the numbers that lie at `bytes` of a file.
    pub(super) fn read(source: &Source, kind: Kind, bytes: Range<u64>) -> std::io::Result<Self> {
        Ok(match kind {
            Kind::F32 => Self::F32(gather(source, bytes, f32::from_le_bytes)?),
            Kind::F16 => Self::F16(gather(source, bytes, f16::from_le_bytes)?),
            Kind::Bf16 => Self::Bf16(gather(source, bytes, bf16::from_le_bytes)?),
        })
    }

    /// The numbers of a tensor in memory, in its own type where that is one of the three and as f32 otherwise.
    pub(super) fn of(tensor: &Tensor) -> candle_core::Result<Self> {
        let flat = tensor.flatten_all()?;
        Ok(match tensor.dtype() {
            DType::F16 => Self::F16(flat.to_vec1()?),
            DType::BF16 => Self::Bf16(flat.to_vec1()?),
            _ => Self::F32(flat.to_dtype(DType::F32)?.to_vec1()?),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(numbers) => numbers.len(),
            Self::F16(numbers) => numbers.len(),
            Self::Bf16(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy as f32, which holds each of them exactly.
    pub fn to_f32(&self) -> Vec<f32> {
        match self {
            Self::F32(numbers) => numbers.clone(),
            Self::F16(numbers) => numbers.iter().map(|n| n.to_f32()).collect(),
            Self::Bf16(numbers) => numbers.iter().map(|n| n.to_f32()).collect(),
        }
    }

    /// As f32, without a copy where they are f32 already.
    pub fn into_f32(self) -> Vec<f32> {
        match self {
            Self::F32(numbers) => numbers,
            other => other.to_f32(),
        }
    }

    /// As an f32 tensor.
    pub(super) fn into_tensor(self, shape: &[usize], device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_vec(self.into_f32(), shape, device)
    }

    /// Index and value of the first number that is NaN or infinite.
    pub fn first_not_finite(&self) -> Option<(usize, f32)> {
        match self {
            Self::F32(numbers) => first_not_finite(numbers).map(|i| (i, numbers[i])),
            Self::F16(numbers) => {
                position(numbers, |n| u32::from(n.to_bits() & 0x7fff), 0x7c00).map(|i| (i, numbers[i].to_f32()))
            }
            Self::Bf16(numbers) => {
                position(numbers, |n| u32::from(n.to_bits() & 0x7fff), 0x7f80).map(|i| (i, numbers[i].to_f32()))
            }
        }
    }
}

/// Index of the first number that is infinite or none.
pub fn first_not_finite(numbers: &[f32]) -> Option<usize> {
    position(numbers, |n| n.to_bits() & 0x7fff_ffff, 0x7f80_0000)
}

/// Index of the first number whose bits without the sign reach those of infinity.
///
/// Takes the maximum of a block without a branch and looks closer only where that is too large.
fn position<T>(numbers: &[T], magnitude: impl Fn(&T) -> u32, infinity: u32) -> Option<usize> {
    const BLOCK: usize = 4096;
    numbers.chunks(BLOCK).enumerate().find_map(|(at, block)| {
        let largest = block.iter().fold(0, |largest, n| largest.max(magnitude(n)));
        let within = || block.iter().position(|n| magnitude(n) >= infinity);
        (largest >= infinity).then(within).flatten().map(|within| at * BLOCK + within)
    })
}

fn gather<T, const SIZE: usize>(
    source: &Source,
    bytes: Range<u64>,
    number: impl Fn([u8; SIZE]) -> T,
) -> std::io::Result<Vec<T>> {
    let too_large = || std::io::Error::from(std::io::ErrorKind::OutOfMemory);
    let count = usize::try_from((bytes.end - bytes.start) / SIZE as u64).map_err(|_| too_large())?;
    let mut numbers = Vec::new();
    numbers.try_reserve_exact(count).map_err(|_| too_large())?;
    let mut chunk = vec![0; CHUNK.min(count * SIZE)];
    let mut at = bytes.start;
    while at < bytes.end {
        let part = &mut chunk[..((bytes.end - at).min(CHUNK as u64)) as usize];
        source.read_at(part, at)?;
        numbers.extend(part.as_chunks::<SIZE>().0.iter().map(|raw| number(*raw)));
        at += part.len() as u64;
    }
    Ok(numbers)
}
