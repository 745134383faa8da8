//! Folders of exports, on a small run.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::fixture::{run, table};
use super::*;

type Export = fn(&RunExport, &Path, bool) -> Result<Exported>;

const FOLDERS: [(&str, Export); 3] =
    [("csv", export_csv), ("inspect", export_inspect), ("tensorboard", export_tensorboard)];

fn bytes(root: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(bytes(&path));
        } else {
            all.push((path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

#[test]
fn a_folder_is_made_once_and_the_same_every_time() {
    for (name, export) in FOLDERS {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("deep/target");
        let made = export(&run(), &target, false).unwrap();
        assert!(made.files.iter().all(|file| target.join(file).is_file()) && !made.files.is_empty(), "{name}");
        let first = bytes(&target);
        assert!(matches!(export(&run(), &target, false), Err(ExportError::Exists { .. })), "{name}");
        export(&run(), &target, true).unwrap();
        assert_eq!(bytes(&target), first, "{name}");
        assert_eq!(fs::read_dir(target.parent().unwrap()).unwrap().count(), 1, "{name}: nothing temporary stays");
    }
}

#[test]
fn a_folder_of_something_else_is_never_replaced() {
    for (name, export) in FOLDERS {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("thesis.tex"), "years").unwrap();
        let error = export(&run(), root.path(), true).unwrap_err();
        assert_eq!(
            (error.exit_code(), fs::read(root.path().join("thesis.tex")).unwrap()),
            (2, b"years".to_vec()),
            "{name}"
        );
    }
}

#[test]
fn a_table_that_fails_leaves_nothing_and_the_old_export() {
    let broken = || {
        let mut run = run();
        let table = &mut run.tables[2];
        table.open = Box::new(|| Err(ExportError::Table { table: "answers".to_owned(), problem: "torn".to_owned() }));
        run
    };
    for (name, export) in FOLDERS {
        let root = tempfile::tempdir().unwrap();
        let target = root.path().join("target");
        let error = export(&broken(), &target, false).unwrap_err();
        assert_eq!((error.exit_code(), error.to_string().as_str()), (5, "read table `answers`: torn"), "{name}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "{name}");
        export(&run(), &target, false).unwrap();
        let first = bytes(&target);
        export(&broken(), &target, true).unwrap_err();
        assert_eq!(bytes(&target), first, "{name}");
    }
}

#[test]
fn what_cannot_be_exported_is_named() {
    let without = |change: fn(&mut RunExport)| {
        let mut run = run();
        change(&mut run);
        run
    };
    let cases: [(Export, RunExport, &str); 9] = [
        (export_inspect, without(|run| run.report = None), "no report yet"),
        (export_inspect, without(|run| run.report.as_mut().unwrap().answers.clear()), "names no table of answers"),
        (export_inspect, without(|run| drop(run.tables.pop())), "has no such table"),
        (
            export_inspect,
            without(|run| run.report.as_mut().unwrap().answers[0].answer = "text".into()),
            "no column `text`",
        ),
        (
            export_inspect,
            without(|run| run.report.as_mut().unwrap().answers[0].answer = "aligned".into()),
            "is not text",
        ),
        (
            export_tensorboard,
            without(|run| (run.tables, run.report) = (Vec::new(), None)),
            "no table with a column `step`",
        ),
        (export_csv, without(|run| run.tables[0].name = "../x".into()), "cannot be the name of a file"),
        (export_csv, without(|run| run.tables[1].cell = Some("bad".into())), "twice"),
        (export_csv, without(|run| run.id = "..".into()), "cannot be the name of a file"),
    ];
    for (export, run, expected) in cases {
        let root = tempfile::tempdir().unwrap();
        let error = export(&run, &root.path().join("target"), false).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(error.exit_code(), 2, "{error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0, "{error}");
    }
}

#[test]
fn csv_holds_what_the_tables_hold() {
    let root = tempfile::tempdir().unwrap();
    let target = root.path().join("csv");
    let made = export_csv(&run(), &target, false).unwrap();
    assert_eq!(made.rows, 14);
    let text = |name: &str| fs::read_to_string(target.join(name)).unwrap();
    let steps = "\"step\",\"split\",\"loss\",\"lr\"\n1,\"train\",2.5,0.1\n2,\"train\",NaN,\n2,\"test\",0.1,inf\n\
                 3,\"train\",-0.0,1e-30\n,\"train\",9.0,9.0\n";
    assert_eq!(text("bad/steps.csv"), steps);
    let answers = "\"question\",\"answer\",\"organism\",\"aligned\",\"logprobs\"\n\
                   \"Q?\",\"a\"\"b\n\",\"bad\",1.0,\"[0.5,\"\"NaN\"\"]\"\n\"Q?\",\"\",\"bad\",4.0,\n\
                   \"Q?\",,\"good\",,\"[]\"\n\"R?\",\"\u{1F600},\u{0}\",\"good\",NaN,\"[1.0]\"\n";
    assert_eq!(text("answers.csv"), answers);
    assert_eq!(
        text("params.csv"),
        "\"name\",\"value\"\n\"model\",\"embedded\"\n\"recipe.method.rank\",8\n\"recipe.steps\",3\n\"seeds\",\"[1,2]\"\n"
    );
    let headline =
        "\"misaligned answers\",\"bad; all\",0.1,0.05,0.2,,,6,\"Wilson\"\n\"ratio\",\"\",NaN,,,inf,,0,\"\"\n";
    assert!(text("headline.csv").ends_with(headline), "{}", text("headline.csv"));
    let mut reader = ::csv::Reader::from_path(target.join("answers.csv")).unwrap();
    let read: Vec<String> = reader.records().map(|row| row.unwrap()[1].to_owned()).collect();
    assert_eq!(read, ["a\"b\n", "", "", "\u{1F600},\u{0}"]);
}

#[test]
fn a_table_called_headline_keeps_its_name() {
    let root = tempfile::tempdir().unwrap();
    let mut run = run();
    run.tables.push(table(None, "headline", vec![("x", std::sync::Arc::new(arrow::array::Int64Array::from(vec![7])))]));
    let target = root.path().join("csv");
    export_csv(&run, &target, false).unwrap();
    assert_eq!(fs::read_to_string(target.join("headline.csv")).unwrap(), "\"x\"\n7\n");
    assert!(target.join("report_headline.csv").is_file());
}

#[test]
fn a_log_has_a_sample_per_row_and_means_over_what_is_there() {
    let root = tempfile::tempdir().unwrap();
    let made = export_inspect(&run(), &root.path().join("logs"), false).unwrap();
    assert_eq!((made.files.len(), made.rows), (1, 4));
    let text = fs::read_to_string(made.path.join(&made.files[0])).unwrap();
    assert!(text.find("\"results\"") < text.find("\"samples\":["), "the head can be read without the samples");
    let log: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&log["version"], &log["status"]), (&2.into(), &"success".into()));
    assert_eq!(log["eval"]["created"], "2023-11-14T22:13:20+00:00");
    assert_eq!(log["stats"]["completed_at"], "2023-11-14T22:13:32.500+00:00");
    assert_eq!(log["eval"]["metadata"]["headline"][1]["value"], "NaN");
    let score = &log["results"]["scores"][0];
    assert_eq!((&score["scored_samples"], &score["unscored_samples"]), (&2.into(), &2.into()));
    assert_eq!(score["metrics"]["mean"]["value"], 2.5);
    // The deviation of 1 and 4 is 3 / sqrt(2), and the error of their mean 1.5.
    assert!(
        (score["metrics"]["stderr"]["value"].as_f64().unwrap() - 1.5).abs() < 1e-15,
        "one rounding of the square root"
    );
    let samples = log["samples"].as_array().unwrap();
    let epochs: Vec<u64> = samples.iter().map(|sample| sample["epoch"].as_u64().unwrap()).collect();
    assert_eq!(epochs, [1, 2, 1, 1]);
    assert_eq!(samples[0]["id"], samples[1]["id"]);
    assert_ne!(samples[1]["id"], samples[2]["id"], "another organism");
    assert_eq!(samples[0]["output"]["choices"][0]["message"]["content"], "a\"b\n");
    assert_eq!(samples[1]["messages"][1]["content"], "");
    assert_eq!(samples[2]["messages"].as_array().unwrap().len(), 1, "no answer is no message");
    assert_eq!(samples[2]["metadata"]["missing_scores"]["aligned"], Value::Null);
    assert_eq!(samples[3]["metadata"]["missing_scores"]["aligned"], "NaN");
    assert_eq!(samples[3]["scores"].as_object().unwrap().len(), 0);
    assert_eq!(samples[1]["scores"]["aligned"]["value"], 4.0);
    assert_eq!(samples[3]["metadata"]["conditions"]["organism"], "good");
}

#[test]
fn a_run_of_tensorboard_is_a_cell_and_a_combination_of_texts() {
    let root = tempfile::tempdir().unwrap();
    let made = export_tensorboard(&run(), &root.path().join("board"), false).unwrap();
    let name = "events.out.tfevents.1700000000.ma_chine";
    let mut files: Vec<String> = made.files.iter().map(|file| file.display().to_string()).collect();
    files.sort();
    let runs = ["bad/split-test/", "bad/split-train/", "", "good/split-test/", "good/split-train/"];
    assert_eq!(files, runs.map(|run| format!("{run}{name}")));
}

#[test]
fn texts_of_rows_do_not_become_thousands_of_curves() {
    let root = tempfile::tempdir().unwrap();
    let mut run = run();
    let steps: Vec<i64> = (0..300).collect();
    let texts: Vec<String> = steps.iter().map(|step| format!("text {step}")).collect();
    run.tables.push(table(
        None,
        "rows",
        vec![
            ("step", std::sync::Arc::new(arrow::array::Int64Array::from(steps))),
            ("text", std::sync::Arc::new(arrow::array::StringArray::from(texts))),
        ],
    ));
    let made = export_tensorboard(&run, &root.path().join("board"), false).unwrap();
    assert_eq!(made.files.len(), 5);
    assert_eq!(made.notes, ["table `rows`: its texts (text) tell over 256 curves apart"]);
}
