//! Vectors of interventions: in the request itself, or in a file of directions.

use emhost_abi::wire::Intervention;

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

/// The numbers of a direction, `FILE#NAME`, of any form that is known.
pub fn read_vector(reference: &str) -> Result<Vec<f32>> {
    let refuse = |problem: String| ModelError::Vector { vector: reference.to_owned(), problem };
    crate::vector::read(reference).map(|direction| direction.values).map_err(|e| refuse(e.to_string()))
}
