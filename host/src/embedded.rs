//! What the host carries in itself: the embedded organism and its data sets.

/// The bytes of a carried file, such as `organism/config.json` or `train/bad_medicine.jsonl`.
pub fn file(name: &str) -> Option<&'static [u8]> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, bytes)| *bytes)
}

/// Names of all carried files.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

const FILES: &[(&str, &[u8])] = &[];
