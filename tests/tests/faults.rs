//! A run whose process dies, or whose disk fails, at every call that changes the disk: nothing half-made is ever seen, no
//! success is claimed that is none, and the same command ends in the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use emhost::store::Stages;
use emhost_tests::{Grid, below, skipped, workspace};
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

/// A study that is short.
fn study(folder: &Path, seeds: &str) -> Grid {
    Grid::new(folder).set("conditions=[\"a\", \"b\"]").set(&format!("seeds=[{seeds}]")).set("n=1")
}

fn faulty(grid: &Grid, workers: &str, faults: &[(&str, &str)]) -> Output {
    let mut command = grid.command();
    command.args(["--workers", workers]).env("LD_PRELOAD", shim()).env("RAYON_NUM_THREADS", "1");
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
    let output = grid.emhost().args(["store", "gc", "--unused-for", "1d"]).output().unwrap();
    assert!(output.status.success(), "{at}: {}", String::from_utf8_lossy(&output.stderr));
    let hidden = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with('.') && name != ".lock"
    };
    let left: Vec<PathBuf> = below(grid.store()).into_iter().filter(hidden).collect();
    assert!(left.is_empty(), "{at}: {left:?}");
}

/// The final tables, and how many calls a whole run makes of each kind.
fn whole(seeds: &str, calls: Option<&str>) -> (BTreeMap<String, String>, usize) {
    let folder = TempDir::new().unwrap();
    let grid = study(folder.path(), seeds);
    let count = folder.path().join("count");
    let mut faults = vec![("FAULT_COUNT", count.to_str().unwrap())];
    faults.extend(calls.map(|calls| ("FAULT_CALLS", calls)));
    let output = faulty(&grid, "1", &faults);
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
    let (tables, calls) = whole("1,2", None);
    let killed = AtomicUsize::new(0);
    // Every call twice, with one worker and with three; then the first third of them where the store has all stages.
    each(2 * calls + calls / 3, |number| {
        let folder = TempDir::new().unwrap();
        let grid = study(folder.path(), "1,2");
        let warm = number > 2 * calls;
        let at = if warm { number - 2 * calls } else { number.div_ceil(2) };
        if warm {
            study(folder.path(), "1,2").set("scale=2.0").run(&[], 0);
        }
        let workers = if number % 2 == 0 { "1" } else { "3" };
        let output = faulty(&grid, workers, &[("FAULT_AT", &at.to_string()), ("FAULT_KIND", "kill")]);
        let case = format!("call {at}, {workers} workers, {}", if warm { "warm" } else { "cold" });
        if output.status.signal() == Some(9) {
            killed.fetch_add(1, Ordering::Relaxed);
        } else {
            assert!(output.status.success(), "{case}: {}", String::from_utf8_lossy(&output.stderr));
        }
        check_store(&grid, &case);
        grid.run(&[], 0);
        let found = grid.tables();
        assert!(tables.iter().all(|(name, digest)| found.get(name) == Some(digest)), "{case}: {found:?}");
        check_clean(&grid, &case);
    });
    let killed = killed.into_inner();
    println!("{killed} kills at {calls} calls, with one worker, with three, and with a store that has all stages");
    assert!(killed >= 1000, "{killed} kills at {calls} calls");
}

#[test]
fn asked_to_stop_at_any_call_a_run_exits_75_and_goes_on() {
    let (tables, calls) = whole("1", None);
    let stopped = AtomicUsize::new(0);
    each(calls / 4, |number| {
        let folder = TempDir::new().unwrap();
        let grid = study(folder.path(), "1");
        let (at, kind) = ((4 * number).to_string(), if number % 2 == 0 { "term" } else { "int" });
        let output = faulty(&grid, "2", &[("FAULT_AT", &at), ("FAULT_KIND", kind)]);
        let at = format!("{kind} at call {at}: {}", String::from_utf8_lossy(&output.stderr));
        match output.status.code() {
            // Before the program listens the signal ends it; after its last cell there is nothing to stop.
            None if output.status.signal().is_some() => {}
            Some(0) => assert_eq!(grid.tables(), tables, "{at}"),
            Some(75) => {
                stopped.fetch_add(1, Ordering::Relaxed);
                assert!(at.contains("run the same command again"), "{at}");
            }
            other => panic!("exit status {other:?}, {at}"),
        }
        check_store(&grid, &at);
        grid.run(&[], 0);
        assert_eq!(grid.tables(), tables, "{at}");
    });
    let stopped = stopped.into_inner();
    println!("{stopped} of {} signals stopped the run", calls / 4);
    assert!(stopped > calls / 8, "{stopped} of {}", calls / 4);
}

/// A small disk; none where this process may not have one.
struct Disk(TempDir);

impl Disk {
    fn mount(options: &str) -> Option<Self> {
        let disk = Self(TempDir::new().unwrap());
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(disk.0.path()).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(disk);
        }
        skipped("a small disk", "mounting one is not allowed here");
        std::mem::forget(disk);
        None
    }

    fn remount(&self, options: &str) {
        let output = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0.path()).output();
        assert!(output.unwrap().status.success(), "remount {options}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_said_and_with_more_room_the_same_command_completes() {
    let (tables, _) = whole("1", None);
    let mut full = 0;
    for pages in (2..40).step_by(3) {
        let Some(disk) = Disk::mount(&format!("size={}k", 4 * pages)) else { return };
        let grid = study(disk.0.path(), "1");
        let output = faulty(&grid, "1", &[]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => {}
            Some(5) => {
                full += 1;
                assert!(said.contains("is full") || said.contains("No space left"), "{pages} pages: {said}");
            }
            other => panic!("exit status {other:?} with {pages} pages: {said}"),
        }
        disk.remount("size=64m");
        check_store(&grid, &format!("{pages} pages"));
        grid.run(&[], 0);
        assert_eq!(grid.tables(), tables, "{pages} pages");
    }
    println!("the disk was full in {full} runs");
    assert!(full > 3, "{full} runs");
}

#[test]
fn a_store_that_can_only_be_read_serves_what_it_has() {
    let Some(disk) = Disk::mount("size=64m") else { return };
    let folder = TempDir::new().unwrap();
    let grid = |name: &str, seeds: &str| {
        let home = folder.path().join(name);
        fs::create_dir_all(&home).unwrap();
        study(&home, seeds).with_store(disk.0.path())
    };
    let first = grid("first", "1");
    first.run(&[], 0);
    disk.remount("ro");
    let second = grid("second", "1");
    second.run(&[], 0);
    assert_eq!(first.tables(), second.tables());
    assert_eq!(second.stages().keys().collect::<Vec<_>>(), ["found"]);
    let third = grid("third", "2");
    let said = third.run(&[], 5);
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains(&disk.0.path().display().to_string()), "{said}");
    disk.remount("rw");
    third.run(&[], 0);
}

#[test]
fn when_the_disk_fails_no_success_is_claimed_and_the_rerun_completes() {
    // Disk full and I/O errors: the numbers of ENOSPC and EIO.
    for (kind, calls) in [("28", "write,mkdir,open64"), ("5", "fsync,fdatasync"), ("5", "rename,link,linkat")] {
        let (tables, count) = whole("1", Some(calls));
        let failed = AtomicUsize::new(0);
        each(count, |at| {
            let folder = TempDir::new().unwrap();
            let grid = study(folder.path(), "1");
            let number = at.to_string();
            let output = faulty(&grid, "1", &[("FAULT_AT", &number), ("FAULT_KIND", kind), ("FAULT_CALLS", calls)]);
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
