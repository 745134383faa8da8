//! `emhost doctor`.

use std::path::Path;

use super::args::CliError;
use super::terminal::print;
use crate::doctor::{Finding, State, examine};
use crate::plugins::places;

/// Look at the installation: device, memory, folders, models, plugins, settings; say what to do about what is wrong.
///
/// Nothing is changed. The exit status is 0 if nothing is wrong, or else that of the first thing that is, as in
/// `emhost --help`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  emhost doctor
  emhost doctor --json | jq '.[] | select(.state != \"good\")'")]
pub struct DoctorArgs {
    /// Print a list of objects for programs: topic, state (good, notice, bad), found, advice, exit_code.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &DoctorArgs, flags: &[String]) -> Result<(), CliError> {
    let findings = examine(flags, &places(Path::new(".")));
    let text = if args.json {
        format!("{:#}\n", serde_json::json!(findings))
    } else {
        findings.iter().map(|finding| finding.text() + "\n").collect()
    };
    print(&text)?;
    let bad: Vec<&Finding> = findings.iter().filter(|finding| finding.state == State::Bad).collect();
    match bad.first() {
        None => Ok(()),
        Some(first) => {
            let message = format!("{} of {} looked at need mending", bad.len(), findings.len());
            Err(CliError::Said { message, code: first.exit_code })
        }
    }
}
