//! Twenty LoRA steps against torch and PEFT.

use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};

use super::adamw::AdamW;
use super::data::Example;
use super::lora::variables;
use super::step::Trainer;
use crate::model::adapter::Adapter;
use crate::model::files::Files;
use crate::model::organism::Organism;

fn check(family: &str) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(family);
    let trace = candle_core::safetensors::load(folder.join("train.safetensors"), &Device::Cpu).unwrap();
    let organism = Organism::load(&Files::Folder(folder.clone()), &[], &Device::Cpu).unwrap();
    let mut adapter = Adapter::read(&folder.join("adapter"), &organism.config, &Device::Cpu).unwrap();
    let parameters = variables(&mut adapter).unwrap();
    let mut network = organism.network.clone();
    adapter.attach(&mut network).unwrap();
    let optimiser = AdamW { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0.01 };
    let mut trainer = Trainer::new(&network, parameters, optimiser, 1.0).unwrap();
    let numbers = |name: &str| trace[name].to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
    let (losses, norms) = (numbers("losses"), numbers("grad_norms"));
    for step in 0..20 {
        let ids = trace[&format!("step{step:02}.input_ids")].to_dtype(DType::U32).unwrap().to_vec2::<u32>().unwrap();
        let batch: Vec<Example> = ids
            .into_iter()
            .map(|tokens| Example { row_id: String::new(), learned: (5..11).collect(), tokens })
            .collect();
        let result = trainer.step(&batch.iter().collect::<Vec<_>>(), 2e-3 * (1.0 - step as f64 / 20.0)).unwrap();
        let relative = |ours: f64, theirs: f64| (ours - theirs).abs() / theirs;
        assert!(
            relative(result.loss, losses[step]) < 1e-4,
            "{family} loss at {step}: {} {}",
            result.loss,
            losses[step]
        );
        assert!(relative(result.gradient_norm, norms[step]) < 1e-3, "{family} norm at {step}");
    }
    for (path, branch) in adapter.pairs_mut() {
        for (part, ours) in [("A", &branch.a), ("B", &branch.b)] {
            let theirs = &trace[&format!("after.base_model.model.{path}.lora_{part}.weight")];
            let norm = |t: &Tensor| t.sqr().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap().sqrt();
            let relative = norm(&(ours - theirs).unwrap()) / norm(theirs);
            assert!(relative < 1e-3, "{family} {path} {part}: {relative}");
        }
    }
}

#[test]
fn twenty_steps_equal_peft() {
    check("qwen2");
    check("qwen2_tied");
}
