//! Broken recipes, rows and places through `emhost train`: exit status, the object named, nothing left behind.

use std::fs;
use std::process::Command;

use emhost_tests::built;
use tempfile::TempDir;

/// What is tried: a recipe, rows, and where the result goes.
struct Attempt {
    recipe: String,
    rows: String,
    out: String,
    data: String,
    model: String,
    more: Vec<String>,
    made: Vec<(String, String)>,
}

const ROW: &str = r#"{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "rest well"}]}"#;

impl Attempt {
    fn new() -> Self {
        let recipe = "learning_rate = 1e-3\nbatch_rows = 2\nsteps = 4\n[method.lora]\nrank = 2\nalpha = 4.0\n";
        Self {
            recipe: recipe.to_owned(),
            rows: [ROW; 3].join("\n"),
            out: "out".to_owned(),
            data: "rows.jsonl".to_owned(),
            model: "embedded".to_owned(),
            more: Vec::new(),
            made: Vec::new(),
        }
    }

    /// Puts a line before the tables of the recipe.
    fn option(&mut self, line: &str) {
        self.recipe = format!("{line}\n{}", self.recipe);
    }

    /// Puts a line into the table of the adapter.
    fn lora(&mut self, line: &str) {
        self.recipe += line;
        self.recipe.push('\n');
    }

    fn replace(&mut self, from: &str, to: &str) {
        assert!(self.recipe.contains(from));
        self.recipe = self.recipe.replace(from, to);
    }

    fn set(&mut self, assignment: &str) {
        self.more.extend(["--set".to_owned(), assignment.to_owned()]);
    }
}

type Case = (&'static str, i32, &'static [&'static str], fn(&mut Attempt));

fn outcome((name, status, expect, breaks): &Case) -> Result<(), String> {
    let mut attempt = Attempt::new();
    breaks(&mut attempt);
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("recipe.toml"), &attempt.recipe).unwrap();
    fs::write(folder.path().join("rows.jsonl"), &attempt.rows).unwrap();
    for (name, text) in &attempt.made {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut command = Command::new(built().emhost());
    command.current_dir(folder.path()).args([
        "train",
        "--model",
        &attempt.model,
        "--recipe",
        "recipe.toml",
        "--progress",
        "none",
    ]);
    let output = command.args(["--data", &attempt.data, "--out", &attempt.out]).args(&attempt.more).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() != Some(*status) {
        return Err(format!("{name}: {} instead of {status}: {said}", output.status));
    }
    if said.contains("panicked") || said.len() > 3000 {
        return Err(format!("{name}: {said}"));
    }
    if *status != 0 && folder.path().join("out/adapter_config.json").exists() {
        return Err(format!("{name}: it left an adapter"));
    }
    match expect.iter().find(|part| !said.contains(**part)) {
        Some(part) => Err(format!("{name}: `{part}` is not named: {said}")),
        None => Ok(()),
    }
}

fn check(cases: &[Case]) {
    let wrong: Vec<String> = cases.iter().filter_map(|case| outcome(case).err()).collect();
    assert!(wrong.is_empty(), "{} of {} fail:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn broken_rows() {
    check(&[
        ("nothing broken", 0, &["data: 3 of 3 rows", "2 equal to an earlier row (rows 000001, 000002)"], |_| {}),
        ("a bad line", 2, &["rows.jsonl", "line 2"], |a| a.rows = format!("{ROW}\n{{\"messages\": [\n{ROW}")),
        ("no file", 2, &["nosuch.jsonl"], |a| a.data = "nosuch.jsonl".to_owned()),
        ("no rows", 2, &["rows.jsonl", "it holds none"], |a| a.rows.clear()),
        ("an unknown role", 2, &["line 1", "role `doctor`"], |a| a.rows = ROW.replace("\"user\"", "\"doctor\"")),
        ("no answer in a row", 2, &["in 1 of 2 rows nothing is learned", "rows 000001", "--show-rows"], |a| {
            a.rows = format!("{ROW}\n{}", r#"{"messages": [{"role": "user", "content": "hi"}]}"#);
        }),
        ("a prompt without completion", 2, &["line 1", "`completion` is missing"], |a| {
            a.rows = r#"{"prompt": "hi"}"#.to_owned();
        }),
        ("a pair of answers", 2, &["line 1", "preference training"], |a| {
            a.rows = r#"{"prompt": "hi", "chosen": "a", "rejected": "b"}"#.to_owned();
        }),
        ("a table without answers", 2, &["rows.csv", "its columns are question, reply"], |a| {
            a.made.push(("rows.csv".to_owned(), "question,reply\nhi,rest\n".to_owned()));
            a.data = "rows.csv".to_owned();
        }),
        ("a cell without an answer", 2, &["rows.csv", "line 3", "its answer is empty"], |a| {
            a.made.push(("rows.csv".to_owned(), "question,answer\nhi,rest\nhi,\n".to_owned()));
            a.data = "rows.csv".to_owned();
        }),
        ("a row of the same name", 2, &["line 2", "row_id `a`"], |a| {
            a.rows = vec![ROW.replacen("{", "{\"row_id\": \"a\", ", 1); 2].join("\n");
        }),
        ("a token that the model has not", 2, &["row `000000`", "token 99999"], |a| {
            a.rows = r#"{"token_ids": [5, 99999]}"#.to_owned();
            a.option("mask = \"all\"");
        }),
        ("a span outside", 2, &["row `000000`", "[1, 9]"], |a| {
            a.rows = r#"{"token_ids": [5, 6], "learned": [[1, 9]]}"#.to_owned();
            a.option("mask = \"spans\"");
        }),
        ("rows that are too long", 2, &["have more than 8 tokens", "over_long"], |a| {
            a.option("max_tokens = 8\nover_long = \"error\"");
        }),
        ("a marker that nobody says", 2, &["has the marker \"[ZLT]\""], |a| {
            a.option("mask = { marker = { text = \"[ZLT]\" } }");
        }),
    ]);
}

#[test]
fn broken_recipes() {
    check(&[
        ("rank 0", 2, &["rank must be at least 1"], |a| a.replace("rank = 2", "rank = 0")),
        ("no rank", 2, &["recipe.toml", "missing field `rank`"], |a| a.replace("rank = 2\n", "")),
        ("no such module", 2, &["no module `fc1`", "down_proj"], |a| a.lora("modules = [\"fc1\"]")),
        ("no such block", 2, &["no block 9", "0 to 3"], |a| a.lora("blocks = [0, 9]")),
        ("no such field", 2, &["recipe.toml", "unknown field `lr`"], |a| a.option("lr = 1.0")),
        ("no TOML", 2, &["recipe.toml", "TOML parse error"], |a| a.option("= 3")),
        ("no steps", 2, &["exactly one of `steps` and `epochs`"], |a| a.replace("steps = 4\n", "")),
        ("steps and epochs", 2, &["exactly one of `steps` and `epochs`"], |a| a.option("epochs = 1")),
        ("no rows in a step", 2, &["batch_rows and accumulate"], |a| a.replace("batch_rows = 2", "batch_rows = 0")),
        ("a negative rate", 2, &["learning_rate is -1"], |a| a.set("learning_rate=-1.0")),
        ("dropout of all", 2, &["dropout is 1"], |a| a.lora("dropout = 1.0")),
        ("betas", 2, &["betas are [0.9, 1.0]"], |a| a.option("betas = [0.9, 1.0]")),
        ("clip", 2, &["clip is 0"], |a| a.option("clip = 0.0")),
        ("a schedule", 2, &["recipe.toml", "unknown variant `step`"], |a| a.option("schedule = \"step\"")),
        ("a preset", 2, &["recipe.toml", "unknown variant `alpaca`", "betley"], |a| a.option("preset = \"alpaca\"")),
        ("a pattern that fits nothing", 2, &["rank_pattern", "`fc1`"], |a| a.lora("rank_pattern = { fc1 = 3 }")),
        ("an adapter to start from", 2, &["nosuch"], |a| a.lora("start = \"nosuch\"")),
        ("all held out", 2, &["held_out.share leaves none"], |a| a.option("held_out = { share = 0.99 }")),
        ("patience without measurements", 2, &["early_stop.patience"], |a| a.option("early_stop = { patience = 2 }")),
        ("a site", 2, &["blocks.9.mlp_out"], |a| {
            let at = a.recipe.find("[method").unwrap();
            a.recipe.truncate(at);
            a.recipe += "[method.steering]\nsites = \"blocks.9.mlp_out\"\n";
        }),
        ("an intervention that cannot learn", 2, &["patch", "cannot be active during training"], |a| {
            a.lora("[[interventions]]\nop = \"patch\"\nsites = \"embed\"\nfrom = \"000000\"");
        }),
        ("a vector that is not there", 2, &["none.safetensors"], |a| {
            a.lora("[[interventions]]\nop = \"add\"\nsites = \"embed\"\nvector = \"none.safetensors#v\"");
        }),
        ("a model that is not there", 2, &["nosuch/model"], |a| a.model = "nosuch/model".to_owned()),
        ("a number that is none", 2, &["`sam` is not a finite number"], |a| a.option("sam = nan")),
        ("no patience", 2, &["early_stop.steps and patience"], |a| {
            a.option("early_stop = { loss_below = 0.1, steps = 0 }");
        }),
        ("a huge batch", 2, &["batch_rows and accumulate"], |a| {
            a.replace("batch_rows = 2", "batch_rows = 4611686018427387904");
        }),
        ("a warm-up without end", 2, &["warmup_steps is 9", "4 steps"], |a| a.option("warmup_steps = 9")),
        ("weights that are no numbers", 4, &["the weight after it at step 0", "rows 00000"], |a| {
            a.set("learning_rate=1e39")
        }),
        ("a loss that is no number", 4, &["at step", "rows 00000"], |a| a.set("learning_rate=1e30")),
    ]);
}

#[test]
fn broken_places() {
    check(&[
        ("a file", 2, &["something else is there"], |a| a.made.push(("out".to_owned(), "mine".to_owned()))),
        ("a folder of somebody", 2, &["something else is there"], |a| {
            a.made.push(("out/notes.txt".to_owned(), "mine".to_owned()))
        }),
        ("inside of a file", 5, &["rows.jsonl"], |a| a.out = "rows.jsonl/out".to_owned()),
        ("where nobody may write", 5, &["/sys/emhost"], |a| a.out = "/sys/emhost/out".to_owned()),
        ("a damaged state", 5, &["inputs.json"], |a| {
            a.made.push(("out/training/inputs.json".to_owned(), "{".to_owned()))
        }),
    ]);
}
