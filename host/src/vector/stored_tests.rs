//! Stored directions are found by key, beside files, and damage is said.

use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::store::{Effort, StageKey, Stages};

/// Stores directions as the operation `direction.write` does; gives the key.
fn store(root: &Path, study: &str, names: &[&str]) -> String {
    let named = |(at, name): (usize, &&str)| {
        let direction = Direction::new(vec![at as f32 + 1.0, 0.0], format!("blocks.{at}.resid_post"));
        Named { name: (*name).to_owned(), direction: direction.with("study", study).with("run", "r-1") }
    };
    let all: Vec<Named> = names.iter().enumerate().map(named).collect();
    let key = StageKey::of(DIRECTION, &json!({ "name": study, "directions": names }));
    let stages = Stages::open(root.join("stages")).unwrap();
    let compute = |folder: &Path| -> Result<Effort, VectorError> {
        write(folder.join(DIRECTIONS), &all)?;
        Ok(Effort::default())
    };
    stages.build(&key, compute).unwrap();
    key.as_str().to_owned()
}

fn path_of(root: &Path, key: &str) -> std::path::PathBuf {
    root.join("stages").join(DIRECTION).join(&key[..2]).join(key).join(DIRECTIONS)
}

fn find(reference: &str, root: &Path) -> Result<DirectionFile, VectorError> {
    resolve(reference, root, Reading::default())
}

/// The reference is refused with this status, and the message has all parts.
#[track_caller]
fn refused(reference: &str, root: &Path, code: u8, parts: &[&str]) {
    let error = find(reference, root).unwrap_err();
    let said = error.to_string();
    assert_eq!(error.exit_code(), code, "{said}");
    parts.iter().for_each(|part| assert!(said.contains(part), "`{part}` is not in: {said}"));
}

#[test]
fn a_key_or_its_beginning_names_stored_directions() {
    let root = TempDir::new().unwrap();
    let key = store(root.path(), "convergent", &["a", "b"]);
    for reference in [key.clone(), key[..8].to_owned(), key[..20].to_ascii_uppercase()] {
        let found = find(&reference, root.path()).unwrap();
        assert_eq!((found.all.len(), found.label()), (2, key[..8].to_owned()), "{reference}");
        assert_eq!(
            (found.said("study"), found.said("run"), found.said("none")),
            (Some("convergent"), Some("r-1"), None)
        );
    }
    let one = find(&format!("{}#b", &key[..8]), root.path()).unwrap();
    assert_eq!((one.all.len(), one.all[0].name.as_str()), (1, "b"));
    refused(&format!("{}#c", &key[..8]), root.path(), 2, &["`c`", "a, b"]);
}

#[test]
fn a_file_goes_before_a_key_and_needs_no_store() {
    let root = TempDir::new().unwrap();
    let file = root.path().join("deadbeef.safetensors");
    write(&file, &[Named { name: "x".to_owned(), direction: Direction::new(vec![1.0], "embed") }]).unwrap();
    let found = find(&format!("{}#x", file.display()), Path::new("/nowhere")).unwrap();
    assert_eq!((found.label(), found.stage), (file.display().to_string(), None));
}

#[test]
fn what_names_nothing_says_what_was_looked_for() {
    let root = TempDir::new().unwrap();
    refused("0123456789", root.path(), 5, &["no store yet"]);
    let key = store(root.path(), "s", &["a"]);
    refused("none.pt", root.path(), 2, &["`none.pt`", "no file", "emhost direction list"]);
    refused(&key[..7], root.path(), 2, &["8 to 64", "emhost direction list"]);
    refused(&format!("{}0", &key), root.path(), 2, &["8 to 64"]);
    let other = if key.starts_with("00") { "11111111" } else { "00000000" };
    refused(other, root.path(), 2, &[other, "no file", "stages", "emhost direction list"]);
    refused("", root.path(), 2, &["find directions ``"]);
    // Two keys that begin alike: the folder of one under another name.
    let twin = format!("{}{}", &key[..8], "f".repeat(56));
    let folder = path_of(root.path(), &key).parent().unwrap().to_owned();
    fs::create_dir(folder.with_file_name(&twin)).unwrap();
    refused(&key[..8], root.path(), 2, &["2 stored files", "more digits"]);
}

#[test]
fn a_flipped_bit_is_storage_that_failed() {
    let root = TempDir::new().unwrap();
    let key = store(root.path(), "s", &["a"]);
    store(root.path(), "t", &["b"]);
    let path = path_of(root.path(), &key);
    let mut bytes = fs::read(&path).unwrap();
    // The last byte belongs to the last number: the file is still a file of directions.
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    refused(&key, root.path(), 5, &[DIRECTIONS, "store verify"]);
    let (whole, broken) = stored(root.path()).unwrap();
    assert_eq!((whole.len(), whole[0].said("study"), broken.len()), (1, Some("t"), 1));
}

#[test]
fn all_stored_directions_are_listed_and_nothing_else() {
    let root = TempDir::new().unwrap();
    assert_eq!(stored(root.path()).unwrap_err().exit_code(), 5);
    let keys = [store(root.path(), "s", &["a", "b"]), store(root.path(), "t", &["a"])];
    let stages = Stages::open(root.path().join("stages")).unwrap();
    stages.build(&StageKey::of("train", &json!({})), |_| Ok::<_, VectorError>(Effort::default())).unwrap();
    let (all, broken) = stored(root.path()).unwrap();
    let mut found: Vec<String> = all.iter().filter_map(|file| Some(file.stage.as_ref()?.key.clone())).collect();
    found.sort();
    let mut expected = keys.to_vec();
    expected.sort();
    assert_eq!((found, broken.len()), (expected, 0));
    let made = |file: &DirectionFile| file.stage.as_ref().unwrap().made.clone();
    assert!(made(&all[0]) >= made(&all[1]), "newest first");
}

#[test]
fn labels_name_the_file_only_where_a_name_is_used_twice() {
    let root = TempDir::new().unwrap();
    let keys = [store(root.path(), "s", &["a", "b"]), store(root.path(), "t", &["a"])];
    let files: Vec<DirectionFile> =
        [&keys[0], &keys[1], &keys[0]].iter().map(|key| find(key, root.path()).unwrap()).collect();
    let labels: Vec<String> = labelled(&files, "#").into_iter().map(|each| each.label).collect();
    assert_eq!(labels, [format!("{}#a", &keys[0][..8]), "b".to_owned(), format!("{}#a", &keys[1][..8])]);
}
