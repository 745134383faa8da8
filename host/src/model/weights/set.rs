//! The set of a model's tensors: found by their headers, read when they are taken.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor, Var};

use super::super::error::{ModelError, Result};
use super::super::files::Files;
use super::header::{self, Place};
use super::numbers::Numbers;
use super::source::Source;

/// Tensors by name, handed out one by one as a model is put together.
///
/// A stored tensor is read when it is taken, so that no more than one lies in memory beside the model.
#[derive(Debug, Clone)]
pub struct Weights {
    owner: String,
    device: Device,
    tensors: BTreeMap<String, Held>,
}

#[derive(Debug, Clone)]
enum Held {
    Memory(Tensor),
    Stored(Arc<Source>, Place),
}

impl Weights {
    /// An empty set that belongs to `owner` (its name in messages), for tensors made in memory.
    pub fn new(owner: impl Into<String>) -> Self {
        Self { owner: owner.into(), device: Device::Cpu, tensors: BTreeMap::new() }
    }

    /// The tensors of a checkpoint: reads the headers of all its weight files and nothing else.
    pub fn open(files: &Files, device: &Device) -> Result<Self> {
        let mut weights = Self { device: device.clone(), ..Self::new(files.name()) };
        for file in files.weight_files()? {
            let source = files.source(&file)?.ok_or_else(|| files.missing(&file))?;
            weights.add(source)?;
        }
        if let Some(index) = files.index()? {
            weights.check_index(files, &index)?;
        }
        Ok(weights)
    }

    /// The tensors of one safetensors file.
    pub fn open_file(owner: impl Into<String>, path: &Path, device: &Device) -> Result<Self> {
        let source = Source::open(path).map_err(|source| ModelError::Read { path: path.to_owned(), source })?;
        let mut weights = Self { device: device.clone(), ..Self::new(owner) };
        weights.add(source)?;
        Ok(weights)
    }

    /// The tensors of a safetensors file in memory.
    pub fn open_bytes(owner: impl Into<String>, bytes: impl Into<Cow<'static, [u8]>>, device: &Device) -> Result<Self> {
        let mut weights = Self { device: device.clone(), ..Self::new(owner) };
        weights.add(Source::memory("safetensors", bytes))?;
        Ok(weights)
    }

    /// Adds a tensor.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        self.tensors.insert(name.into(), Held::Memory(tensor));
    }

    /// Names of the tensors that are left.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether a tensor of this name is there.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// Takes a tensor out as f32 on the device, checking its shape and that its numbers are finite.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        match self.remove(name, shape)? {
            Held::Memory(tensor) => Ok(tensor.to_dtype(DType::F32)?),
            Held::Stored(source, place) => Ok(self.numbers(name, &source, &place)?.into_tensor(shape, &self.device)?),
        }
    }

    /// Takes a tensor out in the type that its file has, checking its shape and that its numbers are finite.
    pub fn take_numbers(&mut self, name: &str, shape: &[usize]) -> Result<Numbers> {
        match self.remove(name, shape)? {
            Held::Memory(tensor) => Ok(Numbers::of(&tensor)?),
            Held::Stored(source, place) => self.numbers(name, &source, &place),
        }
    }

    /// Calls each tensor what `name` says, and forgets those of which it says nothing: parts of another model.
    pub fn arrange(&mut self, name: impl Fn(&str) -> Option<String>) -> Result<()> {
        for (old, held) in std::mem::take(&mut self.tensors) {
            let Some(new) = name(&old) else { continue };
            if self.tensors.insert(new.clone(), held).is_some() {
                return Err(self.refuse(&new, format!("is there twice, once as `{old}`")));
            }
        }
        Ok(())
    }

    /// An error if tensors are left that nothing took.
    pub fn finish(self) -> Result<()> {
        let Some(first) = self.tensors.keys().next() else { return Ok(()) };
        let others: Vec<_> = self.tensors.keys().skip(1).take(3).map(|name| format!("`{name}`")).collect();
        let more = match self.tensors.len() - 1 {
            0 => "has".to_owned(),
            count if count <= others.len() => format!("and {} have", others.join(", ")),
            count => format!("and {count} others ({}, ...) have", others.join(", ")),
        };
        Err(self.refuse(first, format!("{more} no place in this architecture")))
    }

    /// Makes every tensor a variable that training moves, and returns the variables by name.
    pub fn variables(&mut self) -> Result<BTreeMap<String, Var>> {
        let mut variables = BTreeMap::new();
        for name in self.tensors.keys().cloned().collect::<Vec<_>>() {
            let variable = match &self.tensors[&name] {
                Held::Memory(tensor) => Var::from_tensor(tensor)?,
                Held::Stored(source, place) => {
                    Var::from_tensor(&self.numbers(&name, source, place)?.into_tensor(&place.shape, &self.device)?)?
                }
            };
            self.insert(&name, variable.as_tensor().clone());
            variables.insert(name, variable);
        }
        Ok(variables)
    }

    fn add(&mut self, source: Source) -> Result<()> {
        let refuse = |problem| ModelError::Unsupported { model: self.owner.clone(), file: source.file_name(), problem };
        let failed = |e| ModelError::Read { path: source.path().to_owned(), source: e };
        let places = header::read(&source).map_err(failed)?.map_err(refuse)?;
        let source = Arc::new(source);
        for (name, place) in places {
            if let Some(Held::Stored(first, _)) = self.tensors.get(&name) {
                return Err(
                    self.refuse(&name, format!("is in both `{}` and `{}`", first.file_name(), source.file_name()))
                );
            }
            self.tensors.insert(name, Held::Stored(Arc::clone(&source), place));
        }
        Ok(())
    }

    fn check_index(&self, files: &Files, index: &BTreeMap<String, String>) -> Result<()> {
        for (tensor, shard) in index {
            match self.tensors.get(tensor) {
                Some(Held::Stored(source, _)) if source.file_name() == *shard => {}
                _ => {
                    return Err(files
                        .unsupported(shard, format!("tensor `{tensor}`, which the index places there, is missing")));
                }
            }
        }
        match self.tensors.iter().find(|(name, _)| !index.contains_key(*name)) {
            Some((name, Held::Stored(source, _))) => Err(files
                .unsupported(&source.file_name(), format!("it holds tensor `{name}`, which the index does not list"))),
            _ => Ok(()),
        }
    }

    fn remove(&mut self, name: &str, shape: &[usize]) -> Result<Held> {
        let held = self.tensors.remove(name).ok_or_else(|| self.refuse(name, "is missing".to_owned()))?;
        let found = match &held {
            Held::Memory(tensor) => tensor.dims(),
            Held::Stored(_, place) => &place.shape,
        };
        if found != shape {
            return Err(self.refuse(name, format!("has shape {found:?}, expected {shape:?}")));
        }
        Ok(held)
    }

    fn numbers(&self, name: &str, source: &Source, place: &Place) -> Result<Numbers> {
        let failed = |e| ModelError::Read { path: source.path().to_owned(), source: e };
        let numbers = Numbers::read(source, place.kind, place.bytes.clone()).map_err(failed)?;
        match numbers.first_not_finite() {
            None => Ok(numbers),
            Some((at, value)) => Err(self.refuse(
                name,
                format!(
                    "holds {value} at index {at}; `{}` is damaged or was saved from a diverged run",
                    source.file_name()
                ),
            )),
        }
    }

    fn refuse(&self, tensor: &str, problem: String) -> ModelError {
        ModelError::Weights { model: self.owner.clone(), tensor: tensor.to_owned(), problem }
    }
}
