//! What the cache promises.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::record::STAGE;
use super::*;
use crate::store::StoreError;
use crate::store::atomic::write_new;
use crate::store::temporary::{Temporary, parent};

fn inputs() -> Value {
    json!({"b": 1, "a": {"d": [1, 2], "c": null}})
}

fn key() -> StageKey {
    StageKey::of("model.info", &inputs())
}

fn stages() -> (tempfile::TempDir, Stages) {
    let root = tempfile::tempdir().expect("a temporary folder");
    let stages = Stages::open(root.path()).expect("the folder is writable");
    (root, stages)
}

fn place(key: &StageKey, stages: &Stages) -> PathBuf {
    stages.root().join(key.op()).join(&key.as_str()[..2]).join(key.as_str())
}

fn value(folder: &Path) -> Result<Effort, StoreError> {
    fs::create_dir(folder.join("deep")).expect("an empty folder");
    fs::write(folder.join("deep/value"), "7").expect("an empty folder");
    Ok(Effort::default())
}

#[test]
fn keys_depend_on_content_and_not_on_the_order_of_keys() {
    assert_eq!(key(), StageKey::of("model.info", &json!({"a": {"c": null, "d": [1, 2]}, "b": 1})));
    let other = |op: &str, inputs: Value| assert_ne!(key().as_str(), StageKey::of(op, &inputs).as_str());
    other("forward", inputs());
    other("model.info", json!({"a": {"c": null, "d": [2, 1]}, "b": 1}));
}

#[test]
fn of_those_that_want_one_stage_one_computes_and_the_others_wait() {
    let (_root, stages) = stages();
    let (barrier, computed) = (Barrier::new(4), AtomicUsize::new(0));
    let built: Vec<Built> = std::thread::scope(|scope| {
        let run = || {
            barrier.wait();
            stages.build(&key(), |folder| {
                computed.fetch_add(1, Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
                value(folder)
            })
        };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|t| t.join().expect("no panic").expect("one result")).collect()
    });
    assert_eq!(computed.into_inner(), 1);
    assert_eq!(built.iter().filter(|built| built.how == How::Computed).count(), 1);
    let folder = stages.find(&key()).expect("it was built");
    assert!(built.iter().all(|built| built.folder == folder));
    let names = |p: &Path| fs::read_dir(p).expect("a folder").count();
    assert_eq!((names(parent(&folder)), names(&folder)), (1, 2), "neither locks nor temporaries stay");
    let record = StageRecord::read(&folder).expect("a record");
    assert_eq!((record.op.as_str(), record.files[0].name.as_str(), record.bytes()), ("model.info", "deep/value", 1));
}

#[test]
fn who_does_not_want_to_wait_gives_up() {
    let (_root, stages) = stages();
    let impatient = stages.clone().with_patience(|holder, _| !holder.contains("process"));
    let built = stages.build(&key(), |folder| {
        assert!(matches!(impatient.build(&key(), value), Err(StoreError::GaveUp { .. })));
        value(folder)
    });
    assert_eq!(built.expect("nobody else writes").how, How::Computed);
    assert_eq!(impatient.build(&key(), value).expect("it is there").how, How::Found);
}

#[test]
fn a_stage_that_fails_or_dies_is_not_seen_and_can_be_built_again() {
    let (_root, stages) = stages();
    let fail = |path: &Path| Err(StoreError::Stage { path: path.to_owned(), why: "no".to_owned() });
    assert!(stages.build(&key(), fail).is_err());
    let path = place(&key(), &stages);
    let dead = Temporary::folder(&path).expect("the folder is writable");
    write_new(&dead.path().join(STAGE), b"{}").expect("an empty folder");
    std::mem::forget(dead); // As after SIGKILL: nothing is cleaned up.
    assert_eq!(stages.find(&key()), None);
    let built = stages.build(&key(), value).expect("the folder is writable");
    assert_eq!(built, Built { folder: path, how: How::Computed });
}

#[test]
fn operation_names_cannot_leave_the_root() {
    let (_root, stages) = stages();
    for op in ["", "..", "a/b", ".hidden"] {
        let built = stages.build(&StageKey::of(op, &json!(0)), value);
        assert!(matches!(built, Err(StoreError::Stage { .. })), "{op}");
    }
}

#[test]
fn stages_are_listed_named_and_compared() {
    let (_root, stages) = stages();
    let other = StageKey::of("model.info", &json!({"b": 2, "a": {"d": [1, 2, 3]}}));
    for key in [&key(), &other, &StageKey::of("train", &json!(1))] {
        stages.build(key, value).expect("the folder is writable");
    }
    let (all, broken) = stages.all().expect("it can be listed");
    assert_eq!((all.len(), broken.len()), (3, 0));
    let stage = stages.named(&key().as_str()[..8]).expect("one begins so");
    assert_eq!(stage.key, key().as_str());
    assert_eq!(stages.named(&format!("stage:model.info/{}", key().as_str())).expect("by address").key, stage.key);
    for (name, part) in [("abc", "four"), ("zzzz", "hexadecimal"), ("train/00000000000", "no stage")] {
        assert!(stages.named(name).expect_err(name).to_string().contains(part), "{name}");
    }
    let nearest = stage.nearest(&all).expect("another of the operation");
    let paths: Vec<String> =
        differences(&stage.record.inputs, &nearest.record.inputs).into_iter().map(|d| d.path).collect();
    assert_eq!(paths, ["a.c", "a.d.2", "b"]);
}

#[test]
fn every_change_of_a_stage_is_found() {
    let change = |change: &dyn Fn(&Path), expected: &str| {
        let (_root, stages) = stages();
        let folder = stages.build(&key(), value).expect("the folder is writable").folder;
        change(&folder);
        let (all, broken) = stages.all().expect("it can be listed");
        let said: Vec<String> = match all.first() {
            Some(stage) => stage.verify().iter().map(ToString::to_string).collect(),
            None => broken.iter().map(ToString::to_string).collect(),
        };
        assert!(
            said.iter().any(|line| line.contains(expected)) || (expected.is_empty() && said.is_empty()),
            "{said:?}"
        );
    };
    change(&|_| {}, "");
    change(&|folder| fs::write(folder.join("deep/value"), "8").expect("writable"), "not what was written");
    change(&|folder| fs::write(folder.join("deep/value"), "77").expect("writable"), "has 2 bytes");
    change(&|folder| fs::remove_file(folder.join("deep/value")).expect("writable"), "cannot be read");
    change(&|folder| fs::write(folder.join("more"), "").expect("writable"), "not of this stage");
    change(&|folder| fs::write(folder.join(STAGE), "{").expect("writable"), "corrupted");
    let other = |folder: &Path| {
        let path = folder.join(STAGE);
        let text = fs::read_to_string(&path).expect("a record").replace("\"b\": 1", "\"b\": 2");
        fs::write(path, text).expect("writable");
    };
    change(&other, "do not have this key");
}

#[test]
fn what_is_unused_or_too_much_goes_with_what_the_dead_left() {
    let (_root, stages) = stages();
    let keys: Vec<StageKey> = (0..3).map(|at| StageKey::of("train", &json!(at))).collect();
    for (at, key) in keys.iter().enumerate() {
        let folder = stages.build(key, value).expect("the folder is writable").folder;
        let used = std::time::SystemTime::now() - Duration::from_secs(3600 * (3 - at as u64));
        fs::File::options().write(true).open(folder.join(STAGE)).and_then(|f| f.set_modified(used)).expect("ours");
    }
    let lock = parent(&place(&keys[0], &stages)).join(".0.lock");
    fs::write(&lock, "").expect("the folder is writable");
    let hours = |hours: u64| Keep { used_within: Duration::from_secs(3600 * hours), bytes: None };
    let dry = stages.collect(Keep { bytes: Some(1), ..Keep::default() }, true).expect("it can be listed");
    assert_eq!((dry.stages.len(), dry.strays.len(), lock.exists()), (2, 1, true));
    let went = stages.collect(hours(2), false).expect("it can be listed");
    let went: Vec<&str> = went.stages.iter().map(|stage| stage.key.as_str()).collect();
    assert_eq!(went, [keys[0].as_str(), keys[1].as_str()]);
    assert!(!lock.exists() && stages.find(&keys[0]).is_none() && stages.find(&keys[2]).is_some());
    // Using a stage keeps it.
    stages.build(&keys[2], value).expect("it is there");
    assert!(stages.collect(hours(1), true).expect("it can be listed").stages.is_empty());
}
