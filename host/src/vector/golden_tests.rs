//! Files that torch, safetensors and gguf have written (tests/peers/vector_files.py) read as these programs read them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::*;

pub(super) fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/vectors").join(name)
}

#[derive(Deserialize)]
struct Expected {
    name: String,
    site: Option<String>,
    values: Vec<f64>,
}

pub(super) fn files() -> Vec<String> {
    expected().into_keys().collect()
}

fn expected() -> BTreeMap<String, Vec<Expected>> {
    serde_json::from_slice(&std::fs::read(golden("expected.json")).unwrap()).unwrap()
}

#[test]
fn every_file_gives_the_names_sites_and_numbers_that_its_own_program_gives() {
    let expected = expected();
    assert_eq!(expected.len(), 9);
    for (file, directions) in expected {
        let all = read_all(golden(&file)).unwrap();
        assert_eq!(all.len(), directions.len(), "{file}");
        for (Named { name, direction }, expected) in all.iter().zip(directions) {
            let values: Vec<f32> = expected.values.iter().map(|v| *v as f32).collect();
            assert_eq!((name, &direction.site, &direction.values), (&expected.name, &expected.site, &values), "{file}");
            assert_eq!(direction.provenance["norm"], direction.norm(), "{file}");
        }
    }
}

#[track_caller]
fn check(file: &str, name: &str, fields: serde_json::Value) {
    let direction = read(&format!("{}#{name}", golden(file).display())).unwrap();
    for (key, value) in fields.as_object().unwrap() {
        assert_eq!(direction.provenance.get(key), Some(value), "{file} {name} {key}");
    }
}

#[test]
fn the_provenance_says_whose_layer_and_over_which_tokens() {
    let pv = serde_json::json!({"convention": "pv", "layer": 3, "pooling": "mean-of-answer-means"});
    check("evil_response_avg_diff.pt", "layer_3", pv);
    let mo = serde_json::json!({"convention": "mo", "layer": 1, "pooling": "answer-token-mean", "file": "mo_means.pt"});
    check("mo_means.pt", "answer.layer_1", mo);
    check("mo_steering.pt", "steering_vector", serde_json::json!({"layer": 24, "alpha": 256.0}));
    let rd = serde_json::json!({"convention": "rd", "layer": 2, "pos": -1, "pooling": "template-token"});
    check("rd/direction.pt", "direction", rd);
    let re = serde_json::json!({"convention": "re", "layer": 2, "model_hint": "qwen2"});
    check("repeng.gguf", "direction.2", re);
}

#[test]
fn what_the_layout_leaves_open_the_reader_is_told() {
    let site = |file: &str, from, blocks, index: usize| {
        read_as(golden(file), Reading { from: Some(from), blocks }).map(|all| all[index].direction.site.clone())
    };
    use Convention::*;
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(site("numbered.pt", MeanDifference, None, 0).unwrap(), named("blocks.8.resid_post"));
    assert_eq!(site("numbered.pt", RefusalDirection, None, 0).unwrap(), named("blocks.8.resid_pre"));
    assert_eq!(site("numbered.pt", PersonaVectors, Some(9), 0).unwrap(), named("blocks.7.resid_post"));
    assert_eq!(site("numbered.pt", PersonaVectors, Some(9), 1).unwrap(), named("final_norm"));
    assert!(site("numbered.pt", PersonaVectors, None, 0).unwrap_err().to_string().contains("how many blocks"));
    assert!(site("numbered.pt", MeanDifference, Some(9), 0).is_err(), "block 9 of 9");
    assert_eq!(site("evil_response_avg_diff.pt", MeanDifference, Some(5), 4).unwrap(), named("blocks.4.resid_post"));
    assert!(site("evil_response_avg_diff.pt", PersonaVectors, Some(5), 0).is_err(), "five rows are four blocks");
    assert!(site("evil_response_avg_diff.pt", Repeng, None, 0).is_err(), "repeng has no such file");
}

#[track_caller]
fn refused(file: &str, parts: &[&str]) {
    let message = read_all(golden(file)).unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

#[test]
fn a_file_that_holds_no_directions_says_what_it_holds_and_what_to_do() {
    refused("old_form.pt", &["before version 1.6", "torch.save"]);
    refused("vllm_dump.safetensors", &["vLLM", "average"]);
    refused("expected.json", &["expected safetensors", "begin with `{"]);
    refused("absent.pt", &["absent.pt"]);
    refused("rd", &["a folder"]);
}
