//! What emhost writes it reads again, and what cannot be written says why.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::golden_tests::golden;
use super::*;

fn named(name: &str, site: Option<&str>, values: &[f32]) -> Named {
    let direction = Direction { values: values.to_vec(), site: site.map(str::to_owned), provenance: Provenance::new() };
    Named { name: name.to_owned(), direction }
}

fn three() -> Vec<Named> {
    vec![
        named("layer_10", Some("blocks.10.resid_post"), &[1.0, -2.5, 3e-20]),
        named("layer_9", Some("blocks.9.resid_post"), &[0.5, 0.25, 0.125]),
        Named {
            name: "input".to_owned(),
            direction: Direction::new(vec![7.0, 8.0, 9.0], "blocks.3.resid_pre").with("pooling", "last-token"),
        },
    ]
}

fn file(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

#[test]
fn a_native_file_gives_back_what_was_written_in_order() {
    let folder = TempDir::new().unwrap();
    let mut all = three();
    all.push(named("unplaced", None, &[1.0]));
    write(file(&folder, "a.safetensors"), &all).unwrap();
    assert_eq!(read_all(file(&folder, "a.safetensors")).unwrap(), all);
}

#[test]
fn a_native_file_is_read_whatever_the_length_of_its_header() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "a.safetensors");
    let mut first = std::collections::BTreeSet::new();
    for length in 0..256 {
        let direction = Direction::new(vec![1.0], "embed").with("said", "x".repeat(length));
        let all = [Named { name: "v".to_owned(), direction }];
        write(&path, &all).unwrap();
        first.insert(fs::read(&path).unwrap()[0]);
        assert_eq!(read_all(&path).unwrap(), all, "{length}");
    }
    assert!(first.contains(&0x80), "also the byte that begins a pickle: {first:?}");
}

#[test]
fn the_same_directions_give_the_same_bytes() {
    let folder = TempDir::new().unwrap();
    for name in ["a.safetensors", "b.safetensors", "a.gguf", "b.gguf"] {
        write(file(&folder, name), &three()).unwrap();
    }
    for form in ["safetensors", "gguf"] {
        let bytes = |name: &str| fs::read(file(&folder, &format!("{name}.{form}"))).unwrap();
        assert_eq!(bytes("a"), bytes("b"), "{form}");
    }
}

#[test]
fn a_control_vector_gives_back_what_was_written_by_layer() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "a.gguf");
    write(&path, &three()).unwrap();
    let mut expected = three();
    expected.reverse();
    assert_eq!(read_all(&path).unwrap(), expected);
}

#[test]
fn a_control_vector_names_the_block_whose_output_it_is() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "a.gguf");
    write(&path, &three()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    // `blocks.3.resid_pre` is the output of block 2.
    for name in ["direction.2", "direction.9", "direction.10"] {
        assert!(text.contains(name), "{name}");
    }
    assert!(!text.contains("direction.3"));
}

#[test]
fn a_reference_is_a_file_and_perhaps_a_name() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "odd#name.safetensors");
    write(&path, &three()).unwrap();
    let reference = |text: String| read(&text);
    assert_eq!(reference(format!("{}#layer_9", path.display())).unwrap(), three()[1].direction);
    let said = reference(path.display().to_string()).unwrap_err().to_string();
    assert!(said.contains("layer_10, layer_9, input") && said.contains("#NAME"), "{said}");
    let said = reference(format!("{}#layer_8", path.display())).unwrap_err().to_string();
    assert!(said.contains("`layer_8`") && said.contains("layer_10, layer_9, input"), "{said}");
    write(file(&folder, "one.safetensors"), &three()[..1]).unwrap();
    assert_eq!(reference(file(&folder, "one.safetensors").display().to_string()).unwrap(), three()[0].direction);
}

#[track_caller]
fn refused(name: &str, all: &[Named], part: &str) {
    let folder = TempDir::new().unwrap();
    let said = write(file(&folder, name), all).unwrap_err().to_string();
    assert!(said.contains(part), "`{part}` is not in: {said}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is written");
}

#[test]
fn what_a_form_cannot_hold_is_refused_before_anything_is_written() {
    let place = Some("blocks.4.resid_post");
    refused("a.safetensors", &[], "no direction");
    refused("a.pt", &three(), ".safetensors");
    refused("a.safetensors", &[named("x", place, &[f32::INFINITY])], "inf at index 0");
    refused("a.safetensors", &[named("x", place, &[])], "`x`");
    refused("a.safetensors", &[named("x", place, &[1.0]), named("x", place, &[2.0])], "used twice");
    refused("a.safetensors", &[named("x#y", place, &[1.0])], "`#`");
    refused("a.safetensors", &[named("__metadata__", place, &[1.0])], "own word");
    refused("a.gguf", &[named("x", None, &[1.0])], "no site");
    refused("a.gguf", &[named("x", Some("blocks.0.resid_post"), &[1.0])], "no number");
    refused("a.gguf", &[named("x", Some("blocks.4.mlp_out"), &[1.0])], "no number");
    refused("a.gguf", &[named("x", place, &[1.0]), named("y", Some("blocks.5.resid_pre"), &[2.0])], "both layer 4");
    refused("a.gguf", &[named("x", place, &[1.0]), named("y", Some("blocks.6.resid_pre"), &[2.0, 3.0])], "width");
}

#[test]
fn a_newer_native_file_says_that_it_is_newer() {
    let folder = TempDir::new().unwrap();
    let path = file(&folder, "a.safetensors");
    write(&path, &three()).unwrap();
    let bytes = fs::read(&path).unwrap();
    let from = br#"{\"format\":1"#;
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    let mut newer = bytes.clone();
    newer[at + from.len() - 1] = b'2';
    fs::write(&path, newer).unwrap();
    let said = read_all(&path).unwrap_err().to_string();
    assert!(said.contains("format 2") && said.contains("update emhost"), "{said}");
}

#[test]
fn a_persona_vector_becomes_a_control_vector_one_number_lower() {
    let folder = TempDir::new().unwrap();
    let source = golden("evil_response_avg_diff.pt");
    let chosen = select(&source, read_all(&source).unwrap(), &["layer_3".to_owned()]).unwrap();
    write(file(&folder, "evil.gguf"), &chosen).unwrap();
    assert!(String::from_utf8_lossy(&fs::read(file(&folder, "evil.gguf")).unwrap()).contains("direction.2"));
    assert_eq!(read(&file(&folder, "evil.gguf").display().to_string()).unwrap(), chosen[0].direction);
}
