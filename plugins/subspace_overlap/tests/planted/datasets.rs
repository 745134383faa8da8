//! A dataset that is there already is measured as the organism that it came from.

use emhost_sdk::prelude::*;
use serde_json::{Value, json};
use subspace_overlap::{Overlap, Params, SubspaceOverlap};

use crate::planting::{SITE, lab, noise, organisms, params, start};

#[test]
fn a_stored_dataset_gives_the_numbers_of_its_organism() {
    let lab = lab(40, 18, 12, |prefix, i, j, after| {
        noise(start(prefix) + i, j) + if after { noise(start(prefix) + 500 + i, j) } else { 0.0 }
    });
    let mut set = params(4);
    set["datasets"] = json!([{"name": "stored", "path": "dataset:activations_bad"}]);
    let run = lab.run::<SubspaceOverlap>(set).unwrap();
    let rows = Overlap::read(run.table("overlap").unwrap()).unwrap();
    let of = |organism: &str| rows.iter().filter(|row| row.organism == organism).cloned().collect::<Vec<_>>();
    let renamed: Vec<Overlap> = of("stored")
        .into_iter()
        .map(|row| Overlap { organism: "bad".to_owned(), reference: "good".to_owned(), ..row })
        .collect();
    let compared = |rows: Vec<Overlap>| rows.into_iter().filter(|row| row.available).collect::<Vec<_>>();
    assert_eq!(compared(renamed), compared(of("bad")));
    assert_eq!(run.cells().len(), 3);
    // Nothing is trained or sampled for it.
    assert_eq!(run.calls()[op::SAMPLE], 4);
}

/// Writes a dataset, then runs the experiment on it.
struct Written(SubspaceOverlap);

impl Experiment for Written {
    type Params = Params;

    const NAME: &'static str = "written";
    const ABOUT: &'static str = "A dataset that another program wrote.";
    const OPERATIONS: &'static [&'static str] = &[op::DATASET_OPEN, op::DATASET_WRITE];

    fn new(params: Params) -> Result<Self> {
        Ok(Self(SubspaceOverlap::new(params)?))
    }

    fn plan(&self) -> Result<Vec<Cell>> {
        self.0.plan()
    }

    fn run(&self, cell: &Cell, lab: &Lab) -> Result<()> {
        lab.write_dataset("other", "planted", Vec::new(), activations(&cell.id)?)?;
        self.0.run(cell, lab)
    }

    fn summarize(&self, lab: &Lab) -> Result<()> {
        self.0.summarize(lab)
    }
}

/// Twenty training prompts and eight of a bank, after and before, without topics; `cell` says what is wrong.
fn activations(cell: &str) -> Result<Table> {
    let (mut ids, mut splits, mut conditions, mut values) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (split, n) in [("train", 20), ("bank", 8)] {
        for condition in ["after", "before"] {
            for i in 0..n {
                if cell == "missing" && (split, condition, i) == ("bank", "after", 3) {
                    continue;
                }
                ids.push(if cell == "twice" && i == 2 { "row 1".to_owned() } else { format!("row {i}") });
                splits.push(split);
                conditions.push(condition);
                let place = 1000 * n + i + if condition == "after" { 500 } else { 0 };
                values.extend((0..5).map(|j| noise(place, j) as f32));
            }
        }
    }
    Table::new()
        .with_text("view", vec!["last_prompt"; ids.len()])
        .with_text("row_id", ids)
        .with_text("split", splits)
        .with_text("condition", conditions)
        .with_vectors(SITE, 5, values)
}

fn set(name: &str) -> Value {
    json!({
        "organisms": organisms(&[]), "references": {}, "headline_site": SITE, "views": ["last_prompt"],
        "ks": [2], "headline_k": 2, "random_draws": 19, "bootstrap_draws": 100,
        "datasets": [{"name": name, "path": "dataset:other"}],
    })
}

#[test]
fn a_run_of_datasets_needs_no_model() {
    let run = FakeLab::new().run::<Written>(set("fine")).unwrap();
    let rows = Overlap::read(run.table("overlap").unwrap()).unwrap();
    let row = rows.iter().find(|row| row.subspace == "k=2").unwrap();
    assert_eq!((row.organism.as_str(), row.bank.as_str(), row.n, row.width), ("fine", "bank", 8, 5));
    assert!(row.available && row.fraction > 0.0 && row.reference.is_empty());
    // Without topics the prompts are the clusters.
    assert_eq!(row.clusters, 8);
    let report = run.report().unwrap();
    assert!(report.verdict.starts_with("How fine answers was not measured"), "{}", report.verdict);
    assert!(report.answers.is_empty() && report.tables.iter().all(|note| run.table(&note.table).is_ok()));
    assert!(run.table("behaviour").is_err() && run.calls().get(op::FORWARD).is_none());
}

#[test]
fn a_dataset_that_is_not_complete_is_refused() {
    #[track_caller]
    fn check(name: &str, change: Value, expected: &str) {
        let mut set = set(name);
        set["datasets"][0].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let error = FakeLab::new().run::<Written>(set).err().unwrap();
        assert!(matches!(&error, Error::Input(message) if message.contains(expected)), "{error}");
    }
    check("missing", json!({}), "split `bank`, view `last_prompt`: 8 rows before and 7 after");
    check("twice", json!({}), "split `train`, view `last_prompt`: row `row 1` is there twice");
    check("fine", json!({"views": ["prompt.mean"]}), "split `train`, view `prompt.mean`: there are no rows");
    check("fine", json!({"sites": ["embed"]}), "`fine` has no vectors at `embed`, only at `blocks.0.resid_post`");
}
