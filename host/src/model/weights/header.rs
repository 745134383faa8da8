//! The header of a safetensors file, read strictly: what does not add up is refused before anything is loaded.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use super::numbers::Kind;
use super::source::Source;

/// Longest header, in bytes: the format's own limit.
const LONGEST: u64 = 100_000_000;
/// Bytes of the number in front of the header that says how long it is.
const PREFIX: u64 = 8;
/// Name of the header's entry that is no tensor.
const METADATA: &str = "__metadata__";

/// Where one tensor lies in its file.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Type of its numbers.
    pub kind: Kind,
    /// Its shape; no extent is zero.
    pub shape: Vec<usize>,
    /// Its bytes, counted from the start of the file.
    pub bytes: Range<u64>,
}

/// A JSON object in which a name that appears twice is an error, where serde's maps keep the last.
#[derive(Debug, Clone, PartialEq)]
pub struct Unique<V>(pub BTreeMap<String, V>);

/// The entries of a header, without its metadata.
struct Header(BTreeMap<String, Entry>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// The tensors of a file, or what is wrong with it, as a fragment that fits after "use FILE:".
pub(super) fn read(source: &Source) -> std::io::Result<Result<Vec<(String, Place)>, String>> {
    let length = source.length();
    if length < PREFIX {
        return Ok(Err(format!("it has {length} bytes, which is no safetensors file; download it again")));
    }
    let mut prefix = [0; PREFIX as usize];
    source.read_at(&mut prefix, 0)?;
    let header = u64::from_le_bytes(prefix);
    let left = length - PREFIX;
    if header > LONGEST.min(left) {
        return Ok(Err(format!(
            "its header claims {header} bytes, the file has {left} after it and {LONGEST} are the format's limit; it is truncated or no safetensors file"
        )));
    }
    let mut text = vec![0; header as usize];
    source.read_at(&mut text, PREFIX)?;
    Ok(places(&text, PREFIX + header, left - header))
}

/// Reads a header's text; the tensors' data start at `start` and are `length` bytes long.
fn places(text: &[u8], start: u64, length: u64) -> Result<Vec<(String, Place)>, String> {
    let Header(entries) = serde_json::from_slice(text).map_err(|e| format!("its header is refused: {e}"))?;
    let mut places = Vec::with_capacity(entries.len());
    for (name, entry) in entries {
        check_name(&name)?;
        let place = entry.place(length).map_err(|problem| format!("tensor `{name}` {problem}"))?;
        places.push((name, place));
    }
    places.sort_by_key(|(_, place)| place.bytes.start);
    let mut end = 0;
    let mut before = "";
    for (name, Place { bytes, .. }) in &places {
        if bytes.start < end {
            return Err(format!("tensors `{}` and `{name}` share bytes", before));
        }
        if bytes.start > end {
            return Err(format!("{} bytes before tensor `{name}` belong to no tensor", bytes.start - end));
        }
        (end, before) = (bytes.end, name);
    }
    if end != length {
        return Err(format!("{} bytes after the last tensor belong to no tensor", length - end));
    }
    for (_, place) in &mut places {
        place.bytes = place.bytes.start + start..place.bytes.end + start;
    }
    Ok(places)
}

impl Entry {
    /// Checks one entry by itself against `length` bytes of data.
    fn place(self, length: u64) -> Result<Place, String> {
        let kind = Kind::parse(&self.dtype)
            .ok_or_else(|| format!("has type {}; F32, F16 and BF16 are supported", self.dtype))?;
        let [start, end] = self.data_offsets;
        if self.shape.contains(&0) {
            return Err(format!("has shape {:?}, which holds nothing", self.shape));
        }
        let bytes = self.shape.iter().try_fold(kind.size() as u64, |all, extent| all.checked_mul(*extent));
        let shape = self.shape.iter().map(|extent| usize::try_from(*extent).ok()).collect::<Option<Vec<_>>>();
        let (Some(bytes), Some(shape)) = (bytes, shape) else {
            return Err(format!("has shape {:?}, which no memory holds", self.shape));
        };
        if start > end || end - start != bytes {
            return Err(format!(
                "lies in bytes {start} to {end}, while {} of shape {:?} takes {bytes}",
                self.dtype, self.shape
            ));
        }
        if end > length {
            return Err(format!(
                "ends at byte {end} of the data, of which the file has {length}: it is truncated; download it again"
            ));
        }
        Ok(Place { kind, shape, bytes: start..end })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let wrong = name.is_empty() || name.contains(['/', '\\']) || name.contains("..") || name.contains(char::is_control);
    if wrong { Err(format!("tensor name {name:?} is not allowed: it is empty or looks like a path")) } else { Ok(()) }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Unique<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Fields<V> {
            type Value = Unique<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, V>()? {
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom(format!("`{name}` appears twice")));
                    }
                    fields.insert(name, value);
                }
                Ok(Unique(fields))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let mut entries = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    let named = |e: A::Error| A::Error::custom(format!("tensor `{name}`: {e}"));
                    if name == METADATA {
                        map.next_value::<Unique<String>>().map_err(named)?;
                    } else {
                        let entry = map.next_value::<Entry>().map_err(named)?;
                        if entries.insert(name.clone(), entry).is_some() {
                            return Err(A::Error::custom(format!("tensor `{name}` appears twice")));
                        }
                    }
                }
                Ok(Header(entries))
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
