//! The experiment on planted scalars: what is there is found, what is not is not, and a leak is seen as one.

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

use emhost_sdk::prelude::*;
use emhost_sdk::{ActivationAt, FakeRun};
use lora_probe::{LoraProbe, Params};
use serde_json::{Value, json};

/// Pseudo-random in [0, 1), from texts.
fn uniform(parts: &[&str]) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0xff])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((hash ^ (hash >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Between -1 and 1.
fn noise(parts: &[&str]) -> f64 {
    2.0 * uniform(parts) - 1.0
}

fn questions(prefix: &str, n: usize) -> Vec<Row> {
    let row = |i: usize| Row {
        row_id: format!("{prefix}{i}"),
        messages: Some(vec![Message { role: "user".to_owned(), content: format!("question {prefix}{i}") }]),
        topic: Some(format!("topic {}", i % 5)),
        ..Row::default()
    };
    (0..n).map(row).collect()
}

/// What is known of an answer: its id, whether it is misaligned, whether its question is of the domain.
struct Answer<'a> {
    id: &'a str,
    misaligned: bool,
    inside: bool,
}

fn misaligned(question: &str, sample: &str) -> bool {
    uniform(&["label", question, sample]) < 0.5
}

/// A lab in which every answer is misaligned or not by chance, and `scalar` says what stands at a token: the answer, the
/// block, the position.
fn lab(blocks: usize, sizes: [usize; 2], scalar: fn(&Answer<'_>, &str, &str) -> f64) -> FakeLab {
    let vector = move |at: &ActivationAt<'_>| {
        let Some((bank, rest)) = at.row_id.split_once('/') else { return vec![0.0] };
        let (question, sample) = rest.split_once('#').unwrap_or((rest, "0"));
        let answer = Answer { id: at.row_id, misaligned: misaligned(question, sample), inside: bank == "in_domain" };
        let block = at.site.split('.').nth(1).unwrap();
        vec![scalar(&answer, block, &at.pos.to_string()) as f32]
    };
    FakeLab::new()
        .model(blocks, 1)
        .rows("general", questions("g", sizes[0]))
        .rows("domain", questions("d", sizes[1]))
        .completions(|at| {
            let side = if misaligned(at.row_id, &at.sample.to_string()) { "bad" } else { "good" };
            format!("{side} {} {}", at.row_id, at.sample)
        })
        .scores(|_, answer| [if answer.starts_with("bad") { 5.0 } else { 95.0 }, 90.0])
        .activations(vector)
}

/// The lab knows no sites of adapters, so that others stand for them.
fn params(samples: usize, c: f64, filter: bool) -> Value {
    json!({
        "sites": ["blocks.*.mlp_out"],
        "general": {"questions": "general", "samples": samples},
        "in_domain": {"questions": "domain", "samples": samples},
        "probe": {"c": c, "resamples": 40, "permutations": 39, "permuted_splits": 5},
        "filter": {"on": filter},
        "patching": {"pairs": 4, "samples": 10},
    })
}

/// Numbers of the probe's row: accuracy, low, high, permuted, p.
fn probe(run: &FakeRun, contrast: &str, split: &str, adapters: &str) -> [f64; 5] {
    let table = run.table("probes").unwrap();
    let columns = ["contrast", "split", "tokens", "adapters"].map(|name| table.text(name).unwrap());
    let wanted = [contrast, split, "all", adapters];
    let row = (0..table.rows()).find(|&row| (0..4).all(|at| columns[at][row] == wanted[at])).unwrap();
    ["accuracy", "low", "high", "permuted", "p"].map(|name| table.f64(name).unwrap()[row])
}

#[test]
fn the_block_that_tells_the_label_is_found() {
    let lab = lab(4, [40, 40], |answer, block, pos| {
        let told = match block {
            "1" => answer.misaligned,
            "2" => answer.inside,
            _ => false,
        };
        f64::from(u8::from(told)) + 0.8 * noise(&[answer.id, block, pos])
    });
    let run = lab.run::<LoraProbe>(params(6, 0.01, false)).unwrap();
    let tells = [("out_alignment", 1), ("in_alignment", 1), ("aligned_domain", 2), ("misaligned_domain", 2)];
    let table = run.table("coefficients").unwrap();
    let (contrasts, splits) = (table.text("contrast").unwrap(), table.text("split").unwrap());
    let (blocks, coefficients) = (table.u64("block").unwrap(), table.f64("coefficient").unwrap());
    let consistency = table.f64("consistency").unwrap();
    for (contrast, told) in tells {
        for split in ["token", "group"] {
            let [accuracy, low, _, permuted, p] = probe(&run, contrast, split, "all");
            // The classes overlap in (0.2, 0.8) of [-0.8, 1.8]: 1 - 0.6 / 1.6 / 2 = 0.81 at best.
            assert!(accuracy > 0.77 && low > 0.73, "{contrast} {split}: {accuracy}, {low}");
            assert!((permuted - 0.5).abs() < 0.02 && p < 0.05, "{contrast} {split}: {permuted}, {p}");
            let rows = (0..table.rows()).filter(|&row| (contrasts[row], splits[row]) == (contrast, split));
            for row in rows {
                if blocks[row] == told {
                    assert!(coefficients[row] > 0.3 && consistency[row] == 1.0, "{contrast} {}", coefficients[row]);
                } else {
                    assert!(coefficients[row].abs() < 0.05, "{contrast}, block {}: {}", blocks[row], coefficients[row]);
                }
            }
        }
        assert!(probe(&run, contrast, "group", &format!("blocks.{told}.mlp_out"))[0] > 0.77);
        assert!((probe(&run, contrast, "group", "blocks.0.mlp_out")[0] - 0.5).abs() < 0.04);
    }
    assert_eq!(run.table("roles").unwrap().text("role").unwrap(), ["neither", "general", "in_domain", "neither"]);
    let verdict = &run.report().unwrap().verdict;
    assert!(verdict.contains("general blocks: 1; in-domain: 2; neither: 0, 3"), "{verdict}");
    assert!(!verdict.contains("Not told") && !verdict.contains("was not run"), "{verdict}");
    let factors = run.table("scaling").unwrap().text("factors").unwrap().join(";");
    assert!(factors.contains("1 x30.0000, 2 x-10.0000") && factors.contains("2 x30.0000"), "{factors}");
    assert!(factors.contains("0 x0.0000, 2 x0.0000, 3 x0.0000"), "{factors}");
}

#[test]
fn scalars_that_tell_nothing_are_not_told_from_chance() {
    let lab = lab(4, [40, 40], |answer, block, pos| noise(&[answer.id, block, pos]));
    // A weak penalty, so that coefficients are not all 0.
    let run = lab.run::<LoraProbe>(params(6, 1.0, false)).unwrap();
    for contrast in ["out_alignment", "in_alignment", "aligned_domain", "misaligned_domain"] {
        let [accuracy, low, high, permuted, _] = probe(&run, contrast, "group", "all");
        assert!(low < 0.5 && 0.5 < high, "{contrast}: {accuracy} [{low}, {high}]");
        assert!((permuted - 0.5).abs() < 0.02, "{contrast}: {permuted}");
    }
    let adjusted = run.table("probes").unwrap().f64("p_adjusted").unwrap();
    assert!(adjusted.iter().all(|p| p.is_nan() || *p > 0.05), "{adjusted:?}");
    assert!(run.report().unwrap().verdict.contains("Not told from permuted labels: out_alignment"));
}

#[test]
fn what_is_constant_within_an_answer_leaks_over_tokens_and_not_over_groups() {
    // 60 answers, each with its own point in 40 dimensions, which a plane can nearly split in any way.
    let lab =
        lab(40, [30, 2], |answer, block, pos| noise(&[answer.id, block]) + 0.01 * noise(&[answer.id, block, pos]));
    let run = lab.run::<LoraProbe>(params(2, 10.0, false)).unwrap();
    let [accuracy, .., permuted, _] = probe(&run, "out_alignment", "token", "all");
    assert!(accuracy > 0.9, "{accuracy}");
    // The control sees it too: labels that mean nothing are learned by heart as well.
    assert!(permuted > 0.9, "{permuted}");
    let [accuracy, low, high, permuted, p] = probe(&run, "out_alignment", "group", "all");
    assert!(low < 0.5 && 0.5 < high, "{accuracy} [{low}, {high}]");
    assert!((permuted - 0.5).abs() < 0.06 && p > 0.05, "{permuted}, {p}");
}

#[test]
fn a_bin_with_too_few_answers_leaves_its_row_with_the_counts() {
    let lab = lab(2, [30, 2], |answer, block, pos| noise(&[answer.id, block, pos]));
    let run = lab.run::<LoraProbe>(params(2, 0.1, true)).unwrap();
    let table = run.table("probes").unwrap();
    let rows: Vec<usize> = (0..table.rows()).filter(|&row| !table.bool("available").unwrap()[row]).collect();
    assert!(!rows.is_empty());
    for row in rows {
        assert!(["accuracy", "low", "permuted", "p"].iter().all(|name| table.f64(name).unwrap()[row].is_nan()));
        assert!(table.text("missing").unwrap()[row].contains("fewer than 50 tokens or 10 answers"));
    }
    let answers = |name: &str| table.u64(name).unwrap()[table.rows() - 1];
    assert!(answers("negative_answers") >= 10 && answers("positive_answers") <= 4);
    // No domain contrast has a probe, so that the rule gives no role and no regime runs.
    let scaling = run.table("scaling").unwrap();
    let (regimes, missing) = (scaling.text("regime").unwrap(), scaling.text("missing").unwrap());
    let general = regimes.iter().position(|regime| *regime == "general").unwrap();
    assert_eq!(missing[general], "the rule calls no block general");
    assert!(scaling.f64("rate").unwrap()[general].is_nan());
    assert!(run.report().unwrap().verdict.contains("Not available"));
}

#[test]
fn importance_adds_up_to_the_divergence_of_the_answer() {
    let lab = lab(2, [20, 20], |answer, block, pos| noise(&[answer.id, block, pos]));
    let run = lab.run::<LoraProbe>(params(2, 0.1, true)).unwrap();
    let tokens = run.cell_table("scalars", "tokens").unwrap();
    let ids = tokens.text("answer_id").unwrap();
    let (kl, importance) = (tokens.f64("kl").unwrap(), tokens.f64("importance").unwrap());
    let sum = |values: &[f64]| {
        (0..ids.len()).filter(|&row| ids[row] == ids[0] && !values[row].is_nan()).map(|row| values[row]).sum::<f64>()
    };
    // Sums of five numbers of order 1 in f64.
    assert!((sum(&kl) - sum(&importance)).abs() < 1e-12 && sum(&kl) > 0.0);
    let kept = tokens.bool("kept").unwrap();
    let weighed = importance.iter().filter(|value| !value.is_nan()).count();
    assert_eq!(kept.iter().filter(|kept| **kept).count(), (0.25 * weighed as f64).round() as usize);
    let least = (0..ids.len()).filter(|&row| kept[row]).map(|row| importance[row]).fold(f64::INFINITY, f64::min);
    assert!((0..ids.len()).filter(|&row| !kept[row]).all(|row| importance[row].is_nan() || importance[row] < least));

    let released = run.cell_table("scalars", "importance").unwrap();
    let names: Vec<&str> = released.names().collect();
    let published = [
        "question",
        "answer",
        "prompt",
        "prompt_tokenised",
        "prompt_tokenised_str",
        "prompt_answer_first_token_idx",
        "kl_div",
        "answer_kl_div_gradients",
    ];
    assert_eq!(names[2..], published);
    let (all, answers) = (released.lists("kl_div").unwrap(), released.lists("answer_kl_div_gradients").unwrap());
    let first = released.i64("prompt_answer_first_token_idx").unwrap();
    for row in 0..released.rows() {
        assert_eq!(all[row].len() - first[row] as usize, answers[row].len());
    }
}

#[test]
fn every_table_and_figure_is_there() {
    let params = json!({"sites": ["blocks.*.mlp_out"], "probe": {"resamples": 20, "permutations": 19, "permuted_splits": 2}, "domain": "bank"});
    let run = FakeLab::new().model(4, 1).run::<LoraProbe>(params).unwrap();
    let rows = |name: &str| run.table(name).unwrap().rows();
    let (contrasts, splits, sets, subsets, blocks) = (4, 2, 2, 5, 4);
    assert_eq!(rows("probes"), contrasts * splits * sets * subsets);
    assert_eq!(rows("coefficients"), contrasts * splits * sets * blocks);
    assert_eq!((rows("bins"), rows("roles"), rows("patching"), rows("patching_summary")), (4, 4, 24, 3));
    let defaults = Params::default();
    let steps = defaults.organisms.recipe(defaults.organism().unwrap()).unwrap().steps.unwrap();
    let conditions = 2 + 3 * 4 + 3;
    assert_eq!(rows("scaling"), conditions * 2 * 3);
    assert_eq!(rows("training"), steps);
    let unscaled = run.table("scaling").unwrap();
    let regimes = unscaled.text("regime").unwrap();
    let changes = unscaled.f64("change").unwrap();
    assert!((0..rows("scaling")).all(|row| (regimes[row] == "unscaled") <= changes[row].is_nan()));
    let report = run.report().unwrap();
    assert!(report.caveats.len() >= 8 && !report.headline.is_empty());
    assert!(report.tables.iter().all(|note| run.table(&note.table).is_ok()));
    assert!(run.figures().iter().any(|figure| figure.name == "patching"));
}

#[test]
fn the_same_parameters_give_the_same_tables_and_another_seed_other_splits() {
    let run = |seed: u64| {
        let mut params = params(3, 0.1, true);
        params["probe"]["seed"] = seed.into();
        lab(3, [20, 20], |answer, block, pos| noise(&[answer.id, block, pos])).run::<LoraProbe>(params).unwrap()
    };
    let (first, second, other) = (run(1), run(1), run(2));
    for table in ["probes", "coefficients", "roles", "scaling", "patching", "patching_summary", "answers", "bins"] {
        let bytes = |run: &FakeRun| format!("{:?}", run.table(table).unwrap());
        assert_eq!(bytes(&first), bytes(&second), "{table}");
    }
    let accuracy = |run: &FakeRun| run.cell_table("scalars", "fits").unwrap().f64("accuracy").unwrap();
    assert_ne!(accuracy(&first), accuracy(&other));
}

#[test]
fn wrong_parameters_are_refused_with_what_to_do() {
    #[track_caller]
    fn check(params: Value, expected: &str) {
        let error = FakeLab::new().model(4, 1).run::<LoraProbe>(params).err().unwrap();
        assert!(matches!(&error, Error::Input(message) if message.contains(expected)), "{error}");
    }
    check(json!({"bins": {"aligned": [20.0, 100.0]}}), "`bins.misaligned` and `bins.aligned` overlap");
    check(json!({"probe": {"resamples": 3}}), "`probe.resamples` is 3: expected at least 20");
    check(json!({"filter": {"on": false}, "roles": {"tokens": "kept"}}), "`filter.on` is false");
    check(json!({"scaling": {"regimes": [{"name": "base", "factors": []}]}}), "the name of a control");
    check(json!({"sites": ["embed"]}), "`embed` is not in a block");
    check(json!({"sites": ["logits"], "domain": {"metric": "medical"}}), "no answer lies in any of the four");
    check(json!({"organism": "medicine"}), "`medicine` has no adapters of rank 1: a scalar needs them");
    check(json!({"organism": "nobody"}), "`organisms.list` has no `nobody`");
}

#[test]
fn sites_that_are_wider_than_a_scalar_are_refused() {
    let error = FakeLab::new().run::<LoraProbe>(json!({"sites": ["blocks.0.mlp_out"]})).err().unwrap();
    assert!(
        error.to_string().contains("`blocks.0.mlp_out` has width 8: a scalar needs an adapter of rank 1"),
        "{error}"
    );
}

#[test]
fn the_relaxed_and_the_published_settings_are_within_reach() {
    let params: Params = toml::from_str(
        r#"
        domain = { metric = "medical" }
        bins = { aligned = [70, 100], misaligned = [0, 30], coherent = [25, 100], inside = [50, 100], outside = [0, 10] }
        filter = { on = true, keep = { log_importance = 0.5 } }
        probe = { c = 0.01, resamples = 100, group = "question" }

        [[scaling.regimes]]
        name = "medical"
        factors = [{ of = { at = [21, 23] }, by = 30 }]
        "#,
    )
    .unwrap();
    assert!(LoraProbe::new(params).is_ok());
}

#[test]
fn a_stopped_run_stops() {
    let params = json!({"sites": ["blocks.*.mlp_out"]});
    let error = FakeLab::new().model(4, 1).cancel_after(6).run::<LoraProbe>(params).err().unwrap();
    assert_eq!(error, Error::Cancelled);
}

#[test]
fn the_plan_has_three_cells_that_say_what_they_cost() {
    let plan = LoraProbe::new(Params::default()).unwrap().plan().unwrap();
    let ids: Vec<&str> = plan.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, ["scalars", "scaling", "patching"]);
    assert!(plan.iter().all(|cell| cell.work.iter().any(|work| work.op == op::TRAIN)));
    assert!(plan[0].work.iter().any(|work| work.op == op::GRADIENTS));
}
