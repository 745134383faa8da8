//! The study of persona coupling as a user runs it, with all of its cells and little in each.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use emhost_tests::built;
use tempfile::TempDir;

/// Little of everything; no gate, as nothing is learned in three steps.
const SMALL: [&str; 22] = [
    "gates=[]",
    "sources=['villain']",
    "coupling.seeds=[42]",
    "coupling.question_count=3",
    "coupling.samples=1",
    "coupling.recipe.steps=3",
    "coupling.recipe.batch_rows=4",
    "second.seeds=[42]",
    "second.recipe.steps=3",
    "second.recipe.batch_rows=4",
    "controls.full.steps=3",
    "controls.full.batch_rows=4",
    "controls.ranks=[1]",
    "controls.samples=1",
    "evaluation.limit=3",
    "evaluation.samples=2",
    "evaluation.own_samples=1",
    "evaluation.max_new_tokens=40",
    "reversed.samples=1",
    "ask.limit=4",
    "ask.samples=1",
    "ask.max_new_tokens=8",
];

fn command(folder: &Path, workers: &str) -> Command {
    let mut command = Command::new(built().emhost());
    command.current_dir(folder).args(["run", "--workers", workers, "--plugin"]);
    command.arg(built().plugin("persona_coupling"));
    command.args(SMALL.iter().flat_map(|set| ["--set", set]));
    command
}

fn only_run(folder: &Path) -> PathBuf {
    let mut runs = fs::read_dir(folder.join("runs")).unwrap();
    runs.next().unwrap().unwrap().path()
}

/// Digests of the run's final tables.
fn tables(folder: &Path) -> BTreeMap<String, String> {
    let digest = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), blake3::hash(&bytes).to_hex().to_string())
    };
    fs::read_dir(only_run(folder).join("tables")).unwrap().map(|entry| digest(entry.unwrap().path())).collect()
}

fn finish(folder: &Path, workers: &str) {
    let output = command(folder, workers).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_cell_runs_and_kills_and_workers_change_no_table() {
    let (whole, killed) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let begun = Instant::now();
    finish(whole.path(), "1");
    let seconds = begun.elapsed().as_secs_f64();
    let found = tables(whole.path());
    let expected = [
        "answers",
        "behaviour",
        "changes",
        "claims",
        "divergence",
        "equivalence",
        "layers",
        "leakage",
        "lens",
        "markers",
        "norms",
        "outcomes",
        "questions",
        "work",
    ];
    for table in expected {
        assert!(found.contains_key(&format!("{table}.parquet")), "{table}: {:?}", found.keys());
    }
    // The model as it is, C1 to C5, controls, the reversed order, two looks inside.
    let cells = fs::read_dir(only_run(whole.path()).join("cells")).unwrap().count();
    assert_eq!(cells, 1 + 5 + 15 + 12 + 2);
    for (workers, share) in [("3", 0.2), ("2", 0.4)] {
        let mut child = command(killed.path(), workers).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_secs_f64(share * seconds));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    finish(killed.path(), "2");
    assert_eq!(tables(whole.path()), found);
    assert_eq!(tables(killed.path()), found);
}
