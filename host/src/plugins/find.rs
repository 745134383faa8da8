//! Where plugins are looked for.

use std::env::{
    self,
    consts::{DLL_EXTENSION, DLL_PREFIX, DLL_SUFFIX},
};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::PluginError;
use crate::installed::prefix_of;

/// Why a folder is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Named in `EMHOST_PLUGIN_PATH`.
    Environment,
    /// The project's `plugins` folder, or the cargo target folder of the running binary.
    Project,
    /// The user's data folder.
    User,
    /// A system folder, or the one that was installed with the binary.
    System,
}

/// A folder to search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Why.
    pub origin: Origin,
    /// Where.
    pub folder: PathBuf,
}

/// The folders that are searched, first match wins, for the project at `project`.
pub fn places(project: &Path) -> Vec<Place> {
    let binary = env::current_exe().ok();
    ordered(project, env::var_os("EMHOST_PLUGIN_PATH").as_deref(), binary.as_deref(), user_folder().as_deref())
}

/// Where the user's own plugins lie; none for a user without a home.
pub fn user_folder() -> Option<PathBuf> {
    let data = env::var_os("XDG_DATA_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    let data = data.or_else(|| Some(env::home_dir().filter(|home| !home.as_os_str().is_empty())?.join(".local/share")));
    Some(data?.join("emhost/plugins"))
}

/// Where an installation in `prefix`, such as `/usr/local`, has its plugins.
pub fn shared_folder(prefix: &Path) -> PathBuf {
    prefix.join("lib/emhost/plugins")
}

fn ordered(project: &Path, listed: Option<&OsStr>, binary: Option<&Path>, user: Option<&Path>) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    let mut add = |origin, folder: PathBuf| {
        if places.iter().all(|place| place.folder != folder) {
            places.push(Place { origin, folder });
        }
    };
    for folder in listed.into_iter().flat_map(env::split_paths).filter(|folder| !folder.as_os_str().is_empty()) {
        add(Origin::Environment, folder);
    }
    add(Origin::Project, project.join("plugins"));
    let beside = binary.and_then(Path::parent);
    if let Some(folder) = beside
        && in_target(folder)
    {
        // A test's binary is in `deps` itself.
        let target = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
        add(Origin::Project, target.to_owned());
        add(Origin::Project, target.join("deps"));
    }
    if let Some(folder) = user {
        add(Origin::User, folder.to_owned());
    }
    // The plugins that came with the binary fit it; those of a distribution give way to the machine's own.
    let own = binary.and_then(prefix_of).filter(|prefix| *prefix != Path::new("/usr"));
    for prefix in own.into_iter().chain([Path::new("/usr/local"), Path::new("/usr")]) {
        add(Origin::System, shared_folder(prefix));
    }
    places
}

/// Cargo marks each profile's folder.
fn in_target(folder: &Path) -> bool {
    let profile = if folder.ends_with("deps") { folder.parent() } else { Some(folder) };
    profile.is_some_and(|profile| profile.join(".fingerprint").is_dir())
}

/// The library that the user means: a path, or a name to search for.
///
/// # Errors
///
/// No file of that name is in any of the places.
pub fn find(plugin: &str, places: &[Place]) -> Result<PathBuf, PluginError> {
    let path = Path::new(plugin);
    if path.components().count() > 1 || path.extension() == Some(OsStr::new(DLL_EXTENSION)) {
        return Ok(path.to_owned());
    }
    let file = file_name(plugin);
    let found = places.iter().map(|place| place.folder.join(&file)).find(|path| path.is_file());
    found.ok_or_else(|| PluginError::NotFound {
        name: plugin.to_owned(),
        searched: places.iter().map(|place| place.folder.clone()).collect(),
    })
}

/// `libNAME.so`, `libNAME.dylib` or `NAME.dll`.
pub(super) fn file_name(plugin: &str) -> String {
    format!("{DLL_PREFIX}{}{DLL_SUFFIX}", plugin.replace('-', "_"))
}

/// The plugin's name in a file's name, where it has the platform's form.
pub(super) fn plugin_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_prefix(DLL_PREFIX)?.strip_suffix(DLL_SUFFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_places_come_before_the_systems() {
        let binary = Path::new("/opt/emhost/bin/emhost");
        let listed = env::join_paths(["/a", "/b", "/a"]).unwrap();
        let places = ordered(Path::new("/p"), Some(&listed), Some(binary), Some(Path::new("/u/emhost/plugins")));
        let folders: Vec<&str> = places.iter().map(|place| place.folder.to_str().unwrap()).collect();
        let expected = [
            "/a",
            "/b",
            "/p/plugins",
            "/u/emhost/plugins",
            "/opt/emhost/lib/emhost/plugins",
            "/usr/local/lib/emhost/plugins",
            "/usr/lib/emhost/plugins",
        ];
        assert_eq!(folders, expected);
        let distribution = ordered(Path::new("/p"), None, Some(Path::new("/usr/bin/emhost")), None);
        assert_eq!(distribution[1].folder, Path::new("/usr/local/lib/emhost/plugins"));
    }

    #[test]
    fn a_name_is_searched_and_a_path_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let library = folder.path().join(file_name("my-plugin"));
        std::fs::write(&library, "").unwrap();
        let places = [
            Place { origin: Origin::User, folder: folder.path().join("missing") },
            Place { origin: Origin::User, folder: folder.path().to_owned() },
        ];
        assert_eq!(find("my-plugin", &places).unwrap(), library);
        assert_eq!(find("my_plugin", &places).unwrap(), library);
        assert_eq!(find("some/where", &places).unwrap(), Path::new("some/where"));
        let error = find("other", &places).unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(error.to_string().contains("missing"), "{error}");
    }
}
