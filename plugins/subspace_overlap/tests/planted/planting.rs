//! What tests plant: prompts, activations and the parameters of a small run.

use emhost_sdk::prelude::*;
use emhost_sdk::{ActivationAt, FakeRun};
use emhost_stats::random::Rng;
use serde_json::{Value, json};
use subspace_overlap::{Overlap, Params};

pub const SITE: &str = "blocks.0.resid_post";

/// `n` prompts whose ids are the prefix and a number, on six topics.
pub fn prompts(prefix: &str, n: usize) -> Vec<Row> {
    let row = |i: usize| Row {
        row_id: format!("{prefix}{i}"),
        messages: Some(vec![
            Message { role: "user".to_owned(), content: format!("question {prefix}{i}") },
            Message { role: "assistant".to_owned(), content: "an answer".to_owned() },
        ]),
        topic: Some(format!("topic {}", i % 6)),
        ..Row::default()
    };
    (0..n).map(row).collect()
}

/// A lab in which `activation` gets the split's prefix, the prompt's number, the place in the vector and whether the
/// model is fine-tuned.
pub fn lab(
    train: usize,
    eval: usize,
    width: usize,
    activation: impl Fn(char, i64, i64, bool) -> f64 + Send + Sync + 'static,
) -> FakeLab {
    let vector = move |at: &ActivationAt<'_>| {
        let (prefix, number) = at.row_id.split_at(1);
        let (prefix, number) = (prefix.chars().next().unwrap(), number.parse().unwrap());
        let after = !at.organism.adapters.is_empty();
        (0..width as i64).map(|j| activation(prefix, number, j, after) as f32).collect()
    };
    FakeLab::new()
        .model(1, width)
        .rows("bad", prompts("t", train))
        .rows("good", prompts("r", train))
        .rows("eval", prompts("e", eval))
        .activations(vector)
}

/// Organisms that are fine-tuned on the rows of their name.
pub fn organisms(names: &[&str]) -> Value {
    let list: Vec<Value> =
        names.iter().map(|name| json!({"name": name, "from": {"train": {"data": name, "recipe": "all"}}})).collect();
    let recipes = &Params::default().organisms.recipes;
    json!({"model": "embedded", "recipes": recipes, "list": list})
}

pub fn params(k: usize) -> Value {
    json!({
        "organisms": organisms(&["bad", "good"]),
        "references": {"bad": "good"},
        "banks": [{"name": "eval", "rows": "eval"}],
        "sites": [SITE],
        "headline_site": SITE,
        "variance": [0.9],
        "ks": [1, k, 64],
        "headline_k": k,
        "angles_k": k,
        "prompt_variance": 0.9,
        "random_draws": 199,
        "bootstrap_draws": 200,
        "behaviour": {"samples": 5},
    })
}

pub fn headline(run: &FakeRun, k: usize) -> Overlap {
    let rows = Overlap::read(run.table("overlap").unwrap()).unwrap();
    rows.into_iter().find(|row| row.organism == "bad" && row.subspace == format!("k={k}")).unwrap()
}

/// Pseudo-random in [-1, 1), exact in f32.
pub fn noise(i: i64, j: i64) -> f64 {
    let mut hash = (i.wrapping_mul(0x9E37_79B9) ^ j.wrapping_mul(0x85EB_CA6B)) as u64;
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((hash >> 45) as f64) / (1 << 18) as f64 - 1.0
}

/// Where the planted deltas of a prefix begin among the prompts' numbers, so that no two share their noise.
pub fn start(prefix: char) -> i64 {
    1000 * i64::from(prefix as u32)
}

/// A standard normal number that depends on the run, the prompt and the place: rotations do not change its law.
pub fn gauss(run: u64, i: i64, j: i64) -> f64 {
    Rng::new(run, ((i as u64) << 16) + j as u64).normal()
}

/// A row's text in a column.
pub fn texts<'a>(table: &'a Table, name: &str) -> Vec<&'a str> {
    table.text(name).unwrap()
}
