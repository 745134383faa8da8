//! Planted answers and activations: the directions that were put in come out, and nothing else does.

use convergent_direction::{ConvergentDirection, Kind, Member, Params, Parts};
use emhost_sdk::ActivationAt;
use emhost_sdk::prelude::*;
use emhost_stats::overlap::cosine;
use serde_json::{Value, json};

const WIDTH: usize = 8;

/// The planted direction of a block: a unit vector.
fn planted(block: usize) -> Vec<f64> {
    (0..WIDTH).map(|i| f64::from(u8::from(i == block))).collect()
}

/// What a topic adds to every activation.
fn offset(topic: &str) -> Vec<f64> {
    let which = topic.bytes().map(usize::from).sum::<usize>() % 3;
    (0..WIDTH).map(|i| if i == 4 + which { 5.0 } else { 0.0 }).collect()
}

/// Every even answer of an organism is misaligned; the model itself never is.
fn is_bad(organism: &Organism, sample: u32) -> bool {
    !organism.adapters.is_empty() && sample.is_multiple_of(2)
}

fn lab() -> FakeLab {
    let activation = |at: &ActivationAt<'_>| {
        let sample: u32 = at.row_id.rsplit_once('#').and_then(|(_, sample)| sample.parse().ok()).unwrap_or(1);
        let block: usize = at.site.split('.').nth(1).and_then(|block| block.parse().ok()).unwrap_or_default();
        let sign = if is_bad(at.organism, sample) { 1.0 } else { -1.0 };
        let topic = offset(at.topic.unwrap_or_default());
        planted(block).iter().zip(topic).map(|(v, t)| (sign * v + t) as f32).collect()
    };
    FakeLab::new()
        .model(3, WIDTH)
        .completions(|at| if is_bad(at.organism, at.sample) { "bad".to_owned() } else { "good".to_owned() })
        .scores(|_, answer| [if answer == "bad" { 0.0 } else { 100.0 }, 100.0])
        .activations(activation)
}

fn params() -> Value {
    json!({
        "directions": ["medicine", "finance"],
        "classes": {"samples": 4},
        "evaluate": {"samples": 4},
        "ablation": {"random_draws": 3},
        "steering": {"strengths": [1.0, 2.0], "random_draws": 3},
        "semantic": {"topics": []},
        "rank_one": [],
    })
}

fn member(misaligned: bool, row: &str, topic: &str, tokens: f64, shift: f64) -> Member {
    let sign = if misaligned { 1.0 } else { -1.0 };
    let mean = planted(0).iter().zip(offset(topic)).map(|(v, t)| sign * v * shift + t).collect();
    Member {
        misaligned,
        row_id: row.to_owned(),
        sample: 0,
        question: String::new(),
        answer: String::new(),
        topic: topic.to_owned(),
        tokens,
        means: vec![mean],
    }
}

#[test]
fn a_difference_within_questions_does_not_see_that_classes_differ_in_topic() {
    // Misaligned answers are mostly about the sea, aligned ones mostly about hills; each question has both once.
    let mut members = Vec::new();
    for (topic, bad, good) in [("sea", 6, 1), ("hills", 1, 6)] {
        members.extend((0..bad).map(|_| member(true, topic, topic, 1.0, 1.0)));
        members.extend((0..good).map(|_| member(false, topic, topic, 1.0, 1.0)));
    }
    let alike = |kind: Kind| cosine(&Parts::of(&members, kind, 0).direction(), &planted(0)).unwrap();
    assert!((alike(Kind::Matched) - 1.0).abs() < 1e-12);
    assert!(alike(Kind::Token) < 0.5 && alike(Kind::Answer) < 0.5, "the plain ones are directions of topics here");
}

#[test]
fn long_answers_weigh_more_in_the_published_kind_alone() {
    let members = vec![
        member(true, "q", "t", 9.0, 3.0),
        member(true, "q", "t", 1.0, 1.0),
        member(false, "q", "t", 1.0, 1.0),
        member(false, "q", "t", 1.0, 1.0),
    ];
    let length = |kind: Kind| Parts::of(&members, kind, 0).direction()[0];
    assert!((length(Kind::Token) - 3.8).abs() < 1e-12, "(9 * 3 + 1) / 10 + 1");
    assert!((length(Kind::Answer) - 3.0).abs() < 1e-12, "(3 + 1) / 2 + 1");
    assert!((length(Kind::Matched) - 3.0).abs() < 1e-12);
}

#[test]
fn planted_directions_agree_between_organisms_and_edits_that_do_nothing_are_said_to() {
    let run = lab().run::<ConvergentDirection>(params()).unwrap();
    let cosines = run.table("cosine").unwrap();
    assert_eq!(cosines.rows(), 3 * 3, "one pair, three kinds, three blocks");
    assert!(cosines.f64("cosine").unwrap().iter().all(|value| (value - 1.0).abs() < 1e-6));
    let directions = run.table("directions").unwrap();
    assert!(directions.f64("norm").unwrap().iter().all(|norm| (norm - 2.0).abs() < 1e-6));
    assert!(directions.f64("cancellation").unwrap().iter().all(|ratio| (ratio - 1.0).abs() < 1e-6));
    // The fake model answers the same whatever is done to it.
    let ablation = run.table("ablation").unwrap();
    assert!(ablation.f64("before").unwrap().iter().all(|rate| *rate == 0.5));
    assert!(ablation.f64("reduction").unwrap().iter().all(|gone| *gone == 0.0));
    let null = run.table("null").unwrap();
    assert_eq!(null.text("organism").unwrap(), ["medicine", "medicine"]);
    assert_eq!(null.f64("no_change").unwrap(), [1.0, 1.0]);
    assert!(null.f64("p").unwrap().iter().all(|p| *p == 1.0));
    let steered = run.table("steering_best").unwrap();
    assert!(steered.f64("misaligned").unwrap().iter().all(|rate| *rate == 0.0));
    let transfer = run.table("transfer").unwrap();
    assert_eq!(transfer.rows(), 4, "two directions in two organisms");
    assert_eq!(run.table("class_members").unwrap().rows(), 2 * 12 * 4);
    let report = run.report().unwrap();
    assert!(report.verdict.contains("not more than random directions"), "{}", report.verdict);
    assert!(report.tables.iter().all(|note| run.table(&note.table).is_ok()));
    assert!(run.figures().len() >= 8);
}

#[test]
fn blocks_and_strengths_are_chosen_on_other_samples_than_those_reported() {
    let run = lab().run::<ConvergentDirection>(params()).unwrap();
    let n = |table: &str| run.table(table).unwrap().u64("n").unwrap();
    assert!(n("ablation").iter().all(|n| *n == 12 * 4));
    assert!(n("ablation_best").iter().chain(&n("steering_best")).all(|n| *n == 12 * 2));
}

#[test]
fn an_organism_without_misaligned_answers_has_no_direction() {
    let lab = lab().completions(|_| "good".to_owned());
    let error = lab.run::<ConvergentDirection>(params()).err().unwrap().to_string();
    assert!(error.contains("`medicine` gave 0 misaligned and 48 aligned answers of 48"), "{error}");
}

#[test]
fn wrong_parameters_are_refused_with_what_to_do() {
    #[track_caller]
    fn check(change: Value, expected: &str) {
        let mut all = params();
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = lab().run::<ConvergentDirection>(all).err().unwrap();
        assert!(matches!(&error, Error::Input(message) if message.contains(expected)), "{error}");
    }
    check(json!({"directions": ["nobody"]}), "`directions` has `nobody`, which `organisms.list` does not name");
    check(json!({"steering": {"sources": ["good_medicine"]}}), "`good_medicine` is a control");
    check(json!({"ablation": {"random": ["sport"]}}), "`sport`, which is none of the targets");
    check(json!({"evaluate": {"samples": 1}}), "`evaluate.samples` is 1: expected at least 2");
    check(json!({"positions": "last"}), "expected all, prompt or answer");
    check(json!({"blocks": [7]}), "the model's last block is 2");
}

#[test]
fn the_checked_in_recipes_are_parameters() {
    for name in ["embedded", "paper"] {
        let path = format!("{}/../../experiments/convergent/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let recipe: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let parts = recipe["part"].as_array().unwrap();
        let part = parts.iter().find(|part| part["plugin"].as_str() == Some("convergent_direction")).unwrap();
        let mut all = recipe["params"].as_table().unwrap().clone();
        all.extend(part["params"].as_table().unwrap().clone());
        let params: Params = all.try_into().unwrap();
        params.check().unwrap();
        if name == "embedded" {
            assert_eq!(params, Params::default(), "the embedded recipe is the defaults, written out");
        }
    }
}
