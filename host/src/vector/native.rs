//! Safetensors: emhost's own form, with a JSON text in the header, and plain files without it.

use std::collections::{BTreeMap, HashMap};

use half::{bf16, f16};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde::{Deserialize, Serialize};

use super::direction::{Direction, Named, Provenance};
use super::error::Problem;
use super::reading::{Reading, origin};

/// The header's key.
const KEY: &str = "emhost";
/// The newest version of the form; 1 is the first.
const FORMAT: u64 = 1;

/// The text in the header: what the tensors alone do not say.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    format: u64,
    directions: Vec<About>,
}

#[derive(Debug, Serialize, Deserialize)]
struct About {
    name: String,
    site: Option<String>,
    provenance: Provenance,
}

/// Reads a safetensors file.
pub(super) fn read(bytes: &[u8], file: &str, reading: Reading) -> Result<Vec<Named>, Problem> {
    let damaged = |e: safetensors::SafeTensorError| Problem::damaged("whole safetensors", e.to_string());
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let header =
        metadata.metadata().as_ref().and_then(|entries| entries.get(KEY)).map(|text| header(text)).transpose()?;
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut views: BTreeMap<String, TensorView<'_>> = tensors.tensors().into_iter().collect();
    match header {
        Some(header) => header.directions.into_iter().map(|about| ours(&mut views, about)).collect(),
        None => plain(&views, file, reading),
    }
}

fn header(text: &str) -> Result<Header, Problem> {
    #[derive(Deserialize)]
    struct Version {
        format: u64,
    }
    let unreadable =
        |e: serde_json::Error| Problem::new("emhost's text in the header", e.to_string(), "write it again");
    let Version { format } = serde_json::from_str(text).map_err(unreadable)?;
    if format > FORMAT {
        return Err(Problem::new(format!("format {FORMAT}"), format!("format {format}"), "update emhost"));
    }
    let header: Header = serde_json::from_str(text).map_err(unreadable)?;
    if header.directions.is_empty() {
        return Err(Problem::new("at least one direction", "none", "write the file again"));
    }
    Ok(header)
}

fn ours(views: &mut BTreeMap<String, TensorView<'_>>, about: About) -> Result<Named, Problem> {
    let About { name, site, provenance } = about;
    let Some(view) = views.remove(&name) else {
        return Err(Problem::new(format!("a tensor `{name}`, which the header lists"), "none", "write the file again"));
    };
    let values = vector(&name, &view)?;
    Ok(Named { name, direction: Direction { values, site, provenance } })
}

/// Tensors of another program: vectors without a site, or, where the convention is given, `[layers, width]`.
fn plain(views: &BTreeMap<String, TensorView<'_>>, file: &str, reading: Reading) -> Result<Vec<Named>, Problem> {
    if views.contains_key("hidden_states") && views.contains_key("token_ids") {
        return Err(Problem::new(
            "directions",
            "the hidden states of a request as vLLM stores them, one row per token",
            "average and subtract them first: a direction is one row per site",
        ));
    }
    if views.is_empty() {
        return Err(Problem::new("at least one tensor", "none", "write the file again"));
    }
    let base = origin("safetensors", file);
    let mut all = Vec::new();
    for (name, view) in views {
        match (view.shape(), reading.from) {
            ([rows, width], Some(convention)) if *rows > 1 && *width > 0 => {
                let values = floats(name, view)?;
                let rows: Vec<Vec<f32>> = values.chunks(*width).map(<[f32]>::to_vec).collect();
                all.extend(reading.rows(&format!("{name}."), &rows, convention, &base)?);
            }
            _ => {
                let values = vector(name, view)?;
                let direction = Direction { values, ..base.clone() };
                let norm = direction.norm();
                all.push(Named { name: name.clone(), direction: direction.with("norm", norm) });
            }
        }
    }
    Ok(all)
}

fn vector(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, Problem> {
    match view.shape() {
        // A row, or a column such as `B` of a rank-1 adapter.
        [_] | [1, _] | [_, 1] => floats(name, view),
        shape => Err(Problem::new(
            format!("`{name}` as one vector, [width]"),
            format!("shape {shape:?}"),
            "store one row per tensor, or say whose `[layers, width]` it is with --from",
        )),
    }
}

fn floats(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, Problem> {
    let data = view.data();
    let wide = |v: f64| v as f32;
    Ok(match view.dtype() {
        Dtype::F32 => values(data, f32::from_le_bytes),
        Dtype::F64 => values(data, |bytes| wide(f64::from_le_bytes(bytes))),
        Dtype::F16 => values(data, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => values(data, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        other => {
            let found = format!("`{name}` of type {other:?}");
            return Err(Problem::new("numbers of type F64, F32, F16 or BF16", found, "store it in one of these"));
        }
    })
}

fn values<const N: usize>(data: &[u8], convert: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks::<N>().0.iter().map(|bytes| convert(*bytes)).collect()
}

/// The bytes of emhost's own form.
pub fn write(all: &[Named]) -> Result<Vec<u8>, String> {
    if let Some(named) = all.iter().find(|named| named.name == "__metadata__") {
        return Err(format!("`{}` is the format's own word; choose another name", named.name));
    }
    let about = |Named { name, direction }: &Named| About {
        name: name.clone(),
        site: direction.site.clone(),
        provenance: direction.provenance.clone(),
    };
    let directions = all.iter().map(about).collect();
    let text = serde_json::to_string(&Header { format: FORMAT, directions }).map_err(|e| e.to_string())?;
    let data: Vec<(&str, usize, Vec<u8>)> = all
        .iter()
        .map(|Named { name, direction }| {
            let bytes = direction.values.iter().flat_map(|v| v.to_le_bytes()).collect();
            (name.as_str(), direction.values.len(), bytes)
        })
        .collect();
    let mut views = Vec::with_capacity(data.len());
    for (name, width, bytes) in &data {
        views.push((*name, TensorView::new(Dtype::F32, vec![*width], bytes).map_err(|e| e.to_string())?));
    }
    // One key: a map of several would be written in an order of its own each time.
    serialize(views, Some(HashMap::from([(KEY.to_owned(), text)]))).map_err(|e| e.to_string())
}
