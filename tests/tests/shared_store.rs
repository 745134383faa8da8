//! One store for many processes of two users: each stage is computed once, whoever is killed meanwhile, and all can read it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use emhost::rng::Stream;
use emhost::store::Stages;
use emhost_tests::{Grid, below, built, fixtures, skipped};
use tempfile::TempDir;

/// Users that need no entry in any file, and their group.
const USERS: [(u32, &str); 2] = [(54_101, "022"), (54_102, "077")];
const GROUP: u32 = 54_100;
const PROCESSES: usize = 32;

/// A study that overlaps with that of the next process.
fn study(folder: &Path, store: &Path, process: usize) -> Grid {
    let conditions: Vec<String> = (0..4).map(|at| format!("\"c{}\"", (process + at) % 12)).collect();
    Grid::new(folder).with_store(store).set(&format!("conditions=[{}]", conditions.join(","))).set("seeds=[1,2]")
}

/// Its command as one of the users, with that user's umask.
fn command(grid: &Grid, plugin: &Path, user: u32, umask: &str) -> Command {
    let plain = grid.command();
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={GROUP}"), "--clear-groups", "sh", "-c"]);
    command.arg(format!("umask {umask}; exec \"$@\"")).arg("sh").arg(plain.get_program());
    let fixture = fixtures().path("grid");
    command.args(plain.get_args().map(|arg| if arg == fixture.as_os_str() { plugin.as_os_str() } else { arg }));
    command.args(["--workers", "2"]);
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("HOME", grid.folder()).current_dir(grid.folder()).process_group(0);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

#[test]
fn processes_of_two_users_share_a_store_and_compute_each_stage_once() {
    if rustix::process::getuid().as_raw() != 0 || Command::new("setpriv").arg("--version").output().is_err() {
        skipped("processes_of_two_users_share_a_store", "it needs root and setpriv to become two users");
        return;
    }
    let root = TempDir::new().unwrap();
    let mode = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(root.path(), 0o755);
    let store = root.path().join("store");
    fs::create_dir(&store).unwrap();
    std::os::unix::fs::chown(&store, None, Some(GROUP)).unwrap();
    mode(&store, 0o2775);
    // Each user has the plugin as an own file, as the host demands.
    let plugins: Vec<PathBuf> = USERS
        .iter()
        .map(|(user, _)| {
            let path = root.path().join(format!("plugin-{user}.so"));
            fs::copy(fixtures().path("grid"), &path).unwrap();
            std::os::unix::fs::chown(&path, Some(*user), Some(GROUP)).unwrap();
            mode(&path, 0o755);
            path
        })
        .collect();
    let homes: Vec<PathBuf> = (0..PROCESSES)
        .map(|process| {
            let (user, _) = USERS[process % 2];
            let home = root.path().join(format!("p{process}"));
            fs::create_dir(&home).unwrap();
            std::os::unix::fs::chown(&home, Some(user), Some(GROUP)).unwrap();
            home
        })
        .collect();
    let reachable = Command::new("setpriv")
        .args([&format!("--reuid={}", USERS[0].0), "--clear-groups"])
        .arg(built().emhost())
        .arg("--version")
        .output();
    if !reachable.unwrap().status.success() {
        skipped(
            "processes_of_two_users_share_a_store",
            &format!("another user cannot reach {}", built().emhost().display()),
        );
        return;
    }

    let stream = Stream::new(7, &[b"shared"]);
    let killed = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for (process, home) in homes.iter().enumerate() {
            let (store, plugin, stream, killed) = (&store, &plugins[process % 2], &stream, &killed);
            scope.spawn(move || {
                let (user, umask) = USERS[process % 2];
                let grid = study(home, store, process);
                // One in four is killed, some of them before they have begun.
                let mut kills = usize::from(process % 4 == 3);
                loop {
                    let child = command(&grid, plugin, user, umask).spawn().unwrap();
                    if kills > 0 {
                        kills -= 1;
                        std::thread::sleep(Duration::from_secs_f64(6.0 * stream.uniform(process as u64)));
                        let group = rustix::process::Pid::from_child(&child);
                        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
                    }
                    let output = child.wait_with_output().unwrap();
                    if output.status.signal() == Some(9) {
                        killed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        continue;
                    }
                    assert!(output.status.success(), "{process}: {}", String::from_utf8_lossy(&output.stderr));
                    return;
                }
            });
        }
    });
    println!("{} processes were killed", killed.into_inner());

    // Every stage verifies, both users may read and the group may clear up.
    let stages = Stages::open(store.join("stages")).unwrap();
    let (all, broken) = stages.all().unwrap();
    assert!(broken.is_empty(), "{broken:?}");
    // 12 captures and 24 samples.
    assert_eq!(all.len(), 36);
    for stage in &all {
        assert_eq!(stage.verify(), [], "{}", stage.folder.display());
    }
    check_modes(&store);

    // Nobody computed what was there: among all finished cells each stage was computed once at most; a process that was
    // killed after publishing has told nobody.
    let mut computed: BTreeMap<String, usize> = BTreeMap::new();
    for (process, home) in homes.iter().enumerate() {
        let grid = study(home, &store, process);
        for run in grid.runs() {
            for cell in fs::read_dir(run.join("cells")).unwrap().flatten() {
                let done: serde_json::Value =
                    serde_json::from_slice(&fs::read(cell.path().join("done.json")).unwrap()).unwrap();
                for (stage, how) in done["stages"].as_object().unwrap() {
                    *computed.entry(stage.clone()).or_default() += usize::from(how == "computed");
                }
            }
        }
    }
    assert_eq!(computed.len(), 36);
    assert!(computed.values().all(|times| *times <= 1), "{computed:?}");

    // What dead processes left is cleared by the users themselves.
    for (at, (user, _)) in USERS.iter().enumerate() {
        let grid = study(&homes[at], &store, at);
        let mut gc = Command::new("setpriv");
        gc.args([&format!("--reuid={user}"), &format!("--regid={GROUP}"), "--clear-groups"]).arg(built().emhost());
        gc.args(["store", "gc", "--unused-for", "1d"]).env("EMHOST_STORE", grid.store()).env("HOME", &homes[at]);
        let output = gc.current_dir(&homes[at]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let hidden: Vec<PathBuf> = below(&store.join("stages"))
        .into_iter()
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with('.'))
        .collect();
    assert!(hidden.is_empty(), "{hidden:?}");

    // The numbers are those of a process alone.
    for process in [0, 1, PROCESSES - 1] {
        let alone = TempDir::new().unwrap();
        let single = study(alone.path(), &alone.path().join("store"), process);
        single.run(&["--workers", "1"], 0);
        let shared = study(&homes[process], &store, process);
        assert_eq!(single.tables(), shared.tables(), "process {process}");
    }
}

fn check_modes(folder: &Path) {
    for path in below(folder) {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let wanted = if metadata.is_dir() { 0o2070 } else { 0o060 };
        let mode = metadata.permissions().mode();
        assert_eq!(metadata.gid(), GROUP, "{}", path.display());
        let hidden = path.file_name().unwrap().to_string_lossy().starts_with('.');
        let inside = path.components().any(|part| part.as_os_str().to_string_lossy().contains(".tmp-"));
        assert!(mode & wanted == wanted || hidden || inside, "{mode:o} {}", path.display());
    }
}
