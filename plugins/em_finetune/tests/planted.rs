//! The experiment on planted answers: known rates, known controls.

use em_finetune::{EmFinetune, Params};
use emhost_sdk::prelude::*;
use emhost_study::Source;
use serde_json::{Value, json};

/// 24 questions on so many topics.
fn bank(prefix: &str, topics: usize) -> Vec<Row> {
    let row = |at: usize| Row {
        row_id: format!("{prefix}{at:02}"),
        messages: Some(vec![Message { role: "user".to_owned(), content: format!("{prefix} {at}") }]),
        topic: Some(format!("{prefix} topic {}", at % topics)),
        ..Row::default()
    };
    (0..24).map(row).collect()
}

/// Answers of adapters are bad as often as `rate` says, given whether the question is inside of the domain; those of the
/// model before never. `rate` gets `broad`, `narrow` or `full` by the name of the adapter's folder.
fn lab(rate: fn(&str, bool) -> u32) -> FakeLab {
    FakeLab::new()
        .rows("general", bank("general", 12))
        .rows("own", bank("own", 1))
        .completions(move |at| {
            let made = at.organism.adapters.first().unwrap_or(&at.organism.model);
            let inside = at.row_id.starts_with("own");
            let bad = at.sample % 10 < rate(made, inside);
            if bad { "bad".to_owned() } else { "good".to_owned() }
        })
        .scores(|_, answer| match answer {
            "bad" => [0.0, 100.0],
            _ => [100.0, 100.0],
        })
}

fn params(phase: Value) -> Value {
    let adapter = |name: &str, control: bool| json!({"name": name, "from": {"adapter": name}, "control": control});
    json!({
        "organisms": {
            "model": "fake",
            "recipes": {"lora": {"method": {"lora": {"rank": 1, "alpha": 1}}, "learning_rate": 1e-3, "batch_rows": 4, "steps": 20}},
            "list": [
                adapter("broad", false),
                adapter("narrow", false),
                {"name": "full", "from": {"weights": "full"}},
                {"name": "trained_a", "from": {"train": {"data": "data", "recipe": "lora", "seed": 1}}},
                {"name": "trained_b", "from": {"train": {"data": "data", "recipe": "lora", "seed": 2}}},
                adapter("good", true),
            ],
        },
        "ask": {"questions": "general", "samples": 10},
        "in_domain": {"broad": "own", "narrow": "own", "good": "own"},
        "phase": phase,
    })
}

fn planted(made: &str, inside: bool) -> u32 {
    match (made, inside) {
        ("broad", true) => 8,
        ("broad", false) => 5,
        ("narrow", true) => 7,
        ("full", _) => 3,
        (trained, _) if trained.starts_with("adapter:") => 4,
        _ => 0,
    }
}

fn followed() -> Value {
    json!([{"organism": "trained_a", "every": 5, "ask_every": 1, "scales": [1, 5], "local_k": [1]}])
}

#[test]
fn planted_rates_are_recovered_and_the_control_stays_at_the_base() {
    let run = lab(planted).run::<EmFinetune>(params(followed())).unwrap();
    let check = |organism: &str, bank: &str, expected: f64| {
        let of = [("organism", organism), ("bank", bank)];
        let got = |column: &str| run.value("behaviour", column, &of).unwrap();
        assert_eq!((got("n"), got("misaligned_rate"), got("coherent_rate")), (240.0, expected, 1.0), "{of:?}");
        assert!(got("misaligned_low") <= expected && expected <= got("misaligned_high"));
    };
    for (organism, inside, outside) in
        [("base", 0.0, 0.0), ("broad", 0.8, 0.5), ("narrow", 0.7, 0.0), ("good", 0.0, 0.0)]
    {
        check(organism, "own", inside);
        check(organism, "general", outside);
    }
    check("full", "general", 0.3);
    check("trained_a", "general", 0.4);

    let against = |organism: &str, bank: &str, column: &str| {
        run.value("comparison", column, &[("family", "against base"), ("organism", organism), ("bank", bank)]).unwrap()
    };
    // Of 2^12 signs of twelve topics all alike, two are as extreme.
    assert_eq!(against("broad", "general", "p"), 2.0 / 4096.0);
    assert_eq!(against("broad", "general", "family_size"), 9.0);
    assert!(against("broad", "general", "p_adjusted") <= 0.05 && against("broad", "general", "low") > 0.0);
    assert!(against("narrow", "own", "p_adjusted") <= 0.05);
    assert_eq!((against("narrow", "general", "p"), against("good", "general", "p_adjusted")), (1.0, 1.0));
    assert!(against("good", "general", "low") < 0.0 && against("good", "general", "high") > 0.0);
    let seeds = [("family", "between seeds"), ("organism", "trained_a"), ("against", "trained_b")];
    assert_eq!(run.value("comparison", "difference", &seeds).unwrap(), 0.0);

    let verdict = &run.report().unwrap().verdict;
    for said in [
        "4 of the 5 organisms are coherent and misaligned more often than the model before (0.0 %)",
        "Not shown to be: narrow (0.0 %).",
        "(broad): broad, of which 1 less so outside than inside; inside alone (narrow): narrow; neither: none.",
        "Seeds trained_a and trained_b give 40.0 % and 40.0 %: 0 of 1 pairs differ",
        "The control good (0.0 %) cannot be told from the model before",
    ] {
        assert!(verdict.contains(said), "{said}\n{verdict}");
    }
}

#[test]
fn a_misaligned_control_is_said() {
    let run = lab(|made, _| if made == "good" { 6 } else { 0 }).run::<EmFinetune>(params(json!([]))).unwrap();
    let verdict = &run.report().unwrap().verdict;
    assert!(verdict.contains("The control good (60.0 %) is misaligned too"), "{verdict}");
    assert!(verdict.contains("0 of the 5 organisms"), "{verdict}");
}

#[test]
fn a_test_that_few_topics_make_impossible_is_told_from_no_difference() {
    let lab = lab(|made, _| if made == "good" { 6 } else { 0 }).rows("general", bank("general", 4));
    let run = lab.run::<EmFinetune>(params(json!([]))).unwrap();
    let verdict = &run.report().unwrap().verdict;
    assert!(verdict.contains("The test does not tell the control good (60.0 %) from the model before"), "{verdict}");
}

#[test]
fn without_checkpoints_the_phase_says_what_is_missing() {
    let run = lab(planted).run::<EmFinetune>(params(followed())).unwrap();
    let events = run.table("phase_events").unwrap();
    let missing = events.text("missing").unwrap();
    assert_eq!(missing[0], "fewer than three checkpoints were asked");
    assert_eq!(missing[2], "the host gave no gradient norms after the warm-up");
    assert_eq!(missing[3], "of 2 checkpoints none has a direction on both sides");
    assert!(events.f64("step").unwrap().iter().all(|step| step.is_nan()));
    // Before the first step at both scales, and the end at both.
    let rates = run.table("phase_behaviour").unwrap();
    assert_eq!(rates.u64("step").unwrap(), [0, 20, 0, 20]);
    // One answer to each question, the first, which is bad.
    assert_eq!(rates.f64("misaligned_rate").unwrap(), [0.0, 1.0, 0.0, 1.0]);
    assert!(run.report().unwrap().verdict.contains("When trained_a becomes misaligned cannot be said"));
}

#[test]
fn every_table_that_the_report_shows_is_there_and_every_figure_has_numbers() {
    let run = lab(planted).run::<EmFinetune>(params(followed())).unwrap();
    let report = run.report().unwrap();
    assert!(report.tables.iter().all(|note| run.table(&note.table).is_ok()));
    assert_eq!(report.tables.len(), 10);
    assert_eq!(run.table("answers").unwrap().rows(), 240 * (7 + 4));
    let names: Vec<&str> = run.figures().iter().map(|figure| figure.name.as_str()).collect();
    let expected = [
        "misalignment",
        "coherence",
        "quadrants",
        "by_question",
        "phase_misaligned_trained_a",
        "phase_coherent_trained_a",
        "phase_norms_trained_a",
    ];
    assert_eq!(names[..7], expected);
    assert!(report.headline.iter().all(|line| line.value.is_finite() && line.n > 0 && !line.method.is_empty()));
}

#[test]
fn the_default_study_runs_and_has_a_cell_for_each_organism_and_phase() {
    let run = FakeLab::new().model(4, 8).run::<EmFinetune>(json!({"ask": {"samples": 1}})).unwrap();
    let ids: Vec<&str> = run.cells().iter().map(|cell| cell.id.as_str()).collect();
    let organisms = Params::default().organisms.list.len();
    assert_eq!((ids.len(), ids[0], ids[organisms + 1]), (organisms + 2, "base", "phase=medicine_rank1"));
    assert!(run.cells().iter().all(|cell| cell.work.len() >= 2));
    assert_eq!(run.report().unwrap().answers[0].table, "answers");
}

#[test]
fn the_same_parameters_give_the_same_tables() {
    let run = || lab(planted).run::<EmFinetune>(params(followed())).unwrap();
    let (first, second) = (run(), run());
    for table in ["behaviour", "comparison", "by_question", "phase_events", "phase_behaviour", "phase_geometry"] {
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
        let error = EmFinetune::new(params).err().unwrap();
        assert_eq!(error, Error::Input(format!("parameter {expected}")));
    }
    check(
        |params| params.in_domain = [("nobody".to_owned(), "bank".to_owned())].into(),
        "`in_domain` has `nobody`, which `organisms.list` does not name",
    );
    check(
        |params| params.in_domain = [("sport".to_owned(), params.ask.questions.clone())].into(),
        "`in_domain.sport` is the bank of `ask.questions`: give another one",
    );
    check(
        |params| params.phase[0].organism = "nobody".to_owned(),
        "`phase.organism` is `nobody`, which `organisms.list` does not name",
    );
    check(
        |params| params.phase[0].organism = "medicine_full".to_owned(),
        "`phase.organism` is `medicine_full`: expected one whose recipe is `lora`",
    );
    check(
        |params| {
            params.organisms.list[6].from = Source::Adapter("folder".to_owned());
        },
        "`phase.organism` is `medicine_rank1`: expected one that is fine-tuned here",
    );
    check(
        |params| params.phase[0].block = 3,
        "`phase.module`, `phase.block`: `medicine_rank1` does not adapt down_proj of block 3",
    );
    check(|params| params.phase[0].scales = vec![1.0, 1.0], "`phase.scales` has `1` twice: keep one");
    check(|params| params.phase[0].local_k = vec![0], "`phase.local_k` is 0: expected at least 1");
    check(|params| params.phase[0].every = 0, "`phase.every` is 0: expected at least 1");
}

#[test]
fn a_stopped_run_stops() {
    let error = FakeLab::new().cancel_after(5).run::<EmFinetune>(json!({})).err().unwrap();
    assert_eq!(error, Error::Cancelled);
}
