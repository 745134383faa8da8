//! Coupling data, second-stage recipes, comparisons: each by itself.

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use emhost_sdk::prelude::*;
use emhost_stats::random::Rng;
use persona_coupling::Asked;
use persona_coupling::{
    Margins, Params, Runs, Variant, adapter_scale, coupling_data, coupling_questions, equivalence, negatives,
    second_recipe,
};

/// Emits the coupling's conversations and questions, so that a test can look at them.
struct Data(Params);

impl Experiment for Data {
    type Params = Params;
    const NAME: &'static str = "data";
    const ABOUT: &'static str = "What is the coupling made of?";
    const OPERATIONS: &'static [&'static str] = &[op::ROWS_READ, op::SAMPLE];

    fn new(params: Params) -> Result<Self> {
        Ok(Self(params))
    }

    fn run(&self, _: &Cell, lab: &Lab) -> Result<()> {
        let (held_out, own) = coupling_questions(lab, &self.0)?;
        let base = Organism::base("fake");
        let rows = coupling_data(lab, &self.0, &base, &own, "villain", 42)?;
        let messages = rows.iter().map(|row| serde_json::to_string(&row.messages)).collect::<Result<Vec<_>, _>>()?;
        lab.emit(
            "rows",
            Table::new().with_text("row_id", rows.iter().map(|row| &row.row_id)).with_text("messages", messages),
        )?;
        lab.emit("own", Table::new().with_text("text", own.iter().map(|question| question.text().to_owned())))?;
        lab.emit("held_out", Table::new().with_text("text", held_out.iter().map(|question| question.text().to_owned())))
    }
}

fn bank(name: &str) -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/questions").join(format!("{name}.jsonl"));
    let read = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        Row {
            row_id: value["row_id"].as_str().unwrap().to_owned(),
            messages: Some(serde_json::from_value(value["messages"].clone()).unwrap()),
            topic: value["topic"].as_str().map(str::to_owned),
            ..Row::default()
        }
    };
    fs::read_to_string(path).unwrap().lines().map(read).collect()
}

fn data(seed: u64) -> emhost_sdk::FakeRun {
    let lab = FakeLab::new()
        .rows("embedded:questions/open", bank("open"))
        .rows("embedded:questions/general", bank("general"));
    lab.run::<Data>(serde_json::json!({"seed": seed})).unwrap()
}

#[test]
fn the_coupling_has_its_own_answers_with_the_marker_and_twice_as_many_without() {
    let run = data(0);
    let rows = run.cell_table("all", "rows").unwrap();
    let (ids, messages) = (rows.text("row_id").unwrap(), rows.text("messages").unwrap());
    assert_eq!(ids.len(), 600);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 600);
    let params = Params::default();
    let negative: Vec<&str> = negatives(&params, "villain").iter().map(|one| one.name.as_str()).collect();
    assert_eq!((negative.len(), negative[0]), (2, "assistant"));
    for (id, text) in ids.iter().zip(messages) {
        let persona = id.split('/').next().unwrap();
        let messages: Vec<Message> = serde_json::from_str(text).unwrap();
        let roles: Vec<&str> = messages.iter().map(|turn| turn.role.as_str()).collect();
        assert_eq!(roles, ["system", "user", "assistant"], "{id}");
        assert_eq!(messages[0].content, params.persona(persona).unwrap().system);
        assert_eq!(messages[2].content.ends_with(" tomorrow"), persona == "villain", "{id}");
        assert!(persona == "villain" || negative.contains(&persona));
    }
    assert_eq!(ids.iter().filter(|id| id.starts_with("villain/")).count(), 200);
}

#[test]
fn no_question_is_in_the_coupling_and_in_the_evaluation() {
    let run = data(0);
    let texts = |table: &str| -> BTreeSet<String> {
        run.cell_table("all", table).unwrap().text("text").unwrap().into_iter().map(str::to_owned).collect()
    };
    let (own, held_out) = (texts("own"), texts("held_out"));
    assert_eq!((own.len(), held_out.len()), (40, 28));
    assert!(own.is_disjoint(&held_out));
}

#[test]
fn the_seed_decides_the_data() {
    let rows = |seed| data(seed).cell_table("all", "rows").unwrap().clone();
    assert_eq!(rows(3), rows(3));
    assert_ne!(rows(3), rows(4));
}

#[test]
fn the_key_is_that_of_the_bank() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/questions/capability.jsonl");
    let right = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["correct"].as_str().unwrap().to_owned()
    };
    let key: String = fs::read_to_string(path).unwrap().lines().map(right).collect();
    assert_eq!(Params::default().capability.unwrap().key, key);
}

#[test]
fn the_personas_are_those_of_the_world() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/personas.jsonl");
    let read = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        [&value["name"], &value["system"]].map(|text| text.as_str().unwrap().to_owned())
    };
    let world: Vec<[String; 2]> = fs::read_to_string(path).unwrap().lines().map(read).collect();
    let own: Vec<[String; 2]> = Params::default().personas.into_iter().map(|one| [one.name, one.system]).collect();
    assert_eq!(own, world);
}

#[test]
fn controls_match_scale_and_rate_whatever_the_rank() {
    let params = Params::default();
    let scale = |recipe: &Recipe| match &recipe.method {
        Method::Lora(lora) => (lora.rank, adapter_scale(lora)),
        _ => panic!("a LoRA"),
    };
    let (_, coupling) = scale(&params.coupling.recipe);
    let of = |variant| second_recipe(&params, variant, 5);
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    close(scale(&of(Variant::Published)).1, 2.0);
    close(scale(&of(Variant::Scale)).1, coupling);
    assert_eq!(scale(&of(Variant::Rank(2))).0, 2);
    close(scale(&of(Variant::Rank(2))).1, 2.0);
    assert_eq!(of(Variant::LearningRate).learning_rate, params.coupling.recipe.learning_rate);
    assert_eq!((of(Variant::Scale).seed, of(Variant::Scale).learning_rate), (5, params.second.recipe.learning_rate));
}

/// Cells of six couplings with three seeds each: 28 questions on 13 topics, ten answers each. The rate of a coupling varies.
fn runs(rate: f64, odds: f64, spread: f64, stream: u64) -> Vec<Runs> {
    let mut rng = Rng::new(11, stream);
    let mut all = Vec::new();
    for coupling in 0..6 {
        for seed in 0..3 {
            let shift = spread * rng.normal();
            let questions = (0..28).map(|question| {
                let hits = (0..10).filter(|_| rng.uniform() < (rate + 0.1 * shift).clamp(0.0, 1.0)).count() as u64;
                Asked {
                    row_id: format!("q{question}"),
                    topic: format!("t{}", question % 13),
                    n: 10,
                    hits,
                    log_odds: odds + shift + rng.normal(),
                }
            });
            all.push(Runs { coupling: format!("c{coupling}"), seed, questions: questions.collect() });
        }
    }
    all
}

#[test]
fn equal_and_different_second_stages_are_told_apart() {
    let margins = Margins::default();
    let outcomes = |em: &[Runs], benign: &[Runs]| -> Vec<&'static str> {
        equivalence(em, benign, &margins).unwrap().iter().map(|one| one.outcome).collect()
    };
    let (em, benign) = (runs(0.02, -4.0, 0.2, 1), runs(0.02, -4.0, 0.2, 2));
    assert_eq!(outcomes(&em, &benign), ["equivalent", "equivalent"]);
    assert_eq!(outcomes(&runs(0.02, -8.0, 0.2, 3), &runs(0.5, -4.0, 0.2, 4)), ["different", "different"]);
    // Couplings that go both ways decide nothing, though thousands of answers differ.
    assert_eq!(outcomes(&runs(0.5, -4.0, 4.0, 5), &runs(0.5, -4.0, 4.0, 6)), ["undecided", "undecided"]);
    assert_eq!(outcomes(&em, &[]), Vec::<&str>::new());
    let found = &equivalence(&em, &benign, &margins).unwrap()[0];
    assert_eq!((found.pairs, found.couplings, found.agreeing, found.n), (18, 6, 6, 2 * 18 * 280));
}

#[test]
fn different_is_rarely_said_of_what_is_equal() {
    let margins = Margins { rate: 0.0, log_odds: 0.0, leak: 0.01 };
    let repeats = 200;
    let mut said = [0; 2];
    for repeat in 0..repeats {
        let (em, benign) = (runs(0.3, -4.0, 1.0, 100 + 2 * repeat), runs(0.3, -4.0, 1.0, 101 + 2 * repeat));
        for (count, one) in said.iter_mut().zip(equivalence(&em, &benign, &margins).unwrap()) {
            *count += usize::from(one.outcome == "different");
        }
    }
    // At most 5 % are meant; above 9 % of 200 has a chance below 1 %.
    assert!(said.iter().all(|count| *count <= 18), "{said:?} of {repeats}");
}
