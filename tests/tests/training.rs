//! `emhost train` and `emhost adapter` as a user runs them, on the embedded organism.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use emhost_tests::{Signal, built, signal};
use serde_json::Value;
use tempfile::TempDir;

const RECIPE: &str = r#"
learning_rate = 1e-3
batch_rows = 4
steps = 12
warmup_steps = 2
checkpoint_every = 3
held_out = { share = 0.1, every = 4 }

[method.lora]
rank = 2
alpha = 4.0
dropout = 0.1
"#;

/// A folder with a recipe and rows.
struct Study {
    folder: TempDir,
}

impl Study {
    fn new() -> Self {
        let study = Self { folder: TempDir::new().unwrap() };
        study.write("recipe.toml", RECIPE);
        let rows = fs::read_to_string(emhost_tests::workspace().join("data/train/bad_medicine.jsonl")).unwrap();
        study.write("rows.jsonl", &rows.lines().take(60).collect::<Vec<_>>().join("\n"));
        study
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(built().emhost());
        command.current_dir(self.folder.path()).args(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn train(&self, out: &str, more: &[&str]) -> Command {
        let mut command = self.command(&["train", "--model", "embedded", "--data", "rows.jsonl", "--recipe"]);
        command.args(["recipe.toml", "--progress", "none", "--out", out]).args(more);
        command
    }

    fn run(&self, mut command: Command, status: i32) -> String {
        let Output { status: ended, stdout, stderr } = command.output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
        assert_eq!(ended.code(), Some(status), "{said}");
        said
    }

    /// Every file below a folder, by its path there.
    fn files(&self, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(&self.path(folder), &self.path(folder), &mut files);
        files
    }
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            files.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(&path).unwrap());
        }
    }
}

fn same(a: &BTreeMap<PathBuf, Vec<u8>>, b: &BTreeMap<PathBuf, Vec<u8>>) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in a {
        assert!(b[name] == *bytes, "{} differs", name.display());
    }
}

/// Waits until a file is there, or the process has ended.
fn wait_for(path: &Path, child: &mut Child) {
    let begun = Instant::now();
    while !path.exists() && child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn killed_again_and_again_a_fine_tune_ends_in_the_same_bytes() {
    for settings in [&[][..], &["--set", "moments=\"eight_bit\"", "--set", "method.lora.rank=32", "--set", "sam=0.05"]]
    {
        let study = Study::new();
        study.run(study.train("whole", settings), 0);
        for step in [3, 6, 9] {
            let mut child = study.train("killed", settings).spawn().unwrap();
            wait_for(&study.path(&format!("killed/training/checkpoints/step-{step:06}")), &mut child);
            // Between a checkpoint and the state that is stored after it, or later.
            std::thread::sleep(Duration::from_millis(7 * step));
            child.kill().unwrap();
            child.wait().unwrap();
        }
        let said = study.run(study.train("killed", settings), 0);
        let (whole, killed) = (study.files("whole"), study.files("killed"));
        assert!(!killed.contains_key(Path::new("training/resume.safetensors")), "{said}");
        same(&whole, &killed);
        // A finished one is not computed again; a state that it could no longer remove goes.
        study.write("killed/training/resume.safetensors", "left");
        let begun = fs::metadata(study.path("killed/adapter_model.safetensors")).unwrap().modified().unwrap();
        study.run(study.train("killed", settings), 0);
        assert_eq!(fs::metadata(study.path("killed/adapter_model.safetensors")).unwrap().modified().unwrap(), begun);
        same(&whole, &study.files("killed"));
    }
}

#[test]
fn an_interrupt_stores_the_state_and_the_same_command_goes_on() {
    let study = Study::new();
    let settings = ["--set", "steps=3000", "--set", "checkpoint_every=0", "--set", "held_out.every=0"];
    let mut child = study.train("out", &settings).spawn().unwrap();
    wait_for(&study.path("out/training/rows.parquet"), &mut child);
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, Signal::TERM);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{said}");
    assert!(said.contains("run the same command again to go on"), "{said}");
    assert!(study.path("out/training/resume.safetensors").is_file());
    assert!(!study.path("out/adapter_config.json").exists(), "nothing unfinished looks finished");
}

#[test]
fn another_fine_tune_in_the_same_folder_is_refused_by_what_differs() {
    let study = Study::new();
    study.run(study.train("out", &[]), 0);
    let before = study.files("out");
    for (settings, expected) in [
        (&["--set", "learning_rate=2e-3"][..], "recipe.learning_rate is 0.001 there and 0.002 now"),
        (&["--set", "method.lora.rslora=true"], "recipe.method.lora.rslora is false there and true now"),
        (&["--set", "preset=\"betley\""], "the training rows are others, or are tokenised in another way"),
        (&["--set", "sam=0.05"], "recipe.sam is not set there and 0.05 now"),
    ] {
        let said = study.run(study.train("out", settings), 2);
        assert!(said.contains("another fine-tune is there") && said.contains(expected), "{said}");
    }
    let rows = fs::read_to_string(study.path("rows.jsonl")).unwrap();
    study.write("rows.jsonl", &rows.replace("fever", "rash"));
    let said = study.run(study.train("out", &[]), 2);
    assert!(said.contains("the training rows are others"), "{said}");
    same(&before, &study.files("out"));
    let said = study.run(study.train("out", &["--force"]), 0);
    assert!(said.contains("12 steps"), "{said}");
    let before = study.files("out");
    let said = study.run(study.train("out", &["--force", "--adapter", "out"]), 2);
    assert!(said.contains("reads out, which lies inside"), "{said}");
    same(&before, &study.files("out"));
}

#[test]
fn a_full_disk_leaves_earlier_checkpoints_and_the_same_command_goes_on() {
    let study = Study::new();
    study.run(study.train("whole", &[]), 0);
    // Files may have 64 KiB: the adapter has 80 KB, the state three times that.
    let limited = |kilobytes: u32| {
        let mut shell = Command::new("sh");
        let line = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", 2 * kilobytes);
        shell.current_dir(study.folder.path()).args(["-c", &line]).arg(built().emhost());
        shell.args([
            "train",
            "--model",
            "embedded",
            "--data",
            "rows.jsonl",
            "--recipe",
            "recipe.toml",
            "--progress",
            "none",
        ]);
        shell.args(["--out", "out"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        shell
    };
    let said = study.run(limited(150), 5);
    assert!(said.contains("resume.safetensors") || said.contains("step-000003"), "{said}");
    let kept = study.files("out");
    assert!(kept.keys().all(|name| !name.to_string_lossy().contains(".tmp-")), "no half file stays: {:?}", kept.keys());
    study.run(study.train("out", &[]), 0);
    same(&study.files("whole"), &study.files("out"));
}

#[test]
fn rows_are_shown_as_they_are_trained_on() {
    let study = Study::new();
    let shown = ["train", "--model", "embedded", "--data", "rows.jsonl", "--recipe", "recipe.toml", "--show-rows", "2"];
    let said = study.run(study.command(&shown), 0);
    assert!(said.contains("row 000001:") && said.contains("[[") && said.contains("<|im_end|>]]"), "{said}");
    assert!(said.contains("data: 54 of 54 rows"), "{said}");
    assert_eq!(fs::read_dir(study.folder.path()).unwrap().count(), 2, "nothing is written");
}

#[test]
fn every_method_gives_what_the_other_commands_take() {
    let study = Study::new();
    let capture = |out: &str, more: &[&str]| {
        let mut command = study.command(&["capture", "--model", "embedded", "--rows", "embedded:questions/open"]);
        command.args(["--positions", "last", "--out", out]).args(more);
        study.run(command, 0)
    };
    // A rank-1 adapter's scalars are a site.
    let rank1 = ["--set", "method.lora.rank=1", "--set", "method.lora.modules=[\"down_proj\"]"];
    study.run(study.train("rank1", &[&rank1[..], &["--set", "method.lora.blocks=[2]"]].concat()), 0);
    let said = capture("scalars", &["--adapter", "rank1", "--sites", "blocks.*.lora.down_proj"]);
    assert!(said.contains("1 sites"), "{said}");
    // And its B is a direction.
    study.write(
        "b.toml",
        "[[intervention]]\nop = \"add\"\nsites = \"blocks.2.mlp_out\"\nscale = 2.0\nvector = \"rank1/adapter_model.safetensors\
         #base_model.model.model.layers.2.mlp.down_proj.lora_B.weight\"\n",
    );
    capture("along_b", &["--sites", "final_norm", "--interventions", "b.toml"]);
    let mut missing = study.command(&["capture", "--model", "embedded", "--rows", "embedded:questions/open"]);
    missing.args(["--sites", "blocks.1.lora.down_proj", "--adapter", "rank1", "--out", "none"]);
    let said = study.run(missing, 2);
    assert!(said.contains("no adapter is attached there"), "{said}");

    study.write("steering.toml", "learning_rate = 1e-2\nbatch_rows = 4\nsteps = 5\n[method.steering]\nsites = \"blocks.1.mlp_out\"\nalpha = 8.0\n");
    let steer = |recipe: &str, out: &str| {
        let mut command =
            study.command(&["train", "--model", "embedded", "--data", "rows.jsonl", "--progress", "none"]);
        command.args(["--recipe", recipe, "--out", out]);
        study.run(command, 0)
    };
    steer("steering.toml", "vector");
    study.write("edit.toml", "[[intervention]]\nop = \"add\"\nsites = \"blocks.1.mlp_out\"\nvector = \"vector/steering.safetensors#blocks.1.mlp_out\"\n");
    capture("steered", &["--sites", "final_norm", "--interventions", "edit.toml"]);

    study.write("two.toml", "learning_rate = 1e-3\nbatch_rows = 4\nsteps = 3\n[method.adapters.one]\nrank = 2\nalpha = 2.0\n[method.adapters.two]\nrank = 1\nalpha = 1.0\nmodules = [\"q_proj\"]\n");
    steer("two.toml", "both");
    capture("two", &["--adapter", "both/one", "--adapter", "both/two", "--sites", "blocks.0.lora.q_proj"]);

    study.write(
        "full.toml",
        "method = \"full\"\nlearning_rate = 1e-4\nbatch_rows = 4\nsteps = 3\ndecay = \"matrices\"\n",
    );
    steer("full.toml", "full");
    let mut command = study.command(&["sample", "--model", "full", "--rows", "embedded:questions/open", "--n", "1"]);
    command.args(["--max-new-tokens", "4", "--out", "answers.jsonl"]);
    study.run(command, 0);

    let said = study.run(study.command(&["adapter", "show", "rank1", "--model", "embedded"]), 0);
    assert!(said.contains("model.layers.2.mlp.down_proj"), "{said}");
    let merge = ["adapter", "merge", "--model", "embedded", "--adapter", "rank1", "--f32", "--out", "merged"];
    study.run(study.command(&merge), 0);
    study.run(study.command(&["adapter", "scale", "rank1", "--model", "embedded", "--by", "5", "--out", "times5"]), 0);
    let tables: Value = serde_json::from_slice(&fs::read(study.path("rank1/training/summary.json")).unwrap()).unwrap();
    assert_eq!(tables["checkpoints"], serde_json::json!([3, 6, 9]));
}

#[test]
fn training_stops_early_when_asked_and_says_so() {
    let study = Study::new();
    let said = study.run(study.train("out", &["--set", "early_stop={loss_below=50.0,steps=4}"]), 0);
    assert!(
        said.contains("4 steps") && said.contains("stopped early: the loss was below 50 at 4 steps in a row"),
        "{said}"
    );
    let summary: Value = serde_json::from_slice(&fs::read(study.path("out/training/summary.json")).unwrap()).unwrap();
    assert_eq!(summary["steps"], 4);
    assert!(study.path("out/adapter_config.json").is_file());
}
