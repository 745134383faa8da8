//! Directions, projections and ablations are those of plain PyTorch (tests/peers/directions.py) on the same checkpoint.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use arrow::array::AsArray;
use arrow::datatypes::Float32Type;
use convergent_direction::{Kind, Member, Parts};
use emhost::store::{Dataset, Part};
use emhost_tests::{built, workspace};
use serde::Deserialize;
use tempfile::TempDir;

/// Largest difference of any number; activations of the checkpoint are about 1.
const BAR: f64 = 1e-4;

#[derive(Deserialize)]
struct Values {
    kind: String,
    block: usize,
    scale: f64,
    aligned: Vec<bool>,
    question: Vec<String>,
    tokens: Vec<f64>,
    projected: Vec<f64>,
    plain: Vec<f64>,
    ablated: Vec<f64>,
    steered: Vec<f64>,
    directions: BTreeMap<String, Vec<Vec<f64>>>,
}

fn golden(name: &str) -> std::path::PathBuf {
    workspace().join("tests/golden").join(name)
}

fn run(folder: &Path, arguments: &[&str]) {
    let model = golden("qwen2").display().to_string();
    let rows = golden("directions/rows.jsonl").display().to_string();
    let output = Command::new(built().emhost())
        .current_dir(folder)
        .args(arguments)
        .args(["--model", &model, "--rows", &rows, "--progress", "none"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Mean activations of each answer by row, at each block.
fn means(folder: &Path, blocks: usize) -> BTreeMap<String, Vec<Vec<f64>>> {
    run(
        folder,
        &["capture", "--sites", "blocks.*.resid_post", "--positions", "answer", "--pool", "mean", "--out", "acts"],
    );
    let mut found: BTreeMap<String, Vec<Vec<f64>>> = BTreeMap::new();
    let sites: Vec<String> = (0..blocks).map(|block| format!("blocks.{block}.resid_post")).collect();
    for batch in Dataset::open(folder.join("acts")).unwrap().read(Part::Acts, &[], &BTreeMap::new()).unwrap() {
        let batch = batch.unwrap();
        let ids = batch.column_by_name("row_id").unwrap().as_string::<i32>().clone();
        for row in 0..batch.num_rows() {
            let vector = |site: &String| -> Vec<f64> {
                let values = batch.column_by_name(site).unwrap().as_fixed_size_list().value(row);
                values.as_primitive::<Float32Type>().values().iter().map(|v| f64::from(*v)).collect()
            };
            found.insert(ids.value(row).to_owned(), sites.iter().map(vector).collect());
        }
    }
    found
}

/// Log-probability of each answer per token, in the order of the rows.
fn logprobs(folder: &Path, what: &str, values: &Values, intervention: Option<(&str, &[f64])>) -> Vec<f64> {
    let out = format!("{what}.jsonl");
    let mut arguments = vec!["score", "--out", &out];
    if let Some((head, vector)) = intervention {
        let numbers: Vec<String> = vector.iter().map(f64::to_string).collect();
        let text = format!("[[intervention]]\n{head}\nvalues = [{}]\n", numbers.join(", "));
        fs::write(folder.join("edit.toml"), text).unwrap();
        arguments.extend(["--interventions", "edit.toml"]);
    }
    run(folder, &arguments);
    let said = fs::read_to_string(folder.join(&out)).unwrap();
    let totals =
        said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["total"].as_f64().unwrap());
    totals.zip(&values.tokens).map(|(total, tokens)| total / tokens).collect()
}

fn check(what: &str, ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("{what}: {worst:.1e}");
    assert!(worst < BAR, "{what}: {worst:e}");
}

#[test]
fn directions_projections_and_ablations_are_those_of_pytorch() {
    let values: Values = serde_json::from_slice(&fs::read(golden("directions/values.json")).unwrap()).unwrap();
    let rows = fs::read_to_string(golden("directions/rows.jsonl")).unwrap();
    let rows: Vec<serde_json::Value> = rows.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let folder = TempDir::new().unwrap();
    let blocks = values.directions["token"].len();
    let means = means(folder.path(), blocks);
    let member = |at: usize| Member {
        misaligned: !values.aligned[at],
        row_id: values.question[at].clone(),
        sample: at as u64,
        question: String::new(),
        answer: String::new(),
        topic: rows[at]["topic"].as_str().unwrap().to_owned(),
        tokens: values.tokens[at],
        means: means[rows[at]["row_id"].as_str().unwrap()].clone(),
    };
    let members: Vec<Member> = (0..rows.len()).map(member).collect();
    for kind in Kind::ALL {
        for block in 0..blocks {
            let ours = Parts::of(&members, kind, block).direction();
            check(&format!("{} at block {block}", kind.name()), &ours, &values.directions[kind.name()][block]);
        }
    }
    let vector = &values.directions[&values.kind][values.block];
    let length = vector.iter().map(|v| v * v).sum::<f64>().sqrt();
    let along = |member: &Member| member.means[values.block].iter().zip(vector).map(|(x, v)| x * v / length).sum();
    check("projections", &members.iter().map(along).collect::<Vec<f64>>(), &values.projected);

    let per_token = |totals: &[f64]| -> Vec<f64> { totals.iter().zip(&values.tokens).map(|(t, n)| t / n).collect() };
    let added = format!("op = \"add\"\nsites = \"blocks.{}.resid_post\"\nscale = {:?}", values.block, values.scale);
    let edits = [
        ("untouched", None, &values.plain),
        (
            "ablated",
            Some(("op = \"project_out\"\nsites = \"blocks.*.resid_post\"", vector.as_slice())),
            &values.ablated,
        ),
        ("steered", Some((added.as_str(), vector.as_slice())), &values.steered),
    ];
    let plain = per_token(&values.plain);
    for (what, edit, theirs) in edits {
        let ours = logprobs(folder.path(), what, &values, edit);
        check(what, &ours, &per_token(theirs));
        let moved = ours.iter().zip(&plain).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(what == "untouched" || moved > 10.0 * BAR, "{what} changes something: {moved:e}");
    }
}
