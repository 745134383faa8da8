//! The binary with plugins that misbehave: exit status, one line of reason, and what stays on disk.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use emhost::store::read_table;
use emhost_tests::{built, fixtures};
use tempfile::TempDir;

/// Runs a plugin and checks exit status and reason; gives the folder in which it ran.
#[track_caller]
fn check(plugin: &Path, mode: &str, status: i32, part: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let output = Command::new(built().emhost())
        .current_dir(folder.path())
        .args(["run", "--progress", "none", "--plugin"])
        .arg(plugin)
        .args(if mode.is_empty() { vec![] } else { vec!["--set".to_owned(), format!("mode={mode}")] })
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{}: {said}", plugin.display());
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(last.contains(part), "`{part}` is not in the last line: {said}");
    folder
}

#[test]
fn a_panic_anywhere_is_exit_status_3_with_a_reason() {
    let plugin = fixtures().path("misbehaving");
    for (mode, part) in [
        ("panic_in_create", "out of luck in create"),
        ("panic_in_plan", "out of luck in plan"),
        ("panic_in_run", "out of luck in run"),
        ("panic_in_summarize", "out of luck in summarize"),
        ("panic_in_emitted_stream", "out of luck"),
        ("panic_in_passed_stream", "out of luck"),
        ("panic_after_table", "out of luck after a table"),
    ] {
        check(&plugin, mode, 3, part);
    }
    check(&fixtures().path("panics_in_manifest"), "", 3, "manifest");
}

#[test]
fn a_table_that_was_closed_before_a_panic_stays_readable() {
    let folder = check(&fixtures().path("misbehaving"), "panic_after_table", 3, "out of luck");
    let run = fs::read_dir(folder.path().join("runs")).unwrap().next().unwrap().unwrap().path();
    let rows: usize =
        read_table(&run.join("cells/a/tables/rows.parquet")).unwrap().map(|b| b.unwrap().num_rows()).sum();
    assert_eq!(rows, 3);
    assert!(!run.join("cells/a/done.json").exists(), "the cell is not finished");
}

#[test]
fn a_file_that_is_no_acceptable_plugin_is_exit_status_3() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("text.so"), "not a library\n").unwrap();
    check(&path("text.so"), "", 3, "text.so");
    check(&fixtures().changed("truncated", |bytes| bytes.truncate(bytes.len() / 2)), "", 3, "truncated");
    check(&fixtures().with_tag("magic", |tag| tag[0] ^= 1), "", 3, "magic");
    check(&fixtures().with_tag("major", |tag| tag[16] += 1), "", 3, "ABI");
    fs::copy(fixtures().path("misbehaving"), path("open.so")).unwrap();
    fs::set_permissions(path("open.so"), fs::Permissions::from_mode(0o777)).unwrap();
    check(&path("open.so"), "", 3, "open.so");
}

#[test]
fn a_plugin_of_an_older_or_newer_minor_version_runs() {
    check(&fixtures().path("older"), "", 0, "");
    check(&fixtures().path("newer"), "", 0, "");
}

#[test]
fn a_flood_of_log_lines_is_cut_and_said() {
    // This mode emits no table, so the summary has nothing to add up.
    let folder = check(&fixtures().path("misbehaving"), "flood_log", 3, "no cell emitted a table `rows`");
    let run = fs::read_dir(folder.path().join("runs")).unwrap().next().unwrap().unwrap().path();
    let log = fs::read_to_string(run.join("cells/a/log.jsonl")).unwrap();
    assert_eq!(log.lines().count(), 10_001);
    assert!(log.lines().last().unwrap().contains("more log records were dropped"), "{:?}", log.lines().last());
    assert!(run.join("cells/b/done.json").is_file(), "the cells themselves are finished");
}
