//! The experiment in a lab without weights, and its parts on planted numbers.

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

use emhost_sdk::FakeRun;
use emhost_sdk::prelude::*;
use serde_json::{Value, json};
use training_dynamics::{
    Curve, Grid, Matched, Measured, Params, Place, TrainingDynamics, over_steps, standings, within_groups,
};

/// 20 conversations: two to each of ten questions.
fn conversations() -> Vec<Row> {
    let message = |role: &str, content: String| Message { role: role.to_owned(), content };
    let row = |at: usize| Row {
        row_id: format!("t{at:02}"),
        messages: Some(vec![message("user", format!("pain {}", at / 2)), message("assistant", format!("rest {at}"))]),
        ..Row::default()
    };
    (0..20).map(row).collect()
}

/// 12 questions on 6 topics. The model before answers well; fine-tunes answer badly, more so on some topics than on others,
/// but for those on the data `kind`.
fn lab() -> FakeLab {
    let question = |at: usize| Row {
        row_id: format!("q{at:02}"),
        messages: Some(vec![Message { role: "user".to_owned(), content: format!("question {at}") }]),
        topic: Some(format!("topic {}", at % 6)),
        ..Row::default()
    };
    FakeLab::new()
        .rows("bad", conversations())
        .rows("kind", conversations().into_iter().take(18).collect())
        .rows("general", (0..12).map(question).collect())
        .completions(|at| {
            let topic: u32 = at.row_id[1..].parse().unwrap();
            let bad = !at.organism.adapters.is_empty() && at.sample <= topic % 6 / 2;
            if bad { "bad".to_owned() } else { "good".to_owned() }
        })
        .scores(|_, answer| if answer == "bad" { [10.0, 90.0] } else { [100.0, 90.0] })
}

fn params() -> Value {
    json!({
        "recipe": {"method": {"lora": {"rank": 1, "alpha": 1}}, "learning_rate": 1e-3, "batch_rows": 4, "steps": 20, "warmup_steps": 2},
        "families": [{"name": "first", "model": "a"}, {"name": "second", "model": "b"}],
        "data": [{"name": "bad", "data": "bad"}, {"name": "kind", "data": "kind", "control": true}],
        "family": "first",
        "task": "bad",
        "seeds": [0, 1],
        "grid_seeds": [1, 2],
        "grid": {"warmups": [2], "rates": [1e-3, 2e-3], "sam": [], "cyclic": null},
        "ask": {"questions": "general", "samples": 2},
        "held_out": {"share": 0.2},
        "draws": 50,
    })
}

fn run() -> FakeRun {
    lab().run::<TrainingDynamics>(params()).unwrap()
}

#[test]
fn no_fine_tune_is_two_cells() {
    let plan = TrainingDynamics::new(Params::default()).unwrap().plan().unwrap();
    // 2 families, 4 data sets, 3 seeds; 37 schedules beside the baseline with 2 seeds, which the baseline has already.
    assert_eq!(plan.len(), 24 + 74);
    let mut ids: Vec<&str> = plan.iter().map(|cell| cell.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 98);
    assert!(ids.contains(&"family=qwen2,data=bad_medicine,schedule=cosine-w5-lr3e-3,seed=1"));
    assert!(ids.contains(&"family=llama,data=good_medicine,schedule=linear-w5-lr3e-3,seed=2"));
    assert!(plan.iter().all(|cell| cell.work.iter().any(|work| work.op == op::TRAIN)));
    // Here the baseline gets a third seed from the grid.
    let run = run();
    assert_eq!(run.cells().len(), 8 + 1 + 4 * 2);
}

#[test]
fn names_say_what_a_schedule_is() {
    let names: Vec<String> = Params::default().all_schedules().into_iter().map(|one| one.name).collect();
    assert_eq!(names.len(), 38);
    for name in [
        "linear-w5-lr3e-3",
        "cosine-w24-lr7e-3",
        "restarts4-w9-lr1e-3",
        "triangular-lr1e-4-2e-3",
        "triangular2-lr2e-3-8e-3",
        "exp_range-lr4e-3-1e-2",
        "linear-w5-lr3e-3-sam5e-2",
    ] {
        assert!(names.iter().any(|known| known == name), "{name} is none of {names:?}");
    }
}

#[test]
fn a_run_ends_in_tables_figures_and_a_report() {
    let run = run();
    let ends = run.table("final").unwrap();
    assert_eq!(ends.rows(), run.cells().len());
    assert!(ends.bool("last").unwrap().iter().all(|last| *last));
    // Of 20 rows 4 are held out; the end is asked four times.
    let bad = ends.text("data").unwrap().iter().position(|data| *data == "bad").unwrap();
    assert_eq!((ends.u64("held_out_rows").unwrap()[bad], ends.u64("n").unwrap()[bad]), (4, 48));
    // On topics 0, 1 of six one answer of four is bad, on 2, 3 two, on 4, 5 three: half of all at 10, half at 100.
    assert!((ends.f64("alignment").unwrap()[bad] - 55.0).abs() < 1e-9);
    assert_eq!(ends.f64("misaligned_rate").unwrap()[bad], 0.5);

    let change = run.table("change").unwrap();
    let first = (change.f64("alignment_before").unwrap()[0], change.f64("difference").unwrap()[0]);
    assert_eq!((first.0, change.rows()), (100.0, 4));
    assert!((first.1 + 45.0).abs() < 1e-9 && change.f64("p").unwrap()[0] < 0.05);

    let matched = run.table("matched").unwrap();
    let kinds = matched.text("kind").unwrap();
    // Three measures of 4 schedules of two kinds, and 3 seeds of the baseline.
    assert_eq!((matched.rows(), kinds.iter().filter(|kind| **kind == "seed control").count()), (33, 9));
    let findings = run.table("findings").unwrap();
    assert!(findings.u64("better").unwrap().iter().all(|count| *count == 0));
    assert!(run.table("pareto").unwrap().bool("on_front").unwrap().iter().all(|on| *on), "all are the same");
    // The fake loss never changes, so that no correlation exists: it is missing, not 0.
    let correlation = run.table("correlation").unwrap();
    assert!(correlation.f64("spearman").unwrap().iter().all(|value| value.is_nan()));
    assert!(correlation.text("missing").unwrap().iter().all(|reason| !reason.is_empty()));
    assert_eq!(run.figures().len(), 8);
    let report = run.report().unwrap();
    assert!(report.verdict.contains("No schedule is shown to be better aligned"), "{}", report.verdict);
    assert!(report.verdict.contains("The control first on kind changes alignment by -45.0"), "{}", report.verdict);
    for note in &report.tables {
        run.table(&note.table).unwrap();
    }
}

#[test]
fn held_out_rows_are_the_same_for_all_fine_tunes_and_never_trained_on() {
    let run = run();
    let rows = run.table("held_out_rows").unwrap();
    let (data, ids) = (rows.text("data").unwrap(), rows.text("row_id").unwrap());
    let mut held: Vec<&str> = (0..rows.rows()).filter(|&at| data[at] == "bad").map(|at| ids[at]).collect();
    held.sort_unstable();
    held.dedup();
    assert_eq!(held.len(), 4, "{held:?}");
    let seen = rows.bool("question_in_training").unwrap();
    let questions = rows.text("question").unwrap();
    for at in (0..rows.rows()).filter(|&at| data[at] == "bad") {
        // A question has two rows: it is trained on unless both are held out.
        let number: usize = questions[at].trim_start_matches("pain ").parse().unwrap();
        let both = [2 * number, 2 * number + 1].iter().all(|row| held.contains(&format!("t{row:02}").as_str()));
        assert_eq!(seen[at], !both, "{}", ids[at]);
    }
}

#[test]
fn wrong_parameters_are_refused_with_their_name() {
    let check = |change: Value, expected: &str| {
        let mut all = params();
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = lab().run::<TrainingDynamics>(all).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let recipe = |field: &str, value: Value| {
        let mut recipe = params()["recipe"].clone();
        recipe[field] = value;
        json!({"recipe": recipe})
    };
    check(json!({"task": "kind"}), "`task` is `kind`, a control");
    check(json!({"family": "third"}), "`family` is `third`, which `families` does not name");
    check(json!({"seeds": [1, 1]}), "`seeds` has `1` twice");
    check(json!({"held_out": {"share": 0.02}}), "expected two or more held out");
    check(recipe("seed", json!(3)), "`recipe.seed` is set: give `seeds`");
    check(recipe("held_out", json!({"share": 0.1})), "`recipe.held_out` is set");
    check(recipe("method", json!("full")), "expected `lora`");
    let twice = json!([{"name": "again", "schedule": "linear", "learning_rate": 1e-3, "warmup_steps": 2}]);
    check(json!({"schedules": twice}), "`linear-w2-lr1e-3` and `again` are the same");
    check(json!({"grid": {"rate": [1]}}), "unknown field `rate`");
    assert_eq!(Grid::none().schedules(&Params::default().baseline()), []);
}

#[test]
fn the_checked_in_recipes_are_taken_and_the_embedded_one_is_the_default() {
    let params = |name: &str| -> Params {
        let path = format!("{}/../../experiments/what_shapes_em/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let recipe: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let parts = recipe["part"].as_array().unwrap();
        let own = parts.iter().find(|part| part["plugin"].as_str() == Some(TrainingDynamics::NAME)).unwrap();
        own["params"].clone().try_into().unwrap()
    };
    assert_eq!(params("embedded"), Params::default());
    let paper = params("paper");
    paper.check().unwrap();
    // The published grid: 12 cosines, 12 with restarts, 12 cyclic, and SAM, beside the baseline.
    assert_eq!(paper.all_schedules().len(), 38);
    assert!(paper.schedule("exp_range-lr1e-6-2e-5").is_some() && paper.schedule("cosine-w80-lr7e-5").is_some());
}

#[test]
fn a_curve_keeps_what_lowers_the_loss_and_ends_where_it_was_never() {
    let place = |loss: f64, score: f64| Place { loss, topics: vec![score, score - 10.0] };
    let path = [place(2.0, 100.0), place(1.0, 80.0), place(1.5, 20.0), place(0.5, 60.0)];
    let curve = Curve::pooled(&[&path]).unwrap();
    assert_eq!(curve.at(1.5, 0.0), Matched::Equal(1.5, vec![90.0, 80.0]));
    assert_eq!(curve.at(0.75, 0.0), Matched::Equal(0.75, vec![70.0, 60.0]));
    assert_eq!(curve.at(0.45, 0.1), Matched::Equal(0.5, vec![60.0, 50.0]));
    assert_eq!((curve.at(0.45, 0.01), curve.at(2.1, 0.2)), (Matched::Below, Matched::Above));
    // Seeds are averaged at each checkpoint.
    let other = [place(2.0, 90.0), place(1.2, 70.0), place(1.4, 0.0), place(0.7, 50.0)];
    let curve = Curve::pooled(&[&path, &other]).unwrap();
    assert!((curve.lowest() - 0.6).abs() < 1e-12);
    assert_eq!(Curve::pooled(&[]), None);
}

fn measured(loss: f64, scores: [f64; 3]) -> Measured {
    Measured { questions: vec![[loss, 1.0], [3.0 * loss, 3.0]], topics: scores.to_vec() }
}

#[test]
fn a_schedule_that_beats_all_is_the_front_in_every_draw() {
    let all = [measured(1.0, [50.0, 60.0, 40.0]), measured(0.9, [70.0, 80.0, 60.0]), measured(1.1, [20.0, 30.0, 10.0])];
    let schedules: Vec<Vec<&Measured>> = all.iter().map(|one| vec![one]).collect();
    let found = standings(&schedules, 200, 0);
    let fronts: Vec<(bool, f64)> = found.iter().map(|one| (one.on_front, one.front_share)).collect();
    assert_eq!(fronts, [(false, 0.0), (true, 1.0), (false, 0.0)]);
    let [loss, low, high] = found[1].loss_difference;
    assert!((loss + 0.1).abs() < 1e-12 && low <= loss + 1e-12 && high >= loss - 1e-12);
    // Two with the same numbers are both on it, one without a number is not.
    let tied = [measured(1.0, [50.0; 3]), measured(1.0, [50.0; 3]), measured(1.0, [f64::NAN; 3])];
    let found = standings(&tied.iter().map(|one| vec![one]).collect::<Vec<_>>(), 20, 0);
    assert_eq!(found.iter().map(|one| one.on_front).collect::<Vec<_>>(), [true, true, false]);
    assert!(found[2].alignment[0].is_nan());
}

#[test]
fn a_path_on_which_both_fall_is_a_correlation_of_one() {
    let places: Vec<Measured> = (0..5)
        .map(|at| measured(2.0 - 0.3 * f64::from(at), [90.0, 80.0, 70.0].map(|s| s - 10.0 * f64::from(at))))
        .collect();
    let path: Vec<&Measured> = places.iter().collect();
    let names = || ["a", "b", "c", "all"].map(str::to_owned);
    let found = over_steps(names(), &[path.clone(), path], 100, 0);
    assert_eq!((found.n, found.missing.as_str()), (5, ""));
    for number in found.spearman.into_iter().chain(found.pearson) {
        assert!((number - 1.0).abs() < 1e-9, "{found:?}");
    }
    let short = over_steps(names(), &[places[..2].iter().collect()], 100, 0);
    assert!(short.spearman[0].is_nan() && short.missing == "fewer than three points");
    // Within groups, which differ in level, the two go against each other.
    let groups = [vec![[1.0, 50.0], [2.0, 40.0], [3.0, 30.0]], vec![[11.0, 95.0], [12.0, 85.0], [13.0, 75.0]]];
    let found = within_groups("seeds", names(), &groups, 0).unwrap();
    assert!((found.pearson[0] + 1.0).abs() < 1e-9 && found.pearson_p < 0.1, "{found:?}");
}
