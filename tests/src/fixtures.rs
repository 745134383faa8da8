//! Builds the fixture plugins, and damaged copies of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use emhost_abi::AbiTag;
use tempfile::TempDir;

/// Plugins that were built for this process.
pub struct Fixtures {
    folder: TempDir,
}

/// The fixtures, built when first asked for.
pub fn fixtures() -> &'static Fixtures {
    static FIXTURES: LazyLock<Fixtures> = LazyLock::new(Fixtures::build);
    &FIXTURES
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace")
}

impl Fixtures {
    fn build() -> Self {
        let fixtures = Self { folder: tempfile::tempdir().expect("a folder for fixtures") };
        fixtures.cargo("fixture_misbehaving", "", "misbehaving");
        fixtures.cargo("fixture_panics_in_manifest", "", "panics_in_manifest");
        // The crate's builds have one name, so each is copied before the next one.
        fixtures.cargo("fixture_raw", "", "older");
        fixtures.cargo("fixture_raw", "newer", "newer");
        fixtures.cargo("fixture_raw", "swapped", "swapped");
        fixtures
    }

    /// Builds with the profile of the tests, in their target folder.
    fn cargo(&self, package: &str, features: &str, name: &str) {
        let test = std::env::current_exe().expect("a test has a path");
        let profile = test.ancestors().find(|folder| folder.join(".fingerprint").is_dir()).expect("cargo runs the tests");
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace()).args(["build", "--quiet", "--package", package, "--features", features]);
        cargo.arg("--target-dir").arg(profile.parent().expect("a profile is in a target folder"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "fixture {package} does not build");
        let built = profile.join(library(package));
        fs::copy(&built, self.path(name)).unwrap_or_else(|error| panic!("{}: {error}", built.display()));
    }

    /// A fixture's library.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(library(name))
    }

    /// A copy of the well-behaved plugin whose bytes were changed.
    pub fn changed(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
        let mut bytes = fs::read(self.path("misbehaving")).expect("the fixture is built");
        change(&mut bytes);
        let path = self.path(name);
        fs::write(&path, bytes).expect("the folder is writable");
        path
    }

    /// A copy of the well-behaved plugin with another tag.
    pub fn with_tag(&self, name: &str, change: impl FnOnce(&mut [u8])) -> PathBuf {
        self.changed(name, |bytes| {
            let places: Vec<usize> = bytes.windows(16).enumerate().filter(|(_, w)| **w == AbiTag::MAGIC).map(|(at, _)| at).collect();
            assert_eq!(places.len(), 1, "the magic number is in the library once");
            change(&mut bytes[places[0]..places[0] + AbiTag::SIZE]);
        })
    }
}

fn library(name: &str) -> String {
    format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}
