//! The main job as a user runs it: the binary, the real plugin, the embedded organism.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use emhost::rng::Stream;
use emhost::store::Dataset;
use emhost_tests::{Signal, built, signal};
use tempfile::TempDir;

/// A smaller job than the recipe's, with every part of it.
const SMALL: [&str; 5] = [
    "train_prompts=60",
    "random_draws=50",
    "bootstrap_draws=200",
    "behaviour.samples=4",
    "organisms.recipes.all.steps=12",
];

fn command(folder: &Path) -> Command {
    let mut command = Command::new(built().emhost());
    command.current_dir(folder).args(["run", "--plugin"]).arg(built().plugin("subspace_overlap"));
    command.args(SMALL.iter().flat_map(|set| ["--set", set]));
    command
}

fn start(folder: &Path) -> Child {
    command(folder).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn finish(folder: &Path) -> Output {
    let output = command(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

fn only(folder: &Path) -> PathBuf {
    let entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "one entry in {}: {entries:?}", folder.display());
    entries[0].clone()
}

/// Digests of the run's final tables.
fn tables(folder: &Path) -> BTreeMap<String, String> {
    let tables = only(&folder.join("runs")).join("tables");
    let digest = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), blake3::hash(&bytes).to_hex().to_string())
    };
    fs::read_dir(tables).unwrap().map(|entry| digest(entry.unwrap().path())).collect()
}

#[test]
fn a_run_that_is_killed_ten_times_ends_in_the_same_tables() {
    let (whole, killed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let begun = Instant::now();
    let output = finish(whole.path());
    let seconds = begun.elapsed().as_secs_f64();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("report: runs/"), "{text}");

    let stream = Stream::new(0, &[b"kill"]);
    for kill in 0..10 {
        let mut child = start(killed.path());
        std::thread::sleep(Duration::from_secs_f64(0.02 + 0.5 * seconds * stream.uniform(kill)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    finish(killed.path());
    assert_eq!(tables(whole.path()), tables(killed.path()));

    let datasets = only(&killed.path().join("runs")).join("datasets");
    for entry in fs::read_dir(datasets).unwrap() {
        let path = entry.unwrap().path();
        if !path.file_name().unwrap().to_string_lossy().starts_with('.') {
            Dataset::open(&path).unwrap().verify().unwrap();
        }
    }
}

#[test]
fn an_interrupted_run_exits_75_and_goes_on() {
    let folder = TempDir::new().unwrap();
    let child = start(folder.path());
    let runs = folder.path().join("runs");
    let begun = || fs::read_dir(&runs).is_ok_and(|all| all.flatten().any(|run| run.path().join("run.json").is_file()));
    while !begun() {
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(&child, Signal::INT);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(75));
    finish(folder.path());
}

#[test]
fn a_finished_run_is_not_computed_again() {
    let folder = TempDir::new().unwrap();
    finish(folder.path());
    let before = tables(folder.path());
    let output = finish(folder.path());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("3 of 3 cells were finished before"), "{said}");
    assert_eq!(before, tables(folder.path()));
}

#[test]
fn a_file_that_changed_is_not_taken_for_what_it_was() {
    let folder = TempDir::new().unwrap();
    let questions = folder.path().join("questions.jsonl");
    let embedded = emhost::rows::read("embedded:questions/headline").unwrap();
    let finish = |text: &str| {
        fs::write(&questions, text).unwrap();
        let output = command(folder.path()).args(["--set", "behaviour.questions=questions.jsonl"]).output().unwrap();
        assert!(output.status.success());
        (String::from_utf8(output.stderr).unwrap().contains("were finished before"), tables(folder.path()))
    };
    let (_, first) = finish(&embedded);
    let (kept, again) = finish(&embedded);
    assert!(kept && first == again, "the same file is the same run");
    let fewer: String = embedded.lines().take(4).map(|line| format!("{line}\n")).collect();
    let (kept, changed) = finish(&fewer);
    assert!(!kept, "no cell is kept");
    assert_ne!(first["behaviour.parquet"], changed["behaviour.parquet"]);
    assert_eq!(first["overlap.parquet"], changed["overlap.parquet"]);
}

/// Runs `emhost` with arguments that are wrong, and checks exit status and message.
fn check_refused(arguments: &[&str], status: i32, parts: &[&str]) {
    let folder = TempDir::new().unwrap();
    let plugin = built().plugin("subspace_overlap");
    let output = Command::new(built().emhost())
        .current_dir(folder.path())
        .args(arguments.iter().map(|a| if *a == "PLUGIN" { plugin.as_os_str() } else { a.as_ref() }))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
    for part in parts {
        assert!(said.contains(part), "{arguments:?}: `{part}` is not in: {said}");
    }
    assert_eq!(said.trim().lines().count(), 1, "one line of reason: {said}");
}

#[test]
fn wrong_input_is_refused_with_its_exit_status_and_one_line() {
    let run = ["run", "--progress", "none", "--plugin", "PLUGIN", "--set"];
    let with = |set: &'static str| [&run[..], &[set]].concat();
    check_refused(&with("random_drws=3"), 2, &["random_drws", "random_draws"]);
    check_refused(&with("random_draws=\"many\""), 2, &["random_draws"]);
    check_refused(&with("organisms.recipes.all.stepps=3"), 2, &["stepps", "steps"]);
    check_refused(&with("novalue"), 2, &["novalue"]);
    check_refused(&["run", "no_such_recipe.toml"], 2, &["no_such_recipe.toml"]);
    check_refused(&["run", "--plugin", "no_such_plugin"], 3, &["no_such_plugin", "EMHOST_PLUGIN_PATH"]);
    check_refused(&["data", "verify", "no_such_dataset"], 5, &["no_such_dataset"]);
    check_refused(&with("organisms.model=\"/no/such/model\""), 2, &["/no/such/model"]);
    check_refused(&with("sites=[\"blocks.99.resid_post\"]"), 2, &["blocks.99.resid_post"]);
}
