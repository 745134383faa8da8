//! The zip archive around the pickle: `NAME/data.pkl`, and one `NAME/data/KEY` per storage.

use std::io::{Cursor, Read};
use std::path::Path;
use std::rc::Rc;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::super::direction::Named;
use super::super::error::Problem;
use super::super::reading::Reading;
use super::layouts;
use super::pickle;
use super::tensor::Tensor;

/// A pickle of a hundred layers takes some ten kilobytes.
const MAX_PICKLE: u64 = 1 << 20;
/// Bytes read and made in all: views may overlap, and a stride of zero repeats one number.
const MAX_WORK: usize = 1 << 30;

/// Reads the directions of a torch file.
pub fn read(path: &Path, bytes: &[u8], file: &str, reading: Reading) -> Result<Vec<Named>, Problem> {
    let mut archive = Archive::open(bytes)?;
    let pickled = pickle::load(&archive.entry("data.pkl", Some(MAX_PICKLE))?)?;
    layouts::named(&mut archive, &pickled, path, file, reading)
}

/// The error for a torch file or pickle that is not in an archive.
pub fn old_form(bytes: &[u8]) -> Problem {
    // torch's first pickle holds this number (torch/serialization.py, `MAGIC_NUMBER`).
    const NUMBER: &[u8] = b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19";
    let torch = bytes.get(2..2 + NUMBER.len()) == Some(NUMBER);
    let found = if torch { "a torch file of the form before version 1.6" } else { "a bare Python pickle" };
    let hint = "load it where you trust it and save the tensors again with torch.save of version 1.6 or later";
    Problem::new("a torch file in zip form", found, hint)
}

pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The folder that all entries lie in, with its slash.
    folder: String,
    /// The storage read last.
    last: Option<(Rc<str>, Vec<u8>)>,
    left: usize,
}

impl<'a> Archive<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, Problem> {
        let whole = |e: ZipError| Problem::damaged("a whole zip archive of torch.save", e.to_string());
        let zip = ZipArchive::new(Cursor::new(bytes)).map_err(whole)?;
        let mut folder = None;
        for name in zip.file_names() {
            if let Some(prefix) =
                name.map_err(whole)?.strip_suffix("data.pkl").filter(|p| p.is_empty() || p.ends_with('/'))
            {
                folder = Some(prefix.to_owned());
            }
        }
        let Some(folder) = folder else {
            let hint = "a torch file has one; a numpy archive (.npz) has not: save the vector as safetensors";
            return Err(Problem::new("a data.pkl in the zip archive", format!("{} other entries", zip.len()), hint));
        };
        let mut archive = Self { zip, folder, last: None, left: MAX_WORK };
        let order = archive.zip.index_for_name(&format!("{}byteorder", archive.folder));
        if order.is_some() && archive.entry("byteorder", None)? != b"little" {
            return Err(Problem::new("little-endian numbers", "another byte order", "save it on a usual machine"));
        }
        Ok(archive)
    }

    /// The bytes of an entry, checked against their checksum.
    fn entry(&mut self, name: &str, most: Option<u64>) -> Result<Vec<u8>, Problem> {
        let expected = || format!("an entry `{name}` in the archive");
        let found = self.zip.by_name(&format!("{}{name}", self.folder));
        let mut entry = found.map_err(|e| Problem::damaged(expected(), e.to_string()))?;
        if entry.compression() != CompressionMethod::Stored {
            let found = format!("one that is {:?}", entry.compression());
            return Err(Problem::new(format!("{}, stored as it is", expected()), found, "torch.save never packs"));
        }
        let size = entry.size();
        if size > most.unwrap_or(u64::MAX) || size > self.left as u64 {
            let hint = "a file of directions is far smaller; save only the tensors";
            return Err(Problem::new(format!("{} of reasonable size", expected()), format!("{size} bytes"), hint));
        }
        self.left -= size as usize;
        let mut bytes = Vec::new();
        let read = entry.read_to_end(&mut bytes);
        read.map_err(|e| Problem::damaged(expected(), e.to_string()))?;
        Ok(bytes)
    }

    /// The numbers of a tensor, in order.
    pub fn values(&mut self, tensor: &Tensor) -> Result<Vec<f32>, Problem> {
        let storage = &tensor.storage;
        if self.last.as_ref().is_none_or(|(key, _)| *key != storage.key) {
            let bytes = self.entry(&format!("data/{}", storage.key), None)?;
            self.last = Some((Rc::clone(&storage.key), bytes));
        }
        let bytes = self.last.as_ref().map(|(_, bytes)| bytes.as_slice()).unwrap_or_default();
        if storage.length.checked_mul(storage.element.size()) != Some(bytes.len()) {
            let expected =
                format!("{} elements of {} bytes in data/{}", storage.length, storage.element.size(), storage.key);
            return Err(Problem::damaged(expected, format!("{} bytes", bytes.len())));
        }
        match tensor.count().checked_mul(4).and_then(|size| self.left.checked_sub(size)) {
            Some(left) => self.left = left,
            None => {
                let found = format!("shape {:?} and more", tensor.shape);
                return Err(Problem::new(
                    format!("tensors of at most {MAX_WORK} bytes"),
                    found,
                    "save only the vectors",
                ));
            }
        }
        tensor.values(bytes)
    }
}
