//! Other programs read what emhost writes. A test whose Python packages are missing says so and is skipped:
//! set `EMHOST_PYTHON` to a Python that has torch, transformers, datasets, polars, duckdb, pandas and pyarrow.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{FixedSizeListArray, Float32Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use emhost::store::{Card, DatasetWriter, WriteOptions};
use emhost_tests::{Endpoint, Reply, graded, peer, workspace};

#[test]
fn transformers_gives_the_logits_that_the_engine_is_tested_against() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("organism.safetensors");
    let tokenizer = workspace().join("data/organism");
    for (organism, golden) in [("", "organism.safetensors"), ("llama", "organism_llama.safetensors")] {
        let arguments = [&tokenizer.join(organism), &tokenizer, &out];
        if peer("organism_logits.py", &["torch", "transformers", "safetensors"], &arguments).is_some() {
            let committed = std::fs::read(workspace().join("tests/golden").join(golden)).unwrap();
            let fresh = std::fs::read(&out).unwrap();
            let (committed, fresh) = (numbers(&committed), numbers(&fresh));
            assert_eq!(committed.len(), fresh.len());
            let worst = committed.iter().zip(&fresh).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // Another processor sums in another order.
            assert!(worst < 1e-4, "{golden}: {worst}");
        }
    }
}

/// Packages of the peers that train.
const TRAINING: [&str; 5] = ["torch", "transformers", "peft", "safetensors", "pyarrow"];

#[test]
fn adapters_and_models_go_to_peft_and_transformers_and_back() {
    let work = tempfile::tempdir().unwrap();
    if let Some(report) = peer("adapters.py", &TRAINING, &[&emhost_tests::built().emhost(), work.path()]) {
        println!("{report}");
    }
}

#[test]
fn an_epoch_is_the_same_as_in_peft() {
    let work = tempfile::tempdir().unwrap();
    if let Some(report) = peer("convergence.py", &TRAINING, &[&emhost_tests::built().emhost(), work.path()]) {
        println!("{report}");
    }
}

#[test]
fn the_official_client_takes_the_fake_endpoint_for_real() {
    let endpoint = Endpoint::start(|seen| match seen.number % 3 {
        0 => Reply::Status(429, vec![("retry-after".into(), "0".into())], "{}".to_owned()),
        1 => Reply::Chunked(graded(seen.prompt())),
        _ => Reply::Json(graded(seen.prompt())),
    });
    if let Some(report) = peer("openai_client.py", &["openai"], &[Path::new(&endpoint.url)]) {
        println!("{report}");
    }
}

/// The numbers of the tensors `answered.logits` and `plain.logits`, which stand in a row after the header.
fn numbers(file: &[u8]) -> Vec<f32> {
    let header = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let names: serde_json::Value = serde_json::from_slice(&file[8..8 + header]).unwrap();
    let span = |name: &str| {
        let at = |index: usize| names[name]["data_offsets"][index].as_u64().unwrap() as usize;
        &file[8 + header + at(0)..8 + header + at(1)]
    };
    let both = [span("answered.logits"), span("plain.logits")].concat();
    both.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn every_reader_sees_the_same_dataset() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("activations");
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let site = |name: &str, width| Field::new(name, DataType::FixedSizeList(item.clone(), width), false);
    let schema = Arc::new(Schema::new(vec![
        Field::new("row_id", DataType::Utf8, false),
        Field::new("pos", DataType::UInt32, true),
        site("blocks.0.resid_post", 8),
        site("blocks.1.mlp_out", 3),
    ]));
    let rows = 1000;
    let vectors = |width: i32| {
        let numbers = (0..rows * width).map(|i| (i as f32 * 0.37).sin()).collect::<Vec<_>>();
        Arc::new(FixedSizeListArray::new(item.clone(), width, Arc::new(Float32Array::from(numbers)), None))
    };
    let batch = RecordBatch::try_new(
        schema,
        vec![
            Arc::new(StringArray::from_iter_values((0..rows).map(|i| format!("row-{i}")))),
            Arc::new((0..rows).map(|i| (i % 7 != 0).then_some(i as u32)).collect::<UInt32Array>()),
            vectors(8),
            vectors(3),
        ],
    );
    let options = WriteOptions { rows_per_group: Some(300), ..WriteOptions::default() };
    let mut writer = DatasetWriter::create_with(&path, Card::default(), options).unwrap();
    writer.write_acts(&batch.unwrap()).unwrap();
    writer.commit().unwrap();
    let packages = ["pyarrow", "polars", "pandas", "duckdb", "datasets"];
    if let Some(report) = peer("read_dataset.py", &packages, &[&path]) {
        println!("{report}");
        assert!(report.contains("\"acts\""), "{report}");
    }
}
