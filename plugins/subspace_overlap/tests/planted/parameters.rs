//! Parameters, the plan, and the checked-in recipes.

use emhost_sdk::prelude::*;
use serde_json::{Value, json};
use subspace_overlap::{Params, SubspaceOverlap};

use crate::planting::{SITE, organisms};

#[test]
fn wrong_parameters_are_refused_with_what_to_do() {
    #[track_caller]
    fn check(params: Value, expected: &str) {
        let error = FakeLab::new().run::<SubspaceOverlap>(params).err().unwrap();
        assert_eq!(error, Error::Input(expected.to_owned()));
    }
    let reference = |other: &str| json!({"references": {"bad_medicine": other}});
    check(reference("b"), "parameter `references`: `bad_medicine = \"b\"` needs two names of `organisms.list`");
    check(
        reference("bad_medicine"),
        "parameter `references`: `bad_medicine` (model `embedded`) is no control of `bad_medicine` (model `embedded`): \
         name another fine-tune of that model",
    );
    check(json!({"organisms": organisms(&[])}), "parameter `organisms.list` or `datasets` is empty: give at least one");
    check(
        json!({"views": ["answer.mean"]}),
        "parameter `views` has `answer.mean`, but `bank_samples` is 0: there are no answers",
    );
    check(
        json!({"steering": {"alphas": [1.0]}}),
        "parameter `steering.alphas` are given, but `bank_samples` is 0: there are no answers",
    );
    check(
        json!({"steering": {"alphas": [1.0], "banks": ["x"]}, "bank_samples": 1}),
        "parameter `steering.banks`: `x` is none of `banks`",
    );
    let mut ours = organisms(&["ours"]);
    ours["list"][0]["from"] = json!({"adapter": "folder"});
    check(
        json!({"organisms": ours, "references": {}}),
        "parameter `trained_on` has no `ours`, whose training prompts are captured: name its data",
    );
    check(json!({"headline_k": 7}), "parameter `headline_k` is 7, which `ks` does not list: add it there");
    check(json!({"ks": [0, 8]}), "parameter `ks` has a 0: a subspace has at least 1 component");
    check(json!({"ks": [8, 8]}), "parameter `ks` has `8` twice: keep one");
    check(
        json!({"variance": [1.5]}),
        "parameter `variance` or `prompt_variance` is 1.5: expected above 0 and at most 1",
    );
    check(json!({"random_draws": 3}), "parameter `random_draws` is 3: expected at least 19");
    check(
        json!({"banks": [{"name": "train", "rows": "x"}]}),
        "parameter `banks` has an entry `train`: choose another name",
    );
    let site = json!({"headline_site": "embed", "sites": [SITE]});
    check(
        site,
        "parameter `headline_site` is `embed`: expected one of `blocks.0.resid_post` (organism `bad_medicine`; name the \
         site of its model `embedded` in `headline_sites`)",
    );
}

#[test]
fn a_stopped_run_stops() {
    let error = FakeLab::new().cancel_after(40).run::<SubspaceOverlap>(json!({})).err().unwrap();
    assert_eq!(error, Error::Cancelled);
}

#[test]
fn the_plan_has_a_cell_per_organism() {
    let plan = SubspaceOverlap::new(Params::default()).unwrap().plan().unwrap();
    let ids: Vec<&str> = plan.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(ids, ["bad_medicine", "good_medicine", "bad_finance"]);
}

/// A recipe file: which plugin, and its parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipeFile {
    plugin: String,
    name: String,
    params: Params,
}

#[test]
fn the_checked_in_recipes_are_accepted_and_the_embedded_one_is_the_default() {
    let read = |text: &str| -> RecipeFile { toml::from_str(text).unwrap() };
    let embedded = read(SubspaceOverlap::RECIPE);
    assert_eq!((embedded.plugin.as_str(), embedded.name.as_str()), (SubspaceOverlap::NAME, SubspaceOverlap::NAME));
    assert_eq!(embedded.params, Params::default());
    let paper = read(include_str!("../../../../experiments/subspace_overlap/paper.toml"));
    assert_eq!(paper.plugin, SubspaceOverlap::NAME);
    SubspaceOverlap::new(paper.params).unwrap();
}
