//! `emhost direction` on a store as `direction.write` leaves it, and on files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch, RecordBatchIterator, StringArray};
use emhost::run::RunFolder;
use emhost::store::{Effort, StageKey, Stages, write_table};
use emhost::vector::{self, DIRECTION, DIRECTIONS, Direction, Named, VectorError};
use emhost_tests::{Grid, built};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with a store in which two studies left directions.
struct Lab {
    folder: TempDir,
    /// Key of the directions `sport`, `medical` and `late`, four wide.
    emergent: String,
    /// Key of the direction `medical`, four wide.
    refusal: String,
}

impl Lab {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let store = folder.path().join("store");
        let emergent = [
            named("sport", "blocks.1.resid_post", [1.0, 0.0, 0.0, 0.0]),
            named("medical", "blocks.1.resid_post", [3.0, 4.0, 0.0, 0.0]),
            named("late", "blocks.10.resid_post", [0.0, 0.0, 0.0, 2.0]),
        ];
        let refusal = [named("medical", "blocks.2.resid_pre", [0.0, -5.0, 0.0, 0.0])];
        Self {
            emergent: write(&store, "convergent_direction", &emergent),
            refusal: write(&store, "refusal", &refusal),
            folder,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file of stored directions.
    fn stored(&self, key: &str) -> PathBuf {
        self.path("store/stages").join(DIRECTION).join(&key[..2]).join(key).join(DIRECTIONS)
    }

    fn direction(&self, args: &[&str]) -> Output {
        let mut command = Command::new(built().emhost());
        command.current_dir(self.folder.path()).env("EMHOST_STORE", self.path("store"));
        command.env("EMHOST_RUNS", self.path("runs")).arg("direction").args(args).output().unwrap()
    }

    /// What it prints when it succeeds.
    #[track_caller]
    fn said(&self, args: &[&str]) -> String {
        let output = self.direction(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Vec<Value> {
        self.said(args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    fn refused(&self, args: &[&str], code: i32, parts: &[&str]) {
        let output = self.direction(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        parts.iter().for_each(|part| assert!(said.contains(part), "`{part}` is not in: {said}"));
        assert!(output.stdout.is_empty(), "nothing is printed");
    }
}

fn named(name: &str, site: &str, values: [f32; 4]) -> Named {
    Named { name: name.to_owned(), direction: Direction::new(values.to_vec(), site).with("n", 40) }
}

/// Stores directions as the operation `direction.write` does; gives the key.
fn write(store: &Path, study: &str, all: &[Named]) -> String {
    let stages = Stages::open(store.join("stages")).unwrap();
    let names: Vec<&str> = all.iter().map(|named| named.name.as_str()).collect();
    let key = StageKey::of(DIRECTION, &json!({ "name": study, "directions": names }));
    let mut all = all.to_vec();
    for Named { direction, .. } in &mut all {
        direction.provenance.insert("study".to_owned(), json!(study));
        direction.provenance.insert("run".to_owned(), json!(format!("{study}-00ff")));
    }
    let compute = |folder: &Path| -> Result<Effort, VectorError> {
        vector::write(folder.join(DIRECTIONS), &all)?;
        Ok(Effort::default())
    };
    stages.build(&key, compute).unwrap();
    key.as_str().to_owned()
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn stored_directions_are_listed_by_file_and_one_by_one() {
    let lab = Lab::new();
    let text = lab.said(&["list"]);
    let line = text.lines().find(|line| line.contains("convergent_direction")).expect("the study is listed");
    let expected =
        [&lab.emergent[..8], "convergent_direction", "3", "blocks.1.resid_post", "..", "blocks.10.resid_post"];
    assert_eq!(&words(line)[..6], expected, "{text}");
    assert_eq!(text.lines().count(), 3, "a header and two files: {text}");
    assert_eq!(lab.said(&["list", "--all"]).lines().count(), 5);
    let found = lab.json(&["list", "--json", "--name", "medical", "--site", "blocks.?.resid_p*", "--study", "conv*"]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["key"], &found[0]["norm"]), (&json!(lab.emergent), &json!(5.0)));
    assert_eq!((&found[0]["run"], &found[0]["width"]), (&json!("convergent_direction-00ff"), &json!(4)));
    let none = lab.direction(&["list", "--study", "nobody"]);
    assert_eq!((none.status.code(), none.stdout.len()), (Some(0), 0));
    assert!(String::from_utf8_lossy(&none.stderr).contains("--study nobody"));
}

#[test]
fn a_stored_direction_is_shown_by_its_key() {
    let lab = Lab::new();
    let text = lab.said(&["show", &lab.emergent[..8]]);
    assert!(text.starts_with(&format!("{}\n", lab.emergent)), "{text}");
    for part in ["origin of all", "  study = convergent_direction", "  n = 40", "blocks.10.resid_post"] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    let one = lab.json(&["show", "--json", &format!("{}#medical", lab.emergent)]);
    assert_eq!((one.len(), &one[0]["name"], &one[0]["provenance"]["n"]), (1, &json!("medical"), &json!(40)));
    let file = lab.stored(&lab.refusal);
    let of_file = lab.json(&["show", "--json", &file.display().to_string()]);
    assert_eq!((of_file.len(), &of_file[0]["key"], &of_file[0]["study"]), (1, &Value::Null, &json!("refusal")));
}

#[test]
fn cosines_are_those_that_were_planted() {
    let lab = Lab::new();
    let (emergent, refusal) = (&lab.emergent[..8], &lab.refusal[..8]);
    let found = lab.json(&["compare", emergent, refusal, "--json"]);
    assert_eq!(found.len(), 1, "one site has more than one direction: {found:?}");
    assert_eq!((&found[0]["site"], &found[0]["random_sd"]), (&json!("blocks.1.resid_post"), &json!(0.5)));
    let labels: Vec<&str> =
        found[0]["directions"].as_array().unwrap().iter().map(|d| d["label"].as_str().unwrap()).collect();
    assert_eq!(labels, ["sport", &format!("{emergent}#medical"), &format!("{refusal}#medical")]);
    let expected = [[1.0, 0.6, 0.0], [0.6, 1.0, -0.8], [0.0, -0.8, 1.0]];
    for (row, expected) in found[0]["cosines"].as_array().unwrap().iter().zip(expected) {
        // Rounding of two norms and a quotient in f64.
        let close = |(got, want): (&Value, f64)| (got.as_f64().unwrap() - want).abs() < 1e-15;
        assert!(row.as_array().unwrap().iter().zip(expected).all(close), "{row} is not {expected:?}");
    }
    let csv = lab.path("pairs.csv");
    let text = lab.said(&["compare", "--all", "--across-sites", "--csv", &csv.display().to_string()]);
    assert!(text.contains("all sites, 4 directions of width 4") && text.contains("-0.8000"), "{text}");
    assert_eq!(fs::read_to_string(&csv).unwrap().lines().count(), 1 + 6, "each pair once");
    let text = lab.said(&["compare", "--all", "--name", "medical"]);
    assert!(text.starts_with("site blocks.1.resid_post, 2 directions"), "{text}");
}

#[test]
fn stored_directions_become_files_and_come_back() {
    let lab = Lab::new();
    let gguf = lab.path("late.gguf").display().to_string();
    lab.said(&["export", &format!("{}#late", &lab.emergent[..8]), "--out", &gguf]);
    lab.refused(&["export", &lab.refusal, "--out", &gguf], 2, &["--force"]);
    let native = lab.path("both.safetensors").display().to_string();
    lab.said(&["export", &gguf, &lab.emergent, &lab.refusal, "--out", &native]);
    let both = vector::read_all(&native).unwrap();
    let names: Vec<&str> = both.iter().map(|named| named.name.as_str()).collect();
    let (emergent, refusal) = (&lab.emergent[..8], &lab.refusal[..8]);
    let of = |file: &str, name: &str| format!("{file}/{name}");
    let expected =
        [of("late", "late"), "sport".to_owned(), of(emergent, "medical"), of(emergent, "late"), of(refusal, "medical")];
    assert_eq!(names, expected);
    assert_eq!(both[0].direction, both[3].direction, "through GGUF with every bit, its site and its origin");
    assert_eq!(both[0].direction.said("study"), Some("convergent_direction"));
    let text = lab.said(&["show", &format!("{native}#sport")]);
    assert!(text.contains("blocks.1.resid_post") && text.contains("study = convergent_direction"), "{text}");
}

#[test]
fn what_is_wrong_has_its_exit_status() {
    let lab = Lab::new();
    let hint = "emhost direction list";
    lab.refused(&["show", "none.pt"], 2, &["none.pt", "no file", hint]);
    lab.refused(&["show", "abc"], 2, &["8 to 64", hint]);
    let other = if lab.emergent.starts_with("00") || lab.refusal.starts_with("00") { "11111111" } else { "00000000" };
    lab.refused(&["compare", other, &lab.refusal], 2, &[other, hint]);
    lab.refused(&["show", &format!("{}#none", lab.emergent)], 2, &["`none`", "sport, medical, late"]);
    lab.refused(&["compare", &format!("{}#late", lab.emergent), &lab.refusal], 2, &["--across-sites"]);
    let wide = lab.path("wide.safetensors").display().to_string();
    let three = Direction::new(vec![1.0, 2.0, 3.0], "blocks.1.resid_post");
    let zero = Direction::new(vec![0.0; 4], "embed");
    let all = [("three", three), ("zero", zero)].map(|(name, direction)| Named { name: name.to_owned(), direction });
    vector::write(&wide, &all).unwrap();
    let (three, zero) = (format!("{wide}#three"), format!("{wide}#zero"));
    lab.refused(&["compare", &three, &lab.refusal], 2, &["`three`", "`medical`", "3 numbers, the other 4"]);
    lab.refused(&["compare", &zero, &lab.refusal], 2, &["`zero`"]);
    lab.refused(&["compare"], 2, &["REF"]);
    lab.refused(&["transfer"], 2, &["transfer"]);

    let stored = lab.stored(&lab.emergent);
    let mut bytes = fs::read(&stored).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&stored, bytes).unwrap();
    lab.refused(&["show", &lab.emergent], 5, &[DIRECTIONS, "store verify"]);
    assert_eq!(lab.said(&["list"]).lines().count(), 2, "the other file is whole");
    fs::remove_dir_all(lab.path("store")).unwrap();
    lab.refused(&["list"], 5, &["no store yet"]);
    assert!(!lab.path("store").exists(), "looking makes no store");
}

#[test]
fn a_runs_transfer_table_is_a_matrix() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path()).set("n=4");
    grid.run(&[], 0);
    let run = grid.runs().remove(0);
    let run = RunFolder::at(run.parent().unwrap(), &run.file_name().unwrap().to_string_lossy());
    let text = |values: [&str; 2]| -> ArrayRef { Arc::new(StringArray::from(values.to_vec())) };
    let numbers = |values: [f64; 2]| -> ArrayRef { Arc::new(Float64Array::from(values.to_vec())) };
    let columns = [
        ("direction", text(["medical", "random"])),
        ("organism", text(["sport", "sport"])),
        ("reduction", numbers([0.5, 0.0])),
        ("low", numbers([0.4, -0.1])),
        ("high", numbers([0.6, 0.1])),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let rows = RecordBatchIterator::new([Ok(batch.clone())], batch.schema());
    let transfer = || grid.emhost().args(["direction", "transfer"]).output().unwrap();
    assert_eq!(transfer().status.code(), Some(2), "the run has no such table yet");
    write_table(&run.table(None, "transfer"), rows).unwrap();
    let mut done = run.done(None).unwrap().unwrap();
    done.tables.insert("transfer".to_owned(), 2);
    run.finish(None, &done).unwrap();
    let output = transfer();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Vec<&str>> = text.lines().map(words).collect();
    assert_eq!(lines[3], ["medical", "0.500", "[0.400,", "0.600]"], "{text}");
}
