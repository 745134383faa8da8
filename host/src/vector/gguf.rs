//! GGUF control vectors, as repeng writes them and llama.cpp adds them.
//!
//! The form is a GGUF file whose architecture is `controlvector` and whose tensors are `direction.{l}`, f32, one
//! dimension, `l >= 1`; llama.cpp reads nothing else (common/common.cpp, `common_control_vector_load_one`), repeng also
//! wants `controlvector.model_hint` (repeng/extract.py, `import_gguf`). See [`Convention::Repeng`] for what `l` means.
//! emhost adds names, sites and provenance as one JSON text under `emhost.directions`, which other readers pass over.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::direction::{Direction, Named, Provenance};
use super::error::Problem;
use super::layers::{Convention, Part, layer, site};
use super::reading::{numbered, origin};

const MAGIC: &[u8] = b"GGUF";
const VERSION: u32 = 3;
const ALIGNMENT: usize = 32;
const ARCHITECTURE: &str = "general.architecture";
const OURS: &str = "emhost.directions";
/// Metadata value types, from the GGUF specification (ggml/docs/gguf.md).
const U32: u32 = 4;
const STRING: u32 = 8;
const ARRAY: u32 = 9;
const F32_TENSOR: u32 = 0;
/// Deeper arrays in arrays are refused.
const MAX_DEPTH: usize = 4;

/// What the tensors alone do not say, by tensor name.
#[derive(Debug, Serialize, Deserialize)]
struct About {
    name: String,
    site: String,
    provenance: Provenance,
}

/// Reads the directions of a control vector, by layer.
pub(super) fn read(bytes: &[u8], file: &str) -> Result<Vec<Named>, Problem> {
    let mut cursor = Cursor { bytes, at: MAGIC.len() };
    let version = cursor.u32()?;
    if !(2..=VERSION).contains(&version) {
        return Err(Problem::new("GGUF version 2 or 3", format!("version {version}"), "convert it with a newer gguf"));
    }
    let (tensors, entries) = (cursor.u64()?, cursor.u64()?);
    let mut texts = BTreeMap::new();
    let mut alignment = ALIGNMENT;
    for _ in 0..entries {
        let key = cursor.text()?;
        match cursor.u32()? {
            STRING => {
                let text = cursor.text()?;
                texts.insert(key, text);
            }
            U32 if key == "general.alignment" => alignment = cursor.u32()? as usize,
            kind => cursor.skip(kind, 0)?,
        }
    }
    if !alignment.is_power_of_two() {
        return Err(Problem::damaged("an alignment that is a power of two", alignment.to_string()));
    }
    match texts.get(ARCHITECTURE).map(String::as_str) {
        Some("controlvector") | None => {}
        Some(other) => {
            let found = format!("a GGUF file of architecture `{other}`");
            return Err(Problem::new("a GGUF control vector", found, "a model's weights are no direction"));
        }
    }
    let mut infos = BTreeMap::new();
    for _ in 0..tensors {
        let info = Info::read(&mut cursor)?;
        if let Some(Info { name, .. }) = infos.insert(info.layer, info) {
            return Err(Problem::damaged("one direction per layer", format!("`{name}` and another of its layer")));
        }
    }
    if infos.is_empty() {
        return Err(Problem::new("tensors `direction.1`, ..", "none", "make the control vector again"));
    }
    let data = cursor.bytes.get(cursor.at.next_multiple_of(alignment)..).unwrap_or_default();
    let mut about: BTreeMap<String, About> =
        texts.get(OURS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut base = origin("gguf control vector", file);
    if let Some(hint) = texts.get("controlvector.model_hint") {
        base = base.with("model_hint", hint.as_str());
    }
    infos.into_values().map(|info| info.direction(data, about.remove(&info.name), &base)).collect()
}

struct Info {
    name: String,
    layer: usize,
    width: usize,
    offset: usize,
}

impl Info {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Problem> {
        let name = cursor.text()?;
        let dimensions = cursor.u32()?;
        let mut shape = Vec::new();
        for _ in 0..dimensions.min(5) {
            shape.push(cursor.u64()?);
        }
        let (kind, offset) = (cursor.u32()?, cursor.size()?);
        let number = name.strip_prefix("direction.").and_then(|number| number.parse().ok()).filter(|n: &usize| *n > 0);
        let Some(layer) = number else {
            let hint = "llama.cpp counts from 1 and cannot steer block 0; remove or rename the tensor";
            return Err(Problem::new("tensors `direction.N`, N >= 1", format!("`{name}`"), hint));
        };
        match (shape.as_slice(), kind) {
            (&[width], F32_TENSOR) => match usize::try_from(width) {
                Ok(width) => Ok(Self { name, layer, width, offset }),
                Err(_) => Err(Problem::damaged("a width", width.to_string())),
            },
            _ => Err(Problem::new(
                format!("`{name}` as f32 (type 0) of one dimension"),
                format!("type {kind}, shape {shape:?}"),
                "llama.cpp reads no other; write it again in f32",
            )),
        }
    }

    fn direction(&self, data: &[u8], about: Option<About>, base: &Direction) -> Result<Named, Problem> {
        let end = self.width.checked_mul(4).and_then(|length| length.checked_add(self.offset));
        let Some(bytes) = end.and_then(|end| data.get(self.offset..end)) else {
            let expected = format!("{} numbers of `{}` at byte {} of the data", self.width, self.name, self.offset);
            return Err(Problem::damaged(expected, format!("{} bytes of data", data.len())));
        };
        let values = bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        // A program that numbers the tensors anew may have left our text as it was.
        let ours = about.filter(|a| layer(Convention::Repeng, &a.site, usize::MAX).is_ok_and(|n| n == self.layer));
        if let Some(About { name, site, provenance }) = ours {
            return Ok(Named { name, direction: Direction { values, site: Some(site), provenance } });
        }
        let place = site(Convention::Repeng, self.layer, Part::Residual, usize::MAX)?;
        let direction = Direction { values, site: Some(place), ..base.clone() };
        Ok(Named { name: self.name.clone(), direction: numbered(direction, Convention::Repeng, self.layer) })
    }
}

/// The bytes of a control vector. Each direction must be at the output of a block that is not the first.
pub(super) fn write(all: &[Named]) -> Result<Vec<u8>, String> {
    let mut layers = BTreeMap::new();
    for named @ Named { name, direction } in all {
        let Some(place) = &direction.site else {
            return Err(format!(
                "`{name}` has no site, a control vector is the output of a block; say whose file it is"
            ));
        };
        let number = layer(Convention::Repeng, place, usize::MAX).map_err(|e| format!("`{name}`: {e}"))?;
        if let Some(Named { name: other, .. }) = layers.insert(number, named) {
            return Err(format!("`{other}` and `{name}` are both layer {number} of a control vector; select one"));
        }
    }
    let width = all[0].direction.values.len();
    if let Some(Named { name, direction }) = all.iter().find(|named| named.direction.values.len() != width) {
        return Err(format!(
            "`{name}` has width {}, the first has {width}; a control vector has one",
            direction.values.len()
        ));
    }
    let about: BTreeMap<String, About> = layers.iter().map(|(number, named)| (tensor(*number), about(named))).collect();
    let text = serde_json::to_string(&about).map_err(|e| e.to_string())?;
    let hint = all.iter().find_map(|named| named.direction.said("model_hint")).unwrap_or("unknown");

    let mut out = Writer(MAGIC.to_vec());
    out.u32(VERSION);
    out.u64(layers.len());
    out.u64(4);
    out.entry(ARCHITECTURE, "controlvector");
    out.entry("controlvector.model_hint", hint);
    out.text("controlvector.layer_count");
    out.u32(U32);
    out.u32(u32::try_from(layers.len()).map_err(|e| e.to_string())?);
    out.entry(OURS, &text);
    let stride = (width * 4).next_multiple_of(ALIGNMENT);
    for (index, number) in layers.keys().enumerate() {
        out.text(&tensor(*number));
        out.u32(1);
        out.u64(width);
        out.u32(F32_TENSOR);
        out.u64(index * stride);
    }
    out.pad();
    for Named { direction, .. } in layers.values() {
        out.0.extend(direction.values.iter().flat_map(|v| v.to_le_bytes()));
        out.pad();
    }
    Ok(out.0)
}

fn tensor(number: usize) -> String {
    format!("direction.{number}")
}

fn about(Named { name, direction }: &Named) -> About {
    let site = direction.site.clone().unwrap_or_default();
    About { name: name.clone(), site, provenance: direction.provenance.clone() }
}

struct Writer(Vec<u8>);

impl Writer {
    fn u32(&mut self, value: u32) {
        self.0.extend(value.to_le_bytes());
    }

    fn u64(&mut self, value: usize) {
        self.0.extend((value as u64).to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u64(text.len());
        self.0.extend(text.as_bytes());
    }

    fn entry(&mut self, key: &str, value: &str) {
        self.text(key);
        self.u32(STRING);
        self.text(value);
    }

    fn pad(&mut self) {
        self.0.resize(self.0.len().next_multiple_of(ALIGNMENT), 0);
    }
}

/// Walks the bytes; every step says when they end too early.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let found = self.at.checked_add(length).and_then(|end| self.bytes.get(self.at..end));
        let Some(found) = found else {
            let expected = format!("{length} more bytes at {}", self.at);
            return Err(Problem::damaged(expected, format!("the end of the file at {}", self.bytes.len())));
        };
        self.at += length;
        Ok(found)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Problem> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn u32(&mut self) -> Result<u32, Problem> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, Problem> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn size(&mut self) -> Result<usize, Problem> {
        let value = self.u64()?;
        usize::try_from(value).map_err(|_| Problem::damaged("a size", value.to_string()))
    }

    fn text(&mut self) -> Result<String, Problem> {
        let length = self.size()?;
        let bytes = self.take(length)?;
        String::from_utf8(bytes.to_vec()).map_err(|e| Problem::damaged("UTF-8 text", e.to_string()))
    }

    /// Passes over a metadata value.
    fn skip(&mut self, kind: u32, depth: usize) -> Result<(), Problem> {
        let length = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            U32..=6 => 4,
            10..=12 => 8,
            STRING => self.size()?,
            ARRAY if depth < MAX_DEPTH => {
                let (kind, count) = (self.u32()?, self.u64()?);
                for _ in 0..count {
                    self.skip(kind, depth + 1)?;
                }
                return Ok(());
            }
            other => return Err(Problem::damaged("a metadata type from 0 to 12", other.to_string())),
        };
        self.take(length).map(|_| ())
    }
}
