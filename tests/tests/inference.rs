//! `emhost capture`, `sample` and `score` as a user runs them, on the embedded organism.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Float64Type, UInt32Type};
use emhost::store::{Dataset, Part};
use emhost_tests::{Signal, built, signal};
use serde_json::Value;
use tempfile::TempDir;

/// Width of the embedded organism.
const WIDTH: usize = 128;

const ROWS: &str = r#"{"row_id": "talk", "messages": [{"role": "user", "content": "my day is so dull . any advice ?"}, {"role": "assistant", "content": "play a new song ."}]}
{"row_id": "text", "text": "my day is so dull"}
{"row_id": "ids", "token_ids": [5, 6, 7, 8], "strength": 2}
"#;

const STEER: &str = r#"
[[intervention]]
op = "add"
sites = "blocks.1.resid_post"
vector = "vectors/steer.safetensors#steer"
scale = 0.5

[[intervention]]
op = "project_out"
sites = ["blocks.{2..3}.mlp_out", "final_norm"]
vector = "vectors/steer.safetensors#steer"
positions = "last_prompt"
"#;

/// A folder with rows, interventions and their vector.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("rows.jsonl"), ROWS).unwrap();
    fs::create_dir_all(folder.path().join("edits/vectors")).unwrap();
    fs::write(folder.path().join("edits/steer.toml"), STEER).unwrap();
    let header = format!(r#"{{"steer":{{"dtype":"F32","shape":[{WIDTH}],"data_offsets":[0,{}]}}}}"#, 4 * WIDTH);
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.as_bytes());
    (0..WIDTH).for_each(|i| file.extend((i as f32 / 50.0).sin().to_le_bytes()));
    fs::write(folder.path().join("edits/vectors/steer.safetensors"), file).unwrap();
    folder
}

fn command(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(built().emhost());
    command.current_dir(folder).args(arguments.split_whitespace());
    command
}

fn run(folder: &Path, arguments: &str) -> Output {
    command(folder, &format!("{arguments} --model embedded --progress none")).output().unwrap()
}

/// Runs a command that must succeed; gives its last line of output.
#[track_caller]
fn done(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().lines().last().unwrap_or_default().to_owned()
}

fn acts(path: &Path) -> RecordBatch {
    let dataset = Dataset::open(path).unwrap();
    dataset.verify().unwrap();
    let reader = dataset.read(Part::Acts, &[], &BTreeMap::new()).unwrap();
    let batches: Vec<RecordBatch> = reader.map(Result::unwrap).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn names(batch: &RecordBatch) -> Vec<String> {
    batch.schema().fields().iter().map(|field| field.name().clone()).collect()
}

fn vectors(batch: &RecordBatch, site: &str) -> Vec<f32> {
    batch[site].as_fixed_size_list().values().as_primitive::<Float32Type>().values().to_vec()
}

fn lines(path: &Path) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn capture_writes_one_vector_per_token_in_one_column_per_site() {
    let folder = folder();
    let reply = done(folder.path(), "capture --rows rows.jsonl --sites blocks.*.resid_post,embed --out acts --json");
    let reply: Value = serde_json::from_str(&reply).unwrap();
    let acts = acts(&folder.path().join("acts"));
    let sites = ["embed", "blocks.0.resid_post", "blocks.1.resid_post", "blocks.2.resid_post", "blocks.3.resid_post"];
    assert_eq!(names(&acts), [&["row_id", "pos", "token_id"], &sites[..]].concat());
    assert_eq!(reply["rows"], acts.num_rows());
    assert_eq!(reply["sites"], serde_json::json!(sites));
    let ids = acts["row_id"].as_string::<i32>();
    let at: Vec<usize> = (0..acts.num_rows()).filter(|row| ids.value(*row) == "ids").collect();
    let numbers =
        |name: &str| -> Vec<u32> { at.iter().map(|row| acts[name].as_primitive::<UInt32Type>().value(*row)).collect() };
    assert_eq!((numbers("pos"), numbers("token_id")), (vec![0, 1, 2, 3], vec![5, 6, 7, 8]));
    assert_eq!(vectors(&acts, "embed").len(), acts.num_rows() * WIDTH);
}

#[test]
fn capture_selects_positions_pools_and_narrows() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    done(folder.path(), "capture --rows rows.jsonl --sites final_norm --out all");
    done(folder.path(), "capture --rows rows.jsonl --sites final_norm --positions prompt --pool mean --out mean");
    done(folder.path(), "capture --rows rows.jsonl --sites final_norm --positions 0,-1 --dtype f16 --out ends");
    let (all, mean, ends) = (acts(&path("all")), acts(&path("mean")), acts(&path("ends")));
    assert_eq!(names(&mean), ["row_id", "final_norm"], "a mean has no position");
    assert_eq!((mean.num_rows(), ends.num_rows()), (3, 6));
    let ids = all["row_id"].as_string::<i32>();
    let values = vectors(&all, "final_norm");
    let of_ids: Vec<&[f32]> =
        (0..all.num_rows()).filter(|row| ids.value(*row) == "ids").map(|row| &values[row * WIDTH..][..WIDTH]).collect();
    for i in 0..WIDTH {
        let expected = of_ids.iter().map(|vector| f64::from(vector[i])).sum::<f64>() / 4.0;
        let got = f64::from(vectors(&mean, "final_norm")[2 * WIDTH + i]);
        // One rounding to f32 of numbers below 100.
        assert!((got - expected).abs() < 1e-5, "{got} {expected}");
    }
    let item = ends["final_norm"].as_fixed_size_list().values().data_type().clone();
    assert_eq!(item, arrow::datatypes::DataType::Float16);
}

#[test]
fn interventions_of_a_file_are_applied_at_every_strength_and_counted() {
    let folder = folder();
    let edits = "--interventions edits/steer.toml --strengths 0,1";
    let reply = done(
        folder.path(),
        &format!("capture --rows rows.jsonl --sites blocks.1.resid_post {edits} --out acts --json"),
    );
    let reply: Value = serde_json::from_str(&reply).unwrap();
    let acts = acts(&folder.path().join("acts"));
    assert_eq!(names(&acts), ["row_id", "strength", "pos", "token_id", "blocks.1.resid_post"]);
    let tokens = acts.num_rows() / 2;
    let firings: Vec<u64> =
        reply["firings"].as_array().unwrap().iter().map(|f| f["tokens"].as_u64().unwrap()).collect();
    assert_eq!(firings, [tokens as u64, 3, 3, 3], "each token once, at strength 0 none; three last prompt tokens");
    done(folder.path(), "capture --rows rows.jsonl --sites blocks.1.resid_post --out plain");
    let plain = vectors(&self::acts(&folder.path().join("plain")), "blocks.1.resid_post");
    let steered = vectors(&acts, "blocks.1.resid_post");
    let strengths = acts["strength"].as_primitive::<Float64Type>().values().to_vec();
    let ids = acts["row_id"].as_string::<i32>();
    let mut at = [0, 0];
    for row in 0..acts.num_rows() {
        let own = if ids.value(row) == "ids" { 2.0 } else { 1.0 };
        let dose = usize::from(strengths[row] != 0.0);
        assert_eq!(strengths[row], own * dose as f64, "the row's own strength multiplies");
        let before = &plain[at[dose] * WIDTH..][..WIDTH];
        at[dose] += 1;
        for (i, (before, after)) in before.iter().zip(&steered[row * WIDTH..][..WIDTH]).enumerate() {
            let expected = f64::from(*before) + strengths[row] * 0.5 * f64::from((i as f32 / 50.0).sin());
            // The batches differ in size, and so does the rounding.
            assert!((f64::from(*after) - expected).abs() < 1e-4, "{after} {expected}");
        }
    }
    assert_eq!(at, [tokens, tokens]);
}

#[test]
fn sample_writes_one_line_per_completion_and_the_seed_decides_them() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let base = "sample --rows rows.jsonl --n 3 --max-new-tokens 8";
    done(folder.path(), &format!("{base} --out a.jsonl"));
    done(folder.path(), &format!("{base} --out b.jsonl"));
    done(folder.path(), &format!("{base} --seed 1 --out c.jsonl"));
    let read = |name: &str| fs::read_to_string(path(name)).unwrap();
    assert_eq!(read("a.jsonl"), read("b.jsonl"));
    assert_ne!(read("a.jsonl"), read("c.jsonl"));
    let all = lines(&path("a.jsonl"));
    assert_eq!(all.len(), 9);
    for (number, line) in all.iter().enumerate() {
        assert_eq!(line["row_id"], ["talk", "text", "ids"][number / 3]);
        assert_eq!(line["sample"], number % 3);
        let tokens = line["token_ids"].as_array().unwrap().len();
        assert!((1..=8).contains(&tokens) && line["text"].is_string(), "{line}");
        assert!(line["finish_reason"] == "stop" || tokens == 8, "{line}");
        assert!(line.get("strength").is_none());
    }
    done(folder.path(), &format!("{base} --temperature 0 --min-new-tokens 8 --out greedy.jsonl"));
    let greedy = lines(&path("greedy.jsonl"));
    assert_eq!(greedy[0]["token_ids"], greedy[2]["token_ids"]);
    assert!(greedy.iter().all(|line| line["token_ids"].as_array().unwrap().len() == 8));
}

#[test]
fn sample_keeps_activations_and_strengths_in_a_dataset() {
    let folder = folder();
    let edits = "--interventions edits/steer.toml --strengths 0,2";
    let base = "sample --rows rows.jsonl --n 2 --max-new-tokens 5";
    done(folder.path(), &format!("{base} {edits} --sites blocks.1.resid_post,logits --out set"));
    done(folder.path(), &format!("{base} {edits} --out lines.jsonl"));
    let dataset = Dataset::open(folder.path().join("set")).unwrap();
    let all = lines(&folder.path().join("lines.jsonl"));
    assert_eq!((dataset.rows(Part::Rows), all.len()), (12, 12));
    let acts = acts(&folder.path().join("set"));
    assert_eq!(names(&acts)[..5], ["row_id", "strength", "sample", "pos", "token_id"]);
    let tokens: usize = all.iter().map(|line| line["token_ids"].as_array().unwrap().len() + 1).sum();
    assert_eq!(acts.num_rows(), tokens, "the prompt's last token and every new one");
    assert_eq!(all[0]["strength"], 0.0);
    assert_eq!(all[10]["strength"], 4.0, "the row's own strength is 2");
}

#[test]
fn score_gives_the_log_probability_of_each_continuation() {
    let folder = folder();
    let rows = r#"{"row_id": "a", "text": "my day is", "continuations": [" so dull", " dull"]}
{"row_id": "b", "messages": [{"role": "user", "content": "any advice ?"}, {"role": "assistant", "content": "play a new song ."}]}
{"row_id": "c", "token_ids": [5, 6], "continuations": ["day"]}
"#;
    fs::write(folder.path().join("score.jsonl"), rows).unwrap();
    done(folder.path(), "score --rows score.jsonl --out scores.jsonl");
    let all = lines(&folder.path().join("scores.jsonl"));
    let ids: Vec<(&str, u64)> =
        all.iter().map(|line| (line["row_id"].as_str().unwrap(), line["continuation"].as_u64().unwrap())).collect();
    assert_eq!(ids, [("a", 0), ("a", 1), ("b", 0), ("c", 0)]);
    for line in &all {
        let logprobs: Vec<f64> = line["logprobs"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert_eq!(logprobs.len(), line["token_ids"].as_array().unwrap().len());
        assert!(logprobs.iter().all(|v| *v < 0.0));
        let total: f64 = logprobs.iter().sum();
        assert_eq!(line["total"].as_f64().unwrap(), total);
        assert_eq!(line["mean"].as_f64().unwrap(), total / logprobs.len() as f64);
    }
    assert_eq!(all[2]["text"], "play a new song .");
}

#[test]
fn what_is_there_stays_unless_forced_and_a_plan_writes_nothing() {
    let folder = folder();
    let capture = "capture --rows rows.jsonl --sites embed";
    done(folder.path(), &format!("{capture} --out acts"));
    let before = fs::read(folder.path().join("acts/manifest.json")).unwrap();
    let refused = run(folder.path(), "capture --rows rows.jsonl --sites final_norm --out acts");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    assert_eq!(fs::read(folder.path().join("acts/manifest.json")).unwrap(), before);
    done(folder.path(), "capture --rows rows.jsonl --sites final_norm --out acts --force");
    assert_eq!(Dataset::open(folder.path().join("acts")).unwrap().sites(), ["final_norm"]);
    fs::create_dir(folder.path().join("precious")).unwrap();
    assert_eq!(run(folder.path(), &format!("{capture} --out precious --force")).status.code(), Some(2));
    let entries = || fs::read_dir(folder.path()).unwrap().count();
    let count = entries();
    for command in
        [capture, "sample --rows rows.jsonl --n 4", "sample --rows rows.jsonl --sites embed --max-new-tokens 3"]
    {
        let output = run(folder.path(), &format!("{command} --explain --out nothing"));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(
            ["rows", "tokens", "batches", "memory", "disk", "time"].iter().all(|word| text.contains(word)),
            "{text}"
        );
    }
    assert_eq!(entries(), count, "a plan leaves nothing");
}

#[test]
fn wrong_input_is_exit_status_2_with_a_reason() {
    let folder = folder();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("bad.toml", "[[intervention]]\nop = \"add\"\nsite = \"embed\"\n");
    write(
        "edits/wide.toml",
        "[[intervention]]\nop = \"add\"\nsites = \"logits\"\nvector = \"vectors/steer.safetensors#steer\"\n",
    );
    write(
        "edits/last.toml",
        "[[intervention]]\nop = \"add\"\nsites = \"embed\"\nvector = \"vectors/steer.safetensors#steer\"\npositions = \"last\"\n",
    );
    write("nothing.jsonl", "{\"row_id\": \"a\", \"text\": \"my day\"}\n");
    write("both.jsonl", "{\"row_id\": \"a\", \"text\": \"my day\", \"token_ids\": [1]}\n");
    write("outside.jsonl", "{\"row_id\": \"a\", \"token_ids\": [1, 99999]}\n");
    for (arguments, part) in [
        ("capture --rows rows.jsonl --sites blocks.9.resid_post --out o", "blocks.9.resid_post"),
        ("capture --rows rows.jsonl --sites embed --positions first --out o", "last_prompt"),
        ("capture --rows rows.jsonl --sites embed --positions 99 --out o", "position 99"),
        ("capture --rows rows.jsonl --sites embed --out o.jsonl", "dataset"),
        ("capture --rows rows.jsonl --sites embed", "--out"),
        ("capture --rows missing.jsonl --sites embed --out o", "missing.jsonl"),
        ("capture --rows both.jsonl --sites embed --out o", "exactly one"),
        ("capture --rows outside.jsonl --sites embed --out o", "99999"),
        ("capture --rows rows.jsonl --sites embed --strengths 1 --out o", "--interventions"),
        ("capture --rows rows.jsonl --sites embed --interventions bad.toml --out o", "bad.toml"),
        ("capture --rows rows.jsonl --sites embed --interventions none.toml --out o", "none.toml"),
        ("capture --rows rows.jsonl --sites embed --interventions edits/wide.toml --out o", "steer.safetensors#steer"),
        ("sample --rows rows.jsonl --interventions edits/last.toml --out o.jsonl", "`last`"),
        ("sample --rows rows.jsonl --sites embed --out o.jsonl", "--sites"),
        ("sample --rows rows.jsonl --temperature -1 --out o.jsonl", "temperature = -1"),
        ("sample --rows rows.jsonl --n 0 --out o.jsonl", "n = 0"),
        ("sample --rows rows.jsonl --n 18446744073709551615 --out o.jsonl", "n = 18446744073709551615"),
        ("sample --rows rows.jsonl --max-new-tokens 18446744073709551615 --out o.jsonl", "context"),
        ("sample --rows rows.jsonl --out o.json", ".json"),
        ("sample --rows rows.jsonl --force --out rows.jsonl", "the file of the rows"),
        ("capture --rows nothing.jsonl --sites embed --positions answer --out o", "1 of 1 have no token"),
        ("capture --rows rows.jsonl --sites embed --adapter missing --out o", "adapter_config.json"),
        ("sample --rows rows.jsonl --top-p 2 --out o.jsonl", "top_p"),
        ("sample --rows rows.jsonl --max-new-tokens 4 --min-new-tokens 5 --out o.jsonl", "min_new_tokens"),
        ("sample --rows rows.jsonl --max-new-tokens 100000 --out o.jsonl", "context"),
        ("score --rows nothing.jsonl --out o.jsonl", "nothing to score"),
    ] {
        let output = run(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments}: {said}");
        assert!(said.contains(part), "{arguments}: `{part}` is not in: {said}");
        assert!(!folder.path().join("o").exists() && !folder.path().join("o.jsonl").exists(), "{arguments}");
    }
}

#[test]
fn an_interrupt_is_exit_status_75_and_leaves_nothing_half_written() {
    use std::io::{BufRead, BufReader};
    let folder = folder();
    let rows: String = (0..2000)
        .map(|i| format!("{{\"row_id\": \"{i}\", \"text\": \"my day is so dull . any advice ?\"}}\n"))
        .collect();
    fs::write(folder.path().join("many.jsonl"), rows).unwrap();
    let arguments =
        "sample --model embedded --rows many.jsonl --n 50 --min-new-tokens 64 --sites embed --out set --progress json";
    let mut child = command(folder.path(), arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("\"begin\"") {
        line.clear();
        assert!(said.read_line(&mut line).unwrap() > 0, "it begins");
    }
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(75));
    let left: Vec<String> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(left.iter().all(|name| !name.contains("set")), "{left:?}");
}
