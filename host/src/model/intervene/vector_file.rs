//! Vectors of interventions: in the request itself, or in a file.

use emhost_abi::wire::Intervention;
use safetensors::tensor::{Dtype, SafeTensors};

use crate::model::{ModelError, Result};

/// The vector that an intervention names or holds; none where it has none.
pub(super) fn vector(intervention: &Intervention) -> Result<Option<Vec<f32>>> {
    match (&intervention.vector, &intervention.values) {
        (Some(_), Some(_)) => Err(ModelError::Vector {
            vector: "values".to_owned(),
            problem: "give `vector` or `values`, not both".to_owned(),
        }),
        (Some(reference), None) => read_vector(reference).map(Some),
        (None, values) => Ok(values.clone()),
    }
}

/// BLAKE3 of a vector's numbers, which stands for it wherever its file lies.
pub fn digest(values: &[f32]) -> String {
    let mut hasher = blake3::Hasher::new();
    for value in values {
        hasher.update(&value.to_le_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Reads `FILE#NAME` of a safetensors file.
pub fn read_vector(reference: &str) -> Result<Vec<f32>> {
    let refuse = |problem: String| ModelError::Vector { vector: reference.to_owned(), problem };
    let (file, name) = reference
        .rsplit_once('#')
        .ok_or_else(|| refuse("expected `FILE#NAME`, a file and the name of a tensor in it".to_owned()))?;
    let bytes = std::fs::read(file).map_err(|e| refuse(format!("cannot be read: {e}")))?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| refuse(format!("is not a safetensors file: {e}")))?;
    let names = || tensors.names().into_iter().collect::<Vec<_>>().join(", ");
    let tensor = tensors.tensor(name).map_err(|_| refuse(format!("there is no such tensor; there are {}", names())))?;
    if tensor.shape().iter().filter(|size| **size != 1).count() > 1 {
        return Err(refuse(format!("it has shape {:?}, expected a vector", tensor.shape())));
    }
    let data = tensor.data();
    Ok(match tensor.dtype() {
        Dtype::F32 => data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F64 => data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Dtype::F16 => data.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => data.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
        other => return Err(refuse(format!("its type is {other:?}, expected F32, F64, F16 or BF16"))),
    })
}
