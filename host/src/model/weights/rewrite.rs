//! A safetensors file written anew from another, tensor by tensor.

use std::io::Write;
use std::path::Path;

use half::{bf16, f16};
use serde_json::{Map, Value, json};

use super::super::error::{ModelError, Result};
use super::header;
use super::numbers::{Kind, Numbers};
use super::source::Source;

/// Writes the tensors of `source` to `out`, the file `path`, each as `change` gives its numbers back; with `wide` all as f32, otherwise in
/// their own types. One tensor lies in memory at a time.
pub fn rewrite(
    source: &Source,
    path: &Path,
    out: &mut impl Write,
    wide: bool,
    mut change: impl FnMut(&str, &[usize], Vec<f32>) -> Result<Option<Vec<f32>>>,
) -> Result<()> {
    let failed = |e| ModelError::Read { path: source.path().to_owned(), source: e };
    let refuse = |problem| ModelError::Unsupported {
        model: source.path().display().to_string(),
        file: source.file_name(),
        problem,
    };
    let mut places = header::read(source).map_err(failed)?.map_err(refuse)?;
    places.sort_by_key(|(_, place)| place.bytes.start);
    let kind = |own: Kind| if wide { Kind::F32 } else { own };
    let mut entries = Map::new();
    entries.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    let mut at = 0;
    for (name, place) in &places {
        let count: usize = place.shape.iter().product();
        let end = at + count * kind(place.kind).size();
        let dtype = kind(place.kind).name();
        entries.insert(name.clone(), json!({ "dtype": dtype, "shape": place.shape, "data_offsets": [at, end] }));
        at = end;
    }
    let mut text = Value::Object(entries).to_string();
    // The numbers begin at a multiple of eight bytes.
    text.extend(std::iter::repeat_n(' ', text.len().next_multiple_of(8) - text.len()));
    let write = |out: &mut dyn Write, bytes: &[u8]| {
        out.write_all(bytes).map_err(|source| ModelError::Write { path: path.to_owned(), source })
    };
    write(out, &(text.len() as u64).to_le_bytes())?;
    write(out, text.as_bytes())?;
    for (name, place) in &places {
        let own = Numbers::read(source, place.kind, place.bytes.clone()).map_err(failed)?;
        let numbers = match change(name, &place.shape, own.to_f32())? {
            Some(changed) => Numbers::F32(changed),
            None => own,
        };
        let bytes: Vec<u8> = match (kind(place.kind), numbers) {
            (Kind::F32, numbers) => numbers.to_f32().iter().flat_map(|v| v.to_le_bytes()).collect(),
            (Kind::F16, Numbers::F16(own)) => own.iter().flat_map(|v| v.to_le_bytes()).collect(),
            (Kind::Bf16, Numbers::Bf16(own)) => own.iter().flat_map(|v| v.to_le_bytes()).collect(),
            (Kind::F16, other) => other.to_f32().iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            (Kind::Bf16, other) => other.to_f32().iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()).collect(),
        };
        write(out, &bytes)?;
    }
    Ok(())
}
