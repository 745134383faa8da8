//! Tensors as the bytes of a safetensors file.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use super::super::error::{ModelError, Result};

/// The bytes of a safetensors file that holds `tensors` as `dtype`.
pub fn to_safetensors(tensors: &BTreeMap<String, Tensor>, dtype: DType) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(tensors.len());
    for tensor in tensors.values() {
        let flat = tensor.to_dtype(dtype)?.flatten_all()?;
        bytes.push(match dtype {
            DType::BF16 => flat.to_vec1::<half::bf16>()?.iter().flat_map(|v| v.to_le_bytes()).collect(),
            DType::F32 => flat.to_vec1::<f32>()?.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>(),
            other => return Err(ModelError::Recipe(format!("write weights as {other:?}: f32 and bf16 are supported"))),
        });
    }
    let kind = if dtype == DType::BF16 { safetensors::Dtype::BF16 } else { safetensors::Dtype::F32 };
    let views: Vec<_> = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, tensor), bytes)| {
            Ok((name.as_str(), safetensors::tensor::TensorView::new(kind, tensor.dims().to_vec(), bytes)?))
        })
        .collect::<std::result::Result<_, safetensors::SafeTensorError>>()
        .map_err(|e| ModelError::Recipe(format!("write weights: {e}")))?;
    let metadata = std::collections::HashMap::from([("format".to_owned(), "pt".to_owned())]);
    safetensors::serialize(views, Some(metadata)).map_err(|e| ModelError::Recipe(format!("write weights: {e}")))
}
