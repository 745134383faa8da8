//! What is refused in a safetensors file, and what is read.

use candle_core::{DType, Device, Tensor};
use half::{bf16, f16};
use serde_json::json;

use super::super::files::Files;
use super::{Numbers, Weights, to_safetensors};

/// A file of this header text and data.
fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn open(bytes: Vec<u8>) -> super::super::Result<Weights> {
    Weights::open_bytes("a test", bytes, &Device::Cpu)
}

#[test]
fn a_file_that_does_not_add_up_is_refused_by_name() {
    let entry =
        |dtype: &str, shape: &str, at: &str| format!(r#"{{"dtype":"{dtype}","shape":{shape},"data_offsets":{at}}}"#);
    let one = |dtype: &str, shape: &str, at: &str| format!(r#"{{"a":{}}}"#, entry(dtype, shape, at));
    let two = |first: &str, second: &str| {
        format!(r#"{{"a":{},"b":{}}}"#, entry("F32", "[1]", first), entry("F32", "[1]", second))
    };
    let named = |name: &str| format!(r#"{{"{name}":{}}}"#, entry("F32", "[1]", "[0,4]"));
    for (header, data, expect) in [
        (one("F32", "[2]", "[0,8]"), 4, "truncated"),
        (one("F32", "[2]", "[0,4]"), 4, "takes 8"),
        (one("F32", "[1]", "[4,0]"), 4, "bytes 4 to 0"),
        (one("F32", "[0]", "[0,0]"), 0, "holds nothing"),
        (one("F32", "[4294967296,4294967296]", "[0,0]"), 0, "no memory holds"),
        (one("F32", "[-1]", "[0,4]"), 4, "tensor `a`"),
        (one("I64", "[1]", "[0,8]"), 8, "type I64"),
        (one("F8_E4M3", "[1]", "[0,1]"), 1, "type F8_E4M3"),
        (two("[0,4]", "[0,4]"), 4, "share bytes"),
        (two("[0,4]", "[2,6]"), 6, "share bytes"),
        (two("[0,4]", "[8,12]"), 12, "4 bytes before tensor `b`"),
        (one("F32", "[1]", "[0,4]"), 8, "4 bytes after the last tensor"),
        (format!(r#"{{"a":{0},"a":{0}}}"#, entry("F32", "[1]", "[0,4]")), 4, "`a` appears twice"),
        (r#"{"a":{"dtype":"F32","dtype":"F16","shape":[1],"data_offsets":[0,4]}}"#.into(), 4, "duplicate field"),
        (r#"{"a":{"dtype":"F32","shape":[1]}}"#.into(), 4, "missing field"),
        (named("../../etc/x"), 4, "looks like a path"),
        (named("a\\\\b"), 4, "looks like a path"),
        (named("a\\u0000"), 4, "looks like a path"),
        (named(""), 4, "looks like a path"),
        (r#"{"__metadata__":{"a":1}}"#.into(), 0, "__metadata__"),
        ("[]".into(), 0, "header is refused"),
        ("{".into(), 0, "header is refused"),
        ("\u{feff}{}".into(), 0, "header is refused"),
    ] {
        let error = open(file(&header, &vec![0; data])).expect_err(&header).to_string();
        assert!(error.contains(expect) && error.contains("a test"), "{header}: {error}");
    }
    for (bytes, expect) in [
        (Vec::new(), "0 bytes"),
        (vec![0xff; 8], "claims 18446744073709551615 bytes"),
        (file("{}", b"")[..9].to_vec(), "claims 2 bytes, the file has 1"),
    ] {
        let error = open(bytes).unwrap_err().to_string();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn numbers_come_in_the_type_of_the_file_and_as_f32() {
    let values = [0.5f32, -1.25, 3.0];
    let data: Vec<u8> = values
        .iter()
        .flat_map(|v| v.to_le_bytes())
        .chain(values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()))
        .chain(values.iter().flat_map(|v| bf16::from_f32(*v).to_le_bytes()))
        .collect();
    let header = json!({
        "__metadata__": {"format": "pt"},
        "a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]},
        "b": {"dtype": "F16", "shape": [1, 3], "data_offsets": [12, 18]},
        "c": {"dtype": "BF16", "shape": [3, 1], "data_offsets": [18, 24]},
    });
    let weights = open(file(&header.to_string(), &data)).unwrap();
    for (name, shape) in [("a", vec![3]), ("b", vec![1, 3]), ("c", vec![3, 1])] {
        let numbers = weights.clone().take_numbers(name, &shape).unwrap();
        assert_eq!((numbers.len(), numbers.to_f32()), (3, values.to_vec()), "{name}");
        let is_own =
            matches!((name, numbers), ("a", Numbers::F32(_)) | ("b", Numbers::F16(_)) | ("c", Numbers::Bf16(_)));
        assert!(is_own, "{name}");
        let tensor = weights.clone().take(name, &shape).unwrap();
        assert_eq!((tensor.dtype(), tensor.dims()), (DType::F32, shape.as_slice()));
        assert_eq!(tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), values);
    }
    let error = weights.clone().take("a", &[1, 3]).unwrap_err().to_string();
    assert!(error.contains("tensor `a` has shape [3], expected [1, 3]"), "{error}");
    assert!(weights.clone().take("d", &[3]).unwrap_err().to_string().contains("tensor `d` is missing"));
    let mut rest = weights;
    rest.arrange(|name| (name != "c").then(|| name.to_owned())).unwrap();
    assert!(!rest.has("c"));
    let error = rest.finish().unwrap_err().to_string();
    assert!(error.contains("tensor `a` and `b` have no place"), "{error}");
}

#[test]
fn a_number_that_is_not_finite_is_named_by_its_index() {
    // The index lies beyond the first block that the search looks at.
    let at = 5000;
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut values = vec![f16::MAX.to_f32(); 10_000];
        values[at] = bad;
        for numbers in [
            Numbers::F32(values.clone()),
            Numbers::F16(values.iter().map(|v| f16::from_f32(*v)).collect()),
            Numbers::Bf16(values.iter().map(|v| bf16::from_f32(*v)).collect()),
        ] {
            let (found, value) = numbers.first_not_finite().unwrap();
            assert_eq!((found, value.is_nan(), value == bad), (at, bad.is_nan(), !bad.is_nan()));
        }
    }
    let tensor = Tensor::new(&[1f32, f32::NAN], &Device::Cpu).unwrap();
    let bytes = to_safetensors(&[("a".to_owned(), tensor)].into(), DType::F32).unwrap();
    let error = open(bytes).unwrap().take("a", &[2]).unwrap_err().to_string();
    assert!(error.contains("tensor `a` holds NaN at index 1"), "{error}");
}

/// A checkpoint of two shards with `a` and `b`, each one number, and this index.
fn shards(index: &serde_json::Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (shard, name) in [("one.safetensors", "a"), ("two.safetensors", "b")] {
        let header = json!({name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).to_string();
        std::fs::write(folder.path().join(shard), file(&header, &1f32.to_le_bytes())).unwrap();
    }
    let index = json!({"metadata": {"total_size": 8}, "weight_map": index}).to_string();
    std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    folder
}

#[test]
fn an_index_and_its_shards_must_agree() {
    let whole = json!({"a": "one.safetensors", "b": "two.safetensors"});
    let folder = shards(&whole);
    let mut weights = Weights::open(&Files::Folder(folder.path().to_owned()), &Device::Cpu).unwrap();
    assert_eq!(weights.take("b", &[1]).unwrap().to_vec1::<f32>().unwrap(), [1.0]);
    for (index, expect) in [
        (json!({"a": "one.safetensors", "b": "three.safetensors"}), "`three.safetensors`"),
        (json!({"a": "one.safetensors", "b": "one.safetensors"}), "tensor `b`, which the index places there"),
        (json!({"a": "two.safetensors", "b": "two.safetensors"}), "tensor `a`, which the index places there"),
        (json!({"a": "one.safetensors", "b": "two.safetensors", "c": "two.safetensors"}), "tensor `c`"),
        (json!({"a": "one.safetensors", "b": "../two.safetensors"}), "outside the folder"),
        (json!({"a": 1}), "index.json"),
    ] {
        let folder = shards(&index);
        let error = Weights::open(&Files::Folder(folder.path().to_owned()), &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(expect), "{index}: {error}");
    }
    let folder = shards(&whole);
    std::fs::copy(folder.path().join("one.safetensors"), folder.path().join("two.safetensors")).unwrap();
    let error = Weights::open(&Files::Folder(folder.path().to_owned()), &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("tensor `a` is in both `one.safetensors` and `two.safetensors`"), "{error}");
    let extra = json!({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "z": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}});
    std::fs::write(folder.path().join("two.safetensors"), file(&extra.to_string().replace("\"a\"", "\"b\""), &[0; 8]))
        .unwrap();
    let error = Weights::open(&Files::Folder(folder.path().to_owned()), &Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("tensor `z`, which the index does not list"), "{error}");
}

#[test]
fn the_first_item_that_is_not_finite_is_found() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for at in [0, 15, 16, 4095, 4096, 9_999] {
            let mut items = vec![f32::MAX; 10_000];
            items[at] = bad;
            assert_eq!(crate::model::weights::first_not_finite(&items), Some(at));
        }
    }
    assert_eq!(crate::model::weights::first_not_finite(&[f32::MIN, f32::MAX, 0.0, -0.0]), None);
}
