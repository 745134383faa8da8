//! A tensor as a pickle describes it: a view with strides into a storage of the archive.

use std::rc::Rc;

use half::{bf16, f16};

use super::super::error::Problem;
use super::value::Element;

/// A named run of elements, `data/KEY` in the archive.
#[derive(Debug)]
pub struct Storage {
    pub element: Element,
    pub key: Rc<str>,
    /// Number of elements.
    pub length: usize,
}

/// A view into a storage. All indices lie inside it.
#[derive(Debug)]
pub struct Tensor {
    pub storage: Rc<Storage>,
    offset: usize,
    pub shape: Vec<usize>,
    strides: Vec<usize>,
}

/// torch itself allows 64 dimensions; no direction needs more than three.
const MAX_DIMENSIONS: usize = 8;

impl Tensor {
    /// A view, if all of it lies inside the storage.
    pub fn new(storage: Rc<Storage>, offset: usize, shape: Vec<usize>, strides: Vec<usize>) -> Result<Self, Problem> {
        let damaged = || {
            let expected = format!("a view into a storage of {} elements", storage.length);
            Problem::damaged(expected, format!("offset {offset}, shape {shape:?}, strides {strides:?}"))
        };
        if shape.len() != strides.len() || shape.len() > MAX_DIMENSIONS {
            return Err(damaged());
        }
        let empty = shape.contains(&0);
        let mut last = offset;
        for (size, stride) in shape.iter().zip(&strides).filter(|_| !empty) {
            let reach = (size - 1).checked_mul(*stride).and_then(|reach| last.checked_add(reach));
            last = reach.ok_or_else(damaged)?;
        }
        if last >= storage.length && !empty {
            return Err(damaged());
        }
        Ok(Self { storage, offset, shape, strides })
    }

    /// Number of elements; saturates, as strides of zero allow any.
    pub fn count(&self) -> usize {
        self.shape.iter().fold(1, |count, size| count.saturating_mul(*size))
    }

    /// The elements in order, from the storage's bytes. The caller has bounded [`Self::count`].
    pub fn values(&self, bytes: &[u8]) -> Result<Vec<f32>, Problem> {
        let convert: fn(&[u8]) -> Option<f32> = match self.storage.element {
            Element::F64 => |b| b.try_into().ok().map(|b| f64::from_le_bytes(b) as f32),
            Element::F32 => |b| b.try_into().ok().map(f32::from_le_bytes),
            Element::F16 => |b| b.try_into().ok().map(|b| f16::from_le_bytes(b).to_f32()),
            Element::BF16 => |b| b.try_into().ok().map(|b| bf16::from_le_bytes(b).to_f32()),
            Element::Whole(_) => {
                let found = format!("a tensor of whole numbers, shape {:?}", self.shape);
                return Err(Problem::new(
                    "a tensor of floating-point numbers",
                    found,
                    "a direction is not whole numbers",
                ));
            }
        };
        let size = self.storage.element.size();
        let mut values = Vec::with_capacity(self.count());
        let mut index = vec![0; self.shape.len()];
        for _ in 0..self.count() {
            let at = self.offset + index.iter().zip(&self.strides).map(|(i, stride)| i * stride).sum::<usize>();
            let element = bytes.get(at * size..(at + 1) * size).and_then(convert);
            let missing = || Problem::damaged(format!("element {at} of data/{}", self.storage.key), "none");
            values.push(element.ok_or_else(missing)?);
            for (i, size) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < *size {
                    break;
                }
                *i = 0;
            }
        }
        Ok(values)
    }
}
