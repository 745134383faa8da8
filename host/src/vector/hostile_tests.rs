//! Files that are cut, damaged or malicious are errors with a reason, and run nothing.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::golden_tests::{files, golden};
use super::reference::named;
use super::torch::load;
use super::*;

/// A torch file with this pickle and these storages.
fn archive(pickle: &[u8], storages: &[&[u8]]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    zip.start_file("archive/data.pkl", stored).unwrap();
    zip.write_all(pickle).unwrap();
    for (key, bytes) in storages.iter().enumerate() {
        zip.start_file(format!("archive/data/{key}"), stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn message(bytes: &[u8]) -> String {
    let path = Path::new("evil.pt");
    named(path, bytes, Reading::default()).map_err(|problem| problem.at(path)).unwrap_err().to_string()
}

#[track_caller]
fn refused(pickle: &[u8], part: &str) {
    let said = message(&archive(pickle, &[]));
    assert!(said.contains(part), "`{part}` is not in: {said}");
}

#[test]
fn a_pickle_that_names_code_is_refused_by_name_and_runs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let command = format!("touch {}", trace.display());
    let text = [b"X".as_slice(), &(command.len() as u32).to_le_bytes(), command.as_bytes()].concat();
    let by_global = [b"\x80\x02cos\nsystem\n".as_slice(), &text, b"\x85R."].concat();
    refused(&by_global, "`os.system`");
    let by_stack = [b"\x80\x04\x8c\x02os\x8c\x06system\x93".as_slice(), &text, b"\x85R."].concat();
    refused(&by_stack, "`os.system`");
    let by_inst = [b"(".as_slice(), &text, b"ios\nsystem\n."].concat();
    refused(&by_inst, "`os.system`");
    refused(b"\x80\x02c__builtin__\neval\n.", "`__builtin__.eval`");
    refused(b"\x80\x02ccollections\nOrderedDict\n)R}b.", "BUILD");
    refused(b"\x80\x02ccollections\nOrderedDict\n)\x81.", "NEWOBJ");
    refused(b"(ccollections\nOrderedDict\no.", "OBJ");
    refused(b"\x80\x02ctorch._utils\n_rebuild_wrapper_subclass\n.", "`torch._utils._rebuild_wrapper_subclass`");
    assert!(!trace.exists());
}

#[test]
fn a_pickle_that_does_not_fit_together_is_an_error() {
    for pickle in [
        b".".as_slice(),
        b"",
        b"\x80\x02",
        b"t.",
        b"(.",
        b"R.",
        b"Q.",
        b"h\x00.",
        b"q\x00.",
        b"\x85.",
        b"K\x01K\x02s.",
        b"}K\x01u.",
        b"}(K\x01u.",
        b"\x93.",
        b"ctorch\nFloatStorage\n)R.",
        b"ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"X\xff\xff\xff\xffabc.",
        b"\x8a\xff",
        b"\x8a\x09123456789.",
        b"r\xff\xff\xff\x7f.",
        b"Nr\xff\xff\xff\x7f.",
        b"c",
        b"\x95\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"F1.5\n.",
    ] {
        assert!(load(pickle).is_err(), "{}", pickle.escape_ascii());
    }
}

#[test]
fn a_pickle_is_bounded_in_its_stack_and_memo() {
    let deep = [vec![b'('; 70_000], b".".to_vec()].concat();
    assert!(load(&deep).is_err());
    let lists = [vec![b']'; 70_000], b".".to_vec()].concat();
    assert!(load(&lists).is_err());
    // A list in a list in a list: neither reading nor dropping it takes stack.
    let nested = [vec![b']'; 60_000], vec![b'a'; 59_999], b".".to_vec()].concat();
    assert!(load(&nested).is_ok());
    // A list that holds itself.
    assert!(load(b"]q\x00h\x00a.").is_ok());
}

/// The pickle of one f32 tensor.
fn tensor(length: u32, offset: u32, shape: [u32; 2], strides: [u32; 2]) -> Vec<u8> {
    let number = |n: u32| [b"J".as_slice(), &n.to_le_bytes()].concat();
    let pair = |[a, b]: [u32; 2]| [number(a), number(b), b"\x86".to_vec()].concat();
    [
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpu"
            .to_vec(),
        number(length),
        b"tQ".to_vec(),
        number(offset),
        pair(shape),
        pair(strides),
        b"\x89ccollections\nOrderedDict\n)RtR.".to_vec(),
    ]
    .concat()
}

#[test]
fn a_view_is_read_by_its_strides_and_never_outside_its_storage() {
    let bytes: Vec<u8> = (0..8u8).flat_map(|n| f32::from(n).to_le_bytes()).collect();
    let read = |length, offset, shape, strides| {
        let file = archive(&tensor(length, offset, shape, strides), &[&bytes]);
        named(Path::new("view.pt"), &file, Reading::default())
    };
    let values: Vec<Vec<f32>> =
        read(8, 1, [3, 2], [1, 4]).unwrap().into_iter().map(|named| named.direction.values).collect();
    assert_eq!(values, [[1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]);
    assert!(read(8, 2, [3, 2], [1, 4]).is_err(), "the last element is one behind the storage");
    assert!(read(9, 0, [3, 2], [1, 4]).is_err(), "the pickle declares more than the archive has");
    assert!(read(7, 0, [3, 2], [1, 3]).is_err(), "the pickle declares less than the archive has");
    assert!(read(8, 0, [0x7fff_ffff, 2], [0x7fff_ffff, 1]).is_err(), "indices overflow nothing");
    assert!(read(8, 0, [0x7fff_ffff, 0x7fff_ffff], [0, 0]).is_err(), "a stride of zero makes no giant");
    assert!(read(8, 0, [0, 2], [1, 1]).is_err(), "a tensor without elements is no direction");
    assert!(named(Path::new("x.pt"), &archive(&tensor(8, 0, [3, 2], [1, 4]), &[]), Reading::default()).is_err());
}

#[test]
fn a_file_cut_at_every_64th_byte_is_an_error() {
    for file in files() {
        let bytes = fs::read(golden(&file)).unwrap();
        for length in (0..bytes.len()).step_by(64) {
            let cut = named(&golden(&file), &bytes[..length], Reading::default());
            assert!(cut.is_err(), "{file} cut to {length} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn a_damaged_byte_never_panics() {
    for file in files() {
        let mut bytes = fs::read(golden(&file)).unwrap();
        for at in 0..bytes.len() {
            for flip in [0xff, 0x01, 0x80] {
                bytes[at] ^= flip;
                // A flipped bit of a number is still a number: that nothing panics or hangs is what is tested.
                let _ = named(&golden(&file), &bytes, Reading::default());
                bytes[at] ^= flip;
            }
        }
    }
}

#[test]
fn numbers_that_are_not_finite_are_refused_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("nan.pt");
    let bytes: Vec<u8> = [0.0, 1.0, f32::NAN, 3.0].into_iter().flat_map(f32::to_le_bytes).collect();
    fs::write(&path, archive(&tensor(4, 0, [2, 2], [2, 1]), &[&bytes])).unwrap();
    let said = read_all(&path).unwrap_err().to_string();
    assert!(said.contains("`layer_1`") && said.contains("NaN at index 0 of 2"), "{said}");
}

#[test]
fn a_zip_of_something_else_is_no_torch_file() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("a.npy", SimpleFileOptions::default().compression_method(CompressionMethod::Stored)).unwrap();
    let said = message(&zip.finish().unwrap().into_inner());
    assert!(said.contains("data.pkl") && said.contains("numpy"), "{said}");
    let mut zip = archive(&tensor(4, 0, [2, 2], [2, 1]), &[&[0; 16]]);
    let bytes = zip.clone();
    // Compression method 8 in the local header and in the central folder.
    for at in 0..bytes.len() - 12 {
        match &bytes[at..at + 4] {
            b"PK\x03\x04" => zip[at + 8] = 8,
            b"PK\x01\x02" => zip[at + 10] = 8,
            _ => {}
        }
    }
    let said = message(&zip);
    assert!(said.contains("stored as it is") && said.contains("packs"), "{said}");
}
