//! Answers before and after: comparisons against scipy, steering, and the view of an answer.

use std::collections::BTreeSet;

use emhost_sdk::FakeRun;
use emhost_sdk::prelude::*;
use serde_json::{Value, json};
use subspace_overlap::{Behaviour, Entry, SubspaceOverlap};

use crate::planting::{SITE, lab, noise, organisms, start, texts};

/// Alignment and coherence of an answer, as in reference.py.
fn judged(i: i64, sample: i64, after: bool) -> [f64; 2] {
    let badness = if after {
        (i * i * 11 + sample * 17 + i * sample * 3 + 40) % 83
    } else {
        (i * i * 7 + sample * 13 + i * sample * 5) % 37
    };
    [100.0 - badness as f64, if (i + sample) % 7 == 0 { 20.0 } else { 90.0 }]
}

/// A run in which the bank's 24 questions have three answers each, whose scores are planted.
fn run(set: Value) -> FakeRun {
    let lab = lab(30, 24, 8, |prefix, i, j, after| {
        noise(start(prefix) + i, j) + if after { noise(start(prefix) + 500 + i, j) } else { 0.0 }
    })
    .completions(|at| format!("{} {} {}", at.row_id, at.sample, i32::from(!at.organism.adapters.is_empty())))
    .scores(|_, answer| {
        let parts: Vec<&str> = answer.split(' ').collect();
        let number = parts[0].trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
        judged(number, parts[1].parse().unwrap(), parts[2] == "1")
    });
    let mut params = json!({
        "organisms": organisms(&["bad", "good"]), "references": {"bad": "good"},
        "banks": [{"name": "eval", "rows": "eval"}], "sites": [SITE], "headline_site": SITE, "variance": [], "ks": [2],
        "headline_k": 2, "random_draws": 19, "bootstrap_draws": 200, "behaviour": {"samples": 2}, "bank_samples": 3,
    });
    params.as_object_mut().unwrap().extend(set.as_object().unwrap().clone());
    lab.run::<SubspaceOverlap>(params).unwrap()
}

#[test]
fn comparisons_equal_scipys() {
    let run = run(json!({}));
    let table = run.table("comparisons").unwrap();
    let expected: Value = serde_json::from_str(include_str!("../reference.json")).unwrap();
    let expected = expected["comparisons"].as_object().unwrap();
    let (organisms, units, tests) = (texts(table, "organism"), texts(table, "unit"), texts(table, "test"));
    let mut seen = BTreeSet::new();
    for row in (0..table.rows()).filter(|&row| organisms[row] == "bad") {
        let name = format!("{} {}", units[row], tests[row]);
        for (column, expected) in expected[&name].as_object().unwrap() {
            let (got, expected) = (table.f64(column).unwrap()[row], expected.as_f64().unwrap());
            // Sums over fewer than 100 scores in f64; scipy's p-values are good to about 1e-9.
            assert!((got - expected).abs() < 1e-6 * expected.abs().max(1.0), "{name}, {column}: {got}, not {expected}");
        }
        seen.insert(name);
    }
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    let interval = |name: &str| ["", "_low", "_high"].map(|end| table.f64(&format!("{name}{end}")).unwrap()[0]);
    for [value, low, high] in ["difference", "cohens_d"].map(interval) {
        assert!(low < value && value < high, "{low} {value} {high}");
    }
    let (p, adjusted) = (table.f64("p").unwrap(), table.f64("p_adjusted").unwrap());
    // Times 20 over a rank of 20, but for rounding.
    assert!(p.iter().zip(&adjusted).all(|(p, adjusted)| *adjusted > p * (1.0 - 1e-12)), "{p:?} {adjusted:?}");
    // Two organisms, a bank, ten tests.
    assert!(table.u64("family").unwrap().iter().all(|family| *family == 20));
    assert_eq!(run.table("question_scores").unwrap().rows(), 2 * 24);
    let behaviours = Behaviour::read(run.table("behaviour").unwrap()).unwrap();
    assert_eq!(behaviours.iter().filter(|row| row.bank == "eval" && row.n == 72).count(), 4);
    assert!(run.report().unwrap().verdict.contains("paired t over 6 topics"), "{}", run.report().unwrap().verdict);
}

#[test]
fn the_steered_model_stands_beside_random_directions_and_the_fine_tune() {
    let run =
        run(json!({"steering": {"alphas": [0.5, 1.0], "random_draws": 5, "views": ["last_prompt", "prompt.mean"]}}));
    let table = run.table("steered").unwrap();
    let (organisms, conditions) = (texts(table, "organism"), texts(table, "condition"));
    let rows = |condition: &str| -> Vec<usize> {
        (0..table.rows()).filter(|&row| organisms[row] == "bad" && conditions[row] == condition).collect()
    };
    // Two views; of each one before, one fine-tuned, two multiples, five draws at each.
    let counts = ["before", "fine-tuned", "mean delta", "random"].map(|condition| rows(condition).len());
    assert_eq!(counts, [2, 2, 4, 20]);
    let number = |name: &str, row: usize| table.f64(name).unwrap()[row];
    let (before, after) = (rows("before")[0], rows("fine-tuned")[0]);
    for row in rows("mean delta") {
        // This lab answers alike at every strength, so that the steered model is the one before.
        for name in ["misaligned", "alignment", "coherent", "pearson"] {
            assert_eq!(number(name, row), number(name, before), "{name}");
        }
        for name in ["misaligned_p", "alignment_p", "pearson_rank_p"] {
            assert_eq!(number(name, row), 1.0, "{name}");
        }
        assert_eq!(number("random_misaligned", row), number("misaligned", before));
    }
    assert!(number("norm", rows("mean delta")[0]) > 0.0);
    let [first, second] = [0, 1].map(|at| number("norm", rows("mean delta")[at]));
    assert!((second - 2.0 * first).abs() < 1e-9);
    // The fine-tuned model with itself: two halves of its answers, not the same ones.
    assert!(number("pearson", after).abs() < 1.0 && number("questions", after) > 20.0);
    assert!(number("misaligned", after) > number("misaligned", before));
    let report = run.report().unwrap();
    assert!(report.answers.iter().any(|note| note.table == "steered_answers"));
    let expected = "(prompt.mean; random directions of that length";
    assert!(report.verdict.contains(expected), "{}", report.verdict);
    assert!(run.figures().iter().any(|figure| figure.name == "steered"));
    // 24 questions, three answers, two multiples, two views, two organisms.
    assert_eq!(run.table("steered_answers").unwrap().rows(), 24 * 3 * 2 * 2 * 2);
}

#[test]
fn the_view_of_an_answer_has_the_same_text_before_and_after() {
    let views = ["last_prompt", "answer.mean"];
    let run = run(json!({"views": views}));
    let entries = Entry::read(run.table("matrix").unwrap()).unwrap();
    let got: Vec<(&str, u64)> =
        entries.iter().filter(|row| row.organism == "bad").map(|row| (&*row.view, row.n)).collect();
    assert_eq!(got, views.map(|view| (view, 24)));
    let calls = run.calls();
    // Two splits of training prompts for `bad`, one for `good`, a bank each; prompts and answers; before and after.
    assert_eq!(calls[op::FORWARD], (3 + 2) * 2 * 2);
}

#[test]
fn an_organism_of_another_model_has_its_own_headline_site() {
    let mut two = organisms(&["bad", "good"]);
    two["list"][1]["model"] = json!("other");
    let sites = ["blocks.0.resid_post", "blocks.0.mlp_out"];
    let set = json!({
        "organisms": two, "references": {}, "sites": sites, "headline_site": sites[0],
        "headline_sites": {"other": sites[1]},
    });
    let entries = Entry::read(run(set).table("matrix").unwrap()).unwrap();
    let got: BTreeSet<(&str, &str)> = entries.iter().map(|row| (&*row.organism, &*row.site)).collect();
    assert_eq!(got, BTreeSet::from([("bad", sites[0]), ("good", sites[1])]));
}
