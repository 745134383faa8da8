//! Plugins in real libraries: well-behaved, misbehaving, of other versions, and damaged.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use emhost::plugins::{Level, PluginError, check, list, load};
use emhost::plugins::{Origin, Place};
use emhost_tests::{Recorder, fixtures};
use serde_json::Value;

/// Runs a plugin in a process of its own.
fn drive(library: &Path, params: &str, cancel_after: u64) -> (Option<i32>, Value) {
    let drive =
        Command::new(env!("CARGO_BIN_EXE_drive")).arg(library).arg(params).arg(cancel_after.to_string()).output();
    let Output { status, stdout, stderr } = drive.unwrap();
    let report = serde_json::from_slice(&stdout).unwrap_or_else(|_| {
        panic!("{params}: {status}, no report; {}", String::from_utf8_lossy(&stderr));
    });
    (status.code(), report)
}

/// A mode of the misbehaving plugin ends with this exit status, error and line of the log.
#[track_caller]
fn check_mode(mode: &str, status: i32, error: &str, log: &str) -> Value {
    let params = format!(r#"{{"mode": "{mode}"}}"#);
    let cancel_after = u64::from(mode.ends_with("cancel"));
    let (got, report) = drive(&fixtures().path("misbehaving"), &params, cancel_after);
    let said = report["error"].as_str().unwrap_or_default();
    assert_eq!(got, Some(status), "{mode}: {said}");
    assert!(said.contains(error), "{mode}: `{said}` does not say `{error}`");
    assert!(!said.contains('\n'), "{mode}: more than a line: {said}");
    let logged = lines(&report).any(|line| line.contains(log));
    assert!(log.is_empty() || logged, "{mode}: no `{log}` in the log");
    report
}

fn lines(report: &Value) -> impl Iterator<Item = &str> {
    report["log"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[test]
fn a_well_behaved_plugin_runs_and_its_log_arrives() {
    let (status, report) = drive(&fixtures().path("misbehaving"), "{}", 0);
    assert_eq!(status, Some(0), "{report}");
    assert_eq!(report["tables"], serde_json::json!([["rows", 6], ["total", 1]]));
    let expected = r#"starting | {"rows":3,"spans":["cell{id=\"a\"}"]} | tests/fixtures/misbehaving/src/lib.rs:"#;
    assert!(lines(&report).next().unwrap().starts_with(expected), "{report}");
}

#[test]
fn a_panic_in_an_entry_is_an_error_that_names_entry_file_and_line() {
    let place = "panicked at tests/fixtures/misbehaving/src/lib.rs:";
    let logged = "out of luck";
    for (mode, entry) in
        [("panic_in_plan", "plan"), ("panic_in_run", "cell a: run"), ("panic_in_summarize", "summarize")]
    {
        let report = check_mode(mode, 3, place, logged);
        let error = report["error"].as_str().unwrap();
        assert!(error.contains(entry) && error.contains("out of luck in"), "{error}");
    }
    check_mode("panic_in_create", 3, "parameters: create panicked at", logged);
    check_mode("panic_twice", 3, "a panic without a message", "");
    check_mode("panic_in_thread", 3, "a worker died", "out of luck in a thread");
}

#[test]
fn a_panic_in_a_destructor_is_logged_and_the_run_stays_good() {
    check_mode("panic_on_drop", 0, "", "out of luck on drop");
    check_mode("panic_in_dropped_stream", 0, "", "out of luck in a dropped stream");
}

#[test]
fn a_panic_in_manifest_is_an_error() {
    let (status, report) = drive(&fixtures().path("panics_in_manifest"), "{}", 0);
    assert_eq!(status, Some(3));
    let error = report["error"].as_str().unwrap();
    assert!(error.contains("manifest panicked at") && error.contains("out of luck in manifest"), "{error}");
}

#[test]
fn a_stream_that_breaks_is_the_plugins_failure() {
    check_mode("panic_in_emitted_stream", 3, "the stream panicked at tests/fixtures", "out of luck in a stream");
    check_mode("panic_in_passed_stream", 3, "the stream panicked at tests/fixtures", "out of luck in a stream");
    check_mode("fail_in_emitted_stream", 3, "a NUL:  .", "");
}

#[test]
fn a_table_stays_readable_when_the_plugin_panics_after_it() {
    let report = check_mode("panic_after_table", 3, "out of luck after a table", "out of luck");
    assert_eq!(report["tables"], serde_json::json!([["rows", 3]]));
}

#[test]
fn a_failure_of_the_host_keeps_its_kind_through_the_plugin() {
    check_mode("failing_operation", 4, "there is no model `missing`", "");
    check_mode("failing_host_stream", 5, "a flipped bit", "");
}

#[test]
fn a_log_beyond_its_budget_is_counted_and_dropped() {
    // Two cells, each with its budget; then the summary finds no table.
    let report = check_mode("flood_log", 2, "no table `rows`", "cell a: 40001 more log records were dropped");
    assert_eq!(lines(&report).count(), 2 * (10_000 + 1));
}

#[test]
fn a_worker_threads_log_arrives_with_its_fields() {
    check_mode(
        "log_from_thread",
        2,
        "no table `rows`",
        r#"from a worker | {"answer":42,"ratio":0.5} | tests/fixtures"#,
    );
}

#[test]
fn a_plugin_that_ignores_a_stop_is_stopped_at_its_next_call() {
    let report = check_mode("ignore_cancel", 75, "the run was stopped", "");
    assert_eq!(report["tables"], serde_json::json!([]));
}

#[test]
fn a_plan_must_have_cells_with_usable_names() {
    check_mode("same_cell_twice", 3, "has the cell id `a` twice", "");
    check_mode("unusable_cell", 3, "cell id `../a`", "");
    check_mode("no_cells", 3, "no cells", "");
}

#[test]
fn wrong_parameters_are_the_users_error_and_named() {
    let library = fixtures().path("misbehaving");
    for (params, expected) in [
        (r#"{"rows": -1}"#, "parameter `rows`: invalid value: integer `-1`, expected u64"),
        (r#"{"row": 1}"#, "unknown parameter `row`: expected one of `mode`, `rows`"),
        (r#"{"mode": "off"}"#, "parameter `mode`: unknown variant `off`"),
        ("[", "parameters are not JSON"),
    ] {
        let (status, report) = drive(&library, params, 0);
        assert_eq!(status, Some(2), "{params}: {report}");
        assert!(report["error"].as_str().unwrap().contains(expected), "{params}: {report}");
    }
}

#[test]
fn plugins_of_other_minor_versions_run() {
    for name in ["older", "newer"] {
        let (status, report) = drive(&fixtures().path(name), "{}", 0);
        assert_eq!(status, Some(0), "{name}: {report}");
        assert_eq!(report["tables"], serde_json::json!([["rows", 2]]), "{name}");
        assert!(lines(&report).any(|line| line.starts_with("another version runs")), "{name}");
    }
}

#[test]
fn the_order_of_loading_plugins_decides_nothing() {
    // One process: what one check leaves must not reach the next.
    for name in ["newer", "older", "misbehaving", "swapped", "older", "newer"] {
        let recorder = Arc::new(Recorder::default());
        let result = load(&fixtures().path(name)).and_then(|plugin| plugin.create("{}", recorder)?.plan());
        assert_eq!(result.is_ok(), name != "swapped", "{name}: {:?}", result.err());
    }
}

/// A library is refused with this one line.
#[track_caller]
fn check_refused(library: &Path, expected: &str) {
    let error = load(library).map(|plugin| plugin.path().clone()).unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    assert!(text.contains(expected), "`{text}` does not say `{expected}`");
    assert!(text.contains(&library.display().to_string()), "{text}");
    assert!(text.lines().count() == 1 && text.len() < 400, "not one line: {text}");
}

#[test]
fn another_abi_is_refused_in_one_line() {
    let fixtures = fixtures();
    check_refused(&fixtures.with_tag("magic", |tag| tag[0] = b'E'), "its ABI tag has the wrong magic number");
    let newer = fixtures.with_tag("major", |tag| tag[16..20].copy_from_slice(&2u32.to_ne_bytes()));
    check_refused(&newer, "needs plugin ABI 2.1, this emhost has 1.1");
    let minor = fixtures.with_tag("minor", |tag| tag[20..24].copy_from_slice(&0u32.to_ne_bytes()));
    assert_eq!(check(&minor).unwrap().tag.minor, 0);
    check_refused(&fixtures.path("swapped"), "has another layout");
}

#[test]
fn what_is_no_whole_library_is_refused_before_it_is_loaded() {
    let fixtures = fixtures();
    check_refused(
        &fixtures.changed("text", |bytes| *bytes = b"#!/bin/sh\nexit 0\n".to_vec()),
        "is not a shared library",
    );
    check_refused(&fixtures.changed("empty", Vec::clear), "is not a shared library");
    for part in [2, 3, 10, 1000] {
        let truncated = fixtures.changed("truncated", |bytes| bytes.truncate(bytes.len() - bytes.len() / part));
        check_refused(&truncated, "is incomplete");
    }
    check_refused(&fixtures.changed("short", |bytes| bytes.truncate(bytes.len() - 1)), "is incomplete");
    let folder = fixtures.path("folder");
    std::fs::create_dir_all(&folder).unwrap();
    check_refused(&folder, "is not a regular file");
    check_refused(Path::new("/nowhere/libx.so"), "cannot be read: No such file");
}

#[cfg(target_os = "linux")]
#[test]
fn a_library_for_another_processor_is_refused() {
    // `e_machine` of an ELF header: 183 is AArch64, 62 x86-64.
    let other = if cfg!(target_arch = "aarch64") { 62u16 } else { 183 };
    let library = fixtures().changed("machine", |bytes| bytes[18..20].copy_from_slice(&other.to_ne_bytes()));
    check_refused(&library, "was built for");
}

#[cfg(unix)]
#[test]
fn what_everybody_can_change_is_refused() {
    use std::fs::{Permissions, create_dir_all, set_permissions};
    use std::os::unix::fs::PermissionsExt;
    let fixtures = fixtures();
    let open = fixtures.changed("open", |_| ());
    set_permissions(&open, Permissions::from_mode(0o666)).unwrap();
    check_refused(&open, "is writable for everybody");

    let folder = open.parent().unwrap().join("shared");
    create_dir_all(&folder).unwrap();
    let library = folder.join(open.file_name().unwrap());
    std::fs::copy(fixtures.path("misbehaving"), &library).unwrap();
    set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
    check_refused(&library, "everybody can replace it");
    set_permissions(&folder, Permissions::from_mode(0o1777)).unwrap();
    check(&library).unwrap();
}

#[test]
fn a_plugin_describes_itself_and_is_loaded_once() {
    let path = fixtures().path("misbehaving");
    let plugin = load(&path).unwrap();
    let manifest = plugin.manifest();
    assert_eq!(
        (manifest.name.as_str(), manifest.operations.as_slice()),
        ("fixture_misbehaving", &["echo".to_owned()][..])
    );
    let info = emhost::plugins::Info::from(&plugin);
    assert_eq!(info.abi, format!("{}.{}", emhost_abi::ABI_MAJOR, emhost_abi::ABI_MINOR));
    let rows = info.parameters.iter().find(|parameter| parameter.name == "rows").unwrap();
    assert_eq!((rows.takes.as_str(), rows.about.as_str()), ("integer", "Rows of the emitted table."));
    assert_eq!(rows.default, Some(3.into()));
    let renamed = fixtures().changed("renamed", |_| ());
    assert_eq!(load(&renamed).unwrap().digest(), plugin.digest());
}

#[test]
fn two_experiments_of_one_plugin_log_to_their_own_hosts() {
    let plugin = load(&fixtures().path("misbehaving")).unwrap();
    let recorders = [Arc::new(Recorder::default()), Arc::new(Recorder::default())];
    let running: Vec<_> = recorders.iter().map(|recorder| plugin.create("{}", recorder.clone()).unwrap()).collect();
    let cells = running[0].plan().unwrap();
    running[0].run(&cells[0]).unwrap();
    running[1].run(&cells[0]).unwrap();
    running[1].run(&cells[1]).unwrap();
    let counts = recorders.each_ref().map(|recorder| recorder.lines("starting").len());
    assert_eq!(counts, [1, 2]);
    assert_eq!(recorders[0].lines("starting")[0].level, Level::INFO);
}

#[test]
fn a_list_tells_plugins_from_other_libraries_without_loading() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |from: &Path| std::fs::copy(from, folder.path().join(from.file_name().unwrap())).unwrap();
    copy(&fixtures().path("misbehaving"));
    copy(&fixtures().with_tag("listed_major", |tag| tag[16] = 9));
    std::fs::write(folder.path().join("notes.txt"), "").unwrap();
    let place = Place { origin: Origin::User, folder: folder.path().to_owned() };
    let found = list(&[place.clone(), place]);
    let shown: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.refusal.is_some(), f.shadowed)).collect();
    let expected = [
        ("listed_major", true, false),
        ("misbehaving", false, false),
        ("listed_major", true, true),
        ("misbehaving", false, true),
    ];
    assert_eq!(shown, expected);
}

#[test]
fn a_panic_of_the_host_is_a_failure_of_the_operation() {
    use emhost_abi::boundary::{ForeignHost, host_box};
    use emhost_abi::{Host, kind};
    let host = ForeignHost(host_box(Arc::new(Recorder::default())));
    let failure = host.call("panic", "{}", None).map(drop).unwrap_err();
    assert_eq!(failure.kind(), kind::MODEL);
    assert!(
        failure.message().contains("the host is out of luck") && failure.message().contains("`panic`"),
        "{failure}"
    );
}

#[test]
fn a_plugin_that_hides_a_stop_is_still_stopped() {
    let plugin = load(&fixtures().path("misbehaving")).unwrap();
    let recorder = Arc::new(Recorder { cancel_after: 1, ..Recorder::default() });
    let running = plugin.create(r#"{"mode": "swallow_cancel"}"#, recorder).unwrap();
    let cells = running.plan().unwrap();
    let error: PluginError = running.run(&cells[0]).unwrap_err();
    assert_eq!(error.exit_code(), 75);
}
