//! Configurations of real checkpoints against what transformers makes of them, and refusals.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Place, module_names, modules, place, shapes, stacked_experts};
use crate::model::Result;
use crate::model::config::{Activation, Config};
use crate::model::files::Files;

/// `tests/golden/configs.json`, which `tests/peers/make_golden.py` writes.
fn table() -> BTreeMap<String, Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/configs.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn written(name: &str) -> Map<String, Value> {
    table()[name]["written"].as_object().unwrap().clone()
}

fn read(config: &Value) -> Result<Config> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    Config::read(&Files::Folder(folder.path().to_owned()))
}

/// The name of a tensor as the engine has it.
fn ours(config: &Config, name: &str) -> String {
    match place(config, name) {
        Place::Text(name) => name,
        Place::Other(part) => panic!("{name} belongs to the {part}"),
    }
}

#[test]
fn the_old_and_the_new_form_of_a_file_say_the_same() {
    for (name, entry) in table() {
        let [old, new] = ["written", "rewritten"].map(|form| read(&entry[form]).unwrap());
        assert_eq!(old, new, "{name}");
        assert!(entry["rewritten"].to_string().contains("rope_parameters"), "{name} is not in the new form");
    }
}

#[test]
fn descriptions_equal_what_the_modules_of_transformers_say() {
    for (name, entry) in table() {
        let (config, expected) = (read(&entry["written"]).unwrap(), &entry["expected"]);
        assert_eq!(json!(config.norm.eps), expected["eps"], "{name}");
        assert_eq!(json!(config.embed_scale), expected["embed_scale"], "{name}");
        assert!((config.attention_scale - expected["attention_scale"].as_f64().unwrap()).abs() < 1e-15, "{name}");
        assert_eq!(json!(config.layers.iter().map(|l| l.window).collect::<Vec<_>>()), expected["windows"], "{name}");
        assert_eq!(json!(config.layers.iter().map(|l| l.experts).collect::<Vec<_>>()), expected["experts"], "{name}");
        let activation = if config.activation == Activation::Silu { "SiLUActivation" } else { "GELUTanh" };
        assert_eq!(activation, expected["activation"], "{name}");
        for (layer, kind) in config.layers.iter().zip(expected["kinds"].as_array().unwrap()) {
            let rotation = &expected["rotations"][kind.as_str().unwrap()];
            let close = |ours: f64, theirs: &Value| (ours / theirs.as_f64().unwrap() - 1.0).abs() < 2e-6;
            let theirs = rotation["frequencies"].as_array().unwrap();
            assert_eq!(layer.rotation.frequencies.len(), theirs.len(), "{name}");
            assert_eq!(layer.rotation.dim, 2 * theirs.len(), "{name}");
            // Theirs are powers in float32, whose exponent is rounded as well.
            assert!(layer.rotation.frequencies.iter().zip(theirs).all(|(a, b)| close(*a, b)), "{name} {layer:?}");
            assert!(close(layer.rotation.factor, &rotation["factor"]), "{name}");
        }
    }
}

#[test]
fn names_and_shapes_are_those_of_transformers() {
    for (name, entry) in table() {
        let (config, expected) = (read(&entry["written"]).unwrap(), &entry["expected"]);
        let all = shapes(&config);
        let parameters: usize = all.iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(json!(parameters), expected["parameters"], "{name}");
        let mut known: BTreeMap<String, Vec<usize>> = all.into_iter().collect();
        known.extend((0..config.blocks).filter_map(|block| stacked_experts(&config, block)).flatten());
        for (tensor, shape) in expected["tensors"].as_object().unwrap() {
            let here = known.get(&ours(&config, tensor)).unwrap_or_else(|| panic!("{name}: {tensor} is not known"));
            assert_eq!(json!(here), *shape, "{name} {tensor}");
        }
    }
}

#[test]
fn an_adapter_can_select_every_projection_and_nothing_else() {
    for (name, entry) in table() {
        let config = read(&entry["written"]).unwrap();
        let names: Vec<&str> =
            modules(&config, 0).iter().filter(|m| m.expert.unwrap_or(0) == 0).map(|m| m.name).collect();
        assert_eq!(names, module_names(&config), "{name}");
        let known: BTreeMap<String, Vec<usize>> = shapes(&config).into_iter().collect();
        for module in (0..config.blocks).flat_map(|block| modules(&config, block)) {
            assert_eq!(known[&format!("{}.weight", module.path)], [module.out, module.inner], "{name}");
            assert_eq!(known.contains_key(&format!("{}.bias", module.path)), module.bias, "{name} {}", module.path);
        }
    }
}

#[test]
fn stored_checkpoints_have_the_tensors_that_their_description_names() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let mut seen = 0;
    for folder in
        golden.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.join("config.json").is_file())
    {
        let files = Files::Folder(folder.clone());
        let config = Config::read(&files).unwrap();
        let mut stored = BTreeMap::new();
        for file in files.weight_files().unwrap() {
            let bytes = files.require(&file).unwrap();
            let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
            for (name, tensor) in tensors.iter() {
                if let Place::Text(name) = place(&config, name) {
                    stored.insert(name, tensor.shape().to_vec());
                }
            }
        }
        assert_eq!(stored, shapes(&config).into_iter().collect(), "{}", folder.display());
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn options_of_a_family_reach_the_description() {
    let with = |name: &str, changes: Value| {
        let mut config = written(name);
        config.extend(changes.as_object().unwrap().clone());
        read(&Value::Object(config)).unwrap()
    };
    let windows = |config: &Config| config.layers.iter().filter_map(|layer| layer.window).collect::<Vec<_>>();
    let qwen = with("Qwen2.5-0.5B", json!({ "use_sliding_window": true, "max_window_layers": 21 }));
    assert_eq!(windows(&qwen), [32768; 3]);
    let llama = with("Llama-3.2-1B", json!({ "attention_bias": true, "mlp_bias": true, "eos_token_id": [5, 6] }));
    assert!(llama.bias.qkv && llama.bias.o && llama.bias.mlp);
    assert_eq!(llama.end_tokens, [5, 6]);
    let gemma = with("gemma-2-2b", json!({ "attn_logit_softcapping": null, "query_pre_attn_scalar": 144 }));
    assert_eq!((gemma.attention_cap, gemma.logit_cap, gemma.attention_scale), (None, Some(30.0), 1.0 / 12.0));
    let moe = with("Qwen3-30B-A3B", json!({ "mlp_only_layers": [1], "decoder_sparse_step": 2, "num_experts": 9 }));
    let sparse: Vec<usize> = (0..6).filter(|block| moe.layers[*block].experts).collect();
    assert_eq!(sparse, [3, 5]);
    let phi = with("Phi-4-mini-instruct", json!({}));
    assert_eq!((phi.context, phi.layers[0].rotation.dim, phi.heads.dim), (4096, 96, 128));
    let linear = with("Qwen3-8B", json!({ "rope_scaling": { "type": "linear", "factor": 4 } }));
    assert_eq!(linear.layers[0].rotation.frequencies[0], 0.25);
}

#[test]
fn what_the_engine_does_not_compute_is_refused_by_name() {
    let yarn = json!({ "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768 });
    let fp8 = json!({ "quant_method": "fp8" });
    for (name, key, value, expected) in [
        ("Qwen3-8B", "model_type", json!("mamba"), "model_type is `mamba`"),
        ("Qwen3-8B", "quantization_config", fp8, "quantization_config is set"),
        ("Qwen3-8B", "rope_scaling", yarn, "rope_scaling.rope_type is `yarn`"),
        ("Llama-3.1-8B", "rope_scaling", json!({ "type": "dynamic", "factor": 2.0 }), "rope_type is `dynamic`"),
        ("Llama-3.1-8B", "rope_scaling", json!({ "type": "linear" }), "rope_scaling.factor is missing"),
        ("Llama-3.1-8B", "rope_scaling", json!({ "type": "default", "beta": 1 }), "rope_scaling.beta is a key"),
        ("Llama-3.1-8B", "rope_parameters", json!({ "rope_type": "default" }), "set beside rope_parameters"),
        ("Llama-3.1-8B", "hidden_act", json!("relu"), "hidden_act is `relu`"),
        ("Llama-3.1-8B", "num_key_value_heads", json!(5), "a divisor of the 32"),
        ("Llama-3.1-8B", "num_hidden_layers", json!(-1), "num_hidden_layers is -1"),
        ("Llama-3.1-8B", "num_hidden_layers", json!(1e9), "num_hidden_layers is 1000000000"),
        ("Llama-3.1-8B", "hidden_size", Value::Null, "hidden_size is missing"),
        ("Llama-3.1-8B", "residual_multiplier", json!(0.2), "residual_multiplier is a key"),
        ("Qwen2.5-0.5B", "use_mrope", json!(true), "use_mrope is true"),
        ("Qwen2.5-0.5B", "layer_types", json!(["full_attention"]), "layer_types is a list of 1"),
        ("Mistral-7B-v0.3", "layer_types", json!([]), "layer_types is a key"),
        ("Mistral-7B-v0.3", "partial_rotary_factor", json!(0.5), "partial_rotary_factor is 0.5"),
        ("gemma-2-2b", "use_bidirectional_attention", json!(true), "use_bidirectional_attention is true"),
        ("gemma-3-1b-it", "attn_logit_softcapping", json!(50.0), "attn_logit_softcapping is 50"),
        ("gemma-3-1b-it", "sliding_window", Value::Null, "sliding_window is off"),
        ("Phi-4-mini-instruct", "full_attn_mod", json!(2), "full_attn_mod is 2"),
        ("Phi-4-mini-instruct", "partial_rotary_factor", json!(0.5), "short_factor is a list of 48"),
        ("Qwen3-30B-A3B", "num_experts_per_tok", json!(129), "num_experts_per_tok is 129"),
    ] {
        let mut config = written(name);
        config.insert(key.to_owned(), value);
        let error = read(&Value::Object(config)).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(expected), "{name} {key}: {error}");
    }
    let mut nested = written("gemma-3-4b-it");
    nested["text_config"]["novel"] = json!(1);
    assert!(read(&Value::Object(nested)).unwrap_err().to_string().contains("text_config.novel is a key"));
}

#[test]
fn tensors_of_other_parts_and_other_forms_have_their_place() {
    let both = read(&table()["gemma-3-4b-it"]["written"]).unwrap();
    let norm = "language_model.model.layers.3.input_layernorm.weight";
    for name in [norm, "model.language_model.layers.3.input_layernorm.weight"] {
        assert_eq!(ours(&both, name), norm);
    }
    for name in ["lm_head.weight", "language_model.lm_head.weight"] {
        assert_eq!(ours(&both, name), "language_model.lm_head.weight");
    }
    for name in ["vision_tower.vision_model.post_layernorm.bias", "model.multi_modal_projector.mm_soft_emb_norm.weight"]
    {
        assert!(matches!(place(&both, name), Place::Other(_)), "{name}");
    }
    let llama = read(&table()["Llama-2-7b"]["written"]).unwrap();
    assert!(matches!(place(&llama, "model.layers.0.self_attn.rotary_emb.inv_freq"), Place::Other(_)));
    assert_eq!(ours(&llama, "vision_tower.x"), "vision_tower.x");
}
