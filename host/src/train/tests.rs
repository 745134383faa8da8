//! Gradients against differences of the loss, and what must not change them.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use emhost_abi::wire::{Average, Bias, Intervention, Kl, Lora, Method, Moments, Recipe, SteeringVector};
use emhost_abi::wire::{EditOp, Tokens};

use super::around::Around;
use super::data::Example;
use super::learner::Learner;
use super::step::{Batch, Penalty, Trainer};
use crate::model::files::Files;
use crate::model::golden_tests::checkpoint;
use crate::model::intervene::Interventions;
use crate::model::organism::Organism;
use crate::rng::Stream;

fn organism(family: &str) -> Organism {
    let folder = checkpoint(family);
    Organism::load(&Files::Folder(folder.path().to_owned()), &[], &Device::Cpu).unwrap()
}

/// Rows of different lengths; the last third of each is learned.
fn rows() -> Vec<Example> {
    let row = |number: u64, len: usize| {
        let stream = Stream::new(number, &[b"row"]);
        let tokens = (0..len as u64).map(|at| 3 + (stream.uniform(at) * 500.0) as u32).collect();
        let learned = (len as u32 * 2 / 3..len as u32 - 1).collect();
        Example { row_id: format!("r{number}"), tokens, learned, prompt: len / 2, strength: 1.0 }
    };
    [14, 9, 22, 5, 17, 30].into_iter().enumerate().map(|(at, len)| row(at as u64, len)).collect()
}

/// A learner somewhere in the middle of training.
struct Middle {
    organism: Organism,
    learner: Learner,
    recipe: Recipe,
    interventions: Interventions,
}

impl Middle {
    fn new(family: &str, recipe: Recipe) -> Self {
        let (organism, weights) = match recipe.method {
            Method::Full => Organism::learning(&Files::Folder(checkpoint(family).keep()), &Device::Cpu).unwrap(),
            _ => (organism(family), BTreeMap::new()),
        };
        let learner = Learner::new(&organism, &recipe, weights).unwrap();
        let interventions = Interventions::resolve(&organism, &recipe.interventions, &[1.0]).unwrap();
        for (at, variable) in learner.variables.iter().enumerate() {
            let stream = Stream::new(at as u64, &[b"middle"]);
            let old = variable.flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let new = (0..).zip(old).map(|(i, v)| v + 0.05 * stream.normal(i) as f32).collect();
            variable.set(&Tensor::from_vec::<_, f32>(new, variable.shape(), &Device::Cpu).unwrap()).unwrap();
        }
        Self { organism, learner, recipe, interventions }
    }

    fn around(&self) -> Around<'_> {
        Around {
            interventions: &self.interventions,
            vectors: &self.learner.vectors,
            dropout: self.learner.dropout,
            seed: 7,
            step: Some(3),
        }
    }

    /// Loss with the penalty, and its gradient.
    fn slopes(&self, rows: &[&Example]) -> (f64, Vec<Vec<f32>>) {
        let kl = self.recipe.kl.as_ref().map(|kl| Penalty {
            weight: kl.weight,
            rows: rows.to_vec(),
            from: &self.organism.network,
        });
        let trainer = Trainer::new(&self.learner, &self.recipe).unwrap();
        let (seen, slopes) = trainer.slopes(&Batch { rows: rows.to_vec(), kl }, &self.around()).unwrap();
        let penalty = self.recipe.kl.as_ref().map_or(0.0, |kl| kl.weight * seen.kl.unwrap());
        (seen.loss + penalty, slopes)
    }

    /// Compares the gradient along a random direction with the difference of two losses.
    fn check(&self, name: &str) {
        let rows = rows();
        let rows: Vec<&Example> = rows.iter().collect();
        let (_, slopes) = self.slopes(&rows);
        let old: Vec<Tensor> = self.learner.variables.iter().map(|v| v.as_tensor().copy().unwrap()).collect();
        let direction: Vec<Tensor> = (old.iter().enumerate())
            .map(|(at, tensor)| {
                let stream = Stream::new(at as u64, &[b"direction"]);
                let numbers: Vec<f32> = (0..tensor.elem_count() as u64).map(|i| stream.normal(i) as f32).collect();
                Tensor::from_vec(numbers, tensor.shape(), &Device::Cpu).unwrap()
            })
            .collect();
        let along: f64 = (slopes.iter().zip(&direction))
            .map(|(g, d)| {
                let d = d.flatten_all().unwrap().to_vec1::<f32>().unwrap();
                g.iter().zip(d).map(|(g, d)| f64::from(*g) * f64::from(d)).sum::<f64>()
            })
            .sum();
        let loss = |distance: f64| {
            for ((variable, old), d) in self.learner.variables.iter().zip(&old).zip(&direction) {
                variable.set(&(old + (d * distance).unwrap()).unwrap()).unwrap();
            }
            self.slopes(&rows).0
        };
        // Losses are exact to about 1e-7; the third derivative is small at this distance, which grows with the numbers
        // that move.
        let step = if self.learner.count() > 50_000 { 2e-4 } else { 2e-3 };
        let difference = (loss(step) - loss(-step)) / (2.0 * step);
        loss(0.0);
        assert!((along - difference).abs() < 0.01 * along.abs().max(0.05), "{name}: {along} {difference}");
    }
}

fn lora(rank: usize) -> Lora {
    Lora { rank, alpha: 2.0 * rank as f64, ..Lora::default() }
}

fn recipe(method: Method) -> Recipe {
    Recipe::new(method, 1e-3, 10, 3)
}

#[test]
fn gradients_equal_differences_of_the_loss() {
    let check = |name: &str, family: &str, recipe: Recipe| Middle::new(family, recipe).check(name);
    let plain = || recipe(Method::Lora(lora(3)));
    check("all projections", "qwen2", plain());
    check("gemma", "gemma3", plain());
    // Not with experts: the loss jumps where another one is chosen. Their gradient is compared with PEFT's.
    check("fused", "phi3", plain());
    check(
        "one block",
        "llama3",
        recipe(Method::Lora(Lora { blocks: vec![2], modules: vec!["down_proj".to_owned()], ..lora(1) })),
    );
    check("biases", "qwen2", recipe(Method::Lora(Lora { bias: Bias::All, ..lora(2) })));
    check("dropout", "qwen2", recipe(Method::Lora(Lora { dropout: 0.3, ..lora(2) })));
    let two = [("a", lora(1)), ("b", Lora { dropout: 0.2, ..lora(2) })];
    check("two adapters", "qwen2", recipe(Method::Adapters(two.map(|(name, lora)| (name.to_owned(), lora)).into())));
    for sites in ["embed", "blocks.{1..2}.mlp_out", "blocks.3.attn_out", "final_norm"] {
        let vector = SteeringVector { sites: sites.to_owned(), alpha: 3.0 };
        check(sites, "qwen2", recipe(Method::Steering(vector)));
    }
    check("divergence", "qwen2", Recipe { kl: Some(Kl { weight: 5.0, rows: None, batch_rows: 8 }), ..plain() });
    for family in ["qwen2_tied", "gemma2", "gemma3", "qwen3", "phi3"] {
        check(&format!("all weights of {family}"), family, recipe(Method::Full));
    }
    check("by rows", "qwen2", Recipe { average: Average::Rows, ..plain() });
    check("by micro-batches", "qwen2", Recipe { average: Average::MicroBatches, ..plain() });
    let mut edits = Vec::new();
    for (op, site) in [
        (EditOp::Add, "blocks.1.resid_post"),
        (EditOp::ProjectOut, "blocks.2.resid_mid"),
        (EditOp::Replace, "blocks.3.attn_out"),
    ] {
        let values = (0..64).map(|at| (at as f32 * 0.3).cos()).collect();
        edits.push(Intervention { positions: Tokens::Prompt, ..Intervention::new(op, site, values) });
    }
    check("interventions", "qwen2", Recipe { interventions: edits, ..plain() });
}

#[test]
fn the_gradient_has_the_same_bits_with_recomputation_and_on_any_number_of_threads() {
    let rows = rows();
    // Enough tokens for several passes.
    let many: Vec<&Example> = rows.iter().cycle().take(80).collect();
    let method = || Method::Lora(Lora { dropout: 0.2, ..lora(2) });
    let plain = Middle::new("qwen2", recipe(method()));
    let expected = plain.slopes(&many);
    let again = Middle::new("qwen2", Recipe { recompute: true, ..recipe(method()) });
    assert_eq!(expected, again.slopes(&many));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(expected, pool.install(|| plain.slopes(&many)), "{threads} threads");
    }
}

#[test]
fn a_loss_is_the_mean_that_the_recipe_asks_for() {
    let rows = rows();
    let rows: Vec<&Example> = rows.iter().collect();
    let loss = |average: Average, rows: &[&Example]| {
        Middle::new("qwen2", Recipe { average, ..recipe(Method::Lora(lora(1))) }).slopes(rows).0
    };
    let means: Vec<f64> = rows.iter().map(|row| loss(Average::Tokens, &[*row])).collect();
    let counts: Vec<f64> = rows.iter().map(|row| row.learned.len() as f64).collect();
    let weighted = |range: std::ops::Range<usize>| {
        let sum: f64 = range.clone().map(|at| means[at] * counts[at]).sum();
        sum / counts[range].iter().sum::<f64>()
    };
    let close = |ours: f64, theirs: f64| assert!((ours - theirs).abs() < 1e-6 * theirs, "{ours} {theirs}");
    close(loss(Average::Tokens, &rows), weighted(0..6));
    close(loss(Average::Rows, &rows), means.iter().sum::<f64>() / 6.0);
    // Micro-batches of three rows, the last of one.
    close(loss(Average::MicroBatches, &rows[..4]), (weighted(0..3) + weighted(3..4)) / 2.0);
}

#[test]
fn a_row_drops_the_same_inputs_in_every_batch_and_about_as_many_as_asked() {
    let middle = Middle::new("qwen2", recipe(Method::Lora(Lora { dropout: 0.25, ..lora(1) })));
    let rows = rows();
    let site = middle.organism.sites(&["blocks.1.resid_mid".to_owned()]).unwrap()[0];
    let masks = |rows: &[&Example]| {
        let tokens: usize = rows.iter().map(|row| row.needed()).sum();
        let x = Tensor::ones((tokens, 64), candle_core::DType::F32, &Device::Cpu).unwrap();
        let around = middle.around();
        let dropped = around.with(rows, |tap| tap.dropped(site, 0, 0.25, &x)).unwrap().unwrap();
        dropped.to_vec2::<f32>().unwrap()
    };
    let together = masks(&[&rows[0], &rows[5]]);
    assert_eq!(together[rows[0].needed()..], masks(&[&rows[5]]));
    let all: Vec<f32> = together.into_iter().flatten().collect();
    let zeros = all.iter().filter(|v| **v == 0.0).count() as f64 / all.len() as f64;
    // 2,700 draws: the standard error is 0.008.
    assert!((zeros - 0.25).abs() < 0.035, "{zeros}");
    assert!(all.iter().all(|v| *v == 0.0 || (*v - 4.0 / 3.0).abs() < 1e-6));
    let outside = Around { step: None, ..middle.around() };
    let x = Tensor::ones((rows[0].needed(), 64), candle_core::DType::F32, &Device::Cpu).unwrap();
    assert!(outside.with(&[&rows[0]], |tap| tap.dropped(site, 0, 0.25, &x)).unwrap().is_none());
}

/// Mean loss of the last of 30 steps on the same rows.
fn after_thirty_steps(recipe: Recipe) -> f64 {
    let middle = Middle::new("qwen2", recipe);
    let rows = rows();
    let mut trainer = Trainer::new(&middle.learner, &middle.recipe).unwrap();
    let mut last = 0.0;
    for _ in 0..30 {
        let batch = Batch { rows: rows.iter().collect(), kl: None };
        last = trainer.step(&batch, &middle.around(), 3e-3).unwrap().loss;
    }
    last
}

#[test]
fn moments_in_a_byte_and_sharpness_awareness_learn_about_as_well() {
    let full = after_thirty_steps(recipe(Method::Lora(lora(32))));
    let bytes = after_thirty_steps(Recipe { moments: Moments::EightBit, ..recipe(Method::Lora(lora(32))) });
    let sharp = after_thirty_steps(Recipe { sam: Some(0.05), ..recipe(Method::Lora(lora(32))) });
    println!("{full} {bytes} {sharp}");
    // From 6.4 nats; the rows are learned by heart.
    for other in [full, bytes, sharp] {
        assert!(other < 3.0, "{full} {bytes} {sharp}");
    }
    assert!((bytes - full).abs() < 0.2 * full.max(0.5), "{full} {bytes}");
    assert!(sharp != full);
}
