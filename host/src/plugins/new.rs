//! Writes the first version of a plugin.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::installed;

const MANIFEST: &str = include_str!("../../../sdk/template/Cargo.toml.template");
const LIBRARY: &str = include_str!("../../../sdk/template/lib.rs.template");
const README: &str = include_str!("../../../sdk/template/README.md.template");

/// Names that no crate can have, or that shadow one that every crate sees.
const RESERVED: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "build",
    "const",
    "continue",
    "core",
    "crate",
    "deps",
    "do",
    "dyn",
    "else",
    "enum",
    "examples",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "incremental",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
];

/// Why no plugin was written. The user's input: exit status 2.
#[derive(Debug, thiserror::Error)]
pub enum NewError {
    /// Cargo would refuse the name.
    #[error("`{name}` cannot be a crate's name: {reason}")]
    Name {
        /// What the user gave.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Something is there already.
    #[error("{} exists already: choose another name", .0.display())]
    Exists(PathBuf),
    /// No SDK there.
    #[error("{} holds no emhost-sdk: give the `sdk` folder of emhost's source with --sdk", .0.display())]
    Sdk(PathBuf),
    /// The folder cannot be written.
    #[error("cannot write {}: {error}", .path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// Writes `parent/name` and returns it.
///
/// The plugin depends on the SDK at `sdk`; without it on the one that was installed with this binary, else on the
/// source tree that the binary was built from, and where that is gone, on the published version.
///
/// # Errors
///
/// The name cannot be a crate's, the folder exists, or it cannot be written.
pub fn new_plugin(name: &str, parent: &Path, sdk: Option<&Path>) -> Result<PathBuf, NewError> {
    check_name(name).map_err(|reason| NewError::Name { name: name.to_owned(), reason })?;
    let sdk = match sdk {
        Some(path) => by_path(path).ok_or_else(|| NewError::Sdk(path.to_owned()))?,
        None => installed::share()
            .map(|share| share.join("sdk"))
            .into_iter()
            .chain(Some(PathBuf::from(crate::version::SDK)))
            .find_map(|sdk| by_path(&sdk))
            .unwrap_or_else(|| format!("\"{}\"", crate::VERSION)),
    };
    let folder = parent.join(name);
    let failed = |path: &Path, error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => NewError::Exists(path.to_owned()),
        _ => NewError::Write { path: path.to_owned(), error },
    };
    fs::create_dir(&folder).map_err(|error| failed(&folder, error))?;
    let source = folder.join("src");
    fs::create_dir(&source).map_err(|error| failed(&source, error))?;
    let krate = name.replace('-', "_");
    let files = [("Cargo.toml", MANIFEST), ("src/lib.rs", LIBRARY), ("README.md", README), (".gitignore", "target/\n")];
    for (file, template) in files {
        let text = template.replace("{{name}}", name).replace("{{crate}}", &krate).replace("{{sdk}}", &sdk);
        let path = folder.join(file);
        fs::write(&path, text).map_err(|error| failed(&path, error))?;
    }
    Ok(folder)
}

/// A path dependency, where the folder holds the SDK.
fn by_path(sdk: &Path) -> Option<String> {
    let sdk = sdk.canonicalize().ok()?;
    let manifest = fs::read_to_string(sdk.join("Cargo.toml")).ok()?;
    if !manifest.contains("name = \"emhost-sdk\"") {
        return None;
    }
    Some(format!("{{ path = {} }}", toml::Value::String(sdk.to_str()?.to_owned())))
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > 64 {
        return Err("expected 1 to 64 characters");
    }
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Err("expected a lower-case letter first");
    }
    if !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-') {
        return Err("expected only a-z, 0-9, `_` and `-`");
    }
    if RESERVED.contains(&name.replace('-', "_").as_str()) {
        return Err("it is a word of the language or a crate of the standard library");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_plugin_is_written_once() {
        let parent = tempfile::tempdir().unwrap();
        let folder = new_plugin("my-plugin", parent.path(), None).unwrap();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("name = \"my-plugin\""), "{manifest}");
        assert!(manifest.contains("emhost-sdk = { path = "), "{manifest}");
        assert!(fs::read_to_string(folder.join("README.md")).unwrap().contains("libmy_plugin.so"));
        assert!(matches!(new_plugin("my-plugin", parent.path(), None), Err(NewError::Exists(_))));
    }

    #[test]
    fn a_name_that_cargo_would_refuse_writes_nothing() {
        let parent = tempfile::tempdir().unwrap();
        for name in ["", "../up", "1st", "Name", "a b", "self", "x/y", "test", &"a".repeat(65)] {
            assert!(matches!(new_plugin(name, parent.path(), None), Err(NewError::Name { .. })), "{name}");
        }
        let elsewhere = new_plugin("fine", parent.path(), Some(parent.path()));
        assert!(matches!(elsewhere, Err(NewError::Sdk(_))));
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
