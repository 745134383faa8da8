//! The run engine: cells side by side, failures, choices, grids, and what is computed again.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use emhost_tests::Grid;
use tempfile::TempDir;

fn said(output: &std::process::Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn one_worker_and_four_give_the_same_bytes() {
    let tables = [1, 4].map(|workers| {
        let folder = TempDir::new().unwrap();
        let grid = Grid::new(folder.path()).set("conditions=[\"a\", \"b\", \"c\"]");
        grid.run(&["--workers", &workers.to_string()], 0);
        grid.tables()
    });
    assert_eq!(tables[0].len(), 2);
    assert_eq!(tables[0], tables[1]);
}

#[test]
fn a_cell_that_fails_stops_no_other_and_is_tried_again() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path()).set("fail=[\"condition=c1,seed=2\"]");
    let first = said(&grid.run(&[], 3));
    for part in ["1 of 4 cells failed", "condition=c1,seed=2", "was told to fail", "tries them again"] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert_eq!((grid.events("done"), grid.events("failed")), (3, 1));
    let listed = grid.emhost().args(["runs", "list"]).output().unwrap();
    assert!(said(&listed).contains("failed") && said(&listed).contains("3/4"), "{}", said(&listed));
    let shown = grid.emhost().args(["runs", "show", "latest"]).output().unwrap();
    assert!(said(&shown).contains("was told to fail"), "{}", said(&shown));
    // Again: the others are kept, there still is no summary.
    let again = said(&grid.run(&[], 3));
    assert!(again.contains("1 of 4 cells failed"), "{again}");
    assert_eq!((grid.events("done"), grid.events("failed")), (3, 2));
    assert!(!grid.runs()[0].join("summary.json").exists());
}

#[test]
fn cells_are_chosen_by_patterns_and_summarised_once_all_are_there() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path());
    let part = said(&grid.run(&["--cells", "condition=c1,*"], 0));
    assert!(part.contains("2 of 4 cells are finished"), "{part}");
    assert!(!grid.runs()[0].join("report.html").exists());
    let wrong = said(&grid.run(&["--cells", "condition=c9,*"], 2));
    assert!(wrong.contains("condition=c9,*") && wrong.contains("condition=c1,seed=1"), "{wrong}");
    let rest = said(&grid.run(&["--cells", "*,seed=1", "--cells", "*,seed=2"], 0));
    assert!(rest.contains("report:") && rest.contains("2 of 4 cells were finished before"), "{rest}");
    assert_eq!(grid.events("done"), 5);
}

#[test]
fn a_grid_is_a_run_for_each_combination_and_only_what_depends_on_a_change_is_computed() {
    let folder = TempDir::new().unwrap();
    let hundred = |scale: &str| {
        let conditions: Vec<String> = (0..10).map(|at| format!("\"c{at}\"")).collect();
        Grid::new(folder.path())
            .set(&format!("conditions=[{}]", conditions.join(",")))
            .set("seeds=[1,2,3,4,5]")
            .set("grid.n=[1, 2]")
            .set(scale)
    };
    let grid = hundred("scale=1.0");
    grid.run(&[], 0);
    assert_eq!((grid.runs().len(), grid.events("done")), (2, 102));
    // 10 captures and 2 x 50 samples; the other 90 captures are shared.
    let computed = grid.stages();
    assert_eq!(
        (computed["computed"], computed["computed"] + computed["found"] + computed.get("waited").unwrap_or(&0)),
        (110, 200)
    );
    // The summary alone depends on this: other runs, of which every stage is found.
    let changed = hundred("scale=2.0");
    changed.run(&[], 0);
    let now = changed.stages();
    assert_eq!((changed.runs().len(), now["computed"], now.values().sum::<usize>()), (4, 110, 400));
    // The same again computes nothing at all.
    let before = changed.events("begin");
    changed.run(&[], 0);
    assert_eq!(changed.events("begin"), before);
}

#[test]
fn a_mistyped_parameter_is_named_with_the_nearest() {
    let folder = TempDir::new().unwrap();
    let output = said(&Grid::new(folder.path()).set("conditoins=[\"a\"]").run(&[], 2));
    assert!(output.contains("`conditoins`; did you mean `conditions`?"), "{output}");
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn two_processes_do_not_work_on_one_run() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path()).set("seeds=[1,2,3,4,5,6,7,8,9,10,11,12]").set("n=200");
    let mut first = grid.command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while grid.events("begin") == 0 && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let second = said(&grid.run(&[], 2));
    assert!(second.contains("being worked on by process"), "{second}");
    let listed = grid.emhost().args(["runs", "list"]).output().unwrap();
    assert!(said(&listed).contains("running"), "{}", said(&listed));
    assert!(first.wait().unwrap().success());
}

#[test]
fn runs_are_listed_compared_and_removed() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path()).set("grid.scale=[1.0, 3.0]");
    grid.run(&[], 0);
    let ids: Vec<String> =
        grid.runs().iter().map(|run| run.file_name().unwrap().to_string_lossy().into_owned()).collect();
    let emhost = |args: &[&str]| {
        let output = grid.emhost().args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", said(&output));
        said(&output)
    };
    let digest = |id: &str| id.rsplit('-').next().unwrap().to_owned();
    let compared = emhost(&["runs", "compare", &digest(&ids[0]), &ids[1]]);
    assert!(compared.contains("scale") && compared.contains("mean energy"), "{compared}");
    let json: serde_json::Value =
        serde_json::from_str(&emhost(&["runs", "compare", "--json", &ids[0], &ids[1]])).unwrap();
    let scales: Vec<f64> =
        json["params"][0]["values"].as_array().unwrap().iter().map(|v| v.as_str().unwrap().parse().unwrap()).collect();
    let numbers: Vec<f64> = (0..2).map(|at| json["numbers"][0]["runs"][at]["value"].as_f64().unwrap()).collect();
    assert!((numbers[0] / numbers[1] - scales[0] / scales[1]).abs() < 1e-12, "{json}");
    assert_eq!(emhost(&["runs", "list", "--json"]).lines().count(), 2);
    emhost(&["runs", "rm", &ids[0]]);
    assert_eq!(grid.runs().len(), 1);
    let gone = grid.emhost().args(["runs", "show", &ids[0]]).output().unwrap();
    assert_eq!(gone.status.code(), Some(2), "{}", said(&gone));
}

#[test]
fn the_store_tells_what_it_holds_and_finds_damage() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path());
    grid.run(&[], 0);
    let emhost = |args: &[&str], code: i32| {
        let output = grid.emhost().args(args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
        said(&output)
    };
    let listed = emhost(&["store", "ls", "--op", "sample", "--json"], 0);
    let keys: Vec<String> = listed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["key"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys.len(), 4);
    assert!(emhost(&["store", "du"], 0).contains("sample"));
    let why = emhost(&["store", "why", &keys[0][..10]], 0);
    assert!(why.contains("inputs") && why.contains("differs from sample") && why.contains("seed"), "{why}");
    assert!(emhost(&["store", "verify"], 0).contains("every byte"));
    let stage = grid.store().join("stages/sample").join(&keys[0][..2]).join(&keys[0]);
    let file = stage.join("completions.parquet");
    let mut bytes = fs::read(&file).unwrap();
    bytes[100] ^= 1;
    fs::write(&file, bytes).unwrap();
    let found = emhost(&["store", "verify"], 5);
    assert!(found.contains("completions.parquet") && found.contains(&keys[0][..12]), "{found}");
    emhost(&["store", "verify", "--remove"], 5);
    assert!(emhost(&["store", "verify"], 0).contains("every byte"));
    let gone = emhost(&["store", "gc", "--unused-for", "0s"], 0);
    assert!(gone.contains("removed 5 stages"), "{gone}");
}

#[test]
fn a_budget_of_no_time_begins_no_cell() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path());
    let output = said(&grid.run(&["--budget", "time=0s"], 75));
    assert!(output.contains("budget's time is over with 4 cells left"), "{output}");
    assert_eq!(grid.events("begin"), 0);
    grid.run(&["--budget", "time=1h,cost=1"], 0);
    grid.run(&["--budget", "hours=1"], 2);
}
