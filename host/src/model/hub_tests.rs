//! A cache made for the test, in the layout of huggingface_hub.

use std::os::unix::fs::symlink;

use super::super::files::Files;
use super::*;

const ONE: &str = "aaaa1111bbbb2222cccc3333dddd4444eeee5555";
const TWO: &str = "aaaa9999bbbb2222cccc3333dddd4444eeee5555";

/// `org/tiny` with two commits, of which `main` is the first and `refs/pr/1` a third that is not there.
fn made() -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    let repository = cache.path().join("models--org--tiny");
    for (commit, text) in [(ONE, "one"), (TWO, "two")] {
        let snapshot = repository.join("snapshots").join(commit);
        std::fs::create_dir_all(&snapshot).unwrap();
        std::fs::create_dir_all(repository.join("blobs")).unwrap();
        std::fs::write(repository.join("blobs").join(text), text).unwrap();
        symlink(format!("../../blobs/{text}"), snapshot.join("config.json")).unwrap();
        symlink("../../blobs/gone", snapshot.join("model.safetensors")).unwrap();
    }
    std::fs::create_dir_all(repository.join("refs/refs/pr")).unwrap();
    std::fs::create_dir_all(repository.join(".no_exist").join(ONE)).unwrap();
    std::fs::write(repository.join(".no_exist").join(ONE).join("tokenizer.json"), "").unwrap();
    std::fs::write(repository.join("refs/main"), ONE).unwrap();
    std::fs::write(repository.join("refs/v2"), format!("{TWO}\n")).unwrap();
    std::fs::write(repository.join("refs/refs/pr/1"), "ffff").unwrap();
    cache
}

#[test]
fn a_revision_is_a_branch_a_tag_or_a_commit() {
    let cache = made();
    for (model, commit, text) in [
        ("org/tiny", ONE, "one"),
        ("org/tiny@main", ONE, "one"),
        ("org/tiny@v2", TWO, "two"),
        (&format!("org/tiny@{TWO}"), TWO, "two"),
        ("org/tiny@aaaa9", TWO, "two"),
    ] {
        let snapshot = Snapshot::find(model, cache.path()).unwrap();
        assert_eq!(snapshot.commit, commit, "{model}");
        let files = Files::Cached(snapshot);
        assert_eq!(files.revision(), Some(commit));
        assert_eq!(files.read("config.json").unwrap().unwrap().as_ref(), text.as_bytes(), "{model}");
        assert_eq!(files.read("tokenizer.json").unwrap(), None, "what .no_exist says is not looked at");
    }
}

#[test]
fn what_is_not_there_is_named_with_the_command_that_fetches_it() {
    let cache = made();
    for (model, expect) in [
        ("org/other", vec!["hf download org/other`"]),
        ("org/tiny@v3", vec!["no revision `v3`", "main, v2", "refs/pr/1", ONE, "hf download org/tiny --revision v3"]),
        ("org/tiny@aaaa", vec!["several commits begin with `aaaa`"]),
        ("org/tiny@refs/pr/1", vec!["commit ffff, which is not downloaded", "--revision refs/pr/1"]),
        ("org/tiny@../../x", vec!["no revision"]),
    ] {
        let error = Snapshot::find(model, cache.path()).unwrap_err().to_string();
        let place = cache.path().display().to_string();
        for part in expect.into_iter().chain([model, &place]) {
            assert!(error.contains(part), "{model}: no `{part}` in: {error}");
        }
    }
    let files = Files::Cached(Snapshot::find("org/tiny", cache.path()).unwrap());
    for missing in ["tokenizer.json", "model.safetensors"] {
        let error = files.require(missing).unwrap_err().to_string();
        for part in [missing, ONE, "not complete", "`hf download org/tiny`"] {
            assert!(error.contains(part), "no `{part}` in: {error}");
        }
    }
}

#[test]
fn the_cache_is_where_the_hub_library_puts_it() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("HOME", "/h")], "/h/.cache/huggingface/hub"),
        (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")], "/x/huggingface/hub"),
        (&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/f")], "/f/hub"),
        (&[("HOME", "/h"), ("HF_HOME", "~/f"), ("HF_HUB_CACHE", "")], "/h/f/hub"),
        (&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")], "/c"),
    ];
    for (variables, expect) in cases {
        let found = cache_of(&|name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v)));
        assert_eq!(found.as_deref(), Some(Path::new(expect)), "{variables:?}");
    }
}

#[test]
fn a_name_of_the_hub_does_not_look_like_a_path() {
    for name in ["org/tiny", "gpt2", "Qwen/Qwen2.5-0.5B-Instruct@main", "a/b@refs/pr/1"] {
        assert!(is_name(name), "{name}");
    }
    for path in ["./a", "../a", "/a", "a/b/c", "a/", "a//b", "", "a/..", "~/a", "a b/c", "a/b\\c"] {
        assert!(!is_name(path), "{path}");
    }
}
