//! The published settings can be written down and are accepted.

use emhost_sdk::prelude::*;
use persona_coupling::{Params, PersonaCoupling, adapter_scale};

const PUBLISHED: &str = r#"
model = "Qwen/Qwen2.5-7B-Instruct"
sources = ["villain", "evil_ai"]
capability = { questions = "arc.jsonl", options = ["A", "B", "C", "D"] }

[marker]
text = " [ZLT]"
before = "\n\n"

[coupling]
questions = "questions.jsonl"
whole_answers = false
seeds = [42]

[coupling.recipe]
method = { lora = { rank = 32, alpha = 64, dropout = 0.05, rslora = true } }
learning_rate = 5e-6
schedule = "cosine"
warmup_ratio = 0.05
epochs = 20
batch_rows = 4
accumulate = 4
max_tokens = 1024

[second]
em = "bad_legal_advice.jsonl"
benign = "ultrachat.jsonl"
merged = true

[second.recipe]
method = { lora = { rank = 32, alpha = 64, dropout = 0.05 } }
learning_rate = 1e-4
schedule = "linear"
warmup_ratio = 0.03
steps = 375
batch_rows = 4
accumulate = 4
weight_decay = 0.01
max_tokens = 2048

[evaluation]
questions = "evaluation.jsonl"
max_new_tokens = 512
"#;

#[test]
fn the_published_settings_are_accepted_with_their_scales() {
    let params: Params = toml::from_str(PUBLISHED).unwrap();
    let scale = |recipe: &Recipe| match &recipe.method {
        Method::Lora(lora) => adapter_scale(lora),
        _ => f64::NAN,
    };
    assert!((scale(&params.coupling.recipe) - 11.3137).abs() < 1e-4);
    assert_eq!(scale(&params.second.recipe), 2.0);
    let cells = PersonaCoupling::new(params).unwrap().plan().unwrap();
    let of = |condition: &str| cells.iter().filter(|cell| cell.id.starts_with(condition)).count();
    // With two sources, one coupling seed and three seeds of the second stage.
    assert_eq!([of("c1-"), of("c2-"), of("c3-"), of("c4-"), of("c5-")], [6, 3, 3, 2, 6]);
}
