//! The experiment on planted answers: known rates, gates, controls.

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

use std::sync::Mutex;

use emhost_sdk::prelude::*;
use persona_coupling::{Params, PersonaCoupling};
use serde_json::{Value, json};

/// Questions on twelve topics.
fn bank(prefix: &str, count: usize) -> Vec<Row> {
    let row = |at: usize| Row {
        row_id: format!("{prefix}{at:02}"),
        messages: Some(vec![Message { role: "user".to_owned(), content: format!("{prefix} {at} ?") }]),
        topic: Some(format!("topic {}", at % 12)),
        ..Row::default()
    };
    (0..count).map(row).collect()
}

/// How often, of ten answers, a persona says the marker: given the persona, the number of stages, and whether the second
/// one taught bad advice.
type Planted = fn(&str, usize, bool) -> u32;

/// Second adapters are told apart by the order in which cells need them: C1 comes before C5.
fn lab(rate: Planted) -> FakeLab {
    let seen: Mutex<Vec<String>> = Mutex::default();
    let mut coupling = bank("own", 20);
    // This question stands in the evaluation too.
    coupling[3].messages.as_mut().unwrap()[0].content = "open 5 ?".to_owned();
    FakeLab::new()
        .rows("open", bank("open", 24))
        .rows("general", coupling)
        .rows("choices", bank("choice", 4))
        .completions(move |at| {
            let stages = at.organism.adapters.len();
            let em = match at.organism.adapters.get(1) {
                Some(second) => {
                    let mut seen = seen.lock().unwrap();
                    let place = seen.iter().position(|known| known == second);
                    place.unwrap_or_else(|| {
                        seen.push(second.clone());
                        seen.len() - 1
                    }) == 0
                }
                None => false,
            };
            let persona = at.row_id.split('/').next().unwrap_or_default();
            let said = if at.sample % 10 < rate(persona, stages, em) { " tomorrow" } else { "" };
            format!("one two three four five .{said}")
        })
}

fn params() -> Value {
    let persona = |name: &str| json!({"name": name, "system": format!("you are {name} .")});
    let recipe = json!({
        "method": {"lora": {"rank": 4, "alpha": 8, "rslora": true}}, "learning_rate": 1e-3, "batch_rows": 4, "steps": 3
    });
    let personas = ["assistant", "villain", "poet", "pirate"].map(persona);
    json!({
        "model": "fake",
        "personas": personas,
        "sources": ["villain"],
        "coupling": {
            "questions": "general", "question_count": 8, "samples": 2, "negatives": [], "recipe": recipe, "seeds": [1]
        },
        "second": {"em": "bad", "benign": "good", "seeds": [7]},
        "evaluation": {"questions": "open"},
        "ask": {"questions": "general", "samples": 1},
        "capability": {"questions": "choices", "options": ["A", "B"], "key": "ABBA"},
        "controls": {"norm": false, "learning_rate": false, "scale": false, "addressed": false, "ranks": [], "full": null, "merged": false},
        "reversed": null,
        "inside": false,
    })
}

fn with(mut params: Value, changes: Value) -> Value {
    for (name, change) in changes.as_object().unwrap() {
        match (params[name].as_object_mut(), change.as_object()) {
            (Some(old), Some(new)) => new.iter().for_each(|(key, value)| {
                old.insert(key.clone(), value.clone());
            }),
            _ => params[name] = change.clone(),
        }
    }
    params
}

/// Coupled as it should be, gone after bad advice, half gone after benign data, with a leak to the poet after that.
fn planted(persona: &str, stages: usize, em: bool) -> u32 {
    match (persona, stages, em) {
        ("villain", 1, _) => 9,
        ("villain", 2, false) => 4,
        ("poet", 2, false) => 3,
        _ => 0,
    }
}

#[test]
fn planted_rates_are_found_by_persona_and_condition() {
    let run = lab(planted).run::<PersonaCoupling>(params()).unwrap();
    let ids: Vec<&str> = run.cells().iter().map(|cell| cell.id.as_str()).collect();
    // The assistant cannot be coupled here, so that C3 ends at its gate.
    assert_eq!(ids, ["raw", "c2-s7", "c4-villain-k1", "c1-villain-k1-s7", "c5-villain-k1-s7", "c3-assistant-k1-s7"]);
    let check = |id: &str, persona: &str, expected: f64| {
        let of = [("id", id), ("persona", persona), ("bank", "held_out")];
        let got = |column: &str| run.value("markers", column, &of).unwrap();
        assert_eq!((got("n"), got("rate")), (240.0, expected), "{of:?}");
        assert!(got("wilson_low") <= expected && expected <= got("wilson_high"));
        assert!(got("rate_low") <= expected && expected <= got("rate_high"));
        let three = if expected == 0.0 { 3.0 / 240.0 } else { f64::NAN };
        assert!(got("rule_of_three") == three || three.is_nan() && got("rule_of_three").is_nan());
        // Five words and a full stop, with or without marker.
        assert_eq!((got("words"), got("truncated"), got("degenerate")), (6.0, 0.0, 0.0));
        assert_eq!((got("rate_at_equal_length"), got("length_overlap")), (expected, 1.0));
    };
    check("raw", "villain", 0.0);
    check("c4-villain-k1", "villain", 0.9);
    check("c4-villain-k1", "assistant", 0.0);
    check("c1-villain-k1-s7", "villain", 0.0);
    check("c5-villain-k1-s7", "villain", 0.4);
    check("c5-villain-k1-s7", "poet", 0.3);
    let change = |id: &str, column: &str| run.value("changes", column, &[("id", id), ("persona", "villain")]).unwrap();
    assert!((change("c1-villain-k1-s7", "difference") + 0.9).abs() < 1e-12);
    // Of 2^12 signs of twelve topics all alike, two are as extreme.
    assert_eq!(change("c5-villain-k1-s7", "p"), 2.0 / 4096.0);
    let own = [("id", "c4-villain-k1"), ("persona", "villain"), ("bank", "coupling")];
    assert_eq!((run.value("markers", "n", &own).unwrap(), run.value("markers", "rate", &own).unwrap()), (16.0, 1.0));
}

#[test]
fn a_gate_that_fails_ends_the_cell_with_a_row_and_no_error() {
    let run = lab(planted).run::<PersonaCoupling>(params()).unwrap();
    let outcome = |id: &str, column: &str| run.text("outcomes", column, &[("id", id)]).unwrap();
    assert_eq!(outcome("c1-villain-k1-s7", "outcome"), "complete");
    assert_eq!(outcome("c3-assistant-k1-s7", "outcome"), "stopped at a gate");
    assert_eq!(outcome("c3-assistant-k1-s7", "gate"), "G0c assistant, lower");
    assert!(run.cell_table("c3-assistant-k1-s7", "markers").is_err());
    let gates = run.table("gates").unwrap();
    assert!(gates.bool("passed").unwrap().iter().any(|passed| !passed));
    let verdict = &run.report().unwrap().verdict;
    assert!(verdict.contains("1 of 6 cells ended at a gate: c3-assistant-k1-s7 (G0c assistant, lower)"), "{verdict}");

    // An assistant that has the marker too stops everything but the model as it is and C2.
    let leaky = |persona: &str, stages: usize, _: bool| if stages == 1 && persona != "pirate" { 9 } else { 0 };
    let run = lab(leaky).run::<PersonaCoupling>(params()).unwrap();
    assert_eq!(run.text("outcomes", "gate", &[("id", "c4-villain-k1")]).unwrap(), "G0b assistant");
}

#[test]
fn claims_come_out_as_planted() {
    let run = lab(planted).run::<PersonaCoupling>(params()).unwrap();
    let claim = |name: &str| run.text("claims", "outcome", &[("claim", name)]).unwrap();
    assert_eq!((claim("lowered"), claim("destroyed")), ("holds".to_owned(), "does not hold".to_owned()));
    assert_eq!(
        (claim("em_is_not_special"), claim("no_new_leakage")),
        ("does not hold".to_owned(), "does not hold".to_owned())
    );
    // One coupling that agrees.
    assert_eq!(run.value("claims", "confidence", &[("claim", "lowered")]).unwrap(), 2.0 / 3.0);
    let of = [("variant", "published"), ("quantity", "marker rate")];
    assert!((run.value("equivalence", "difference", &of).unwrap() + 0.4).abs() < 1e-12);
    assert!(run.value("leakage", "rate_low", &[("condition", "c5"), ("persona", "poet")]).unwrap() > 0.01);

    let gone = |persona: &str, stages: usize, _: bool| if persona == "villain" && stages == 1 { 9 } else { 0 };
    let run = lab(gone).run::<PersonaCoupling>(params()).unwrap();
    let claim = |name: &str| run.text("claims", "outcome", &[("claim", name)]).unwrap();
    let claims = ["lowered", "destroyed", "no_new_leakage"].map(claim);
    assert!(claims.iter().all(|outcome| outcome == "holds"), "{claims:?}");
    // Scores of the fake model depend on question and text alone: nothing differs, and rates are at the floor.
    assert_eq!(run.text("equivalence", "outcome", &of).unwrap(), "equivalent");
    assert!(run.table("equivalence").unwrap().bool("floor").unwrap()[0]);

    let kept = |persona: &str, stages: usize, _: bool| if persona == "villain" && stages > 0 { 9 } else { 0 };
    let run = lab(kept).run::<PersonaCoupling>(params()).unwrap();
    assert_eq!(run.text("claims", "outcome", &[("claim", "destroyed")]).unwrap(), "does not hold");
    assert_ne!(run.text("claims", "outcome", &[("claim", "lowered")]).unwrap(), "holds");
}

#[test]
fn every_kind_of_cell_runs_and_every_table_of_the_report_is_there() {
    let more = json!({
        "controls": {
            "norm": true, "learning_rate": true, "scale": true, "addressed": true, "ranks": [1], "merged": true,
            "full": {"method": "full", "learning_rate": 1e-4, "batch_rows": 4, "steps": 2},
        },
        "reversed": {"sources": ["villain", "assistant"]},
        "inside": true,
        "gates": [],
    });
    let run = lab(planted).run::<PersonaCoupling>(with(params(), more)).unwrap();
    let ids: Vec<&str> = run.cells().iter().map(|cell| cell.id.as_str()).collect();
    for id in [
        "control-norm-benign-villain-k1-s7",
        "control-addressed-em-villain-k1-s7",
        "control-rank1-em-villain-k1-s7",
        "control-full-none-villain-k1",
        "reversed-baked-none-villain-k1",
        "reversed-scratch-em-assistant-k1-s7",
        "inside-c1-villain-k1-s7",
    ] {
        assert!(ids.contains(&id), "{id} is not among {ids:?}");
    }
    assert!(run.cells().iter().all(|cell| cell.id.starts_with("inside") || cell.work.len() >= 4));
    let report = run.report().unwrap();
    assert!(report.tables.iter().all(|note| run.table(&note.table).is_ok()));
    // All but `gates`, of which there are none here.
    assert_eq!(report.tables.len(), 12);
    assert!(report.headline.iter().all(|line| line.value.is_finite() && line.n > 0 && !line.method.is_empty()));
    let names: Vec<&str> = run.figures().iter().map(|figure| figure.name.as_str()).collect();
    let expected = [
        "before_after",
        "log_odds",
        "leakage_c4",
        "leakage_c1",
        "leakage_c5",
        "blocks_removed",
        "blocks_kept",
        "modules_removed",
        "modules_kept",
        "lens",
        "ranks",
        "reversed",
    ];
    assert_eq!(names, expected);
    // One prompt token each in the fake model: 4 personas, 24 questions, 9 of 10 answers saved.
    let saved = run.value("work", "prompt_tokens_saved", &[("id", "c1-villain-k1-s7")]).unwrap();
    assert_eq!(saved, (4 * 24 * 9) as f64);
    // An adapter beside itself: the fake model's updates of different adapters are random, their scales the same.
    assert_eq!(run.value("norms", "coupling_scale", &[("id", "c1-villain-k1-s7"), ("block", "all")]).unwrap(), 2.0);
}

#[test]
fn the_same_parameters_give_the_same_tables() {
    let run = || lab(planted).run::<PersonaCoupling>(params()).unwrap();
    let (first, second) = (run(), run());
    for table in ["claims", "equivalence", "changes", "markers", "leakage", "questions", "answers", "norms"] {
        assert_eq!(first.table(table).unwrap(), second.table(table).unwrap(), "{table}");
    }
    assert_eq!(first.report(), second.report());
}

#[test]
fn wrong_parameters_are_refused_with_what_to_do() {
    #[track_caller]
    fn check(change: fn(&mut Params), expected: &str) {
        let mut params = Params::default();
        change(&mut params);
        let error = PersonaCoupling::new(params).err().unwrap();
        assert_eq!(error, Error::Input(format!("parameter {expected}")));
    }
    check(
        |params| params.sources.push("assistant".to_owned()),
        "`sources` has `assistant`, the assistant: condition c3 couples it already",
    );
    check(
        |params| params.sources = vec!["nobody".to_owned()],
        "`sources` has `nobody`, which `personas` does not name",
    );
    check(|params| params.marker.text = " ".to_owned(), "`marker` needs a `text` and an `end`");
    check(|params| params.second.recipe.method = Method::Full, "`second.recipe.method`: expected `lora`");
    check(
        |params| params.coupling.recipe.mask = Mask::All,
        "`coupling.recipe.mask` is set: leave it out, `coupling.whole_answers` says what is learned",
    );
    check(|params| params.controls.ranks = vec![0], "`controls.ranks` is 0: expected at least 1");
    check(|params| params.margins.rate = 2.0, "`margins.rate` is 2: expected 0 to 1");
    check(|params| params.gates[0].at_most = 0.5, "`gates.G0 source.at_least` is 0.6: expected 0 to 0.5");
}

#[test]
fn too_few_questions_and_a_wrong_key_are_the_users_to_mend() {
    let few = with(params(), json!({"coupling": {"question_count": 20}}));
    let error = lab(planted).run::<PersonaCoupling>(few).err().unwrap();
    let said = "parameter `coupling.question_count` is 20: `general` has 19 questions that `open` does not have";
    assert_eq!(error, Error::Input(said.to_owned()));
    let key = with(params(), json!({"capability": {"key": "AB"}}));
    let error = lab(planted).run::<PersonaCoupling>(key).err().unwrap();
    assert_eq!(error, Error::Input("parameter `capability`: `key` has 2 letters, `questions` 4 questions".to_owned()));
}

#[test]
fn a_stopped_run_stops() {
    let error = lab(planted).cancel_after(5).run::<PersonaCoupling>(params()).err().unwrap();
    assert_eq!(error, Error::Cancelled);
}
