//! Sends a spool, entry by entry, until the server has each.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Client, Failure, Server};
use super::entry::{Artifact, Batch, Entry, NewRun};
use super::history::History;
use super::send::Sent;
use super::spool::{Remote, Spool, Waiting};
use crate::export::error::{ExportError, Result};

/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Sends what waits in a spool and removes it. After an error, or a kill, what the server has not confirmed is still there
/// and the next call goes on with it; what may have arrived is looked up before it is sent again.
pub fn flush(folder: &Path, server: &Server) -> Result<Sent> {
    let spool = Spool::open(folder)?;
    let remote = spool.remote()?;
    if let Some(remote) = &remote
        && remote.url != server.url
    {
        let problem = format!("a part of it was sent to {}: send the rest there too, or remove the folder", remote.url);
        return Err(ExportError::input(format!("spool {}", folder.display()), problem));
    }
    let waiting = spool.waiting()?;
    let sent = Sent { url: server.url.clone(), ..Sent::default() };
    let client = Client::new(server.clone());
    let mut delivery =
        Delivery { client, left: waiting.len(), spool: &spool, remote, history: History::default(), sent };
    for number in waiting {
        let mut entry = spool.read(number)?;
        delivery.deliver(&mut entry)?;
        spool.remove(&entry)?;
        delivery.left -= 1;
    }
    let sent = delivery.sent;
    spool.close()?;
    Ok(sent)
}

struct Delivery<'a> {
    client: Client,
    spool: &'a Spool,
    remote: Option<Remote>,
    history: History,
    left: usize,
    sent: Sent,
}

impl Delivery<'_> {
    fn deliver(&mut self, waiting: &mut Waiting) -> Result<()> {
        let entry = waiting.entry.clone();
        if let Entry::Run(run) = &entry {
            self.spool.doubt(waiting)?;
            let remote = self.persist(|client, _| find_or_create(client, run))?;
            self.spool.set_remote(&remote)?;
            self.sent.created = !remote.old;
            self.remote = Some(remote);
            return Ok(());
        }
        let remote = self.remote.clone().ok_or_else(|| ExportError::Spool {
            path: self.spool.root().to_owned(),
            problem: "its first entry is gone, and which run it belongs to is not known; remove the folder".to_owned(),
        })?;
        (self.sent.experiment, self.sent.run) = (remote.experiment.clone(), remote.run.clone());
        let doubt = waiting.doubt;
        self.spool.doubt(waiting)?;
        match &entry {
            Entry::Run(_) => Ok(()),
            Entry::Batch(batch) => self.batch(&remote, batch, doubt),
            Entry::Artifact(artifact) => self.artifact(&remote, artifact),
            Entry::End(end) => {
                let body = with_run(&remote, end);
                self.persist(|client, _| client.post("runs/update", &body)).map(drop)
            }
        }
    }

    fn batch(&mut self, remote: &Remote, batch: &Batch, doubt: bool) -> Result<()> {
        let mut history = std::mem::take(&mut self.history);
        let settle = self.client.server().settle;
        let result = self.persist(|client, again| {
            let missing = match (doubt || again, remote.old) {
                (true, _) => history.settled(client, &remote.run, batch, settle)?,
                (false, true) => history.missing(client, &remote.run, batch)?,
                (false, false) => batch.clone(),
            };
            if !missing.is_empty() {
                // Until it is known to have arrived nothing is known of it.
                let answer = client.post("runs/log-batch", &with_run(remote, &missing));
                if answer.is_err() {
                    history.forget(batch);
                }
                answer?;
                history.add(&missing);
            }
            Ok(missing.metrics.len())
        });
        self.history = history;
        let metrics = result?;
        self.sent.metrics += metrics;
        self.sent.known += batch.metrics.len() - metrics;
        self.sent.params += batch.params.len();
        self.sent.tags += batch.tags.len();
        Ok(())
    }

    fn artifact(&mut self, remote: &Remote, artifact: &Artifact) -> Result<()> {
        // `mlflow-artifacts:/1/RUN/artifacts`, with or without a host: the server itself takes files. Elsewhere a client
        // would need the credentials of the store.
        let Some(place) = remote.artifacts.strip_prefix("mlflow-artifacts:") else {
            let note = format!("{} is left out: the server keeps files at {}", artifact.path, remote.artifacts);
            self.sent.notes.push(note);
            return Ok(());
        };
        let place = match place.strip_prefix("//") {
            Some(rest) => rest.split_once('/').map_or("", |(_, place)| place),
            None => place.trim_start_matches('/'),
        };
        let path = self.spool.root().join(&artifact.file);
        let bytes = fs::read(&path).map_err(ExportError::io("read", &path))?;
        let address = format!("{place}/{}", artifact.path);
        self.persist(|client, _| client.put(&address, &bytes))?;
        self.sent.artifacts += 1;
        Ok(())
    }

    /// Asks until there is an answer, or the server has given none for too long. `ask` learns whether it is asked again.
    fn persist<T>(&mut self, mut ask: impl FnMut(&Client, bool) -> std::result::Result<T, Failure>) -> Result<T> {
        let server = self.client.server().clone();
        let (begun, mut pause, mut again) = (Instant::now(), server.pause, false);
        loop {
            let (problem, after) = match ask(&self.client, again) {
                Ok(answer) => return Ok(answer),
                Err(Failure::Refused { message, .. }) => {
                    let spool = self.spool.root().to_owned();
                    return Err(ExportError::Refused { url: server.url, problem: message, left: self.left, spool });
                }
                Err(Failure::Passing { why, after }) => (why, after),
            };
            let waited = begun.elapsed();
            let left = server.patience.saturating_sub(waited);
            let wait = after.unwrap_or_default().max(pause.min(left));
            // What the server asks for is never cut short.
            if left.is_zero() || wait > left {
                let (seconds, spool) = (waited.as_secs_f64(), self.spool.root().to_owned());
                return Err(ExportError::Unreached { url: server.url, seconds, problem, left: self.left, spool });
            }
            tracing::warn!("{} failed, trying again in {:.1} s: {problem}", server.url, wait.as_secs_f64());
            std::thread::sleep(wait);
            (pause, again) = ((pause * 2).min(LONGEST_PAUSE), true);
        }
    }
}

/// The body of a request for a run.
fn with_run(remote: &Remote, body: &impl serde::Serialize) -> Value {
    let mut body = serde_json::to_value(body).unwrap_or_default();
    body["run_id"] = remote.run.as_str().into();
    body
}

/// The run with this id, wherever it came from: what was asked for before and never answered is found again.
fn find_or_create(client: &Client, run: &NewRun) -> std::result::Result<Remote, Failure> {
    let experiment = experiment(client, &run.experiment)?;
    let found = client.post(
        "runs/search",
        &json!({
            "experiment_ids": [experiment],
            "filter": format!("tags.`emhost.run_id` = '{}'", run.id),
            "run_view_type": "ACTIVE_ONLY",
            "order_by": ["attributes.start_time ASC"],
            "max_results": 1,
        }),
    )?;
    let (info, old) = match found["runs"].get(0) {
        Some(found) => (found["info"].clone(), true),
        None => {
            let body = json!({
                "experiment_id": experiment,
                "run_name": run.id,
                "start_time": run.start_time,
                "tags": [{ "key": "emhost.run_id", "value": run.id }],
            });
            (client.post("runs/create", &body)?["run"]["info"].clone(), false)
        }
    };
    Ok(Remote {
        url: client.server().url.clone(),
        experiment,
        run: text(&info, "run_id")?,
        artifacts: info["artifact_uri"].as_str().unwrap_or_default().to_owned(),
        old,
    })
}

/// The id of an experiment, which is made if there is none.
fn experiment(client: &Client, name: &str) -> std::result::Result<String, Failure> {
    match client.get("experiments/get-by-name", &[("experiment_name", name)]) {
        Ok(found) => {
            let experiment = &found["experiment"];
            if experiment["lifecycle_stage"].as_str() == Some("deleted") {
                let message = format!("experiment `{name}` was deleted there: restore it, or choose another");
                return Err(Failure::Refused { code: String::new(), message });
            }
            text(experiment, "experiment_id")
        }
        Err(Failure::Refused { code, .. }) if code == "RESOURCE_DOES_NOT_EXIST" => {
            match client.post("experiments/create", &json!({ "name": name })) {
                Ok(made) => text(&made, "experiment_id"),
                Err(Failure::Refused { code, message }) if code == "RESOURCE_ALREADY_EXISTS" => {
                    // Another client was faster; the next look finds it.
                    Err(Failure::Passing { why: message, after: None })
                }
                Err(other) => Err(other),
            }
        }
        Err(other) => Err(other),
    }
}

fn text(answer: &Value, name: &str) -> std::result::Result<String, Failure> {
    answer[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| Failure::Refused {
        code: String::new(),
        message: format!("its answer has no `{name}`: is it an MLflow server?"),
    })
}
