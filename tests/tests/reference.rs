//! What the binary writes about itself: the reference of the book, man pages, completions, and what the doctor says.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use emhost_tests::{built, workspace};
use serde_json::Value;

/// Runs `emhost` in a folder of its own, where plugins beside the binary are found.
fn emhost(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(built().emhost()).current_dir(folder).args(arguments).output().unwrap()
}

fn written(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Markdown below a folder, by path.
fn pages(folder: &Path) -> BTreeMap<String, String> {
    let mut pages = BTreeMap::new();
    for part in ["", "plugins/"] {
        for entry in fs::read_dir(folder.join(part)).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            let name = entry.file_name().into_string().unwrap();
            pages.insert(format!("{part}{name}"), fs::read_to_string(entry.path()).unwrap());
        }
    }
    pages
}

#[test]
fn the_committed_reference_is_what_emhost_writes() {
    let plugins = fs::read_dir(workspace().join("plugins")).unwrap();
    let mut plugins: Vec<String> = plugins.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    plugins.sort();
    let folder = tempfile::tempdir().unwrap();
    let plugins = plugins.join(",");
    written(&emhost(folder.path(), &["reference", "pages", "--plugins", &plugins]));
    let (now, committed) = (pages(&folder.path().join("pages")), pages(&workspace().join("docs/src/reference")));
    let again = format!("run `target/release/emhost reference docs/src/reference --plugins {plugins}`");
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&now), names(&committed), "{again}");
    for (name, text) in &now {
        assert!(text == &committed[name], "docs/src/reference/{name} is not what the code says: {again}");
    }
}

#[test]
fn every_command_has_a_man_page_and_every_shell_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    written(&emhost(folder.path(), &["man", "man1"]));
    let page = |name: &str| fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
    assert!(page("emhost.1").contains("emhost\\-run(1)"), "{}", page("emhost.1"));
    assert!(page("emhost-run.1").contains("\\-\\-dry\\-run"));
    for (shell, part) in [("bash", "complete -F _emhost"), ("zsh", "#compdef emhost"), ("fish", "complete -c emhost")] {
        let script = written(&emhost(folder.path(), &["completions", shell]));
        assert!(script.contains(part) && script.contains("scorecard"), "{shell}");
    }
}

#[test]
fn the_doctor_ends_with_the_status_of_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let sound = written(&emhost(folder.path(), &["doctor", "--json"]));
    let findings: Vec<Value> = serde_json::from_str(&sound).unwrap();
    let topics: Vec<&str> = findings.iter().filter_map(|finding| finding["topic"].as_str()).collect();
    for topic in ["emhost", "processor", "memory", "device", "engine", "settings", "store", "runs", "models", "plugins"]
    {
        assert!(topics.contains(&topic), "{topic} is not in {topics:?}");
    }
    fs::write(folder.path().join("emhost.toml"), "store = \"emhost.toml\"\n").unwrap();
    let broken = emhost(folder.path(), &["doctor"]);
    let said = String::from_utf8_lossy(&broken.stdout);
    assert_eq!(broken.status.code(), Some(5), "{said}");
    assert!(said.contains("BAD store") && said.contains("→ choose another"), "{said}");
}
