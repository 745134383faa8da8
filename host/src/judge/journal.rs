//! What was judged once is not judged again: plain lines of JSON in the store.
//!
//! `STORE/judgments/KIND-DIGEST/` belongs to one judge: `judge.json` says which, and each `*.jsonl` holds the judgments
//! of one piece of work, a line each, appended as they come. Readers take no lock; a line that was torn by a crash is
//! passed over.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::error::{JudgeError, Result};
use super::judging::{Event, Judge};
use super::record::{Ask, Judgment, Usage};
use crate::clock::now;
use crate::store::{StoreError, create_file, create_folders, write_new_atomic};

/// The judgments of one judge.
#[derive(Debug)]
pub struct Journal {
    /// None in a store that can only be read.
    own: Option<File>,
    path: PathBuf,
    /// Whether what is added goes to the store.
    kept: bool,
    found: HashMap<String, Judgment>,
    spent: Usage,
}

/// A judgment under its key, or what was paid without one.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Judged { key: String, judgment: Box<Judgment> },
    Spent(Usage),
}

impl Journal {
    /// Opens a judge's journal in `store` and finds what is there of `keys`; `work` names the piece of work that pays for
    /// what is added, such as the path of its result.
    pub fn open(store: &Path, judge: &dyn Judge, work: &str, keys: &HashSet<String>) -> Result<Self> {
        let folder = store.join("judgments").join(format!("{}-{}", judge.kind(), judge.digest()));
        create_folders(&folder).map_err(JudgeError::io("create", &folder))?;
        let about = json!({ "kind": judge.kind(), "identity": judge.identity() });
        let card = folder.join("judge.json");
        if !card.is_file() {
            match write_new_atomic(&card, format!("{about:#}\n").as_bytes()) {
                Ok(()) | Err(StoreError::Exists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let name = &blake3::hash(work.as_bytes()).to_hex()[..16];
        let path = folder.join(format!("{name}.jsonl"));
        let own = create_file(&path).and_then(|()| OpenOptions::new().read(true).append(true).open(&path));
        let own = match own {
            Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => None,
            own => Some(own.map_err(JudgeError::io("open", &path))?),
        };
        let mut journal = Self { own, path: path.clone(), kept: true, found: HashMap::new(), spent: Usage::default() };
        match journal.own.as_ref().map(File::try_lock) {
            Some(Err(TryLockError::WouldBlock)) => {
                let problem = "another emhost judges for this folder with the same judge; wait until it has ended";
                return Err(JudgeError::input(work, problem));
            }
            // A file system without locks.
            Some(Err(TryLockError::Error(_)) | Ok(())) | None => {}
        }
        journal.close_torn_line()?;
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect())
            .map_err(JudgeError::io("read", &folder))?;
        // Its own judgments first: what others have judged meanwhile does not change a result that is there.
        files.sort_by_key(|file| (*file != path, file.clone()));
        for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "jsonl")) {
            journal.read(file, *file == path, keys)?;
        }
        Ok(journal)
    }

    /// A journal of which nothing stays.
    fn passing() -> Self {
        Self { own: None, path: PathBuf::new(), kept: false, found: HashMap::new(), spent: Usage::default() }
    }

    /// A judgment that is there.
    pub fn get(&self, key: &str) -> Option<&Judgment> {
        self.found.get(key)
    }

    /// What this piece of work has spent, in all its sessions.
    pub fn spent(&self) -> &Usage {
        &self.spent
    }

    /// Adds a judgment; it is there for others and after a crash of this process once this returns.
    pub fn add(&mut self, key: &str, judgment: Judgment) -> Result<()> {
        self.append(&Line::Judged { key: key.to_owned(), judgment: Box::new(judgment.clone()) })?;
        self.spent.add(&judgment.usage);
        self.found.entry(key.to_owned()).or_insert(judgment);
        Ok(())
    }

    /// Adds what was paid without a judgment.
    pub fn add_spent(&mut self, usage: &Usage) -> Result<()> {
        if usage.calls == 0 {
            return Ok(());
        }
        self.append(&Line::Spent(usage.clone()))?;
        self.spent.add(usage);
        Ok(())
    }

    fn append(&mut self, line: &Line) -> Result<()> {
        if !self.kept {
            return Ok(());
        }
        let mut text = serde_json::to_vec(line).map_err(|e| JudgeError::input("a judgment", e.to_string()))?;
        text.push(b'\n');
        let write = |own: &mut Option<File>| match own {
            Some(own) => own.write_all(&text),
            None => Err(ErrorKind::ReadOnlyFilesystem.into()),
        };
        write(&mut self.own).map_err(JudgeError::io("write", &self.path))
    }

    /// Makes what was added durable.
    pub fn sync(&self) -> Result<()> {
        self.own.as_ref().map_or(Ok(()), File::sync_data).map_err(JudgeError::io("write", &self.path))
    }

    /// Ends a line that a crash has left without its end.
    fn close_torn_line(&mut self) -> Result<()> {
        let close = |own: &mut File| -> std::io::Result<()> {
            if own.seek(SeekFrom::End(0))? > 0 {
                let mut last = [0];
                own.seek(SeekFrom::End(-1))?;
                own.read_exact(&mut last)?;
                if last != *b"\n" {
                    own.write_all(b"\n")?;
                }
            }
            Ok(())
        };
        self.own.as_mut().map_or(Ok(()), close).map_err(JudgeError::io("read", &self.path))
    }

    fn read(&mut self, path: &Path, own: bool, keys: &HashSet<String>) -> Result<()> {
        let file = File::open(path).map_err(JudgeError::io("read", path))?;
        let mut torn = 0;
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(JudgeError::io("read", path))?;
            match serde_json::from_slice::<Line>(&line) {
                Ok(Line::Judged { key, judgment }) => {
                    if own {
                        self.spent.add(&judgment.usage);
                    }
                    if keys.contains(&key) {
                        self.found.entry(key).or_insert(*judgment);
                    }
                }
                Ok(Line::Spent(usage)) if own => self.spent.add(&usage),
                Ok(Line::Spent(_)) => {}
                Err(_) => torn += usize::from(!line.is_empty()),
            }
        }
        if torn > 0 {
            tracing::warn!("{}: passed over {torn} lines that are not whole", path.display());
        }
        Ok(())
    }
}

/// How far judging is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Judgments that are there.
    pub done: usize,
    /// All that are wanted.
    pub total: usize,
    /// Spent by this piece of work, in all its sessions.
    pub spent: Usage,
}

/// Judges what is not in the journal yet, each distinct ask once; gives the judgments in the order of the asks, and how
/// many of them were made now, and what this work has spent in all its sessions. `progress` says whether to go on.
/// Without a store nothing is looked up or kept.
pub fn judge_all(
    judge: &dyn Judge,
    asks: &[Ask],
    store: Option<&Path>,
    work: &str,
    progress: &mut dyn FnMut(&Progress) -> bool,
) -> Result<(Vec<Judgment>, usize, Usage)> {
    let name = judge.digest();
    let keys: Vec<String> = asks.iter().map(|ask| ask.key(&name)).collect();
    let mut journal = match store {
        Some(store) => Journal::open(store, judge, work, &keys.iter().cloned().collect())?,
        None => Journal::passing(),
    };
    let mut seen = HashSet::new();
    let missing: Vec<usize> =
        (0..asks.len()).filter(|at| journal.get(&keys[*at]).is_none() && seen.insert(&keys[*at])).collect();
    let wanted: Vec<Ask> = missing.iter().map(|at| asks[*at].clone()).collect();
    let total = keys.iter().collect::<HashSet<_>>().len();
    let mut done = total - wanted.len();
    let spent = journal.spent().clone();
    if !wanted.is_empty() {
        let step = &mut |event: Event| {
            match event {
                Event::Judged(at, judgment) => {
                    let ask = &wanted[at];
                    let Ask { metric, repeat, guarded, .. } = ask.clone();
                    let judgment = Judgment { metric, prompt: ask.digest(), repeat, guarded, at: now(), ..*judgment };
                    journal.add(&keys[missing[at]], judgment)?;
                    done += 1;
                }
                Event::Spent(usage) => journal.add_spent(&usage)?,
                Event::Waiting => {}
            }
            Ok(progress(&Progress { done, total, spent: journal.spent().clone() }))
        };
        let result = judge.judge(&wanted, spent, step);
        journal.sync()?;
        result?;
    }
    let judgments =
        keys.iter().map(|key| journal.get(key).cloned().ok_or(JudgeError::Interrupted)).collect::<Result<_>>()?;
    Ok((judgments, wanted.len(), journal.spent().clone()))
}
