//! Other programs, in Python.

use std::ffi::OsStr;
use std::io::Write;
use std::process::Command;

use crate::workspace;

/// Runs a script of `tests/peers` if Python has the packages that it needs; gives what it prints.
///
/// `EMHOST_PYTHON` names the Python. A script that cannot run is skipped by name.
pub fn peer(script: &str, packages: &[&str], arguments: &[impl AsRef<OsStr>]) -> Option<String> {
    let python = std::env::var("EMHOST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imports = packages.iter().map(|package| format!("import {package}")).collect::<Vec<_>>().join("; ");
    let found = Command::new(&python).args(["-c", &imports]).output().is_ok_and(|output| output.status.success());
    if !found {
        skipped(script, &format!("`{python}` does not have {}", packages.join(", ")));
        return None;
    }
    let script = workspace().join("tests/peers").join(script);
    let output = Command::new(python).arg(script).args(arguments).output().expect("Python starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Says that something was not tested, and why; past the test harness, which would swallow the line.
pub fn skipped(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}: {why}");
}
