//! A tracking server on a real socket that keeps every point it is sent, as one over files does, and can break.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The connection is reset before anything is done.
    ResetBefore,
    /// What is asked is done, and the connection is reset.
    ResetAfter,
    /// What is asked is done, and half of the answer comes.
    Half,
    /// The connection is reset at once; then what is asked is done, point by point with this pause.
    Late(Duration),
    /// A status, and nothing is done.
    Status(u16),
    /// What is asked is done, and a status says that it failed.
    StatusAfter(u16),
    /// Success with this body, and nothing is done.
    Says(String),
}

/// Everything that was sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Kept {
    /// Names of experiments.
    pub experiments: Vec<String>,
    /// Runs.
    pub runs: Vec<KeptRun>,
}

/// One run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct KeptRun {
    /// Key, step, time and value as text, in the order of arrival.
    pub points: Vec<(String, i64, i64, String)>,
    /// Parameters.
    pub params: BTreeMap<String, String>,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Status and end.
    pub end: Value,
    /// Files.
    pub files: BTreeMap<String, Vec<u8>>,
}

type Faults = dyn Fn(usize) -> Option<Fault> + Send + Sync;

/// A running server; it ends with the process.
pub struct Fake {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    faults: Box<Faults>,
    kept: Mutex<Kept>,
    seen: Mutex<Vec<(String, String)>>,
}

impl Fake {
    /// `faults` gets the 0-based number of each request.
    pub fn start(faults: impl Fn(usize) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { faults: Box::new(faults), kept: Mutex::default(), seen: Mutex::default() });
        let all = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = all.clone();
                std::thread::spawn(move || shared.serve(stream));
            }
        });
        Self { url, shared }
    }

    /// What was kept so far.
    pub fn kept(&self) -> Kept {
        self.shared.kept.lock().unwrap().clone()
    }

    /// Method, path and authorization of all requests so far.
    pub fn seen(&self) -> Vec<(String, String)> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Shared {
    fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut stream = stream;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let (mut length, mut key) = (0, String::new());
            loop {
                let mut header = String::new();
                reader.read_line(&mut header)?;
                let Some((name, value)) = header.trim_end().split_once(": ") else { break };
                match name.to_lowercase().as_str() {
                    "content-length" => length = value.parse().unwrap(),
                    "authorization" => key = value.to_owned(),
                    _ => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            let request = line.rsplit_once(' ').unwrap().0.to_owned();
            let number = {
                let mut seen = self.seen.lock().unwrap();
                seen.push((request.clone(), key));
                seen.len() - 1
            };
            let fault = (self.faults)(number);
            if let Some(Fault::Late(pause)) = fault {
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
                drop((reader, stream));
                self.slowly(&request, &body, pause);
                return Ok(());
            }
            let done = match fault {
                Some(Fault::ResetBefore | Fault::Status(_) | Fault::Says(_)) => (0, Value::Null),
                _ => act(&mut self.kept.lock().unwrap(), &request, &body),
            };
            let answer = |status: u16, body: &str| {
                format!("HTTP/1.1 {status} Status\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            };
            match fault {
                None => {
                    let body = if done.1.is_null() { String::new() } else { done.1.to_string() };
                    stream.write_all(answer(done.0, &body).as_bytes())?;
                }
                Some(Fault::Status(status) | Fault::StatusAfter(status)) => {
                    let message = json!({ "error_code": "SOME_ERROR", "message": format!("no, {}", self.last_key()) });
                    stream.write_all(answer(status, &message.to_string()).as_bytes())?;
                }
                Some(Fault::Says(body)) => stream.write_all(answer(200, &body).as_bytes())?,
                Some(Fault::Half) => {
                    let text = answer(done.0, &format!("{}          ", done.1));
                    stream.write_all(&text.as_bytes()[..text.len() - 9])?;
                    return stream.shutdown(std::net::Shutdown::Both);
                }
                Some(Fault::ResetBefore | Fault::ResetAfter | Fault::Late(_)) => {
                    // Without lingering a closed connection is reset.
                    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
                    return Ok(());
                }
            }
        }
    }

    fn slowly(&self, request: &str, body: &[u8], pause: Duration) {
        let mut json: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut points = json["metrics"].as_array().cloned().unwrap_or_default();
        if points.is_empty() {
            act(&mut self.kept.lock().unwrap(), request, body);
        }
        for point in points.drain(..) {
            json["metrics"] = json!([point]);
            act(&mut self.kept.lock().unwrap(), request, json.to_string().as_bytes());
            std::thread::sleep(pause);
        }
    }

    fn last_key(&self) -> String {
        self.seen.lock().unwrap().last().map_or(String::new(), |(_, key)| key.clone())
    }
}

/// Does what is asked.
fn act(kept: &mut MutexGuard<'_, Kept>, request: &str, body: &[u8]) -> (u16, Value) {
    let none = || (404, json!({ "error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none" }));
    let (method, path) = request.split_once(' ').unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let asked = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap_or("");
    if let Some(file) = path.strip_prefix("/api/2.0/mlflow-artifacts/artifacts/7/") {
        let (run, name) = file.split_once("/artifacts/").unwrap();
        let run: usize = run.parse().unwrap();
        kept.runs[run].files.insert(name.to_owned(), body.to_vec());
        return (200, Value::Null);
    }
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let run = || body["run_id"].as_str().unwrap().parse::<usize>().unwrap();
    let info = |run: usize| json!({ "info": { "run_id": run.to_string(), "artifact_uri": format!("mlflow-artifacts:/7/{run}/artifacts") } });
    match (method, path.strip_prefix("/api/2.0/mlflow/").unwrap()) {
        ("GET", "experiments/get-by-name") => {
            match kept.experiments.iter().position(|name| name == asked("experiment_name")) {
                Some(at) => {
                    (200, json!({ "experiment": { "experiment_id": at.to_string(), "lifecycle_stage": "active" } }))
                }
                None => none(),
            }
        }
        ("POST", "experiments/create") => {
            kept.experiments.push(body["name"].as_str().unwrap().to_owned());
            (200, json!({ "experiment_id": (kept.experiments.len() - 1).to_string() }))
        }
        ("POST", "runs/search") => {
            let filter = body["filter"].as_str().unwrap();
            let id = filter.strip_prefix("tags.`emhost.run_id` = '").unwrap().trim_end_matches('\'');
            let found = kept.runs.iter().position(|run| run.tags["emhost.run_id"] == id);
            (200, found.map_or(json!({}), |run| json!({ "runs": [info(run)] })))
        }
        ("POST", "runs/create") => {
            let mut run = KeptRun::default();
            pairs(&body["tags"], &mut run.tags);
            kept.runs.push(run);
            (200, json!({ "run": info(kept.runs.len() - 1) }))
        }
        ("POST", "runs/log-batch") => {
            let count = |name: &str| body[name].as_array().map_or(0, Vec::len);
            let (metrics, params, tags) = (count("metrics"), count("params"), count("tags"));
            if metrics > 1000 || params > 100 || tags > 100 || metrics + params + tags > 1000 {
                return (400, json!({ "error_code": "INVALID_PARAMETER_VALUE", "message": "too many" }));
            }
            let kept = &mut kept.runs[run()];
            let mut params = kept.params.clone();
            pairs(&body["params"], &mut params);
            if kept.params.iter().any(|(key, value)| params[key] != *value) {
                return (
                    400,
                    json!({ "error_code": "INVALID_PARAMETER_VALUE", "message": "a parameter never changes" }),
                );
            }
            kept.params = params;
            pairs(&body["tags"], &mut kept.tags);
            for metric in body["metrics"].as_array().into_iter().flatten() {
                let (step, time) = (metric["step"].as_i64().unwrap(), metric["timestamp"].as_i64().unwrap());
                kept.points.push((metric["key"].as_str().unwrap().to_owned(), step, time, metric["value"].to_string()));
            }
            (200, json!({}))
        }
        ("GET", "metrics/get-history") => {
            let key = asked("metric_key").replace("%20", " ").replace('+', " ").replace("%2F", "/");
            let from: usize = asked("page_token").parse().unwrap_or(0);
            let points = &kept.runs[asked("run_id").parse::<usize>().unwrap()].points;
            let of: Vec<Value> = points.iter().filter(|point| point.0 == key).map(|(key, step, time, value)| {
                json!({ "key": key, "step": step, "timestamp": time, "value": serde_json::from_str::<Value>(value).unwrap() })
            }).collect();
            if of.is_empty() {
                return none();
            }
            // Pages of two show that pages are followed.
            let page: Vec<&Value> = of.iter().skip(from).take(2).collect();
            let next = if from + 2 < of.len() { (from + 2).to_string() } else { String::new() };
            (200, json!({ "metrics": page, "next_page_token": next }))
        }
        ("POST", "runs/update") => {
            let run = run();
            kept.runs[run].end = json!([body["status"], body["end_time"]]);
            (200, json!({}))
        }
        other => panic!("{other:?}"),
    }
}

fn pairs(list: &Value, all: &mut BTreeMap<String, String>) {
    for pair in list.as_array().into_iter().flatten() {
        let (key, value) = (pair["key"].as_str().unwrap().to_owned(), pair["value"].as_str().unwrap().to_owned());
        all.insert(key, value);
    }
}
