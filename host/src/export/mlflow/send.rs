//! Spool and sending in one.

use std::path::Path;

use super::client::Server;
use super::deliver::flush;
use super::entry::Options;
use super::fill::{about, spool};
use super::spool::Spool;
use crate::export::error::Result;
use crate::export::run::RunExport;

/// What the server took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sent {
    /// The server.
    pub url: String,
    /// The experiment there.
    pub experiment: String,
    /// The run there.
    pub run: String,
    /// Whether the run is new.
    pub created: bool,
    /// Points that were sent.
    pub metrics: usize,
    /// Points that it had already.
    pub known: usize,
    /// Parameters.
    pub params: usize,
    /// Tags.
    pub tags: usize,
    /// Files.
    pub artifacts: usize,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// Exports a run to a tracking server by a spool in `dir`.
///
/// If a spool of this run waits there it is sent first; unless the run has changed since, that is all. A run that the
/// server has already is found by its tag `emhost.run_id` and gets what it lacks.
pub fn export_mlflow(run: &RunExport, dir: &Path, options: &Options, server: &Server) -> Result<Sent> {
    let waiting = dir.join(&run.id);
    if waiting.exists() {
        let same = Spool::open(&waiting)?.about()? == about(run);
        let sent = flush(&waiting, server)?;
        if same {
            return Ok(sent);
        }
    }
    flush(&spool(run, dir, options)?, server)
}
