//! The state of an unfinished fine-tune in one file.

use std::borrow::Cow;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, View, serialize_to_file};

use crate::store::{StoreError, write_through};
use crate::train::{EightBit, Fit, Moments, Trainer};

/// Name of the tensor whose bytes are what happened so far, as JSON.
const FIT: &str = "fit";

/// Parameters, moments and what happened so far.
pub(super) struct State {
    pub numbers: Vec<Vec<f32>>,
    pub moments: Vec<Moments>,
    pub fit: Fit,
}

/// Numbers of a tensor; their bytes are made when they are written.
struct Column<'a> {
    length: [usize; 1],
    numbers: Numbers<'a>,
}

enum Numbers<'a> {
    F32(&'a [f32]),
    Bytes(&'a [u8]),
}

impl<'a> Column<'a> {
    fn floats(numbers: &'a [f32]) -> Self {
        Self { length: [numbers.len()], numbers: Numbers::F32(numbers) }
    }

    fn bytes(bytes: &'a [u8]) -> Self {
        Self { length: [bytes.len()], numbers: Numbers::Bytes(bytes) }
    }
}

impl View for Column<'_> {
    fn dtype(&self) -> Dtype {
        match self.numbers {
            Numbers::F32(_) => Dtype::F32,
            Numbers::Bytes(_) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.length
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self.numbers {
            Numbers::F32(numbers) => numbers.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>().into(),
            Numbers::Bytes(bytes) => bytes.into(),
        }
    }

    fn data_len(&self) -> usize {
        match self.numbers {
            Numbers::F32(numbers) => 4 * numbers.len(),
            Numbers::Bytes(bytes) => bytes.len(),
        }
    }
}

/// Writes the state in one step.
pub(super) fn save(path: &Path, trainer: &Trainer<'_>, fit: &Fit) -> Result<(), StoreError> {
    let (numbers, moments) = trainer.state();
    let mut columns = Vec::new();
    for (at, (numbers, moments)) in numbers.iter().zip(moments).enumerate() {
        columns.push((format!("parameter.{at}"), Column::floats(numbers)));
        match moments {
            Moments::F32(both) => {
                columns.extend(both.iter().zip(1..).map(|(m, n)| (format!("moment{n}.{at}"), Column::floats(m))));
            }
            Moments::EightBit(both) => {
                for (moment, n) in both.iter().zip(1..) {
                    columns.push((format!("codes{n}.{at}"), Column::bytes(&moment.codes)));
                    columns.push((format!("scales{n}.{at}"), Column::floats(&moment.scales)));
                }
            }
        }
    }
    let failed = |why: String| StoreError::Encode { path: path.to_owned(), why };
    // Not in the header, which has a limit.
    let fit = serde_json::to_vec(fit).map_err(|e| failed(e.to_string()))?;
    columns.push((FIT.to_owned(), Column::bytes(&fit)));
    write_through(path, |unfinished| {
        serialize_to_file(columns, None, unfinished).map_err(|e| match e {
            safetensors::SafeTensorError::IoError(e) => e,
            other => std::io::Error::other(other),
        })
    })
}

/// Reads a state for a trainer of `count` parameters; none where there is no file.
pub(super) fn load(path: &Path, like: &Trainer<'_>) -> Result<Option<State>, StoreError> {
    let bytes = match std::fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|e| StoreError::io("read", path, e))?,
    };
    let damaged = |why: String| StoreError::corrupt(path, why);
    let wrong = |e: safetensors::SafeTensorError| damaged(e.to_string());
    let tensors = SafeTensors::deserialize(&bytes).map_err(wrong)?;
    let fit = tensors.tensor(FIT).map_err(wrong)?;
    let fit: Fit = serde_json::from_slice(fit.data()).map_err(|e| damaged(e.to_string()))?;
    let floats = |name: String, length: usize| -> Result<Vec<f32>, StoreError> {
        let data = tensors.tensor(&name).map_err(wrong)?.data().to_vec();
        let numbers: Vec<f32> = data.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        match numbers.len() == length {
            true => Ok(numbers),
            false => Err(damaged(format!("`{name}` has {} numbers, expected {length}", numbers.len()))),
        }
    };
    let (ours, their_moments) = like.state();
    let (mut numbers, mut moments) = (Vec::new(), Vec::new());
    for (at, (own, moment)) in ours.iter().zip(their_moments).enumerate() {
        let length = own.len();
        numbers.push(floats(format!("parameter.{at}"), length)?);
        moments.push(match moment {
            Moments::F32(_) => {
                Moments::F32([floats(format!("moment1.{at}"), length)?, floats(format!("moment2.{at}"), length)?])
            }
            Moments::EightBit(both) => {
                let of = |n: usize, signed: bool| -> Result<EightBit, StoreError> {
                    let codes = tensors.tensor(&format!("codes{n}.{at}")).map_err(wrong)?.data().to_vec();
                    if codes.len() != length {
                        return Err(damaged(format!("`codes{n}.{at}` has {} numbers, expected {length}", codes.len())));
                    }
                    Ok(EightBit::stored(codes, floats(format!("scales{n}.{at}"), both[0].scales.len())?, signed))
                };
                Moments::EightBit([of(1, true)?, of(2, false)?])
            }
        });
    }
    Ok(Some(State { numbers, moments, fit }))
}
