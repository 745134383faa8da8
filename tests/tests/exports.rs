//! Runs for other tools: their own readers must find exactly what the run holds.

use std::path::{Path, PathBuf};

use emhost_tests::{Grid, built, peer};
use tempfile::TempDir;

/// A finished run, and its export as CSV.
fn exported(folder: &Path) -> (Grid, PathBuf) {
    let grid = Grid::new(folder).set("n=40");
    grid.run(&[], 0);
    let csv = export(&grid, "csv", &[]);
    (grid, csv)
}

fn export(grid: &Grid, to: &str, more: &[&str]) -> PathBuf {
    let out = grid.folder().join(to);
    let output = grid.emhost().args(["runs", "export", "latest", "--to", to, "--out"]).arg(&out).args(more).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    out
}

#[test]
fn csv_has_every_table_and_replaces_only_what_an_export_made() {
    let folder = TempDir::new().unwrap();
    let (grid, csv) = exported(folder.path());
    for name in ["answers.csv", "lengths.csv", "headline.csv", "params.csv", "condition=c1,seed=1/steps.csv"] {
        assert!(csv.join(name).is_file(), "{name}");
    }
    let again = |out: &Path, more: &[&str]| {
        let mut command = grid.emhost();
        command.args(["runs", "export", "latest", "--to", "csv", "--out"]).arg(out).args(more);
        command.output().unwrap().status.code()
    };
    assert_eq!(again(&csv, &[]), Some(2));
    assert_eq!(again(&csv, &["--replace"]), Some(0));
    let mine = folder.path().join("mine");
    std::fs::create_dir(&mine).unwrap();
    assert_eq!(again(&mine, &["--replace"]), Some(2));
}

#[test]
fn inspect_reads_the_log_of_a_run() {
    let folder = TempDir::new().unwrap();
    let (grid, csv) = exported(folder.path());
    let logs = export(&grid, "inspect", &[]);
    let log = std::fs::read_dir(&logs).unwrap().flatten().map(|entry| entry.path());
    let log = log.into_iter().find(|path| path.extension().is_some_and(|e| e == "json")).expect("a log");
    if let Some(said) = peer("export_inspect.py", &["inspect_ai"], &[log, csv.join("answers.csv")]) {
        println!("{said}");
    }
}

#[test]
fn tensorboard_reads_the_curves_of_a_run() {
    let folder = TempDir::new().unwrap();
    let (grid, csv) = exported(folder.path());
    let events = export(&grid, "tensorboard", &[]);
    if let Some(said) = peer("export_tensorboard.py", &["tensorboard", "numpy"], &[events, csv]) {
        println!("{said}");
    }
}

#[test]
fn mlflow_holds_a_run_once_whoever_is_killed_meanwhile() {
    let folder = TempDir::new().unwrap();
    let (grid, csv) = exported(folder.path());
    let spool = folder.path().join("spool");
    let runs = format!("runs={}", folder.path().join("runs").display());
    let emhost = built().emhost();
    let command = ["--config".into(), runs.into(), "runs".into(), "export".into(), "latest".into()];
    let target = ["--to".into(), "mlflow".into(), "--out".into(), spool];
    let arguments: Vec<PathBuf> = [csv, emhost].into_iter().chain(command).chain(target).collect();
    if let Some(said) = peer("export_mlflow.py", &["mlflow"], &arguments) {
        println!("{said}");
    }
    // Without a server nothing is lost.
    let mut command = grid.emhost();
    command.args(["runs", "export", "latest", "--to", "mlflow"]).env_remove("MLFLOW_TRACKING_URI");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
