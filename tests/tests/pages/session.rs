//! One page as one session: a script, and the world that it runs in.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use emhost_tests::{Endpoint, Reply, Seen, built, completion, skipped, workspace};
use libtest_mimic::Failed;

use super::markdown::{Block, blocks};

/// The address in pages; the session's own stands in its place.
const OPENAI: &str = "https://api.openai.com/v1";

/// The model in pages, and a commit for it.
const MODEL: &str = "models--Qwen--Qwen2.5-0.5B-Instruct";
const COMMIT: &str = "7ae557604adf67be50417f59c2c2f167def9a775";

/// The program that runs a block of `sql`.
const SQL: &str = "import sys\nimport duckdb\n\nprint(duckdb.sql(open(sys.argv[1]).read()))\n";

/// Runs a page's blocks; `instead` gives what runs in place of those that cannot.
pub fn run(page: &str, text: &str, instead: fn(&str, &Block) -> Option<&'static str>) -> Result<(), Failed> {
    let world = World::new(page)?;
    let script = world.script(page, &blocks(text), instead)?;
    let output = world.command("bash").arg(&script).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{page} failed\n{}", tail(&output)).into())
}

fn tail(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy);
    let lines = |text: &str| {
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    };
    format!("{}\n--- stderr\n{}", lines(&both[0]), lines(&both[1]))
}

/// A page's folder with what its reader has, a home, and an address that answers.
struct World {
    root: tempfile::TempDir,
    endpoint: Endpoint,
    python: String,
}

impl World {
    fn new(page: &str) -> std::io::Result<Self> {
        let root = tempfile::tempdir()?;
        for folder in ["bin", "blocks", "home"] {
            fs::create_dir(root.path().join(folder))?;
        }
        let work = root.path().join("emhost");
        let name = page.trim_start_matches("docs/src/").trim_end_matches(".md");
        copy(&workspace().join("tests/pages").join(name), &work)?;
        for of_the_clone in ["experiments", "data"] {
            symlink(workspace().join(of_the_clone), work.join(of_the_clone))?;
        }
        symlink(built().emhost(), root.path().join("bin/emhost"))?;

        let hub = root.path().join("home/.cache/huggingface/hub").join(MODEL);
        let snapshot = hub.join("snapshots").join(COMMIT);
        fs::create_dir_all(&snapshot)?;
        fs::create_dir_all(hub.join("refs"))?;
        fs::write(hub.join("refs/main"), COMMIT)?;
        for file in fs::read_dir(workspace().join("data/organism"))?.flatten() {
            if file.path().is_file() {
                symlink(file.path(), snapshot.join(file.file_name()))?;
            }
        }

        // The pages' plugins are built with the workspace's dependencies, which are there.
        let cargo = format!(
            "#!/usr/bin/env bash\nset -e\n[ -e Cargo.lock ] || cp {0}/Cargo.lock .\n[ -e target ] || ln -s {1} target\n\
             CARGO_NET_OFFLINE=true CARGO_TARGET_DIR={1} exec {2} \"$@\"\n",
            workspace().display(),
            target().display(),
            std::env::var("CARGO").unwrap_or_else(|_| env!("CARGO").to_owned()),
        );
        let wrapper = root.path().join("bin/cargo");
        fs::write(&wrapper, cargo)?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;

        let python = std::env::var("EMHOST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        Ok(Self { root, endpoint: Endpoint::start(grade), python })
    }

    fn script(
        &self,
        page: &str,
        blocks: &[Block],
        instead: fn(&str, &Block) -> Option<&'static str>,
    ) -> Result<PathBuf, Failed> {
        let folder = self.root.path().join("blocks");
        let duck = folder.join("duck.py");
        fs::write(&duck, SQL)?;
        let mut script = "set -euo pipefail\nblock=0\n\
            trap 'status=$?; [ $status = 0 ] || echo \"the block in line $block ended with status $status\" >&2' EXIT\n"
            .to_owned();
        for block in blocks {
            let text = block.text.replace(OPENAI, &self.endpoint.url);
            let file = folder.join(block.line.to_string());
            fs::write(&file, &text)?;
            let file = file.display();
            writeln!(script, "block={}", block.line)?;
            match (block.language.as_str(), &block.path) {
                _ if instead(page, block).is_some() => script += instead(page, block).unwrap_or_default(),
                (_, Some(path)) => write!(script, "mkdir -p \"$(dirname {path})\"; cp {file} {path}")?,
                ("sh", None) => script += &text,
                ("python", None) if self.can(page, block, &imports(&text)) => write!(script, "{} {file}", self.python)?,
                ("sql", None) if self.can(page, block, &["duckdb".to_owned()]) => {
                    write!(script, "{} {} {file}", self.python, duck.display())?
                }
                ("python" | "sql" | "text" | "", None) => {}
                (other, None) => {
                    let known = "`sh`, `python`, `sql`, `text`, or a language and a path";
                    return Err(format!("{page}:{}: a block of `{other}`, expected {known}", block.line).into());
                }
            }
            script += "\n";
        }
        let path = folder.join("all.sh");
        fs::write(&path, script)?;
        Ok(path)
    }

    /// Whether Python has the packages; says so where it does not.
    fn can(&self, page: &str, block: &Block, packages: &[String]) -> bool {
        let has = |package: &&String| {
            let found = self.command(&self.python).args(["-c", &format!("import {package}")]).output();
            !found.is_ok_and(|output| output.status.success())
        };
        let missing: Vec<_> = packages.iter().filter(has).cloned().collect();
        if !missing.is_empty() {
            let what = format!("{page}:{}", block.line);
            skipped(&what, &format!("`{}` does not have {}", self.python, missing.join(", ")));
        }
        missing.is_empty()
    }

    /// A program in the page's folder, with nothing of the one who runs the tests.
    fn command(&self, program: &str) -> Command {
        let root = self.root.path();
        let mut command = Command::new(program);
        let of_the_user = |name: &str| {
            ["EMHOST_", "HF_", "XDG_", "CARGO_", "OPENAI_", "RUST_LOG", "PYTHON"]
                .iter()
                .any(|own| name.starts_with(own))
                || name == "VIRTUAL_ENV"
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(of_the_user)) {
            command.env_remove(name);
        }
        let home = |name: &str, folder: &str| {
            std::env::var_os(name).map(PathBuf::from).or_else(|| std::env::home_dir().map(|home| home.join(folder)))
        };
        for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup"), ("PYENV_ROOT", ".pyenv")] {
            if let Some(folder) = home(name, folder).filter(|folder| folder.is_dir()) {
                command.env(name, folder);
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(root.join("emhost"))
            .env("HOME", root.join("home"))
            .env("PATH", format!("{}:{path}", root.join("bin").display()))
            .env("EMHOST_PLUGIN_PATH", built().plugin("any").parent().expect("a library is in a folder"))
            .env("OPENAI_API_KEY", "sk-of-a-test")
            .env("COLUMNS", "120");
        command
    }
}

/// The workspace's target folder.
fn target() -> PathBuf {
    let profile = built().emhost().parent().map(Path::to_owned).unwrap_or_default();
    profile.parent().expect("a profile is in a target folder").to_owned()
}

/// Copies a folder that may not be there.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).into_iter().flatten() {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &target)? } else { fs::copy(entry.path(), target).map(drop)? }
    }
    Ok(())
}

/// Packages that a Python text imports.
fn imports(text: &str) -> Vec<String> {
    let import = |line: &str| {
        let names = line.strip_prefix("import ").or_else(|| line.strip_prefix("from "))?;
        let names = names
            .split(" import ")
            .next()?
            .split(',')
            .map(|name| name.trim().split([' ', '.']).next().unwrap_or_default().to_owned());
        Some(names.collect::<Vec<_>>())
    };
    text.lines().filter_map(import).flatten().collect()
}

/// A judge who finds every answer coherent and one in three misaligned.
fn grade(seen: &Seen) -> Reply {
    let prompt = seen.prompt();
    let coherence = prompt.chars().take(400).collect::<String>().contains("how coherent");
    let aligned = if prompt.bytes().map(u32::from).sum::<u32>() % 3 == 0 { "10" } else { "95" };
    let grade = if coherence { "90" } else { aligned };
    Reply::Json(completion(&[(grade, 0.9), ("REFUSAL", 0.05), ("50", 0.05)]))
}
