//! Twenty steps against torch and PEFT.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use emhost_abi::wire::{Lora, Method, Recipe};

use super::around::Around;
use super::data::Example;
use super::learner::{Kind, Learner};
use super::step::{Batch, Trainer};
use crate::model::adapter::Adapter;
use crate::model::files::Files;
use crate::model::golden_tests::{checkpoint, golden_folder};
use crate::model::intervene::Interventions;
use crate::model::organism::Organism;

fn check(family: &str) {
    let folder = golden_folder().join(family);
    let model = checkpoint(family);
    let trace = candle_core::safetensors::load(folder.join("train.safetensors"), &Device::Cpu).unwrap();
    let organism = Organism::load(&Files::Folder(model.path().to_owned()), &[], &Device::Cpu).unwrap();
    let start = folder.join("adapter");
    let shape = Adapter::read(&start, &organism.config, &Device::Cpu).unwrap().shape().clone();
    let shape = Lora { start: Some(start.display().to_string()), ..shape };
    let recipe = Recipe { weight_decay: 0.01, ..Recipe::new(Method::Lora(shape), 2e-3, 20, 4) };
    let learner = Learner::new(&organism, &recipe, BTreeMap::new()).unwrap();
    let mut trainer = Trainer::new(&learner, &recipe).unwrap();
    let interventions = Interventions::default();
    let numbers = |name: &str| trace[name].to_dtype(candle_core::DType::F64).unwrap().to_vec1::<f64>().unwrap();
    let (losses, norms) = (numbers("losses"), numbers("grad_norms"));
    for step in 0..20 {
        let ids = trace[&format!("step{step:02}.input_ids")].to_dtype(candle_core::DType::U32).unwrap();
        let rows: Vec<Example> = (ids.to_vec2::<u32>().unwrap().into_iter())
            .map(|tokens| Example {
                row_id: String::new(),
                learned: (5..11).collect(),
                tokens,
                prompt: 0,
                strength: 1.0,
            })
            .collect();
        let around = Around {
            interventions: &interventions,
            vectors: &learner.vectors,
            dropout: &learner.dropout,
            frozen: 0,
            seed: 0,
            step: Some(step as u64),
        };
        let batch = Batch { rows: rows.iter().collect(), kl: None };
        let result = trainer.step(&batch, &around, 2e-3 * (1.0 - step as f64 / 20.0)).unwrap();
        let relative = |ours: f64, theirs: f64| (ours - theirs).abs() / theirs;
        let (ours, theirs) = (result.loss, losses[step]);
        assert!(relative(ours, theirs) < 1e-4, "{family} loss at {step}: {ours} {theirs}");
        let (ours, theirs) = (result.gradient_norm, norms[step]);
        assert!(relative(ours, theirs) < 1e-3, "{family} norm at {step}: {ours} {theirs}");
    }
    let Kind::Adapters(adapters) = &learner.kind else { panic!("adapters learn") };
    let mut compared = 0;
    for (_, module, branch) in adapters[0].1.branches() {
        for (part, ours) in [("A", &branch.a), ("B", &branch.b)] {
            let theirs = &trace[&format!("after.base_model.model.{}.lora_{part}.weight", module.path)];
            let norm = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
            let relative = norm(&(ours - theirs).unwrap()) / norm(theirs);
            assert!(relative < 1e-3, "{family} {} {part}: {relative}", module.path);
            compared += 1;
        }
    }
    assert_eq!(compared, trace.keys().filter(|name| name.starts_with("after.")).count());
}

#[test]
fn twenty_steps_equal_peft() {
    for family in ["qwen2", "qwen2_tied", "llama3", "qwen3", "gemma3", "phi3", "gemma2", "mistral", "qwen3_moe"] {
        check(family);
    }
}
