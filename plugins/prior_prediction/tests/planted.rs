//! The experiment on planted activations and answers: what is there is found, what is not is not, and defects are refused.

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

use emhost_sdk::prelude::*;
use emhost_sdk::{ActivationAt, FakeRun};
use prior_prediction::{Params, PriorPrediction};
use serde_json::{Value, json};

const WIDTH: usize = 8;
const SAMPLES: usize = 8;

/// Pseudo-random between -1 and 1, from texts: variance 1/3.
fn noise(parts: &[&str]) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in parts.iter().flat_map(|part| part.bytes().chain([0xff])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    2.0 * ((hash ^ (hash >> 31)) >> 11) as f64 / (1_u64 << 53) as f64 - 1.0
}

/// Questions of 10 sentences on each topic; one in three is urgent, whatever its topic.
fn bank(prefix: &str, topics: usize, n: usize) -> Vec<Row> {
    let row = |at: usize| {
        let urgent = if urgent(&format!("{prefix}{at}")) { "urgent !" } else { "please" };
        let content = format!("{urgent} tell me of subject{}", at % topics);
        Row {
            row_id: format!("{prefix}{at}"),
            messages: Some(vec![Message { role: "user".to_owned(), content }]),
            topic: Some(format!("{prefix} topic {}", at % topics)),
            ..Row::default()
        }
    };
    (0..n).map(row).collect()
}

fn urgent(id: &str) -> bool {
    noise(&["urgent", id]) < -0.3
}

fn urgency(id: &str) -> f64 {
    if urgent(id) { 1.0 } else { -1.0 }
}

fn topic_of(id: &str) -> String {
    let number: usize = id.trim_start_matches(char::is_alphabetic).parse().unwrap();
    format!("topic {}", number % 12)
}

/// What models hold of a question at a dimension, and how an answer to it is judged on average. Models differ by a little
/// noise of their own; so do sites.
fn lab(
    held: impl Fn(&str, &str) -> f64 + Send + Sync + 'static,
    judged: impl Fn(&str) -> f64 + Send + Sync + 'static,
) -> FakeLab {
    let vector = move |at: &ActivationAt<'_>| {
        let id = at.row_id.split('#').next().unwrap();
        let model = format!("{}{}", at.organism.model, at.organism.adapters.join("+"));
        let own = if at.organism.model == "early" { 0.3 } else { 0.01 };
        let dimensions = (0..WIDTH).map(|dimension| dimension.to_string());
        dimensions.map(|d| (held(id, &d) + own * noise(&[&model, at.site, at.view, id, &d])) as f32).collect()
    };
    FakeLab::new()
        .model(4, WIDTH)
        .rows("general", bank("g", 12, 120))
        .rows("narrow", bank("n", 6, 60))
        .activations(vector)
        .completions(move |at| {
            let sampled = judged(at.row_id) + 12.0 * noise(&["sample", at.row_id, &at.sample.to_string()]);
            format!("{sampled:.6}")
        })
        .scores(|_, answer| [answer.parse().unwrap_or(50.0), 90.0])
}

fn params() -> Value {
    let trained = |name: &str, control: bool| json!({"name": name, "from": {"train": {"data": "narrow", "recipe": "r"}}, "control": control});
    json!({
        "organisms": {
            "model": "fake",
            "recipes": {"r": {"method": {"lora": {"rank": 1, "alpha": 1}}, "learning_rate": 1e-3, "batch_rows": 4, "steps": 5}},
            "list": [trained("bad", false)],
        },
        "before": [{"name": "instruct"}, {"name": "pretrained", "model": "early"}],
        "ask": {"questions": "general", "samples": SAMPLES},
        "sites": ["blocks.1.mlp_out", "blocks.3.resid_post"],
        "variance": 1.0,
        "random_seeds": [0, 1],
        "models": [{"ridge": 1.0}],
        "headline": {"model": {"ridge": 1.0}, "projection": "plain"},
        "folds": {"repeats": 3},
        "permutations": {"draws": 39, "repeats": 1},
    })
}

/// The row of `scores` at the headline's place with these features and folds.
fn row(run: &FakeRun, source: &str, features: [&str; 2], cv: &str) -> usize {
    let table = run.table("scores").unwrap();
    let wanted = [
        ("organism", "bad"),
        ("source", source),
        ("place", "headline"),
        ("features", features[0]),
        ("projection", features[1]),
        ("model", "ridge 1"),
        ("cv", cv),
    ];
    let fits = |row: &usize| wanted.iter().all(|(name, text)| table.text(name).unwrap()[*row] == *text);
    (0..table.rows()).find(fits).unwrap()
}

fn number(run: &FakeRun, column: &str, row: usize) -> f64 {
    run.table("scores").unwrap().f64(column).unwrap()[row]
}

const PLAIN: [&str; 2] = ["pca", "plain"];

/// A unit vector: its product with the held numbers has the variance of one of them.
fn along(id: &str) -> f64 {
    (0..WIDTH).map(|d| noise(&[id, &d.to_string()])).sum::<f64>() / (WIDTH as f64).sqrt()
}

#[test]
fn a_target_that_is_linear_in_prior_activations_is_predicted_up_to_its_noise() {
    let run = lab(|id, d| noise(&[id, d]), |id| 50.0 + 15.0 * along(id)).run::<PriorPrediction>(params()).unwrap();
    let targets = run.table("targets").unwrap();
    // Variance of the means: 15² / 3 = 75 of the signal, 12² / 3 / 8 = 6 of sampling.
    let ceiling = targets.f64("ceiling").unwrap()[0];
    assert!((ceiling - 75.0 / 81.0).abs() < 0.03, "{ceiling}");
    for cv in ["plain", "grouped"] {
        let at = row(&run, "instruct", PLAIN, cv);
        let r2 = number(&run, "r2", at);
        // 8 coefficients on some 96 questions cost about a tenth of the noise.
        assert!((r2 - ceiling).abs() < 0.03, "{cv}: {r2}, {ceiling}");
        assert!(number(&run, "gain_low", at) > 0.0 && number(&run, "words_gain_low", at) > 0.0);
        assert_eq!(number(&run, "permutation_p", at), 1.0 / 40.0);
        assert!(number(&run, "permuted_r2", at) < 0.0 && number(&run, "spearman", at) > 0.9);
        // With its own noise of 0.3 in 1: 75 / 1.09 at most.
        let early = number(&run, "r2", row(&run, "pretrained", PLAIN, cv));
        assert!((early - ceiling / 1.09).abs() < 0.04, "{cv}: {early}");
        // Squares lose the sign.
        assert!(number(&run, "r2", row(&run, "instruct", ["pca", "squared"], cv)) < 0.2);
        // As many random directions as dimensions: the same space.
        assert!((number(&run, "r2", row(&run, "instruct", ["random", "plain"], cv)) - r2).abs() < 0.02);
        assert!((number(&run, "r2", row(&run, "instruct", ["activations", ""], cv)) - r2).abs() < 0.02);
        let random = number(&run, "gain_low", row(&run, "random activations", PLAIN, cv));
        assert!(random < 0.0, "{cv}: {random}");
    }
    let grouped = row(&run, "pretrained", PLAIN, "grouped");
    assert_eq!(number(&run, "family", grouped), 4.0);
    assert!(number(&run, "p_adjusted", grouped) <= 0.05);
    assert!(number(&run, "p_adjusted", row(&run, "pretrained", PLAIN, "plain")).is_nan());
    let verdict = &run.report().unwrap().verdict;
    assert!(verdict.contains("in 2 of 2 combinations (bad from instruct, bad from pretrained)"), "{verdict}");
    assert!(verdict.contains("Targets of permuted topics are predicted as well with p = instruct 0.025"), "{verdict}");
    assert!(!verdict.contains("it may be the topic"), "{verdict}");
}

#[test]
fn a_target_that_is_the_topics_alone_is_predicted_on_known_topics_only() {
    const WORLDS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
    let (mut lucky, mut plain) = (0, 0.0);
    for world in WORLDS {
        let held = move |id: &str, d: &str| noise(&[world, &topic_of(id), d]) + 0.1 * noise(&[id, d]);
        let judged = move |id: &str| 50.0 + 30.0 * noise(&[world, "target", &topic_of(id)]);
        let run = lab(held, judged).run::<PriorPrediction>(params()).unwrap();
        let of_plain = row(&run, "instruct", PLAIN, "plain");
        assert!(number(&run, "gain_low", of_plain) > 0.0, "{world}");
        plain += number(&run, "r2", of_plain) / WORLDS.len() as f64;
        for source in ["instruct", "pretrained"] {
            let grouped = row(&run, source, PLAIN, "grouped");
            assert!(number(&run, "gain_low", grouped) <= 0.0, "{world}: {}", number(&run, "gain_low", grouped));
            lucky += usize::from(number(&run, "r2", grouped) > 0.0);
        }
        let topic = |cv: &str| number(&run, "r2", row(&run, "topic", ["given", ""], cv));
        // A new topic's column is constant in training: what is predicted is the mean, up to rounding.
        assert!(topic("plain") > 0.8 && topic("grouped") < 1e-12, "{world}: {}, {}", topic("plain"), topic("grouped"));
        assert!(run.table("targets").unwrap().f64("topic_share").unwrap()[0] > 0.9);
        let verdict = &run.report().unwrap().verdict;
        assert!(verdict.contains("in 0 of 2 combinations"), "{verdict}");
        assert!(verdict.contains("of instruct"), "{verdict}");
        assert!(verdict.contains("is not shown to reach new topics: it may be the topic"), "{verdict}");
    }
    // 600 such worlds with scikit-learn: 0.65 with a deviation of 0.19, of the mean of six 0.08; three of them are 0.23.
    assert!((plain - 0.65).abs() < 0.23, "{plain}");
    // There R² on new topics was above 0 in 9 of 100 worlds, by luck. Both models share a world.
    assert!(lucky <= 4, "{lucky} of 12");
}

#[test]
fn what_the_words_tell_as_well_is_no_finding() {
    let held = |id: &str, d: &str| if d == "3" { urgency(id) } else { noise(&[id, d]) };
    let run = lab(held, |id| 50.0 + 20.0 * urgency(id)).run::<PriorPrediction>(params()).unwrap();
    let at = row(&run, "instruct", PLAIN, "grouped");
    assert!(number(&run, "gain_low", at) > 0.0 && number(&run, "words_gain_low", at) <= 0.0);
    assert!(number(&run, "r2", row(&run, "bag of words", ["given", ""], "grouped")) > 0.8);
    let verdict = &run.report().unwrap().verdict;
    assert!(verdict.contains("not shown to be better than the words in 2 (bad from instruct"), "{verdict}");
}

#[test]
fn identical_artefacts_cannot_count_as_two_results() {
    let same = lab(|id, d| noise(&[id, d]), |_| 50.0).activations(|at| {
        (0..WIDTH).map(|d| noise(&[at.row_id.split('#').next().unwrap(), &d.to_string()]) as f32).collect()
    });
    let error = same.run::<PriorPrediction>(params()).err().unwrap();
    assert!(
        matches!(&error, Error::Input(message) if message.starts_with("`instruct` and `pretrained` are the same numbers at \
            `blocks.1.mlp_out`, last_prompt: two identical artefacts cannot count as two results")),
        "{error}"
    );
    // A fine-tune that moves nothing anywhere.
    let idle = lab(|id, d| noise(&[id, d]), |_| 50.0).activations(|at| {
        let id = at.row_id.split('#').next().unwrap();
        (0..WIDTH).map(|d| noise(&[id, &at.organism.model, &d.to_string()]) as f32).collect()
    });
    let error = idle.run::<PriorPrediction>(params()).err().unwrap();
    assert!(error.to_string().starts_with("`instruct` and `after` are the same numbers at every site"), "{error}");
}

#[test]
fn a_site_below_the_fine_tune_may_be_as_it_was_and_the_table_says_so() {
    let lab = lab(|id, d| noise(&[id, d]), |id| 50.0 + 15.0 * along(id)).activations(|at| {
        let adapter = if at.site.starts_with("blocks.3") { at.organism.adapters.concat() } else { String::new() };
        let id = at.row_id.split('#').next().unwrap();
        (0..WIDTH).map(|d| noise(&[id, &at.organism.model, &adapter, &d.to_string()]) as f32).collect()
    });
    let run = lab.run::<PriorPrediction>(params()).unwrap();
    let table = run.table("identity").unwrap();
    let (first, second) = (table.text("first").unwrap(), table.text("second").unwrap());
    let (site, artefact) = (table.text("site").unwrap(), table.text("artefact").unwrap());
    let (share, largest) = (table.f64("equal_share").unwrap(), table.f64("largest_difference").unwrap());
    let rows: Vec<usize> = (0..table.rows())
        .filter(|&at| artefact[at] == "activations" && (first[at], second[at]) == ("instruct", "after"))
        .collect();
    // 2 sites, 3 poolings.
    assert_eq!(rows.len(), 6);
    for at in rows {
        assert_eq!(site[at] == "blocks.1.mlp_out", share[at] == 1.0 && largest[at] == 0.0);
    }
    assert!(artefact.contains(&"features") && artefact.contains(&"predictions"));
}

#[test]
fn a_scale_of_0_to_1_is_refused() {
    let mut wrong = params();
    wrong["ask"]["coherent_above"] = json!(0.5);
    let error = lab(|_, _| 0.0, |_| 50.0).run::<PriorPrediction>(wrong).err().unwrap();
    let expected = "parameter `ask.coherent_above` is 0.5: scores are on the scale 0 to 100, so that this threshold would \
        let nearly every answer pass; did you mean 50?";
    assert_eq!(error, Error::Input(expected.to_owned()));

    let shares = lab(|_, _| 0.0, |_| 50.0).scores(|_, _| [0.7, 0.9]);
    let error = shares.run::<PriorPrediction>(params()).err().unwrap();
    assert!(
        error.to_string().starts_with("the judge's scores of `alignment` are at most 0.7: expected the scale 0 to 100")
    );
}

#[test]
fn a_target_that_does_not_vary_leaves_its_rows_with_the_reason() {
    let held = |id: &str, d: &str| noise(&[id, d]);
    let run = lab(held, |_| 50.0).scores(|_, _| [100.0, 100.0]).run::<PriorPrediction>(params()).unwrap();
    let table = run.table("scores").unwrap();
    assert!(table.f64("r2").unwrap().iter().all(|value| value.is_nan()));
    assert!(
        table.text("missing").unwrap().iter().all(|said| said.contains("the target")),
        "{:?}",
        table.text("missing").unwrap()[0]
    );
    assert!(run.report().unwrap().verdict.contains("Not available: bad from instruct, bad from pretrained"));
}

#[test]
fn too_few_topics_leave_the_grouped_folds_out() {
    let lab = lab(|id, d| noise(&[id, d]), |id| 50.0 + 15.0 * along(id)).rows("general", bank("g", 3, 60));
    let run = lab.run::<PriorPrediction>(params()).unwrap();
    assert!(number(&run, "r2", row(&run, "instruct", PLAIN, "plain")) > 0.8);
    let at = row(&run, "instruct", PLAIN, "grouped");
    assert!(number(&run, "r2", at).is_nan());
    let missing = run.table("scores").unwrap().text("missing").unwrap()[at].to_owned();
    assert!(missing.contains("folds 5: the range is 2 to 3"), "{missing}");
}

#[test]
fn every_variant_of_the_protocol_runs() {
    let mut all = params();
    all["basis"] = json!("folds");
    all["folds"]["grouped"] = json!("leave_one_out");
    all["target"] = json!("misaligned_rate");
    all["models"] = json!(["linear", "ridge_cv", {"lasso": 0.01}, "lasso_cv", {"tree": 3}]);
    all["lasso_alphas"] = json!([0.01, 0.1]);
    all["banks"] = json!(["more"]);
    let held = |id: &str, d: &str| noise(&[id, d]);
    let lab = lab(held, |id| 30.0 + 15.0 * along(id)).rows("more", bank("m", 12, 60));
    let run = lab.run::<PriorPrediction>(all).unwrap();
    let table = run.table("scores").unwrap();
    let (cv, folds) = (table.text("cv").unwrap(), table.u64("folds").unwrap());
    assert!((0..table.rows()).all(|at| folds[at] == if cv[at] == "grouped" { 12 } else { 15 }));
    let mut banks = table.text("bank").unwrap();
    banks.dedup();
    assert_eq!(banks, ["general", "more"]);
    // Features that differ from fold to fold are in no table.
    let features = run.table("features").unwrap().text("features").unwrap();
    assert!(features.contains(&"activations") && !features.contains(&"plain"));
}

#[test]
fn every_table_and_figure_is_there() {
    let held = |id: &str, d: &str| noise(&[id, d]);
    let mut two = params();
    let mut control = two["organisms"]["list"][0].clone();
    control["name"] = json!("good");
    control["control"] = json!(true);
    two["organisms"]["list"].as_array_mut().unwrap().push(control);
    let run = lab(held, |id| 50.0 + 15.0 * along(id)).run::<PriorPrediction>(two).unwrap();
    let rows = |name: &str| run.table(name).unwrap().rows();
    let (organisms, folds) = (2, 2);
    // Words, length, topic; random activations: pca in two projections, activations, two seeds in two projections; three
    // models: the same at the headline's place, and pca in two projections at five others.
    let fits = 3 + 7 + 3 * (7 + 2 * 5);
    assert_eq!(rows("scores"), organisms * folds * fits);
    assert_eq!(rows("folds"), organisms * folds * fits * 15);
    assert_eq!(rows("predictions"), organisms * folds * 120 * (3 + 1 + 3));
    assert_eq!((rows("targets"), rows("questions"), rows("answers")), (2, 240, 240 * SAMPLES));
    let report = run.report().unwrap();
    assert!(report.tables.iter().all(|note| run.table(&note.table).is_ok()));
    assert_eq!(report.tables.len(), 8);
    assert!(report.headline.iter().all(|line| line.value.is_finite() && line.n == 120 && !line.method.is_empty()));
    assert!(report.verdict.contains("The control good, which should do no harm: instruct predicts it too"));
    let names: Vec<&str> = run.figures().iter().map(|figure| figure.name.as_str()).collect();
    let expected = [
        "sources_bad",
        "sources_good",
        "observed_plain_bad",
        "observed_grouped_bad",
        "features_bad",
        "models_bad",
        "places_instruct_bad",
        "places_pretrained_bad",
    ];
    assert_eq!(names, expected);
    let completion = run.table("scores").unwrap().bool("uses_completion").unwrap();
    let poolings = run.table("scores").unwrap().text("pooling").unwrap();
    assert!((0..completion.len()).all(|at| completion[at] == (poolings[at] == "completion_mean")));
}

#[test]
fn the_same_parameters_give_the_same_tables() {
    let run = || lab(|id, d| noise(&[id, d]), |id| 50.0 + 15.0 * along(id)).run::<PriorPrediction>(params()).unwrap();
    let (first, second) = (run(), run());
    for table in ["scores", "folds", "identity", "predictions", "features", "questions", "targets"] {
        assert_eq!(first.table(table).unwrap(), second.table(table).unwrap(), "{table}");
    }
    assert_eq!(first.report(), second.report());
}

#[test]
fn the_default_study_has_a_cell_for_each_organism_and_says_what_it_costs() {
    let plan = PriorPrediction::new(Params::default()).unwrap().plan().unwrap();
    let ids: Vec<&str> = plan.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, ["medicine", "finance", "good_medicine"]);
    for operation in [op::TRAIN, op::SAMPLE, op::JUDGE, op::FORWARD] {
        assert!(plan.iter().all(|cell| cell.work.iter().any(|work| work.op == operation)));
    }
}

#[test]
fn wrong_parameters_are_refused_with_what_to_do() {
    #[track_caller]
    fn check(change: fn(&mut Params), expected: &str) {
        let mut params = Params::default();
        change(&mut params);
        let error = PriorPrediction::new(params).err().unwrap();
        assert!(matches!(&error, Error::Input(message) if message.contains(expected)), "{error}");
    }
    use prior_prediction::{Model, Pooled};
    check(|params| params.before[1].model = None, "`instruct` and `pretrained` are the same model `embedded`");
    check(|params| params.before[1].name = "after".to_owned(), "`before` has `after`, the name of something else");
    check(|params| params.headline.pooling = Pooled::CompletionMean, "a completion is no prior information");
    check(|params| params.poolings = vec![Pooled::PromptMean], "`headline.pooling` is `last_prompt`, which `poolings`");
    check(|params| params.headline.model = Model::LassoCv, "`headline.model` chooses its penalty by inner folds");
    check(
        |params| params.ask.misaligned_below = 0.3,
        "`ask.misaligned_below` is 0.3: scores are on the scale 0 to 100",
    );
    check(|params| params.permutations.draws = 5, "`permutations.draws` is 5: expected at least 19");
    check(
        |params| params.organisms.list[0].from = emhost_study::Source::Adapter("folder".to_owned()),
        "`basis` is `train_prompts`, but `medicine` is not fine-tuned here",
    );
    check(|params| params.banks = vec![params.ask.questions.clone()], "`banks` has `embedded:questions/general` twice");
    let mut other = params();
    other["headline"]["site"] = json!("blocks.0.mlp_out");
    let error = lab(|_, _| 0.0, |_| 50.0).run::<PriorPrediction>(other).err().unwrap();
    assert!(error.to_string().contains("`headline.site` is `blocks.0.mlp_out`: expected one of `sites`"), "{error}");
}

#[test]
fn the_checked_in_recipes_are_understood() {
    for recipe in [
        include_str!("../../../experiments/what_shapes_em/embedded.toml"),
        include_str!("../../../experiments/what_shapes_em/paper.toml"),
    ] {
        let recipe: toml::Table = recipe.parse().unwrap();
        let parts = recipe["part"].as_array().unwrap();
        let ours = parts.iter().find(|part| part["plugin"].as_str() == Some("prior_prediction")).unwrap();
        let params: Params = ours["params"].clone().try_into().unwrap();
        assert!(PriorPrediction::new(params).is_ok());
    }
}

#[test]
fn a_stopped_run_stops() {
    let error = lab(|id, d| noise(&[id, d]), |_| 50.0).cancel_after(9).run::<PriorPrediction>(params()).err().unwrap();
    assert_eq!(error, Error::Cancelled);
}
