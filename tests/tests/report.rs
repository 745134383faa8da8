//! What a person opens: the report of a run in a browser, comparisons, scorecards.

use std::fs;
use std::path::Path;

use emhost_tests::{Grid, peer, skipped, workspace};
use tempfile::TempDir;

/// Opens a page in a real browser, uses it and takes pictures; skipped by name without one.
fn browse(page: &Path, pictures: &Path) {
    if !Path::new("/usr/bin/chromium").exists() || !Path::new("/usr/bin/chromedriver").exists() {
        skipped("report_browser.py", "there is no /usr/bin/chromium with /usr/bin/chromedriver");
        return;
    }
    // How long it takes is printed, and no machine is too slow for the test.
    let arguments = [page.as_os_str(), pictures.as_os_str(), "--most-seconds".as_ref(), "120".as_ref()];
    if let Some(said) = peer("report_browser.py", &["selenium"], &arguments) {
        println!("{said}");
    }
}

#[test]
fn the_report_of_a_hundred_thousand_answers_is_small_and_nothing_in_it_runs() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path()).set("hostile=100000");
    grid.run(&[], 0);
    let page = grid.runs()[0].join("report.html");
    let bytes = fs::metadata(&page).unwrap().len();
    println!("the report of 100,000 answers has {bytes} bytes");
    assert!(bytes < 10_000_000, "{bytes} bytes");
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("100,000") && !text.contains("<script>window") && !text.contains("<img src=x"), "raw markup");
    browse(&page, folder.path());
}

#[test]
fn a_comparison_and_the_scorecards_are_pages_that_a_browser_opens() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path()).set("grid.scale=[1.0, 2.0]");
    let output = grid.run(&[], 0);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let page = said.lines().find_map(|line| line.strip_prefix("comparison: ")).expect("a grid ends in a comparison");
    browse(Path::new(page), folder.path());
    let scores = folder.path().join("scores.html");
    let mut command = grid.emhost();
    command.args(["scorecard", "--html"]).arg(&scores).arg("--experiments").arg(workspace().join("experiments"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    browse(&scores, folder.path());
}

#[test]
fn a_scorecard_is_filled_in_by_the_run_beside_it() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path());
    let study = folder.path().join("experiments/grid");
    fs::create_dir_all(&study).unwrap();
    fs::write(study.join("embedded.toml"), "plugin = \"grid\"\n").unwrap();
    let claim = |id: &str, rest: &str| {
        format!(
            "[[claim]]\nid = \"{id}\"\nquantity = \"letters\"\nunit = \"1\"\ntest = \"none\"\ntable = \"lengths\"\n{rest}\n"
        )
    };
    let one = "where = { condition = \"c1\", seed = 1 }";
    let claims = [
        claim("equal", &format!("published = 0.001\ntolerance = 1e9\ncolumn = \"letters\"\n{one}")),
        claim("not_equal", &format!("published = 1e12\ntolerance = 1\ncolumn = \"letters\"\n{one}")),
        claim("above", &format!("expect = \"above\"\npublished = 0\ncolumn = \"energy\"\n{one}")),
        claim("within", &format!("expect = \"within\"\npublished = [-1e9, 1e9]\ncolumn = \"energy\"\n{one}")),
        claim("not_within", &format!("expect = \"within\"\npublished = [1e9, 2e9]\ncolumn = \"energy\"\n{one}")),
        claim("range", "expect = \"range\"\npublished = [0, 1]\ncolumn = \"energy\""),
        claim(
            "elsewhere",
            &format!("model = \"Qwen2.5-32B\"\npublished = 1\ntolerance = 1\ncolumn = \"energy\"\n{one}"),
        ),
        claim("no_row", "published = 1\ntolerance = 1\ncolumn = \"energy\"\nwhere = { condition = \"c9\" }"),
        claim("many_rows", "published = 1\ntolerance = 1\ncolumn = \"energy\"\nwhere = { condition = \"c1\" }"),
    ];
    let head = "title = \"A study\"\nplugin = \"grid\"\nsource = \"somewhere\"\ndefects = [\"none known\"]\n";
    fs::write(study.join("scorecard.toml"), format!("{head}{}", claims.concat())).unwrap();
    grid.run(&["experiments/grid/embedded.toml"], 0);
    let page = fs::read_to_string(grid.runs()[0].join("report.html")).unwrap();
    assert!(page.contains("id=\"scorecard\"") && page.contains("no row with condition = c9"), "{page}");
    let output = grid.emhost().args(["scorecard"]).env("COLUMNS", "200").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    for part in ["A study", "3 reproduced", "3 not reproduced", "3 not testable"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // A newer run with parameters of its own does not take its place; alone, it says what it is.
    let first = grid.runs()[0].file_name().unwrap().to_str().unwrap().to_owned();
    let scores = || {
        assert!(grid.emhost().args(["scorecard", "--html", "scores.html"]).status().unwrap().success());
        fs::read_to_string(folder.path().join("scores.html")).unwrap()
    };
    Grid::new(folder.path()).set("scale=3.0").run(&[], 0);
    assert!(scores().contains(&first) && !scores().contains("with other parameters"), "{}", scores());
    fs::remove_dir_all(grid.folder().join("runs").join(&first)).unwrap();
    assert!(scores().contains("with other parameters"), "{}", scores());
    fs::write(
        study.join("scorecard.toml"),
        format!("{head}{}", claim("x", "published = [1, 2]\ntolerance = [1, 1, 1]\ncolumn = \"y\"")),
    )
    .unwrap();
    let output = grid.emhost().args(["scorecard"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("claim `x`"));
}

#[test]
fn a_dry_run_tells_cells_and_costs_and_computes_nothing() {
    let folder = TempDir::new().unwrap();
    let grid = Grid::new(folder.path());
    let dry = |more: &[&str]| {
        let output = grid.run(&[&["--dry-run", "--json"], more].concat(), 0);
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let before = dry(&[]);
    assert_eq!(before[0]["cost"]["cells"], 4);
    assert!(!folder.path().join("runs").exists());
    grid.run(&["--cells", "condition=c1,*"], 0);
    let after = dry(&[]);
    assert_eq!(after[0]["cost"]["cells"], 2);
    assert_eq!(dry(&["--cells", "*,seed=1"])[0]["cells"].as_array().unwrap().len(), 2);
}
