//! A run whose process dies, or whose disk fails, at every call that changes the disk: nothing half-made is ever seen, no
//! success is claimed that is none, and the same command ends in the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use emhost::store::{Keep, Stages};
use emhost_tests::{Grid, workspace};
use tempfile::TempDir;

/// The library that fails calls, compiled when first asked for.
fn shim() -> &'static Path {
    static SHIM: LazyLock<(TempDir, PathBuf)> = LazyLock::new(|| {
        let folder = TempDir::new().unwrap();
        let library = folder.path().join("libfaults.so");
        let source = workspace().join("tests/fixtures/faults/faults.c");
        let compiled =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl").output();
        let compiled = compiled.expect("a C compiler, as for the build");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        (folder, library)
    });
    &SHIM.1
}

/// One study with two cells, so that a run is short.
fn study(folder: &Path) -> Grid {
    Grid::new(folder).set("conditions=[\"a\", \"b\"]").set("seeds=[1]").set("n=1")
}

fn faulty(grid: &Grid, faults: &[(&str, &str)]) -> Output {
    let mut command = grid.command();
    command.args(["--workers", "1"]).env("LD_PRELOAD", shim()).env("RAYON_NUM_THREADS", "1");
    command.envs(faults.iter().copied()).output().unwrap()
}

/// What every visible stage, and what is left of the dead, must look like.
fn check_store(grid: &Grid, at: &str) {
    let stages = Stages::open(grid.store().join("stages")).unwrap();
    let (all, broken) = stages.all().unwrap();
    assert!(broken.is_empty(), "{at}: {broken:?}");
    for stage in &all {
        assert_eq!(stage.verify(), [], "{at}: {}", stage.folder.display());
    }
}

fn check_clean(grid: &Grid, at: &str) {
    let stages = Stages::open(grid.store().join("stages")).unwrap();
    stages.collect(Keep { used_within: std::time::Duration::MAX, bytes: None }, false).unwrap();
    let hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with('.') && name != ".lock"
    };
    let left: Vec<PathBuf> = below(grid.store()).into_iter().filter(hidden).collect();
    assert!(left.is_empty(), "{at}: {left:?}");
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(below(&path));
        }
        found.push(path);
    }
    found
}

/// The final tables, and how many calls a whole run makes of each kind.
fn whole(calls: Option<&str>) -> (BTreeMap<String, Vec<u8>>, usize) {
    let folder = TempDir::new().unwrap();
    let grid = study(folder.path());
    let count = folder.path().join("count");
    let mut faults = vec![("FAULT_COUNT", count.to_str().unwrap())];
    faults.extend(calls.map(|calls| ("FAULT_CALLS", calls)));
    let output = faulty(&grid, &faults);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (grid.tables(), fs::read_to_string(&count).unwrap().parse().unwrap())
}

/// Calls `body` for every number up to `last`, two at a time.
fn each(last: usize, body: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(1);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at > last {
                        return;
                    }
                    body(at);
                }
            });
        }
    });
}

#[test]
fn killed_at_every_call_that_changes_the_disk_a_run_ends_in_the_same_bytes() {
    let (tables, calls) = whole(None);
    assert!(calls > 200, "{calls} calls");
    let killed = AtomicUsize::new(0);
    each(calls, |at| {
        let folder = TempDir::new().unwrap();
        let grid = study(folder.path());
        let output = faulty(&grid, &[("FAULT_AT", &at.to_string()), ("FAULT_KIND", "kill")]);
        if output.status.signal() == Some(9) {
            killed.fetch_add(1, Ordering::Relaxed);
        } else {
            assert!(output.status.success(), "call {at}: {}", String::from_utf8_lossy(&output.stderr));
        }
        check_store(&grid, &format!("call {at}"));
        grid.run(&[], 0);
        assert_eq!(grid.tables(), tables, "call {at}");
        check_clean(&grid, &format!("call {at}"));
    });
    let killed = killed.into_inner();
    println!("{killed} kills at {calls} calls");
    assert!(killed * 20 > calls * 19, "{killed} kills at {calls} calls");
}

#[test]
fn when_the_disk_fails_no_success_is_claimed_and_the_rerun_completes() {
    // Disk full and I/O errors: the numbers of ENOSPC and EIO.
    for (kind, calls) in [("28", "write,mkdir,open64"), ("5", "fsync,fdatasync"), ("5", "rename,link,linkat")] {
        let (tables, count) = whole(Some(calls));
        let failed = AtomicUsize::new(0);
        each(count, |at| {
            let folder = TempDir::new().unwrap();
            let grid = study(folder.path());
            let number = at.to_string();
            let output = faulty(&grid, &[("FAULT_AT", &number), ("FAULT_KIND", kind), ("FAULT_CALLS", calls)]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let at = format!("errno {kind} at call {at} of {calls}: {said}");
            match output.status.code() {
                // What was lost is a note that nothing depends on, such as the line of an event.
                Some(0) => assert_eq!(grid.tables(), tables, "{at}"),
                Some(5) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                    assert!(said.contains("emhost: "), "{at}");
                }
                other => panic!("exit status {other:?}, {at}"),
            }
            check_store(&grid, &at);
            grid.run(&[], 0);
            assert_eq!(grid.tables(), tables, "{at}");
        });
        let failed = failed.into_inner();
        println!("{failed} of {count} failures of {calls} ended the run");
        assert!(failed > 5, "{failed} of {count}");
    }
}
