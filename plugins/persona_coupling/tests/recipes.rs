//! The checked-in recipes are understood, and a dry run counts each thing once.

#![expect(clippy::unwrap_used, reason = "these are the tests' own steps, and a failure must panic")]

use emhost_sdk::prelude::*;
use persona_coupling::{Params, PersonaCoupling, adapter_scale};

fn recipe(name: &str) -> Params {
    let path = format!("{}/../../experiments/persona_coupling/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let recipe: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    recipe["params"].clone().try_into().unwrap()
}

fn cells(params: &Params) -> Vec<Cell> {
    PersonaCoupling::new(params.clone()).unwrap().plan().unwrap()
}

/// Cells of each published condition.
fn conditions(cells: &[Cell]) -> [usize; 5] {
    ["c1-", "c2-", "c3-", "c4-", "c5-"].map(|start| cells.iter().filter(|cell| cell.id.starts_with(start)).count())
}

#[test]
fn the_embedded_recipe_says_what_the_defaults_are() {
    assert_eq!(recipe("embedded"), Params::default());
}

#[test]
fn a_source_and_a_seed_of_its_coupling_have_thirteen_cells() {
    let mut params = recipe("embedded");
    params.sources.truncate(1);
    params.coupling.seeds.truncate(1);
    let cells = cells(&params);
    assert_eq!(conditions(&cells), [3, 3, 3, 1, 3]);
}

#[test]
fn the_published_settings_are_accepted_with_their_scales() {
    let params = recipe("paper");
    let scale = |recipe: &Recipe| match &recipe.method {
        Method::Lora(lora) => adapter_scale(lora),
        _ => f64::NAN,
    };
    assert!((scale(&params.coupling.recipe) - 11.3137).abs() < 1e-4);
    assert_eq!(scale(&params.second.recipe), 2.0);
    // Three sources and two seeds of the coupling; C2 has no coupling.
    assert_eq!(conditions(&cells(&params)), [18, 3, 6, 6, 18]);
}

#[test]
fn what_cells_share_is_counted_once() {
    let mut params = recipe("embedded");
    params.sources.truncate(1);
    params.coupling.seeds.truncate(1);
    params.reversed = None;
    params.controls.sources = 0;
    params.controls.addressed = false;
    let cells = cells(&params);
    let trained = |cell: &Cell| cell.work.iter().filter(|work| work.op == op::TRAIN).count();
    let of = |id: &str| trained(cells.iter().find(|cell| cell.id == id).unwrap());
    // The coupling is in the first cell that needs it, each second stage in its own.
    assert_eq!(["raw", "c2-s42", "c4-villain-k42", "c1-villain-k42-s42"].map(of), [0, 1, 1, 1]);
    // C2, C1 and C5 have three second stages each, C3 three and a coupling, C4 a coupling.
    assert_eq!(cells.iter().map(trained).sum::<usize>(), 3 + 3 + 3 + 4 + 1);
    let kept = cells.iter().flat_map(|cell| &cell.work).filter(|work| work.weights.is_some()).count();
    assert_eq!(kept, 14);
    assert!(cells.iter().all(|cell| !cell.work.is_empty()));
}
