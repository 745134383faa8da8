//! Twenty steps against torch and PEFT.

use std::collections::{BTreeMap, HashMap};

use candle_core::{DType, Device, Tensor};
use emhost_abi::wire::{Cyclic, CyclicMode, Lora, Method, Recipe, Schedule};

use super::around::Around;
use super::data::Example;
use super::learner::{Kind, Learner};
use super::schedule::LearningRate;
use super::step::{Batch, Trainer};
use crate::model::adapter::Adapter;
use crate::model::files::Files;
use crate::model::golden_tests::{checkpoint, golden_folder};
use crate::model::intervene::Interventions;
use crate::model::linear::Placement;
use crate::model::organism::Organism;

/// Takes the recorded steps, and compares loss and gradient norm of each.
fn compare_steps(name: &str, trace: &HashMap<String, Tensor>, learner: &Learner, trainer: &mut Trainer<'_>, peak: f64) {
    let interventions = Interventions::default();
    let numbers = |name: &str| trace[name].to_dtype(DType::F64).unwrap().to_vec1::<f64>().unwrap();
    let (losses, norms) = (numbers("losses"), numbers("grad_norms"));
    for step in 0..20 {
        let ids = trace[&format!("step{step:02}.input_ids")].to_dtype(DType::U32).unwrap();
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
            dropout: learner.dropout,
            seed: 0,
            step: Some(step as u64),
        };
        let batch = Batch { rows: rows.iter().collect(), kl: None };
        let result = trainer.step(&batch, &around, peak * (1.0 - step as f64 / 20.0)).unwrap();
        let relative = |ours: f64, theirs: f64| (ours - theirs).abs() / theirs;
        let (ours, theirs) = (result.loss, losses[step]);
        assert!(relative(ours, theirs) < 1e-4, "{name} loss at {step}: {ours} {theirs}");
        let (ours, theirs) = (result.gradient_norm, norms[step]);
        assert!(relative(ours, theirs) < 1e-3, "{name} norm at {step}: {ours} {theirs}");
    }
}

fn check(family: &str) {
    check_placed(family, &Placement::frozen(&Device::Cpu));
}

fn check_placed(family: &str, placement: &Placement) {
    let folder = golden_folder().join(family);
    let model = checkpoint(family);
    let trace = candle_core::safetensors::load(folder.join("train.safetensors"), &Device::Cpu).unwrap();
    let organism = Organism::placed(&Files::Folder(model.path().to_owned()), &[], placement).unwrap();
    let start = folder.join("adapter");
    let shape = Adapter::read(&start, &organism.config, &Device::Cpu).unwrap().shape().clone();
    let shape = Lora { start: Some(start.display().to_string()), ..shape };
    let recipe = Recipe { weight_decay: 0.01, ..Recipe::new(Method::Lora(shape), 2e-3, 20, 4) };
    let learner = Learner::new(&organism, &recipe, BTreeMap::new()).unwrap();
    let mut trainer = Trainer::new(&learner, &recipe).unwrap();
    compare_steps(family, &trace, &learner, &mut trainer, 2e-3);
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
fn twenty_steps_through_candles_operations_equal_peft() {
    // What other devices than the CPU take: here in f64 beside adapters in f32.
    for family in ["qwen2", "gemma3", "phi3", "qwen3"] {
        let placement = Placement { dtype: DType::F64, ..Placement::frozen(&Device::Cpu) };
        check_placed(family, &placement);
    }
}

#[test]
fn twenty_steps_equal_peft() {
    for family in ["qwen2", "qwen2_tied", "llama3", "qwen3", "gemma3", "phi3", "gemma2", "mistral", "qwen3_moe"] {
        check(family);
    }
}

#[test]
fn twenty_steps_of_all_weights_equal_torch() {
    let trace = golden_folder().join("training/full.safetensors");
    let bytes = std::fs::read(&trace).unwrap();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let names: Vec<String> = metadata.metadata().as_ref().unwrap()["names"].split('\n').map(str::to_owned).collect();
    let trace = candle_core::safetensors::load(&trace, &Device::Cpu).unwrap();
    let folder = checkpoint("qwen2");
    let (organism, weights) = Organism::learning(&Files::Folder(folder.path().to_owned()), &Device::Cpu).unwrap();
    let recipe = Recipe { weight_decay: 0.01, ..Recipe::new(Method::Full, 1e-3, 20, 4) };
    let learner = Learner::new(&organism, &recipe, weights).unwrap();
    assert_eq!(learner.names, names);
    let mut trainer = Trainer::new(&learner, &recipe).unwrap();
    compare_steps("all weights", &trace, &learner, &mut trainer, 1e-3);
    let numbers = |name: &str| trace[name].to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    let norms = numbers("after.norms").to_vec1::<f64>().unwrap();
    for ((name, ours), theirs) in names.iter().zip(trainer.state().0).zip(norms) {
        let ours = ours.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
        assert!((ours - theirs).abs() < 1e-3 * theirs, "{name}: {ours} {theirs}");
        if trace.contains_key(&format!("after.{name}")) {
            let theirs = numbers(&format!("after.{name}")).to_vec1::<f64>().unwrap();
            let at = names.iter().position(|other| other == name).unwrap();
            let square = |it: &mut dyn Iterator<Item = f64>| it.map(|v| v * v).sum::<f64>().sqrt();
            let own = &trainer.state().0[at];
            let off = square(&mut own.iter().zip(&theirs).map(|(a, b)| f64::from(*a) - b));
            assert!(off < 1e-3 * square(&mut theirs.iter().copied()), "{name} differs by {off}");
        }
    }
}

#[test]
fn a_thousand_learning_rates_equal_torch() {
    let table =
        candle_core::safetensors::load(golden_folder().join("training/schedules.safetensors"), &Device::Cpu).unwrap();
    let cyclic = |mode, gamma| Schedule::Cyclic(Cyclic { base: 1e-5, cycles: 4, mode, gamma });
    let schedules = [
        ("linear", Schedule::Linear, 30),
        ("cosine", Schedule::Cosine, 30),
        ("constant", Schedule::Constant, 30),
        ("cosine_with_restarts", Schedule::CosineWithRestarts { cycles: 4 }, 30),
        ("linear_no_warmup", Schedule::Linear, 0),
        ("linear_lr", Schedule::Linear, 0),
        ("cosine_annealing", Schedule::Cosine, 0),
        ("triangular", cyclic(CyclicMode::Triangular, 1.0), 0),
        ("triangular2", cyclic(CyclicMode::Triangular2, 1.0), 0),
        ("exp_range", cyclic(CyclicMode::ExpRange, 0.995), 0),
    ];
    assert_eq!(schedules.len(), table.len());
    for (name, schedule, warmup_steps) in schedules {
        let recipe = Recipe { schedule, warmup_steps, ..Recipe::new(Method::Full, 1e-3, 1000, 1) };
        let rates = LearningRate::new(&recipe, 1000);
        let theirs = table[name].to_vec1::<f64>().unwrap();
        assert_eq!(theirs.len(), 1000);
        for (step, theirs) in theirs.iter().enumerate() {
            // A millionth of a millionth of the peak.
            assert!((rates.at(step) - theirs).abs() < 1e-15, "{name} at {step}: {} {theirs}", rates.at(step));
        }
    }
    // A share of the steps, rounded up.
    let recipe = Recipe { warmup_ratio: Some(0.0291), ..Recipe::new(Method::Full, 1e-3, 1000, 1) };
    let same = Recipe { warmup_steps: 30, ..Recipe::new(Method::Full, 1e-3, 1000, 1) };
    assert_eq!(LearningRate::new(&recipe, 1000).at(10), LearningRate::new(&same, 1000).at(10));
}
