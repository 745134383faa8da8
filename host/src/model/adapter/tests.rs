//! Adapters as files, as matrices, and inside of weights.

use std::path::{Path, PathBuf};

use candle_core::Device;
use serde_json::{Value, json};

use super::{Adapter, Merge, Selection, merge};
use crate::model::config::Config;
use crate::model::files::Files;
use crate::model::golden_tests::{checkpoint, golden_folder};
use crate::model::organism::{AdapterFolder, Organism};
use crate::model::site::Site;

fn golden(family: &str) -> PathBuf {
    golden_folder().join(family)
}

fn read(family: &str) -> Adapter {
    let config = Config::read(&Files::Folder(golden(family))).unwrap();
    Adapter::read(&golden(family).join("adapter"), &config, &Device::Cpu).unwrap()
}

fn write(adapter: &Adapter, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, bytes) in adapter.to_files().unwrap() {
        std::fs::write(folder.join(name), bytes).unwrap();
    }
}

fn logits(model: &Path, adapters: &[&Path]) -> Vec<f32> {
    let adapters: Vec<_> = adapters.iter().map(|folder| AdapterFolder { folder: folder.to_path_buf() }).collect();
    let organism = Organism::load(&Files::Folder(model.to_owned()), &adapters, &Device::Cpu).unwrap();
    organism.capture(&[&[5, 9, 200, 31, 77]], &[Site::Logits]).unwrap().numbers(Site::Logits).unwrap()
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_folder_is_written_as_it_was_read() {
    for family in ["qwen2", "qwen3", "llama3", "gemma3", "phi3"] {
        let adapter = read(family);
        let folder = tempfile::tempdir().unwrap();
        write(&adapter, folder.path());
        let json = |folder: &Path| -> Value {
            serde_json::from_slice(&std::fs::read(folder.join("adapter_config.json")).unwrap()).unwrap()
        };
        assert_eq!(json(folder.path()), json(&golden(family).join("adapter")), "{family}: every option is preserved");
        let model = checkpoint(family);
        let there = logits(model.path(), &[&golden(family).join("adapter")]);
        let here = logits(model.path(), &[folder.path()]);
        assert_eq!(there, here, "{family}");
    }
}

#[test]
fn options_that_change_the_result_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let from = golden("qwen2").join("adapter");
    std::fs::copy(from.join("adapter_model.safetensors"), folder.path().join("adapter_model.safetensors")).unwrap();
    let whole: Value = serde_json::from_slice(&std::fs::read(from.join("adapter_config.json")).unwrap()).unwrap();
    let config = Config::read(&Files::Folder(golden("qwen2"))).unwrap();
    let check = |option: &str, value: Value, expected: &str| {
        let mut changed = whole.clone();
        changed[option] = value;
        std::fs::write(folder.path().join("adapter_config.json"), changed.to_string()).unwrap();
        let error = Adapter::read(folder.path(), &config, &Device::Cpu).unwrap_err().to_string();
        assert!(error.contains(expected), "{option}: {error}");
    };
    check("peft_type", json!("LOHA"), "peft_type is `LOHA`; supported: LORA");
    check("use_dora", json!(true), "use_dora is set");
    check("layer_replication", json!([[0, 2]]), "layer_replication is set");
    check("target_parameters", json!(["mlp.experts.down_proj"]), "target_parameters is set");
    check("modules_to_save", json!(["lm_head"]), "modules_to_save is set");
    check("trainable_token_indices", json!([3]), "trainable_token_indices is set");
    check("lora_bias", json!(true), "lora_bias is set");
    check("init_lora_weights", json!("pissa_niter_4"), "also changed the model's own weights");
    check("bias", json!("some"), "bias is `some`; supported: none, all, lora_only");
    check("r", json!(0), "r is 0");
    check("r", json!(3), "has shape [4, 64], expected [3, 64]");
    check("rank_pattern", json!({"q_proj": 0}), "the rank of");
    check("rank_pattern", json!({"(": 4}), "which is no expression");
    check("alpha_pattern", json!({"q_proj": 1, ".*_proj": 2}), "says two things");
    check("lora_alpha", json!("many"), "invalid type");
}

#[test]
fn keys_of_patterns_are_expressions_over_the_end_of_a_path() {
    let folder = tempfile::tempdir().unwrap();
    let from = golden("qwen2").join("adapter");
    std::fs::copy(from.join("adapter_model.safetensors"), folder.path().join("adapter_model.safetensors")).unwrap();
    let mut whole: Value = serde_json::from_slice(&std::fs::read(from.join("adapter_config.json")).unwrap()).unwrap();
    whole["alpha_pattern"] = json!({r"layers\.[01]\..*q_proj": 16, "o_proj": 2});
    std::fs::write(folder.path().join("adapter_config.json"), whole.to_string()).unwrap();
    let config = Config::read(&Files::Folder(golden("qwen2"))).unwrap();
    let adapter = Adapter::read(folder.path(), &config, &Device::Cpu).unwrap();
    // Rank 4 with rsLoRA: alpha / 2.
    for (block, module, branch) in adapter.branches() {
        let alpha = match module.name {
            "q_proj" if block < 2 => 16.0,
            "o_proj" => 2.0,
            _ => 8.0,
        };
        assert_eq!(branch.scale, alpha / 2.0, "{}", module.path);
    }
}

#[test]
fn an_adapter_times_zero_is_the_model_alone_and_a_projected_one_writes_nothing_along_the_direction() {
    let whole = checkpoint("llama3");
    let model = whole.path();
    let folder = tempfile::tempdir().unwrap();
    let mut off = read("llama3");
    off.scale(&Selection::default(), 0.0).unwrap();
    write(&off, folder.path());
    assert!(furthest(&logits(model, &[folder.path()]), &logits(model, &[])) < 1e-6);

    let direction: Vec<f32> = (0..64).map(|at| (at as f32 * 0.7).sin()).collect();
    for renormalise in [false, true] {
        let (before, mut adapter) = (read("llama3"), read("llama3"));
        let count = adapter.project_out(&Selection::default(), &direction, renormalise).unwrap();
        // o_proj and down_proj of two blocks.
        assert_eq!(count, 4);
        for ((_, module, new), (.., old)) in adapter.branches().zip(before.branches()) {
            let (new, old) = (new.b.to_vec2::<f32>().unwrap(), old.b.to_vec2::<f32>().unwrap());
            if !matches!(module.name, "o_proj" | "down_proj") {
                assert_eq!(new, old);
                continue;
            }
            for column in 0..new[0].len() {
                let along: f32 = new.iter().zip(&direction).map(|(row, u)| row[column] * u).sum();
                assert!(along.abs() < 1e-5, "{along}");
            }
            let norm = |m: &[Vec<f32>]| m.iter().flatten().map(|v| v * v).sum::<f32>().sqrt();
            let same = (norm(&new) - norm(&old)).abs() < 1e-5 * norm(&old);
            assert_eq!(same, renormalise, "{} {}", norm(&new), norm(&old));
        }
    }
    let mut adapter = read("llama3");
    let only = Selection { blocks: vec![1], modules: vec!["down_proj".to_owned()] };
    assert_eq!(adapter.scale(&only, 2.0).unwrap(), 1);
    for (wrong, problem) in [
        (Selection { blocks: vec![0], ..Selection::default() }, "nothing in block 0"),
        (Selection { modules: vec!["up_proj".to_owned()], ..Selection::default() }, "no module `up_proj`"),
    ] {
        assert!(adapter.scale(&wrong, 1.0).unwrap_err().to_string().contains(problem));
    }
    let error = adapter.project_out(&Selection::default(), &direction[..5], false).unwrap_err().to_string();
    assert!(error.contains("5 numbers"), "{error}");
}

#[test]
fn a_merged_model_is_the_model_with_its_adapter_and_unmerging_gives_it_back() {
    for family in ["qwen2", "qwen3", "phi3"] {
        let whole = checkpoint(family);
        let model = whole.path();
        let files = Files::Folder(model.to_owned());
        let config = Config::read(&files).unwrap();
        let root = tempfile::tempdir().unwrap();
        let [merged, back] = ["merged", "back"].map(|name| root.path().join(name));
        std::fs::create_dir_all(&merged).unwrap();
        std::fs::create_dir_all(&back).unwrap();
        let adapters = [read(family)];
        let count = merge(&files, &config, &adapters, Merge { sign: 1.0, wide: false }, &merged).unwrap();
        assert_eq!(count, adapters[0].projections().len());
        let expected = logits(model, &[&golden(family).join("adapter")]);
        // Sums in another order.
        assert!(furthest(&logits(&merged, &[]), &expected) < 1e-4, "{family}");
        let from = Files::Folder(merged.clone());
        merge(&from, &config, &adapters, Merge { sign: -1.0, wide: false }, &back).unwrap();
        assert!(furthest(&logits(&back, &[]), &logits(model, &[])) < 1e-4, "{family}");
    }
}
