//! Spool and sending, against a server that keeps everything and breaks.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::fake::{Fake, Fault, Kept};
use super::*;
use crate::export::fixture::run;
use crate::export::{ExportError, RunExport};

fn server(fake: &Fake, patience: Duration) -> Server {
    let server = Server::new(Some(&fake.url), |_| None).unwrap();
    let (pause, settle) = (Duration::from_millis(1), Duration::ZERO);
    Server { patience, pause, settle, timeout: Duration::from_secs(20), ..server }
}

fn patient(fake: &Fake) -> Server {
    server(fake, Duration::from_secs(20))
}

fn export(run: &RunExport, dir: &Path, server: &Server) -> crate::export::Result<Sent> {
    export_mlflow(run, dir, &Options::default(), server)
}

/// What an export without faults leaves, and its number of requests.
fn undisturbed(run: &RunExport) -> (Kept, usize) {
    let (fake, dir) = (Fake::start(|_| None), tempfile::tempdir().unwrap());
    let sent = export(run, dir.path(), &patient(&fake)).unwrap();
    assert!(sent.created);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the spool is gone");
    (fake.kept(), fake.seen().len())
}

fn with_figure() -> (RunExport, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let figure = dir.path().join("loss of all.svg");
    fs::write(&figure, "<svg/>").unwrap();
    (RunExport { figures: vec![figure], ..run() }, dir)
}

#[test]
fn a_run_becomes_metrics_parameters_tags_and_files() {
    let (run, _dir) = with_figure();
    let (kept, _) = undisturbed(&run);
    assert_eq!(kept.experiments, ["toy"]);
    let [kept] = kept.runs.try_into().unwrap();
    let time = 1_700_000_000_000;
    let point = |key: &str, step, time, value: &str| (key.to_owned(), step, time, value.to_owned());
    let expected = [
        point("headline/misaligned answers/bad_ all/value", 0, time + 12_500, "0.1"),
        point("headline/ratio/_/value", 0, time + 12_500, "\"NaN\""),
        point("headline/ratio/_/control", 0, time + 12_500, "\"Infinity\""),
        point("bad/steps/split-train/loss", 1, time, "2.5"),
        point("bad/steps/split-train/loss", 2, time, "\"NaN\""),
        point("good/steps/split-test/lr", 2, time, "\"Infinity\""),
        point("good/steps/split-train/lr", 1, time, &f64::from(0.1_f32).to_string()),
    ];
    for point in expected {
        assert!(kept.points.contains(&point), "{point:?} in {:#?}", kept.points);
    }
    // 4 + 3 of the headline, and 4 losses and 3 rates of each cell.
    assert_eq!(kept.points.len(), 7 + 2 * (4 + 3));
    assert_eq!(kept.params["recipe.method.rank"], "8");
    assert_eq!(kept.params["seeds"], "[1,2]");
    assert_eq!(kept.tags["emhost.run_id"], "toy-0123abcd");
    assert_eq!(kept.tags["emhost.verdict"], "It does.");
    assert!(kept.tags["mlflow.note.content"].contains("misaligned answers"));
    assert_eq!(kept.end.to_string(), "[\"FINISHED\",1700000012500]");
    assert_eq!(kept.files["figures/loss_of_all.svg"], b"<svg/>");
}

#[test]
fn a_fault_of_any_kind_at_any_request_loses_nothing_and_sends_nothing_twice() {
    let (run, _dir) = with_figure();
    let (expected, requests) = undisturbed(&run);
    let faults = [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::Half,
        Fault::Status(503),
        Fault::StatusAfter(500),
        Fault::Status(429),
    ];
    for at in 0..requests {
        for fault in &faults {
            let what = fault.clone();
            let fake = Fake::start(move |number| (number == at).then(|| what.clone()));
            let dir = tempfile::tempdir().unwrap();
            let sent = export(&run, dir.path(), &patient(&fake)).unwrap_or_else(|e| panic!("{fault:?} at {at}: {e}"));
            assert_eq!(fake.kept(), expected, "{fault:?} at request {at}: {sent:?}");
        }
    }
}

#[test]
fn an_export_that_ends_at_any_request_goes_on_with_the_next_call() {
    let (run, _dir) = with_figure();
    let (expected, requests) = undisturbed(&run);
    for at in 0..requests {
        for fault in [Fault::ResetBefore, Fault::ResetAfter, Fault::StatusAfter(500)] {
            let what = fault.clone();
            let fake = Fake::start(move |number| (number == at).then(|| what.clone()));
            let dir = tempfile::tempdir().unwrap();
            // The first call gives up at once, as a killed one would.
            let error = export(&run, dir.path(), &server(&fake, Duration::ZERO)).unwrap_err();
            assert!(matches!(error, ExportError::Unreached { .. }), "{error}");
            assert_eq!(error.exit_code(), 6);
            assert!(error.to_string().contains("toy-0123abcd, export again"), "{error}");
            export(&run, dir.path(), &server(&fake, Duration::ZERO)).unwrap();
            assert_eq!(fake.kept(), expected, "{fault:?} at request {at}");
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        }
    }
}

#[test]
fn a_server_that_goes_on_without_its_client_is_waited_for() {
    let (run, _dir) = with_figure();
    let (expected, requests) = undisturbed(&run);
    for at in 0..requests {
        let fake = Fake::start(move |number| (number == at).then_some(Fault::Late(Duration::from_millis(5))));
        let dir = tempfile::tempdir().unwrap();
        // Twenty times what the server takes for a point.
        let patient = Server { settle: Duration::from_millis(100), ..patient(&fake) };
        export(&run, dir.path(), &patient).unwrap();
        let (mut kept, mut expected) = (fake.kept(), expected.clone());
        kept.runs[0].points.sort();
        expected.runs[0].points.sort();
        assert_eq!(kept, expected, "at request {at}");
    }
}

#[test]
fn a_server_that_is_down_keeps_everything_in_the_spool() {
    let dir = tempfile::tempdir().unwrap();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = Server::new(Some(&format!("http://{closed}")), |_| None).unwrap();
    let gone = Server { patience: Duration::from_millis(20), pause: Duration::from_millis(5), ..gone };
    let error = export(&run(), dir.path(), &gone).unwrap_err();
    let ExportError::Unreached { left, spool, .. } = &error else { panic!("{error}") };
    let files = fs::read_dir(spool).unwrap().flatten().filter(|entry| entry.file_name() != "about.json");
    assert_eq!(files.filter(|entry| entry.path().extension().is_some_and(|e| e == "json")).count(), *left);
    // Nothing was sent, so another server may have it.
    let fake = Fake::start(|_| None);
    let sent = flush(spool, &patient(&fake)).unwrap();
    assert_eq!((sent.metrics, sent.known), (21, 0));
    assert_eq!(fake.kept(), undisturbed(&run()).0);
}

#[test]
fn a_run_that_is_there_gets_what_it_lacks() {
    let (fake, dir) = (Fake::start(|_| None), tempfile::tempdir().unwrap());
    export(&run(), dir.path(), &patient(&fake)).unwrap();
    let first = fake.kept();
    let again = export(&run(), dir.path(), &patient(&fake)).unwrap();
    assert!(!again.created);
    assert_eq!((again.metrics, again.known), (0, 21));
    assert_eq!(fake.kept(), first);
    let mut more = run();
    more.report.as_mut().unwrap().headline[0].control = Some(0.5);
    let sent = export(&more, dir.path(), &patient(&fake)).unwrap();
    assert_eq!((sent.metrics, sent.known), (1, 21));
}

#[test]
fn a_waiting_spool_of_another_state_of_the_run_goes_first() {
    let dir = tempfile::tempdir().unwrap();
    let fake = Fake::start(|_| None);
    let unfinished = RunExport { report: None, finished: false, ..run() };
    spool(&unfinished, dir.path(), &Options::default()).unwrap();
    assert!(matches!(spool(&unfinished, dir.path(), &Options::default()), Err(ExportError::Exists { .. })));
    export(&run(), dir.path(), &patient(&fake)).unwrap();
    let kept = fake.kept();
    assert_eq!((kept.runs.len(), kept.runs[0].points.len()), (1, 21));
    assert_eq!(kept.runs[0].end[0], "FINISHED");
}

#[test]
fn a_refusal_ends_the_export_and_names_the_spool() {
    let cases = [
        (Fault::Status(400), "refused a request: status 400: no"),
        (Fault::Status(401), "MLFLOW_TRACKING_TOKEN"),
        (Fault::Status(307), "it redirects"),
        (Fault::Says("<html>log in</html>".to_owned()), "not MLflow's"),
    ];
    for (fault, expected) in cases {
        for at in [0, 4, 5, 6] {
            let what = fault.clone();
            let fake = Fake::start(move |number| (number == at).then(|| what.clone()));
            let dir = tempfile::tempdir().unwrap();
            let error = export(&run(), dir.path(), &patient(&fake)).unwrap_err();
            assert!(matches!(error, ExportError::Refused { .. }) && error.exit_code() == 6, "{error}");
            assert!(error.to_string().contains(expected), "{error}");
            assert_eq!(fake.seen().len(), at + 1, "it is not asked again");
            export(&run(), dir.path(), &patient(&fake)).unwrap();
            assert_eq!(fake.kept(), undisturbed(&run()).0, "{fault:?} at {at}");
        }
    }
}

#[test]
fn the_rest_of_a_spool_goes_to_no_other_server() {
    let (first, second) = (Fake::start(|number| (number == 5).then_some(Fault::Status(400))), Fake::start(|_| None));
    let dir = tempfile::tempdir().unwrap();
    export(&run(), dir.path(), &patient(&first)).unwrap_err();
    let error = export(&run(), dir.path(), &patient(&second)).unwrap_err();
    assert!(error.to_string().contains(&first.url) && error.exit_code() == 2, "{error}");
    assert_eq!(second.seen().len(), 0);
}

#[test]
fn a_token_is_sent_and_never_shown() {
    let fake = Fake::start(|number| (number == 3).then_some(Fault::Status(403)));
    let dir = tempfile::tempdir().unwrap();
    let token = |name: &str| (name == "MLFLOW_TRACKING_TOKEN").then(|| "s3cret".to_owned());
    let server = Server::new(Some(&fake.url), token).unwrap();
    let error = export(&run(), dir.path(), &server).unwrap_err();
    assert!(fake.seen().iter().all(|(_, key)| key == "Bearer s3cret"));
    // The server's message repeats it.
    assert!(error.to_string().contains("no, Bearer ***"), "{error}");
    assert!(!format!("{error:?} {server:?}").contains("s3cret"));
}

#[test]
fn requests_keep_to_the_limits_and_their_order() {
    use arrow::array::{Float64Array, Int64Array};
    let mut run = run();
    let long = "x".repeat(2000);
    for number in 0..950 {
        run.params.insert(format!("p{number:03}"), Value::from(format!("{number}{long}")));
    }
    run.params.insert("huge".to_owned(), Value::from("ü".repeat(7000)));
    let steps: Vec<i64> = (0..2500).collect();
    let values: Vec<f64> = steps.iter().map(|step| 0.1 * *step as f64).collect();
    let columns: Vec<(&str, arrow::array::ArrayRef)> = vec![
        ("step", std::sync::Arc::new(Int64Array::from(steps))),
        ("loss", std::sync::Arc::new(Float64Array::from(values))),
    ];
    run.tables.push(crate::export::fixture::table(None, "long", columns));
    let dir = tempfile::tempdir().unwrap();
    let root = spool(&run, dir.path(), &Options::default()).unwrap();
    let mut names: Vec<String> =
        fs::read_dir(&root).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with('0'));
    names.sort();
    let (mut metrics, mut params) = (0, 0);
    for name in &names {
        let text = fs::read_to_string(root.join(name)).unwrap();
        assert!(text.len() < 1_000_000, "{name}");
        let entry: Value = serde_json::from_str(&text).unwrap();
        let count = |kind: &str| entry["batch"][kind].as_array().map_or(0, Vec::len);
        assert!(count("metrics") <= 1000 && count("params") <= 100 && count("tags") <= 100);
        (metrics, params) = (metrics + count("metrics"), params + count("params"));
    }
    assert_eq!((metrics, params), (2521, 955));
    let fake = Fake::start(|_| None);
    flush(&root, &patient(&fake)).unwrap();
    let kept = &fake.kept().runs[0];
    assert_eq!(kept.params["huge"].chars().count(), 6000);
    let losses: Vec<i64> = kept.points.iter().filter(|point| point.0 == "long/loss").map(|point| point.1).collect();
    assert_eq!(losses, (0..2500).collect::<Vec<i64>>());
}

#[test]
fn a_spool_is_sent_by_one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let root = spool(&run(), dir.path(), &Options::default()).unwrap();
    let held = super::spool::Spool::open(&root).unwrap();
    let fake = Fake::start(|_| None);
    assert!(matches!(flush(&root, &patient(&fake)), Err(ExportError::Busy { .. })));
    drop(held);
    flush(&root, &patient(&fake)).unwrap();
}

#[test]
fn a_file_that_was_changed_in_the_spool_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let root = spool(&run(), dir.path(), &Options::default()).unwrap();
    fs::write(root.join("00000002.json"), "{}").unwrap();
    let error = flush(&root, &patient(&Fake::start(|_| None))).unwrap_err();
    assert!(error.to_string().contains("00000002.json cannot be sent") && error.exit_code() == 5, "{error}");
}

#[test]
fn an_address_that_is_none_is_refused() {
    for url in ["", "localhost:5000", "sqlite:///mlruns.db", "http://user:pw@host"] {
        let error = Server::new(Some(url), |_| None).unwrap_err();
        assert!(error.exit_code() == 2 && !error.to_string().contains("pw"), "{url}: {error}");
    }
    let server = Server::new(None, |name| (name == "MLFLOW_TRACKING_URI").then(|| "http://a/b/".to_owned())).unwrap();
    assert_eq!(server.url, "http://a/b");
}
