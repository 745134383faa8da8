//! The rules of the source tree, checked on its text.

use std::fs;
use std::path::{Path, PathBuf};

use emhost_tests::workspace;

/// Non-blank lines after which a file is split.
const MAX_LINES: usize = 400;

/// Words of Rust code, and the only places that may hold them: files, or folders that end in `/`.
const WORDS: &[(&[&str], &[&str])] = &[
    (&["abi_stable"], &["sdk/abi/", "tests/fixtures/raw/"]),
    (&["libloading"], &["host/src/plugins/load.rs"]),
    (&["parquet"], &["host/src/store/", "tests/"]),
    (
        &["candle_core", "candle_nn", "candle_transformers"],
        &["host/src/model/", "host/src/train/", "host/src/sample/", "host/tests/", "tests/"],
    ),
    (
        &["unsafe"],
        &[
            "sdk/abi/",
            "sdk/src/export.rs",
            "host/src/plugins/load.rs",
            "host/src/model/kernels/",
            "tests/fixtures/raw/",
        ],
    ),
    (&["emhost_sdk"], &["sdk/", "plugins/", "tests/", "host/src/plugins/new.rs"]),
];

/// Crates of the workspace, and the crates of the workspace that they may depend on.
const DEPENDENCIES: &[(&str, &[&str])] = &[
    ("sdk/abi", &[]),
    ("sdk/stats", &[]),
    ("data", &["emhost-abi"]),
    ("sdk", &["emhost-abi"]),
    ("sdk/study", &["emhost-sdk", "emhost-stats"]),
    ("host", &["emhost-abi", "emhost-world", "emhost-stats"]),
    ("plugins/*", &["emhost-sdk", "emhost-stats", "emhost-study"]),
];

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
}

/// Every Rust file, with its path from the workspace's folder.
fn sources() -> Vec<(String, String)> {
    let mut paths = Vec::new();
    files(workspace(), "rs", &mut paths);
    assert!(paths.len() > 20, "the tree is found");
    paths.iter().map(|path| (relative(path), fs::read_to_string(path).unwrap())).collect()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(workspace()).unwrap().to_str().unwrap().replace('\\', "/")
}

/// The code of a file: comments are left out, and what strings say.
fn code(source: &str) -> String {
    let mut code = String::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\'") {
            3
        } else if rest.starts_with("r\"")
            || rest.starts_with("r#") && rest.trim_start_matches(['r', '#']).starts_with('"')
        {
            let hashes = rest[1..].len() - rest[1..].trim_start_matches('#').len();
            let close = format!("\"{}", "#".repeat(hashes));
            let body = hashes + 2;
            rest[body..].find(&close).map_or(rest.len(), |end| body + end + close.len())
        } else if first == '"' {
            string_end(rest)
        } else {
            0
        };
        if skipped == 0 {
            code.push(first);
        }
        rest = &rest[if skipped == 0 { first.len_utf8() } else { skipped }..];
    }
    code
}

fn string_end(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c: char| !c.is_alphanumeric() && c != '_')
}

#[test]
fn words_stay_in_their_places() {
    let mut wrong = Vec::new();
    for (path, source) in sources() {
        let code = code(&source);
        for (names, places) in WORDS {
            let allowed = places.iter().any(|place| path == *place || place.ends_with('/') && path.starts_with(place));
            if let Some(word) = words(&code).find(|word| !allowed && names.contains(word)) {
                wrong.push(format!("{path} names `{word}`: only {} may", places.join(", ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    let mut wrong = Vec::new();
    for (path, source) in sources() {
        if !source.starts_with("//!") {
            wrong.push(format!("{path} does not start with `//!`"));
        }
        let lines = source.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > MAX_LINES {
            wrong.push(format!("{path} has {lines} lines that are not blank: split it at {MAX_LINES}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_mod_file_only_declares() {
    let mut wrong = Vec::new();
    for (path, source) in sources().iter().filter(|(path, _)| path.ends_with("/mod.rs")) {
        let code = code(source);
        if let Some(word) = words(&code).find(|word| ["fn", "struct", "enum", "trait", "impl"].contains(word)) {
            wrong.push(format!("{path} defines something (`{word}`)"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn crates_depend_on_the_crates_that_they_may() {
    let mut manifests = Vec::new();
    files(workspace(), "toml", &mut manifests);
    let mut seen = 0;
    for path in manifests.iter().filter(|path| path.ends_with("Cargo.toml")) {
        let folder = relative(path.parent().unwrap());
        let rule = DEPENDENCIES.iter().find(|(name, _)| match name.strip_suffix('*') {
            Some(prefix) => folder.starts_with(prefix),
            None => folder == *name,
        });
        let Some((_, allowed)) = rule else { continue };
        seen += 1;
        let manifest: toml::Table = fs::read_to_string(path).unwrap().parse().unwrap();
        let plugin_names: Vec<String> = fs::read_dir(workspace().join("plugins"))
            .unwrap()
            .flatten()
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect();
        for table in ["dependencies", "build-dependencies"] {
            let dependencies = manifest.get(table).and_then(toml::Value::as_table);
            for name in dependencies.into_iter().flat_map(toml::Table::keys) {
                let ours = name.starts_with("emhost") || plugin_names.contains(name);
                assert!(!ours || allowed.contains(&name.as_str()), "{folder} depends on {name}, which it may not");
                let its_own = name != "abi_stable" || folder == "sdk/abi";
                assert!(its_own, "{folder} depends on {name}, which only the ABI crate may");
            }
        }
    }
    assert!(seen >= DEPENDENCIES.len(), "every rule met a crate");
}

#[test]
fn the_rules_see_code_and_not_words_about_it() {
    let source = "//! unsafe\nlet a = \"unsafe \\\" unsafe\"; /* unsafe */ let q = '\"'; r#\"unsafe \"unsafe\"#; let r#unsafe = 1;";
    assert_eq!(words(&code(source)).filter(|word| *word == "unsafe").count(), 1);
    assert!(words(&code("pub unsafe fn f() {}")).any(|word| word == "unsafe"));
}
