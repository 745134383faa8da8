//! Writing and reading activations beside plain file input and output of the same bytes.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Float32Type};
use divan::Bencher;
use divan::counter::BytesCount;
use emhost::store::{ActivationType, Card, Dataset, DatasetWriter, Part, WriteOptions};

fn main() {
    divan::main();
}

const WIDTH: usize = 2048;
const SITES: usize = 8;
const ROWS_PER_BATCH: usize = 256;
const BATCHES: usize = 16;
/// 256 MiB of f32.
const BYTES: usize = WIDTH * SITES * ROWS_PER_BATCH * BATCHES * 4;

fn site(number: usize) -> String {
    format!("blocks.{number}.resid_post")
}

/// Values that do not compress, different in each column.
fn batch() -> RecordBatch {
    let item = Arc::new(Field::new("item", DataType::Float32, false));
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS_PER_BATCH).map(|i| format!("q{i}"))));
    let mut columns = vec![("row_id".to_owned(), ids)];
    for number in 0..SITES {
        let mut state = number as u32 + 1;
        let values = Float32Array::from_iter_values((0..WIDTH * ROWS_PER_BATCH).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 20) as f32 - 8.0
        }));
        let list = FixedSizeListArray::new(item.clone(), WIDTH as i32, Arc::new(values), None);
        columns.push((site(number), Arc::new(list)));
    }
    RecordBatch::try_from_iter(columns).expect("columns of one length")
}

/// On the disk that holds the build, not on a memory file system.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a writable folder")
}

fn write_dataset(folder: PathBuf, batch: &RecordBatch, activations: ActivationType) -> Dataset {
    let options = WriteOptions { activations, ..WriteOptions::default() };
    let mut writer = DatasetWriter::create_with(folder, Card::default(), options).expect("a fresh folder");
    for _ in 0..BATCHES {
        writer.write_acts(batch).expect("the schema fits");
    }
    writer.commit().expect("the folder is writable")
}

#[divan::bench(sample_count = 10, args = [ActivationType::AsGiven, ActivationType::F16])]
fn write_and_commit(bencher: Bencher, activations: ActivationType) {
    let batch = batch();
    bencher.counter(BytesCount::new(BYTES)).with_inputs(scratch).bench_local_values(|root| {
        write_dataset(root.path().join("set"), &batch, activations);
        root
    });
}

#[divan::bench(sample_count = 10)]
fn write_plain_file_and_fsync(bencher: Bencher) {
    let batch = batch();
    let columns: Vec<&[u8]> = (1..=SITES).map(|i| bytes(batch.column(i))).collect();
    bencher.counter(BytesCount::new(BYTES)).with_inputs(scratch).bench_local_values(|root| {
        let mut file = File::create(root.path().join("plain")).expect("a fresh folder");
        for _ in 0..BATCHES {
            columns.iter().for_each(|c| file.write_all(c).expect("the folder is writable"));
        }
        file.sync_all().expect("the folder is writable");
        root
    });
}

#[divan::bench(sample_count = 10)]
fn read_all_sites(bencher: Bencher) {
    let root = scratch();
    let dataset = write_dataset(root.path().join("set"), &batch(), ActivationType::AsGiven);
    let columns: Vec<String> = (0..SITES).map(site).collect();
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| read(&dataset, &columns));
}

#[divan::bench(sample_count = 10)]
fn read_one_site_of_eight(bencher: Bencher) {
    let root = scratch();
    let dataset = write_dataset(root.path().join("set"), &batch(), ActivationType::AsGiven);
    bencher.counter(BytesCount::new(BYTES / SITES)).bench_local(|| read(&dataset, &[site(3)]));
}

#[divan::bench(sample_count = 10)]
fn read_plain_file(bencher: Bencher) {
    let root = scratch();
    let path = root.path().join("plain");
    fs::write(&path, vec![1; BYTES]).expect("the folder is writable");
    let mut buffer = vec![0; 4 << 20];
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| {
        let mut file = File::open(&path).expect("the file exists");
        let mut total = 0;
        loop {
            match file.read(&mut buffer).expect("the file is readable") {
                0 => return total,
                n => total += n,
            }
        }
    });
}

#[divan::bench(sample_count = 10)]
fn verify(bencher: Bencher) {
    let root = scratch();
    let dataset = write_dataset(root.path().join("set"), &batch(), ActivationType::AsGiven);
    bencher.counter(BytesCount::new(BYTES)).bench_local(|| dataset.verify().expect("nothing is damaged"));
}

fn read(dataset: &Dataset, columns: &[String]) -> usize {
    let reader = dataset.read(Part::Acts, columns, &BTreeMap::new()).expect("the columns exist");
    reader.map(|batch| batch.expect("the data are whole").num_rows()).sum()
}

fn bytes(column: &ArrayRef) -> &[u8] {
    let list = column.as_fixed_size_list();
    list.values().as_primitive::<Float32Type>().values().inner().as_slice()
}
