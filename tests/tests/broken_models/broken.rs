//! A copy of a small checkpoint to be broken, and the command that is run on it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// A checkpoint, an adapter and rows that work until something is changed.
pub struct Broken {
    folder: TempDir,
    /// What `--model` gets.
    pub model: String,
    /// What `--adapter` gets.
    pub adapter: Option<PathBuf>,
    /// What `--rows` gets.
    pub rows: PathBuf,
    /// What `--sites` gets.
    pub sites: &'static str,
}

impl Broken {
    /// A sound one.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/qwen2_tied");
        for (from, to) in [(golden.clone(), "model"), (golden.join("adapter"), "adapter")] {
            fs::create_dir(folder.path().join(to)).unwrap();
            for file in fs::read_dir(from).unwrap().map(Result::unwrap).filter(|file| file.path().is_file()) {
                fs::copy(file.path(), folder.path().join(to).join(file.file_name())).unwrap();
            }
        }
        let rows = folder.path().join("rows.jsonl");
        fs::write(&rows, "{\"row_id\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"Why?\"}]}\n").unwrap();
        let model = folder.path().join("model").display().to_string();
        Self { folder, model, adapter: None, rows, sites: "blocks.*.resid_post" }
    }

    /// Runs the command; this is the only place that knows it.
    pub fn run(&self) -> Output {
        let mut command = Command::new(emhost_tests::built().emhost());
        command.current_dir(self.folder.path()).env("HF_HUB_CACHE", self.path("hub"));
        command.args(["capture", "--model", &self.model, "--sites", self.sites, "--out", "dataset", "--rows"]);
        command.arg(&self.rows);
        if let Some(adapter) = &self.adapter {
            command.arg("--adapter").arg(adapter);
        }
        command.output().unwrap()
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// Changes a file's bytes.
    pub fn bytes(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.path(name)).unwrap();
        change(&mut bytes);
        self.write(name, bytes);
    }

    /// Sets one option of a JSON file.
    pub fn set(&self, name: &str, option: &str, value: Value) {
        let mut file: Value = serde_json::from_slice(&fs::read(self.path(name)).unwrap()).unwrap();
        file[option] = value;
        self.write(name, file.to_string());
    }

    /// Sets one option of the model's `config.json`.
    pub fn config(&self, option: &str, value: Value) {
        self.set("model/config.json", option, value);
    }

    /// Changes the header and the data of a safetensors file.
    pub fn weights(&self, name: &str, change: impl FnOnce(&mut Map<String, Value>, &mut Vec<u8>)) {
        let bytes = fs::read(self.path(name)).unwrap();
        let (mut header, mut data) = parts(&bytes);
        change(&mut header, &mut data);
        self.write(name, joined(&Value::Object(header).to_string(), &data));
    }

    /// Changes the entry of one tensor of `model.safetensors`.
    pub fn entry(&self, tensor: &str, change: impl FnOnce(&mut Value)) {
        self.weights("model/model.safetensors", |header, _| change(&mut header[tensor]));
    }

    /// Changes the header's text.
    pub fn header(&self, change: impl FnOnce(String) -> String) {
        let bytes = fs::read(self.path("model/model.safetensors")).unwrap();
        let (header, data) = parts(&bytes);
        self.write("model/model.safetensors", joined(&change(Value::Object(header).to_string()), &data));
    }

    /// Sets the first number of a tensor.
    pub fn number(&self, name: &str, tensor: &str, value: f32) {
        self.weights(name, |header, data| {
            let start = header[tensor]["data_offsets"][0].as_u64().unwrap() as usize;
            data[start..start + 4].copy_from_slice(&value.to_le_bytes());
        });
    }

    /// Splits the weights into `one.safetensors` with the final norm and `two.safetensors`, with an index.
    pub fn shards(&self, change: impl FnOnce(&mut Map<String, Value>)) {
        const ALONE: &str = "model.norm.weight";
        let bytes = fs::read(self.path("model/model.safetensors")).unwrap();
        let (header, data) = parts(&bytes);
        let mut index = Map::new();
        for (file, is_in) in [("one.safetensors", true), ("two.safetensors", false)] {
            let (mut kept, mut part) = (Map::new(), Vec::new());
            for (name, entry) in header.iter().filter(|(name, _)| (name.as_str() == ALONE) == is_in) {
                let Some(offsets) = entry["data_offsets"].as_array() else { continue };
                let [from, to] = [0, 1].map(|at| offsets[at].as_u64().unwrap() as usize);
                let mut entry = entry.clone();
                entry["data_offsets"] = json!([part.len(), part.len() + to - from]);
                part.extend_from_slice(&data[from..to]);
                kept.insert(name.clone(), entry);
                index.insert(name.clone(), json!(file));
            }
            self.write(&format!("model/{file}"), joined(&Value::Object(kept).to_string(), &part));
        }
        self.remove("model/model.safetensors");
        change(&mut index);
        self.write("model/model.safetensors.index.json", json!({"weight_map": index}).to_string());
    }

    /// Attaches the adapter.
    pub fn adapt(&mut self) {
        self.adapter = Some(self.path("adapter"));
    }

    /// Puts the model into the hub cache as `org/tiny`, with `main` at the commit `abc123`.
    pub fn cached(&mut self) {
        let repository = self.path("hub/models--org--tiny");
        fs::create_dir_all(repository.join("snapshots")).unwrap();
        fs::create_dir_all(repository.join("refs")).unwrap();
        fs::rename(self.path("model"), repository.join("snapshots/abc123")).unwrap();
        fs::write(repository.join("refs/main"), "abc123").unwrap();
        self.model = "org/tiny".to_owned();
    }

    /// Makes a file of the cached snapshot a link to a blob that is not there.
    pub fn incomplete(&mut self, name: &str) {
        self.cached();
        let file = self.path("hub/models--org--tiny/snapshots/abc123").join(name);
        fs::remove_file(&file).unwrap();
        symlink("../../blobs/gone", file).unwrap();
    }
}

/// Header and data of a safetensors file.
fn parts(bytes: &[u8]) -> (Map<String, Value>, Vec<u8>) {
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (serde_json::from_slice(&bytes[8..start]).unwrap(), bytes[start..].to_vec())
}

fn joined(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}
