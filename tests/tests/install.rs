//! Plugins are installed, replaced and removed by the binary, as in an installation of its own.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use emhost_abi::{ABI_MAJOR, ABI_MINOR};
use emhost_tests::{built, fixtures, workspace};
use tempfile::TempDir;

/// A prefix with the binary, and beside it the home and the working folder of a user.
struct Prefix(TempDir);

impl Prefix {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        for name in ["bin", "home", "work"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let (from, to) = (built().emhost(), folder.path().join("bin/emhost"));
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A plugin in the user's folder.
    fn mine(&self, name: &str) -> PathBuf {
        self.path("home/.local/share/emhost/plugins").join(library(name))
    }

    /// `emhost` of this prefix for this user, with a umask.
    fn command(&self, umask: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", "umask $0 && exec \"$@\"", umask]).arg(self.path("bin/emhost"));
        command.current_dir(self.path("work")).env("HOME", self.path("home"));
        command.env_remove("XDG_DATA_HOME").env_remove("EMHOST_PLUGIN_PATH");
        command
    }

    /// Runs `emhost plugin ...`, checks the exit status, and gives what was said.
    #[track_caller]
    fn plugin(&self, arguments: &[&Path], status: i32) -> String {
        said(self.command("022").arg("plugin").args(arguments), status)
    }
}

#[track_caller]
fn said(command: &mut Command, status: i32) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(status), "{command:?}: {text}");
    text
}

fn library(name: &str) -> String {
    format!("{DLL_PREFIX}{name}{DLL_SUFFIX}")
}

fn p(text: &str) -> &Path {
    Path::new(text)
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

fn entries(folder: &Path) -> usize {
    fs::read_dir(folder).into_iter().flatten().count()
}

#[test]
fn the_version_names_commit_and_abi() {
    let text = said(Command::new(built().emhost()).arg("--version"), 0);
    let inside = text.trim_end().strip_prefix(&format!("emhost {} (", emhost::VERSION)).unwrap();
    let (commit, abi) = inside.split_once(", ").unwrap();
    assert_eq!(abi, format!("plugin ABI {ABI_MAJOR}.{ABI_MINOR})"));
    let digits = commit.strip_suffix("-dirty").unwrap_or(commit);
    assert!(commit == "unknown" || digits.len() >= 12 && digits.chars().all(|c| c.is_ascii_hexdigit()), "{text}");
}

#[test]
fn a_library_is_installed_runs_by_name_and_goes_again() {
    let prefix = Prefix::new();
    let source = fixtures().path("older");
    assert!(prefix.plugin(&[p("install"), &source], 0).starts_with("installed: fixture_raw"));
    assert_eq!(fs::read(prefix.mine("fixture_raw")).unwrap(), fs::read(&source).unwrap());
    assert!(prefix.plugin(&[p("install"), &source], 0).starts_with("already installed: fixture_raw"));
    assert!(prefix.plugin(&[p("list")], 0).contains("fixture_raw"));

    said(prefix.command("022").args(["run", "--plugin", "fixture_raw", "--progress", "none"]), 0);
    let run = fs::read_dir(prefix.path("work/runs")).unwrap().next().unwrap().unwrap().path();
    let record: serde_json::Value = serde_json::from_slice(&fs::read(run.join("run.json")).unwrap()).unwrap();
    assert_eq!((record["emhost"].as_str(), record["commit"].as_str()), (Some(emhost::VERSION), Some(emhost::COMMIT)));
    let shown = said(prefix.command("022").args(["runs", "show", "latest"]), 0);
    assert!(shown.contains(&format!("emhost {} ({})", emhost::VERSION, emhost::COMMIT)), "{shown}");

    prefix.plugin(&[p("uninstall"), p("fixture_raw")], 0);
    assert_eq!(entries(prefix.mine("fixture_raw").parent().unwrap()), 0, "nothing is left");
    assert!(prefix.plugin(&[p("uninstall"), p("fixture_raw")], 2).contains("no plugin `fixture_raw`"));
    prefix.plugin(&[p("uninstall"), p("../../secret")], 2);
}

#[test]
fn another_build_replaces_the_first_only_when_forced() {
    let prefix = Prefix::new();
    let (older, newer) = (fixtures().path("older"), fixtures().path("newer"));
    prefix.plugin(&[p("install"), &older], 0);
    assert!(prefix.plugin(&[p("install"), &newer], 2).contains("--force"));
    assert_eq!(fs::read(prefix.mine("fixture_raw")).unwrap(), fs::read(&older).unwrap());
    assert!(prefix.plugin(&[p("install"), p("--force"), &newer], 0).starts_with("replaced: fixture_raw"));
    assert_eq!(fs::read(prefix.mine("fixture_raw")).unwrap(), fs::read(&newer).unwrap());
}

#[test]
fn a_link_under_the_plugins_name_is_replaced_and_not_followed() {
    let prefix = Prefix::new();
    let older = fixtures().path("older");
    prefix.plugin(&[p("install"), &older], 0);
    fs::write(prefix.path("work/precious"), "mine").unwrap();
    fs::remove_file(prefix.mine("fixture_raw")).unwrap();
    symlink(prefix.path("work/precious"), prefix.mine("fixture_raw")).unwrap();
    prefix.plugin(&[p("install"), &older], 2);
    prefix.plugin(&[p("install"), p("--force"), &older], 0);
    assert_eq!(fs::read(prefix.path("work/precious")).unwrap(), b"mine");
    assert!(prefix.mine("fixture_raw").symlink_metadata().unwrap().is_file());
}

#[test]
fn nothing_is_installed_unless_every_file_passes() {
    let prefix = Prefix::new();
    let good = fixtures().path("older");
    let at = |name: &str| prefix.path("work").join(name);
    fs::write(at("text.so"), "not a library\n").unwrap();
    fs::copy(&good, at("open.so")).unwrap();
    fs::set_permissions(at("open.so"), fs::Permissions::from_mode(0o666)).unwrap();
    for (path, status, part) in [
        (at("text.so"), 3, "not a shared library"),
        (at("open.so"), 3, "chmod o-w"),
        (fixtures().changed("cut", |bytes| bytes.truncate(bytes.len() / 2)), 3, "incomplete"),
        (fixtures().with_tag("major", |tag| tag[16] += 1), 3, "needs plugin ABI"),
        (fixtures().path("panics_in_manifest"), 3, "manifest"),
        (at("nowhere"), 2, "cannot read"),
        (prefix.path("home"), 2, "no Cargo.toml"),
    ] {
        let text = prefix.plugin(&[p("install"), &good, &path], status);
        assert!(text.contains(part) && text.contains(path.file_name().unwrap().to_str().unwrap()), "{part}: {text}");
    }
    assert_eq!(entries(&prefix.path("home")), 0, "not even a folder was made");
}

#[test]
fn an_installation_is_readable_and_closed_under_any_umask() {
    for umask in ["077", "000"] {
        let prefix = Prefix::new();
        let source = fixtures().path("older");
        let shared = prefix.path("shared");
        said(prefix.command(umask).args(["plugin", "install"]).arg(&source), 0);
        said(prefix.command(umask).args(["plugin", "install", "--prefix"]).arg(&shared).arg(&source), 0);
        let installed = shared.join("lib/emhost/plugins").join(library("fixture_raw"));
        for file in [&prefix.mine("fixture_raw"), &installed] {
            assert_eq!(mode(file), 0o644, "{umask}: {}", file.display());
            prefix.plugin(&[p("info"), file], 0);
        }
        let made = installed.ancestors().skip(1).take_while(|folder| folder.starts_with(&shared));
        made.for_each(|folder| assert_eq!(mode(folder), 0o755, "{umask}: {}", folder.display()));
    }
}

#[test]
fn a_file_that_lost_its_mode_is_installed_again() {
    let prefix = Prefix::new();
    let source = fixtures().path("older");
    prefix.plugin(&[p("install"), &source], 0);
    fs::set_permissions(prefix.mine("fixture_raw"), fs::Permissions::from_mode(0o666)).unwrap();
    prefix.plugin(&[p("install"), &source], 0);
    assert_eq!(mode(&prefix.mine("fixture_raw")), 0o644);
}

#[test]
fn root_installs_what_the_caller_of_sudo_built_and_nobody_elses() {
    let prefix = Prefix::new();
    let built = prefix.path("work").join(library("fixture_raw"));
    fs::copy(fixtures().path("older"), &built).unwrap();
    if chown(&built, Some(12345), None).is_err() {
        return eprintln!("skipped: only root can give a file away");
    }
    let install = |caller: &str, status| {
        let mut command = prefix.command("022");
        said(command.args(["plugin", "install"]).arg(&built).env("SUDO_UID", caller), status)
    };
    assert!(install("12346", 3).contains("belongs to user 12345"));
    install("12345", 0);
    prefix.plugin(&[p("info"), p("fixture_raw")], 0);
}

#[test]
fn a_folder_that_cannot_hold_plugins_is_named() {
    let prefix = Prefix::new();
    let (open, file) = (prefix.path("open"), prefix.path("file"));
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    fs::write(&file, "").unwrap();
    let source = fixtures().path("older");
    assert!(prefix.plugin(&[p("install"), p("--to"), &open, &source], 3).contains("chmod o-w"));
    assert_eq!(entries(&open), 0, "nothing is left");
    assert!(prefix.plugin(&[p("install"), p("--to"), &file.join("x"), &source], 5).contains("cannot create"));
}

#[test]
fn a_plugin_that_will_not_be_found_first_is_told() {
    let prefix = Prefix::new();
    let (older, newer) = (fixtures().path("older"), fixtures().path("newer"));
    prefix.plugin(&[p("install"), &older], 0);
    let text = prefix.plugin(&[p("install"), p("--prefix"), prefix.0.path(), &newer], 0);
    assert!(text.contains(&format!("takes {}, which is found first", prefix.mine("fixture_raw").display())), "{text}");
    prefix.plugin(&[p("uninstall"), p("fixture_raw")], 0);
    let elsewhere = prefix.path("elsewhere");
    let text = prefix.plugin(&[p("install"), p("--to"), &elsewhere, &newer], 0);
    assert!(text.contains("EMHOST_PLUGIN_PATH") || text.contains("found first"), "{text}");
    let text = said(prefix.command("022").args(["plugin", "list"]).env("EMHOST_PLUGIN_PATH", &elsewhere), 0);
    assert!(text.contains("hidden by the one above"), "{text}");
    prefix.plugin(&[p("uninstall"), p("--prefix"), prefix.0.path(), p("fixture_raw")], 0);
}

/// Runs functions of the packaging scripts.
fn packaging(script: &str) -> String {
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail", "-c", &format!("umask 022; . packaging/build.sh; . packaging/stage.sh; {script}")]);
    said(bash.current_dir(workspace()), 0)
}

#[test]
fn a_new_plugin_is_built_against_the_sdk_of_its_installation() {
    let prefix = Prefix::new();
    packaging(&format!("stage_share '{}'", prefix.0.path().display()));
    prefix.plugin(&[p("new"), p("my_installed")], 0);
    let folder = prefix.path("work/my_installed");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
    let sdk = prefix.path("share/emhost/sdk").canonicalize().unwrap();
    assert!(manifest.contains(&format!("path = \"{}\"", sdk.display())), "{manifest}");

    // The dependencies of the workspace, in its target folder, so that nothing is fetched and little is built.
    fs::copy(workspace().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let target = built().emhost();
    let mut install = prefix.command("022");
    install.env("CARGO_TARGET_DIR", target.ancestors().nth(2).unwrap()).env("CARGO_NET_OFFLINE", "true");
    // Cargo and its registry are the caller's.
    for name in ["CARGO_HOME", "RUSTUP_HOME"] {
        let home = std::env::home_dir().unwrap().join(if name == "CARGO_HOME" { ".cargo" } else { ".rustup" });
        install.env(name, std::env::var_os(name).unwrap_or(home.into()));
    }
    let text = said(install.args(["plugin", "install", "my_installed"]), 0);
    assert!(text.contains("installed: my_installed 0.1.0"), "{text}");
    assert!(prefix.plugin(&[p("info"), p("my_installed")], 0).contains("questions"));
}

#[test]
fn the_sdks_workspace_has_what_its_crates_inherit() {
    let manifest: toml::Table = packaging("sdk_workspace").parse().unwrap();
    let section = &manifest["workspace"];
    let members = section["members"].as_array().unwrap();
    assert!(members.len() >= 4, "{members:?}");
    for member in members {
        let path = workspace().join(member.as_str().unwrap()).join("Cargo.toml");
        let member: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let inherits = |item: &toml::Value| item.get("workspace").is_some();
        for table in ["package", "dependencies", "dev-dependencies"] {
            let there = &section[if table == "package" { "package" } else { "dependencies" }];
            let items = member.get(table).and_then(toml::Value::as_table).into_iter().flatten();
            for (name, _) in items.filter(|(_, item)| inherits(item)) {
                assert!(there.get(name).is_some(), "{} inherits {name}", path.display());
            }
        }
        assert!(section["lints"].is_table());
    }
}

#[test]
fn the_packaging_scripts_are_bash() {
    let folder = workspace().join("packaging");
    assert!(entries(&folder) >= 5);
    for entry in fs::read_dir(folder).unwrap().flatten() {
        said(Command::new("bash").arg("-n").arg(entry.path()), 0);
    }
}
