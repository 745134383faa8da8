//! The store as a whole: what goes in comes out, damage is found, half a dataset is never seen.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, BooleanArray, FixedSizeListArray, Float16Array, Float32Array, Float64Array, Int32Array,
    Int64Array, ListArray, RecordBatch, RecordBatchIterator, StringArray, UInt16Array, UInt32Array,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Int32Type, Schema, UInt32Type};
use half::f16;
use serde_json::json;

use super::writer::CommitStep;
use super::*;

/// Random numbers of a fixed sequence (SplitMix64).
struct Sequence(u64);

impl Sequence {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn float(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 20) as f32 - 8.0
    }
}

fn vectors(numbers: ArrayRef, width: i32, nullable: bool) -> ArrayRef {
    let item = Arc::new(Field::new("item", numbers.data_type().clone(), nullable));
    Arc::new(FixedSizeListArray::new(item, width, numbers, None))
}

fn acts(first: usize, rows: usize) -> RecordBatch {
    let mut random = Sequence(first as u64);
    let mut floats = |n: usize| (0..n).map(|_| random.float()).collect::<Vec<_>>();
    let narrow: Vec<f16> = floats(rows * 3).into_iter().map(f16::from_f32).collect();
    let gaps = (0..rows * 2).map(|i| (i % 5 != 0).then_some(i as f32));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("row_id", Arc::new(StringArray::from_iter_values((first..first + rows).map(|i| format!("q{i}"))))),
        (
            "view",
            Arc::new(StringArray::from_iter_values((first..first + rows).map(|i| ["prompt.mean", "last"][i % 2]))),
        ),
        ("pos", Arc::new(UInt32Array::from_iter_values((first..first + rows).map(|i| i as u32)))),
        ("blocks.0.resid_post", vectors(Arc::new(Float32Array::from(floats(rows * 16))), 16, false)),
        ("blocks.1.resid_post", vectors(Arc::new(Float32Array::from(floats(rows * 8))), 8, true)),
        ("blocks.1.lora.down", vectors(Arc::new(Float32Array::from(floats(rows))), 1, false)),
        ("logits", vectors(Arc::new(Float16Array::from(narrow)), 3, false)),
        ("gaps", vectors(Arc::new(gaps.collect::<Float32Array>()), 2, true)),
        ("bf16", vectors(Arc::new(UInt16Array::from_iter_values((0..rows * 2).map(|i| i as u16))), 2, false)),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

fn rows(rows: usize) -> RecordBatch {
    let ids = ListArray::from_iter_primitive::<Int32Type, _, _>((0..rows).map(|i| Some((0..i as i32 % 5).map(Some))));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("row_id", Arc::new(StringArray::from_iter_values((0..rows).map(|i| format!("q{i}"))))),
        ("text", Arc::new(StringArray::from_iter((0..rows).map(|i| (i % 3 != 0).then(|| "é".repeat(i % 7)))))),
        ("token_ids", Arc::new(ids)),
        ("score", Arc::new(Float64Array::from_iter_values((0..rows).map(|i| i as f64 / 3.0)))),
        ("seed", Arc::new(Int64Array::from_iter_values((0..rows).map(|i| -(i as i64))))),
        ("aligned", Arc::new(BooleanArray::from_iter((0..rows).map(|i| Some(i % 2 == 0))))),
    ];
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

const ACTS: usize = 53;

fn card() -> Card {
    Card {
        title: String::new(),
        about: "A test.".to_owned(),
        provenance: json!({"seed": 7, "model": {"digest": "ab"}}),
    }
}

fn options() -> WriteOptions {
    WriteOptions { rows_per_group: Some(20), ..WriteOptions::default() }
}

/// Writes the sample in batches of `step` rows without committing.
fn writer(folder: &Path, options: WriteOptions, step: usize) -> DatasetWriter {
    let mut writer = DatasetWriter::create_with(folder, card(), options).expect("a fresh folder");
    let all = acts(0, ACTS);
    for first in (0..ACTS).step_by(step) {
        writer.write_acts(&all.slice(first, step.min(ACTS - first))).expect("the schema fits");
    }
    writer.write_rows(&rows(30)).expect("the schema fits");
    writer
}

fn sample(folder: &Path) -> Dataset {
    writer(folder, options(), 7).commit().expect("the folder is writable")
}

fn all(dataset: &Dataset, part: Part, columns: &[&str], filter: &[(&str, &str)]) -> (RecordBatch, u64) {
    let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
    let filter: BTreeMap<String, String> = filter.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let reader = dataset.read(part, &columns, &filter).expect("the columns exist");
    let (schema, bytes) = (arrow::array::RecordBatchReader::schema(&reader), reader.bytes_read());
    let batches: Vec<RecordBatch> = reader.map(|b| b.expect("the data are whole")).collect();
    (concat_batches(&schema, &batches).expect("one schema"), bytes.get())
}

fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the folder exists").map(|e| e.expect("a readable entry"));
    entries
        .map(|e| (e.file_name().to_string_lossy().into_owned(), fs::read(e.path()).expect("a readable file")))
        .collect()
}

#[test]
fn every_type_comes_back_as_it_was_written() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let options = WriteOptions { file_bytes: 1, ..options() };
    let dataset = writer(&root.path().join("set"), options, 53).commit().expect("the folder is writable");
    assert_eq!(all(&dataset, Part::Acts, &[], &[]).0, acts(0, ACTS));
    assert_eq!(all(&dataset, Part::Rows, &[], &[]).0, rows(30));
    assert_eq!(dataset.manifest().part(Part::Acts).expect("activations").files.len(), 3);
    assert_eq!((dataset.rows(Part::Acts), dataset.rows(Part::Rows)), (53, 30));
    assert_eq!(dataset.sites().len(), 6);
    let report = dataset.verify().expect("nothing is damaged");
    assert_eq!((report.files, report.row_groups, report.rows), (7, 5, 83));
}

#[test]
fn pages_of_own_layout_equal_those_of_the_general_decoder() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let dataset = sample(&root.path().join("set"));
    let file = fs::File::open(dataset.folder().join("acts-00000.parquet")).expect("the file exists");
    let reader = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).expect("a Parquet file");
    let batches: Vec<RecordBatch> = reader.build().expect("a reader").map(|b| b.expect("a batch")).collect();
    assert_eq!(concat_batches(&batches[0].schema(), &batches).expect("one schema"), acts(0, ACTS));
}

#[test]
fn a_projection_reads_only_its_columns_and_those_of_the_filter() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let wide = |rows: usize, seed: u64| {
        let mut random = Sequence(seed);
        vectors(Arc::new(Float32Array::from_iter_values((0..rows * 256).map(|_| random.float()))), 256, false)
    };
    let names: Vec<String> = (0..8).map(|i| format!("blocks.{i}.resid_post")).collect();
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..500).map(|i| format!("q{i}"))));
    let view: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..500).map(|i| if i < 100 { "last" } else { "all" })));
    let sites = names.iter().enumerate().map(|(i, name)| (name.as_str(), wide(500, i as u64)));
    let batch =
        RecordBatch::try_from_iter([("row_id", ids), ("view", view)].into_iter().chain(sites)).expect("one length");
    let options = WriteOptions { rows_per_group: Some(100), ..WriteOptions::default() };
    let mut writer = DatasetWriter::create_with(root.path().join("set"), card(), options).expect("a fresh folder");
    writer.write_acts(&batch).expect("the schema fits");
    let dataset = writer.commit().expect("the folder is writable");

    let column = 500 * 256 * 4_u64;
    let overhead = 16 << 10; // footer, page headers, levels and the two short text columns
    let (one, bytes) = all(&dataset, Part::Acts, &["blocks.3.resid_post"], &[]);
    assert_eq!(one.column(0), batch.column(5));
    assert!((column..column + overhead).contains(&bytes), "{bytes} bytes for a column of {column}");
    let (few, bytes) = all(&dataset, Part::Acts, &["blocks.3.resid_post", "row_id"], &[("view", "last")]);
    assert_eq!(few, batch.slice(0, 100).project(&[5, 0]).expect("columns exist"));
    assert!(bytes < column / 5 + overhead, "{bytes} bytes for one row group of five");
}

#[test]
fn filters_keep_equal_rows_and_unknown_columns_are_named() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let dataset = sample(&root.path().join("set"));
    let (batch, _) = all(&dataset, Part::Acts, &["pos"], &[("view", "last")]);
    let expected: Vec<u32> = (0..ACTS as u32).filter(|i| i % 2 == 1).collect();
    assert_eq!(batch.column(0).as_primitive::<UInt32Type>().values(), &expected);
    let error = dataset.read(Part::Acts, &["blocks.9.resid_post".to_owned()], &BTreeMap::new()).expect_err("unknown");
    assert!(error.to_string().contains("it has row_id, view, pos, blocks.0.resid_post"), "{error}");
    let number = BTreeMap::from([("pos".to_owned(), "1".to_owned())]);
    assert!(matches!(dataset.read(Part::Acts, &[], &number), Err(StoreError::Schema { .. })));
}

#[test]
fn a_thousand_flipped_bits_are_found_and_located() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let dataset = sample(&root.path().join("set"));
    let files: Vec<(String, Vec<u8>)> = contents(dataset.folder()).into_iter().collect();
    let mut random = Sequence(1);
    for round in 0..1000 {
        // Every tenth flip goes to the manifest, whose share of the bytes would otherwise leave it to chance.
        let pick = files.iter().position(|f| round % 10 == 0 && f.0 == "manifest.json");
        let (name, bytes) = &files[pick.unwrap_or_else(|| random.below(files.len()))];
        let at = random.below(bytes.len());
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << random.below(8);
        let path = dataset.folder().join(name);
        fs::write(&path, &flipped).expect("the folder is writable");
        let damage = verify_folder(dataset.folder()).expect_err("a flipped bit is damage");
        assert_eq!(damage.len(), 1, "{name} at {at}: {damage:?}");
        assert_eq!((&damage[0].file, damage[0].place), (name, place(&dataset, name, at as u64)), "{name} at {at}");
        fs::write(&path, bytes).expect("the folder is writable");
    }
    dataset.verify().expect("all flips were undone");
}

fn place(dataset: &Dataset, name: &str, at: u64) -> Place {
    let mut files = dataset.manifest().parts.iter().flat_map(|p| &p.files);
    match files.find(|f| f.name == name) {
        None => Place::File,
        Some(file) if at < file.header.bytes => Place::Header,
        Some(file) if at >= file.footer.start => Place::Footer,
        Some(file) => Place::RowGroup(file.row_groups.iter().filter(|g| g.span.start + g.span.bytes <= at).count()),
    }
}

#[test]
fn missing_truncated_and_extra_files_are_found() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let dataset = sample(&root.path().join("set"));
    let check = |change: &dyn Fn(&Path), file: &str, problem: &str| {
        let before = contents(dataset.folder());
        change(dataset.folder());
        let damage = verify_folder(dataset.folder()).expect_err("the folder changed");
        assert_eq!((damage.len(), damage[0].file.as_str(), damage[0].place), (1, file, Place::File), "{damage:?}");
        assert!(damage[0].problem.contains(problem), "{damage:?}");
        let _ = fs::remove_file(dataset.folder().join("notes.txt"));
        before.iter().for_each(|(name, bytes)| fs::write(dataset.folder().join(name), bytes).expect("writable"));
    };
    let remove = |name: &'static str| move |f: &Path| fs::remove_file(f.join(name)).expect("it exists");
    check(&remove("acts-00000.parquet"), "acts-00000.parquet", "missing");
    check(&remove("README.md"), "README.md", "missing");
    check(&remove("manifest.json"), "manifest.json", "missing");
    check(&|f| fs::write(f.join("notes.txt"), b"x").expect("writable"), "notes.txt", "does not belong");
    for (name, bytes) in contents(dataset.folder()) {
        let problem = if name == "manifest.json" { "" } else { "bytes" };
        check(&|f| fs::write(f.join(&name), &bytes[..bytes.len() / 2]).expect("writable"), &name, problem);
    }
    dataset.verify().expect("all changes were undone");
}

#[test]
fn reading_damaged_files_gives_errors_and_never_a_panic() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let dataset = sample(&root.path().join("set"));
    let path = dataset.folder().join("rows-00000.parquet");
    let bytes = fs::read(&path).expect("the file exists");
    let mut random = Sequence(2);
    for _ in 0..500 {
        let mut damaged = bytes.clone();
        for _ in 0..8 {
            let at = random.below(damaged.len());
            damaged[at] = random.next() as u8;
        }
        fs::write(&path, &damaged).expect("the folder is writable");
        if let Ok(reader) = dataset.read(Part::Rows, &[], &BTreeMap::new()) {
            reader.for_each(drop);
        }
        if let Ok(reader) = read_table(&path) {
            reader.for_each(drop);
        }
    }
}

#[test]
fn a_crash_between_two_steps_of_a_commit_leaves_no_dataset_or_a_whole_one() {
    for done in 0..=CommitStep::ALL.len() {
        let root = tempfile::tempdir().expect("a temporary folder");
        let target = root.path().join("set");
        let mut writer = writer(&target, options(), 7);
        for step in &CommitStep::ALL[..done] {
            writer.perform(*step).expect("the folder is writable");
        }
        std::mem::forget(writer); // As after SIGKILL: nothing is cleaned up.
        if done > 4 {
            Dataset::open(&target).expect("published").verify().expect("whole");
        } else {
            assert!(!target.exists(), "after {done} steps");
            let visible = contents_visible(root.path());
            assert!(visible.is_empty(), "{visible:?}");
            sample(&target).verify().expect("a second attempt succeeds");
        }
    }
}

fn contents_visible(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder exists").map(|e| e.expect("a readable entry").file_name());
    entries.map(|n| n.to_string_lossy().into_owned()).filter(|n| !n.starts_with('.')).collect()
}

#[test]
fn a_dataset_is_never_replaced_and_a_dropped_writer_leaves_nothing() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let target = root.path().join("set");
    let (first, second) = (writer(&target, options(), 7), writer(&target, options(), 5));
    drop(writer(&target, options(), 3));
    let digest = first.commit().expect("the name is free").digest().to_owned();
    assert!(matches!(second.commit(), Err(StoreError::Exists { .. })));
    assert!(matches!(DatasetWriter::create(&target, card()), Err(StoreError::Exists { .. })));
    assert_eq!(Dataset::open(&target).expect("whole").digest(), digest);
    assert_eq!(fs::read_dir(root.path()).expect("the folder exists").count(), 1);
}

#[test]
fn the_same_rows_give_the_same_bytes_however_they_came_in_batches() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let folders = [("a", 7), ("b", 53), ("c", 1)].map(|(parent, step)| {
        let folder = root.path().join(parent).join("set");
        writer(&folder, options(), step).commit().expect("the folder is writable");
        contents(&folder)
    });
    assert_eq!(folders[0], folders[1]);
    assert_eq!(folders[0], folders[2]);
}

#[test]
fn f16_on_request_converts_and_an_overflow_names_site_and_row() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let options = WriteOptions { activations: ActivationType::F16, ..options() };
    let dataset = writer(&root.path().join("set"), options, 7).commit().expect("the values fit");
    let (batch, _) = all(&dataset, Part::Acts, &["blocks.0.resid_post"], &[]);
    let item = Arc::new(Field::new("item", DataType::Float16, false));
    assert_eq!(batch.schema().field(0).data_type(), &DataType::FixedSizeList(item, 16));

    let mut writer = DatasetWriter::create_with(root.path().join("other"), card(), options).expect("a fresh folder");
    let batch = |values: Vec<f32>| {
        let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..values.len() / 2).map(|i| format!("p{i}"))));
        let site = vectors(Arc::new(Float32Array::from(values)), 2, false);
        RecordBatch::try_from_iter([("row_id", ids), ("embed", site)]).expect("one length")
    };
    writer.write_acts(&batch(vec![65504.0, f32::INFINITY, f32::NAN, -65504.0])).expect("these are f16 values");
    let error = writer.write_acts(&batch(vec![0.0, 0.0, 0.0, -65520.0])).expect_err("too large");
    let StoreError::Overflow { site, row, row_id, value } = error else { panic!("{error}") };
    assert_eq!((site.as_str(), row, row_id.as_str(), value), ("embed", 3, "p1", -65520.0));
}

#[test]
fn batches_that_do_not_fit_are_refused_by_column() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let mut writer = writer(&root.path().join("set"), options(), 7);
    let other =
        RecordBatch::try_from_iter([("row_id", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]).expect("one length");
    let error = writer.write_rows(&other).expect_err("another schema");
    assert!(matches!(&error, StoreError::Schema { column, .. } if column == "row_id"), "{error}");
    let bare = RecordBatch::new_empty(Arc::new(Schema::new(vec![Field::new("x", DataType::Int32, false)])));
    let mut fresh = DatasetWriter::create(root.path().join("other"), card()).expect("a fresh folder");
    assert!(matches!(fresh.write_acts(&bare), Err(StoreError::Schema { .. })));
}

#[test]
fn an_empty_part_keeps_its_schema() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let mut writer = DatasetWriter::create(root.path().join("set"), card()).expect("a fresh folder");
    writer.write_acts(&acts(0, 0)).expect("the schema fits");
    let dataset = writer.commit().expect("the folder is writable");
    assert_eq!(all(&dataset, Part::Acts, &[], &[]).0, acts(0, 0));
    assert!(matches!(dataset.read(Part::Rows, &[], &BTreeMap::new()), Err(StoreError::NoPart { .. })));
}

#[test]
fn a_newer_format_is_refused_by_version() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let dataset = sample(&root.path().join("set"));
    let mut newer = dataset.manifest().clone();
    newer.format += 1;
    fs::write(dataset.folder().join("manifest.json"), newer.seal().expect("it serializes")).expect("writable");
    assert!(matches!(Dataset::open(dataset.folder()), Err(StoreError::NewerFormat { found: 2, .. })));
}

#[test]
fn tables_come_back_and_have_the_same_bytes_for_the_same_rows() {
    let root = tempfile::tempdir().expect("a temporary folder");
    let table = rows(1000);
    let files = [1000, 7].map(|step| {
        let path = root.path().join(format!("{step}.parquet"));
        let batches = (0..1000).step_by(step).map(|first| Ok(table.slice(first, step.min(1000 - first))));
        let count = write_table(&path, RecordBatchIterator::new(batches, table.schema())).expect("writable");
        assert_eq!(count, 1000);
        let batches: Vec<RecordBatch> = read_table(&path).expect("a table").map(|b| b.expect("whole")).collect();
        assert_eq!(concat_batches(&table.schema(), &batches).expect("one schema"), table);
        fs::read(path).expect("the file exists")
    });
    assert_eq!(files[0], files[1]);
}
