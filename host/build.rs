//! Tells the host which commit it is built from, and where the SDK's source lies.
//!
//! `EMHOST_COMMIT` names the commit where there is no git, as in an archive of the source. `EMHOST_SDK_SOURCE` replaces
//! the SDK's folder; a release sets it to nothing, so that its bytes do not depend on where it was built.

use std::env;
use std::path::Path;
use std::process::Command;

/// What decides the host's bytes, from the folder of its crate.
const SOURCES: &[&str] = &["build.rs", "Cargo.toml", "src", "../Cargo.toml", "../Cargo.lock", "../sdk", "../data"];

fn main() {
    // Not `.git`: a commit that touches nothing of the host does not build it again.
    for source in SOURCES.iter().filter(|source| Path::new(source).exists()) {
        println!("cargo::rerun-if-changed={source}");
    }
    println!("cargo::rerun-if-env-changed=EMHOST_COMMIT");
    println!("cargo::rerun-if-env-changed=EMHOST_SDK_SOURCE");
    let commit = env::var("EMHOST_COMMIT").ok().filter(|commit| !commit.is_empty()).or_else(commit);
    println!("cargo::rustc-env=EMHOST_BUILT_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    let sdk =
        env::var("EMHOST_SDK_SOURCE").ok().or_else(|| Some(format!("{}/../sdk", env::var("CARGO_MANIFEST_DIR").ok()?)));
    println!("cargo::rustc-env=EMHOST_BUILT_SDK={}", sdk.unwrap_or_default());
}

/// The commit of this source, with `-dirty` where a source differs from it.
fn commit() -> Option<String> {
    // The source may lie in another project's repository, whose commits say nothing about it.
    if git(&["rev-parse", "--show-prefix"])? != "host/" {
        return None;
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&[&["status", "--porcelain", "--"], SOURCES].concat())?;
    Some(if changed.is_empty() { commit } else { format!("{commit}-dirty") })
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = output.status.success().then(|| String::from_utf8(output.stdout).ok())??;
    Some(text.trim().to_owned())
}
