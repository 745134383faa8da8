//! What an installation has beside its binary: plugins, the SDK's source, recipes and published claims.

use std::path::{Path, PathBuf};

/// The prefix that a binary in `PREFIX/bin` was installed in.
pub(crate) fn prefix_of(binary: &Path) -> Option<&Path> {
    binary.parent().filter(|folder| folder.ends_with("bin"))?.parent()
}

/// `PREFIX/share/emhost` of this binary, whether it is there or not.
pub fn share() -> Option<PathBuf> {
    Some(prefix_of(&std::env::current_exe().ok()?)?.join("share/emhost"))
}

/// A path that the user gives, such as `experiments/convergent/embedded.toml`: where nothing is there, the same path below
/// [`share`], if that is there.
pub fn or_installed(path: &Path) -> PathBuf {
    below(share(), path)
}

fn below(share: Option<PathBuf>, path: &Path) -> PathBuf {
    let installed = share.filter(|_| path.is_relative() && !path.exists()).map(|share| share.join(path));
    installed.filter(|installed| installed.exists()).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_comes_before_what_is_installed() {
        let share = tempfile::tempdir().unwrap();
        std::fs::write(share.path().join("Cargo.toml"), "").unwrap();
        std::fs::write(share.path().join("recipe.toml"), "").unwrap();
        let found = |path: &str| below(Some(share.path().to_owned()), Path::new(path));
        assert_eq!(found("recipe.toml"), share.path().join("recipe.toml"));
        assert_eq!(found("Cargo.toml"), Path::new("Cargo.toml"), "tests run in the crate's folder");
        assert_eq!(found("nowhere.toml"), Path::new("nowhere.toml"));
        assert_eq!(prefix_of(Path::new("/opt/emhost/bin/emhost")), Some(Path::new("/opt/emhost")));
        assert_eq!(prefix_of(Path::new("/target/release/emhost")), None);
    }
}
