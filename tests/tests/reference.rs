//! The pages of the reference are those that the code writes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use emhost_tests::{built, workspace};

/// Markdown below a folder, by path.
fn pages(folder: &Path) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for part in ["", "plugins"] {
        for entry in fs::read_dir(folder.join(part)).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            let name = entry.file_name().into_string().unwrap();
            pages.insert(format!("{part}/{name}"), fs::read_to_string(entry.path()).unwrap());
        }
    }
    pages
}

#[test]
fn the_committed_reference_is_what_emhost_writes() {
    let mut plugins: Vec<String> = fs::read_dir(workspace().join("plugins"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    plugins.sort();
    let folder = tempfile::tempdir().unwrap();
    let plugins = plugins.join(",");
    let output = Command::new(built().emhost())
        .current_dir(folder.path())
        .args(["reference", "pages", "--plugins", &plugins])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (written, committed) = (pages(&folder.path().join("pages")), pages(&workspace().join("docs/src/reference")));
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    let again = format!("run `target/release/emhost reference docs/src/reference --plugins {plugins}`");
    assert_eq!(names(&written), names(&committed), "{again}");
    for (name, text) in &written {
        let same = text == &committed[name];
        assert!(same, "docs/src/reference{name} is not what the code says: {again}");
    }
}
