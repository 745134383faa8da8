//! Builds a plugin's crate and finds its library.

use std::env::consts::DLL_EXTENSION;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::InstallError;

/// The lines of cargo's JSON that say what was built.
#[derive(Deserialize)]
struct Artifact {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    #[serde(default)]
    filenames: Vec<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
}

/// Runs `cargo build --release` in a crate's folder and gives its library. Cargo's messages go to stderr.
pub(super) fn compile(folder: &Path) -> Result<PathBuf, InstallError> {
    let unreadable = |source| InstallError::Unreadable { path: folder.to_owned(), source };
    let manifest = folder.canonicalize().map_err(unreadable)?.join("Cargo.toml");
    if !manifest.is_file() {
        return Err(InstallError::NotACrate(folder.to_owned()));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(&cargo)
        .args(["build", "--release", "--message-format=json-render-diagnostics"])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|source| InstallError::Cargo { folder: folder.to_owned(), source })?;
    if !output.status.success() {
        return Err(InstallError::Build(folder.to_owned()));
    }
    library(&String::from_utf8_lossy(&output.stdout), &manifest)
        .ok_or_else(|| InstallError::NoLibrary(folder.to_owned()))
}

/// The library of the crate with this manifest: libraries of its dependencies are built too.
fn library(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok());
    let ours = artifacts.filter(|artifact| {
        artifact.reason == "compiler-artifact"
            && artifact.manifest_path.as_deref() == Some(manifest)
            && artifact.target.as_ref().is_some_and(|target| target.kind.iter().any(|kind| kind == "cdylib"))
    });
    ours.flat_map(|artifact| artifact.filenames).find(|file| file.extension() == Some(OsStr::new(DLL_EXTENSION)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_that_of_the_crate_and_not_of_a_dependency() {
        let line = |manifest: &str, kind: &str, file: &str| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"manifest_path\":\"{manifest}\",\"target\":{{\"kind\":[\"{kind}\"]}},\
                 \"filenames\":[\"/t/libx.rlib\",\"{file}.{DLL_EXTENSION}\"]}}\n"
            )
        };
        let messages = [
            line("/dependency/Cargo.toml", "cdylib", "/t/dependency"),
            line("/mine/Cargo.toml", "custom-build", "/t/build"),
            line("/mine/Cargo.toml", "cdylib", "/t/mine"),
            "{\"reason\":\"build-finished\",\"success\":true}\nnot JSON\n".to_owned(),
        ]
        .concat();
        let found = library(&messages, Path::new("/mine/Cargo.toml"));
        assert_eq!(found, Some(PathBuf::from(format!("/t/mine.{DLL_EXTENSION}"))));
        assert_eq!(library(&messages, Path::new("/other/Cargo.toml")), None);
    }
}
