//! The fixture plugins, and damaged copies of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use emhost_abi::AbiTag;
use tempfile::TempDir;

use crate::built::{built, library};

/// Plugins for tests, most of which misbehave, in a folder of this process.
pub struct Fixtures {
    folder: TempDir,
}

/// The fixtures, built when first asked for.
pub fn fixtures() -> &'static Fixtures {
    static FIXTURES: LazyLock<Fixtures> = LazyLock::new(Fixtures::build);
    &FIXTURES
}

impl Fixtures {
    fn build() -> Self {
        let built = built();
        let fixtures = Self { folder: tempfile::tempdir().expect("a folder for fixtures") };
        fixtures.copy(&built.plugin("fixture_grid"), "grid");
        fixtures.copy(&built.plugin("fixture_misbehaving"), "misbehaving");
        fixtures.copy(&built.plugin("fixture_panics_in_manifest"), "panics_in_manifest");
        // The crate's builds have one name, so each is copied before the next one; the last is the usual one.
        for (feature, name) in [("fixture_raw/newer", "newer"), ("fixture_raw/swapped", "swapped"), ("", "older")] {
            built.build(feature);
            fixtures.copy(&built.plugin("fixture_raw"), name);
        }
        fixtures
    }

    fn copy(&self, from: &Path, name: &str) {
        fs::copy(from, self.path(name)).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
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
            let places: Vec<usize> =
                bytes.windows(16).enumerate().filter(|(_, w)| **w == AbiTag::MAGIC).map(|(at, _)| at).collect();
            assert_eq!(places.len(), 1, "the magic number is in the library once");
            change(&mut bytes[places[0]..places[0] + AbiTag::SIZE]);
        })
    }
}
