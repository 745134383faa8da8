//! `drive LIBRARY PARAMETERS [CANCEL_AFTER]`: runs a plugin in this process, as `emhost run` would.
//!
//! Prints what happened as JSON and exits with the status that the error asks for.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use emhost::plugins::{PluginError, load};
use emhost_tests::Recorder;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, library, params, rest @ ..] = arguments.as_slice() else { return ExitCode::from(2) };
    let cancel_after = rest.first().and_then(|calls| calls.parse().ok()).unwrap_or(0);
    let recorder = Arc::new(Recorder { cancel_after, ..Recorder::default() });
    let result = run(Path::new(library), params, &recorder);
    let tables = recorder.tables.lock().expect("the run is over");
    let log = recorder.log.lock().expect("the run is over");
    let report = serde_json::json!({
        "error": result.as_ref().err().map(PluginError::to_string),
        "tables": tables.iter().map(|(name, rows)| (name.clone(), rows.num_rows())).collect::<Vec<_>>(),
        "log": log.iter().map(|line| format!("{} | {} | {}", line.message, line.fields, line.place)).collect::<Vec<_>>(),
    });
    println!("{report}");
    result.map_or_else(|error| ExitCode::from(error.exit_code()), |()| ExitCode::SUCCESS)
}

fn run(library: &Path, params: &str, recorder: &Arc<Recorder>) -> Result<(), PluginError> {
    let running = load(library)?.create(params, recorder.clone())?;
    for cell in running.plan()? {
        running.run(&cell)?;
    }
    running.summarize()
}
