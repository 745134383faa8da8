//! The workspace, built as its user builds it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// What cargo left in the target folder of the tests.
pub struct Built {
    /// The folder of the tests' profile.
    profile: PathBuf,
}

/// The workspace, built when first asked for.
pub fn built() -> &'static Built {
    static BUILT: LazyLock<Built> = LazyLock::new(|| {
        let built = Built::in_target();
        built.build("");
        built
    });
    &BUILT
}

/// The workspace's folder.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a folder of the workspace")
}

impl Built {
    fn in_target() -> Self {
        let test = std::env::current_exe().expect("a test has a path");
        let profile = test.ancestors().find(|folder| folder.join(".fingerprint").is_dir());
        Self { profile: profile.expect("cargo runs the tests").to_owned() }
    }

    /// The whole workspace, with the profile of the tests: what the tests were linked with is not built again.
    pub(crate) fn build(&self, features: &str) {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(workspace()).args(["build", "--quiet", "--workspace", "--features", features]);
        // What cargo tells a test of its own crate; ring's build script watches some of it and would run again.
        let of_this_crate = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_this_crate)) {
            cargo.env_remove(name);
        }
        cargo.arg("--target-dir").arg(self.profile.parent().expect("a profile is in a target folder"));
        if self.profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "the workspace does not build");
    }

    /// The binary.
    pub fn emhost(&self) -> PathBuf {
        self.profile.join(format!("emhost{}", std::env::consts::EXE_SUFFIX))
    }

    /// A plugin's library.
    pub fn plugin(&self, name: &str) -> PathBuf {
        self.profile.join(library(name))
    }
}

pub(crate) fn library(name: &str) -> String {
    format!("{}{name}{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX)
}
