//! Checkpoints in the local Hugging Face hub cache, found by name; nothing is written and nothing is downloaded.
//!
//! The layout is `models--ORG--NAME/refs/REVISION`, whose text is a commit, and `snapshots/COMMIT/FILE`, a link to a
//! blob. It is read without a lock: a file appears in a snapshot only when its download is complete.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::{ModelError, Result};

/// The revision meant where none is named.
const DEFAULT: &str = "main";

/// One downloaded commit of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The folder with the checkpoint's files.
    pub folder: PathBuf,
    /// `ORG/NAME`.
    pub name: String,
    /// The revision as asked for.
    pub asked: String,
    /// The commit that it stands for.
    pub commit: String,
}

/// Whether a name can be a model of the hub: `ORG/NAME` or `NAME`, with `@REVISION` behind it.
pub fn is_name(model: &str) -> bool {
    let (name, _) = split(model);
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.contains("..")
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    name.split('/').count() <= 2 && name.split('/').all(is_part)
}

/// The cache's folder, from the variables that Hugging Face's own library reads.
pub fn cache() -> Option<PathBuf> {
    cache_of(&|name| std::env::var_os(name))
}

fn cache_of(variable: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let home = variable("HOME").map(PathBuf::from);
    let folder = |name: &str| {
        let path = PathBuf::from(variable(name).filter(|value| !value.is_empty())?);
        match (path.strip_prefix("~"), &home) {
            (Ok(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(path),
        }
    };
    let below = |parts: &'static str| move |folder: PathBuf| folder.join(parts);
    folder("HF_HUB_CACHE")
        .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
        .or_else(|| folder("HF_HOME").map(below("hub")))
        .or_else(|| folder("XDG_CACHE_HOME").map(below("huggingface/hub")))
        .or_else(|| home.clone().map(below(".cache/huggingface/hub")))
}

impl Snapshot {
    /// The snapshot of `ORG/NAME[@REVISION]` in a cache; the revision is a branch, a tag, or a commit or its beginning.
    pub fn find(model: &str, cache: &Path) -> Result<Self> {
        let (name, revision) = split(model);
        let asked = revision.unwrap_or(DEFAULT);
        let download = match revision {
            None => format!("run `hf download {name}`"),
            Some(revision) => format!("run `hf download {name} --revision {revision}`"),
        };
        let refuse = |problem: String| ModelError::Hub { model: model.to_owned(), cache: cache.to_owned(), problem };
        let repository = cache.join(format!("models--{}", name.replace('/', "--")));
        if !repository.is_dir() {
            return Err(refuse(format!("it is not there; {download}, or give a folder or `embedded`")));
        }
        let commits = entries(&repository.join("snapshots"));
        let commit = match commit_of(&repository, asked) {
            Some(commit) => commit,
            None => {
                match commits.iter().filter(|commit| is_commit(asked) && commit.starts_with(asked)).collect::<Vec<_>>()
                    [..]
                {
                    [commit] => commit.clone(),
                    [] => {
                        let known = known(&repository, &commits);
                        return Err(refuse(format!("there is no revision `{asked}`; there are: {known}; {download}")));
                    }
                    _ => return Err(refuse(format!("several commits begin with `{asked}`: {}", commits.join(", ")))),
                }
            }
        };
        let folder = repository.join("snapshots").join(&commit);
        if !folder.is_dir() {
            return Err(refuse(format!("revision `{asked}` is commit {commit}, which is not downloaded; {download}")));
        }
        Ok(Self { folder, name: name.to_owned(), asked: asked.to_owned(), commit })
    }

    /// The name in messages.
    pub fn label(&self) -> String {
        format!("{} at commit {}", self.name, self.commit)
    }

    /// What to say about a file that should be in the snapshot.
    pub fn incomplete(&self) -> String {
        let revision = if self.asked == DEFAULT { String::new() } else { format!(" --revision {}", self.asked) };
        format!(
            "the file is missing in {}: the download is not complete; run `hf download {}{revision}`",
            self.folder.display(),
            self.name
        )
    }
}

fn split(model: &str) -> (&str, Option<&str>) {
    model.split_once('@').map_or((model, None), |(name, revision)| (name, Some(revision)))
}

/// The commit that a branch or a tag stands for.
fn commit_of(repository: &Path, revision: &str) -> Option<String> {
    let is_inside = revision.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    let text = is_inside.then(|| std::fs::read_to_string(repository.join("refs").join(revision)).ok()).flatten()?;
    Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
}

fn is_commit(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Names in a folder, in order; none where it cannot be read.
fn entries(folder: &Path) -> Vec<String> {
    let found = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = found.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    names
}

/// Branches, tags and commits that are there.
fn known(repository: &Path, commits: &[String]) -> String {
    let mut names = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in entries(&repository.join("refs").join(&folder)) {
            let name = if folder.is_empty() { entry } else { format!("{folder}/{entry}") };
            let is_folder = repository.join("refs").join(&name).is_dir();
            if is_folder { folders.push(name) } else { names.push(name) }
        }
    }
    names.extend_from_slice(commits);
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
#[path = "hub_tests.rs"]
mod tests;
