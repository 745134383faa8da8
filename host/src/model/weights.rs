//! Named tensors of a checkpoint or an adapter.

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor, Var};

use super::error::{ModelError, Result};

/// Tensors by name, handed out one by one as a model is put together.
#[derive(Debug, Clone, Default)]
pub struct Weights {
    owner: String,
    tensors: BTreeMap<String, Tensor>,
}

impl Weights {
    /// An empty set that belongs to `owner` (its name in messages).
    pub fn new(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), tensors: BTreeMap::new() }
    }

    /// Adds the tensors of one safetensors file as f32.
    pub fn read(&mut self, bytes: &[u8], device: &Device) -> Result<()> {
        let refuse = |tensor: &str, problem: String| ModelError::Weights {
            model: self.owner.clone(),
            tensor: tensor.to_owned(),
            problem,
        };
        let file = safetensors::SafeTensors::deserialize(bytes)
            .map_err(|e| refuse("*", format!("is not readable safetensors: {e}")))?;
        for (name, view) in file.iter() {
            let dtype = match view.dtype() {
                safetensors::Dtype::F32 => DType::F32,
                safetensors::Dtype::F16 => DType::F16,
                safetensors::Dtype::BF16 => DType::BF16,
                other => return Err(refuse(name, format!("has type {other:?}; f32, f16 and bf16 are supported"))),
            };
            let tensor = Tensor::from_raw_buffer(view.data(), dtype, view.shape(), device)?.to_dtype(DType::F32)?;
            if self.tensors.insert(name.to_owned(), tensor).is_some() {
                return Err(refuse(name, "appears twice".to_owned()));
            }
        }
        Ok(())
    }

    /// Adds a tensor.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.tensors.insert(name.into(), tensor);
    }

    /// Whether a tensor of this name is there.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Takes a tensor out, checking its shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let refuse =
            |problem: String| ModelError::Weights { model: self.owner.clone(), tensor: name.to_owned(), problem };
        let tensor = self.tensors.remove(name).ok_or_else(|| refuse("is missing".to_owned()))?;
        if tensor.dims() != shape {
            return Err(refuse(format!("has shape {:?}, expected {shape:?}", tensor.dims())));
        }
        Ok(tensor)
    }

    /// An error if tensors are left that nothing took.
    pub fn finish(self) -> Result<()> {
        match self.tensors.into_keys().next() {
            None => Ok(()),
            Some(tensor) => Err(ModelError::Weights {
                model: self.owner,
                tensor,
                problem: "has no place in this architecture".to_owned(),
            }),
        }
    }

    /// Makes every tensor a variable that training moves, and returns the variables by name.
    pub fn variables(&mut self) -> Result<BTreeMap<String, Var>> {
        let mut variables = BTreeMap::new();
        for (name, tensor) in &mut self.tensors {
            let variable = Var::from_tensor(tensor)?;
            *tensor = variable.as_tensor().clone();
            variables.insert(name.clone(), variable);
        }
        Ok(variables)
    }
}

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

/// Reads a whole file.
pub fn read_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })
}
