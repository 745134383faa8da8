//! What `emhost plugin new` writes compiles, passes its own test, and runs.

use std::process::Command;
use std::sync::Arc;

use emhost::plugins::{load, new_plugin};
use emhost_tests::{Recorder, workspace};

#[test]
fn a_new_plugin_builds_passes_its_test_and_loads() {
    let parent = tempfile::tempdir().unwrap();
    let folder = new_plugin("my-first", parent.path(), None).unwrap();
    // The same dependencies as the workspace, so that nothing is fetched and little is built.
    std::fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().find(|folder| folder.join(".fingerprint").is_dir()).unwrap();
    let cargo = |task: &str| {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args([task, "--quiet", "--release", "--offline", "--target-dir"]).arg(profile.parent().unwrap());
        let status = cargo.current_dir(&folder).status().unwrap();
        assert!(status.success(), "cargo {task}");
    };
    cargo("test");
    cargo("build");
    let library = format!("{}my_first{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    let plugin = load(&profile.with_file_name("release").join(library)).unwrap();
    assert_eq!(plugin.manifest().name, "my_first");
    let running = plugin.create(r#"{"questions": 2}"#, Arc::new(Recorder::default())).unwrap();
    assert_eq!(running.plan().unwrap().len(), 1);
    let wrong = plugin.create(r#"{"questions": 0}"#, Arc::new(Recorder::default())).map(drop).unwrap_err();
    assert_eq!(wrong.exit_code(), 2);
}
