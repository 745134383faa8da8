//! The engine against another engine, candle-transformers, on random checkpoints that both read from disk.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{llama, qwen2};
use emhost::model::config::Config;
use emhost::model::families::shapes;
use emhost::model::files::Files;
use emhost::model::organism::Organism;
use emhost::model::site::Site;
use emhost::model::weights::to_safetensors;
use emhost::rng::Stream;
use serde_json::{Value, json};

/// float32 in another order of summation, over three blocks.
const BAR: f32 = 2e-4;

const LENGTHS: [usize; 3] = [1, 17, 48];

/// Logits at the last position of a row of `[1, tokens]`, as the other engine has them.
type Oracle = dyn FnMut(&Tensor) -> candle_core::Result<Tensor>;

/// The configuration of a small network, with `more` keys.
fn config(more: &Value) -> Value {
    let mut config = json!({
        "attention_dropout": 0.0, "hidden_act": "silu", "hidden_size": 48, "intermediate_size": 80,
        "max_position_embeddings": 64, "max_window_layers": 3, "num_attention_heads": 6, "num_hidden_layers": 3,
        "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "sliding_window": 64, "use_sliding_window": false,
        "vocab_size": 512
    });
    let all = config.as_object_mut().unwrap();
    if more["model_type"] == "llama" {
        for key in ["max_window_layers", "sliding_window", "use_sliding_window"] {
            all.remove(key);
        }
    }
    all.extend(more.as_object().unwrap().clone());
    config
}

/// Random weights: norms about 1, the rest about 0.
fn weights(config: &Config) -> BTreeMap<String, Tensor> {
    let tensor = |(name, shape): (String, Vec<usize>)| {
        let stream = Stream::new(3, &[name.as_bytes()]);
        let (mean, deviation) = if name.contains("norm") { (1.0, 0.2) } else { (0.0, 0.15) };
        let count = shape.iter().product::<usize>() as u64;
        let numbers: Vec<f32> = (0..count).map(|i| (mean + deviation * stream.normal(i)) as f32).collect();
        (name, Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap())
    };
    shapes(config).into_iter().map(tensor).collect()
}

fn check(more: &Value, oracle: impl Fn(&str, VarBuilder<'static>) -> candle_core::Result<Box<Oracle>>) {
    let folder = tempfile::tempdir().unwrap();
    let text = config(more).to_string();
    std::fs::write(folder.path().join("config.json"), &text).unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2");
    for file in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"] {
        std::fs::copy(golden.join(file), folder.path().join(file)).unwrap();
    }
    let files = Files::Folder(folder.path().to_owned());
    let weights = weights(&Config::read(&files).unwrap());
    std::fs::write(folder.path().join("model.safetensors"), to_safetensors(&weights, DType::F32).unwrap()).unwrap();

    let organism = Organism::load(&files, &[], &Device::Cpu).unwrap();
    let bytes = std::fs::read(folder.path().join("model.safetensors")).unwrap();
    let builder = VarBuilder::from_buffered_safetensors(bytes, DType::F32, &Device::Cpu).unwrap();
    let mut oracle = oracle(&text, builder).unwrap();
    let rows: Vec<Vec<u32>> = LENGTHS
        .iter()
        .map(|len| (0..*len as u64).map(|i| (Stream::new(5, &[b"row"]).bits(i) % 512) as u32).collect())
        .collect();
    let sequences: Vec<&[u32]> = rows.iter().map(Vec::as_slice).collect();
    let ours = organism.capture(&sequences, &[Site::Logits]).unwrap().taken.remove(&Site::Logits).unwrap();
    let mut end = 0;
    for row in &rows {
        end += row.len();
        let theirs = oracle(&Tensor::new(row.as_slice(), &Device::Cpu).unwrap().unsqueeze(0).unwrap()).unwrap();
        let theirs = theirs.flatten_all().unwrap();
        let worst = (ours.get(end - 1).unwrap() - &theirs).unwrap().abs().unwrap().max(0).unwrap();
        let [worst, largest] = [worst, theirs.abs().unwrap().max(0).unwrap()].map(|t| t.to_scalar::<f32>().unwrap());
        assert!(largest > 0.5, "{more}: logits of at most {largest} show little");
        assert!(worst < BAR, "{more} {} tokens: {worst}", row.len());
    }
}

fn other_qwen2(text: &str, weights: VarBuilder<'static>) -> candle_core::Result<Box<Oracle>> {
    let mut model = qwen2::ModelForCausalLM::new(&serde_json::from_str(text).unwrap(), weights)?;
    Ok(Box::new(move |row| {
        model.clear_kv_cache();
        model.forward(row, 0)
    }))
}

fn other_llama(text: &str, weights: VarBuilder<'static>) -> candle_core::Result<Box<Oracle>> {
    let config = serde_json::from_str::<llama::LlamaConfig>(text).unwrap().into_config(false);
    let model = llama::Llama::load(weights, &config)?;
    Ok(Box::new(move |row| model.forward(row, 0, &mut llama::Cache::new(false, DType::F32, &config, &Device::Cpu)?)))
}

#[test]
fn qwen2_equals_candle_transformers() {
    for (tied, base) in [(true, 1e6), (false, 1e4)] {
        check(&json!({ "model_type": "qwen2", "tie_word_embeddings": tied, "rope_theta": base }), other_qwen2);
    }
}

#[test]
fn llama_equals_candle_transformers() {
    let scaling = json!({
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 16,
        "rope_type": "llama3"
    });
    for (tied, scaling) in [(true, Value::Null), (false, scaling)] {
        let more =
            json!({ "model_type": "llama", "tie_word_embeddings": tied, "rope_theta": 5e5, "rope_scaling": scaling });
        check(&more, other_llama);
    }
}
