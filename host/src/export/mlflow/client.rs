//! One request at a time to a tracking server.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use ureq::Agent;
use ureq::http::Response;

use super::key::Key;
use crate::export::error::{ExportError, Result};

/// A tracking server.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address up to and without `/api/2.0/mlflow`.
    pub url: String,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// How long the server may fail before an export gives up.
    pub patience: Duration,
    /// Pause after a first failure; it doubles up to ten seconds.
    pub pause: Duration,
    /// How long what may still be at work there is given to end: a server goes on with a request whose client is gone.
    pub settle: Duration,
    pub(super) key: Option<Key>,
}

/// A connection to it.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    server: Server,
}

/// A request that gave nothing.
#[derive(Debug)]
pub enum Failure {
    /// The server would say the same again.
    Refused {
        /// MLflow's name for it; empty if the answer is not MLflow's.
        code: String,
        /// What it says.
        message: String,
    },
    /// Another attempt may end differently. The server may have done what was asked.
    Passing {
        /// What happened.
        why: String,
        /// When the server wants to be asked again.
        after: Option<Duration>,
    },
}

/// Most bytes of an answer.
const LONGEST_ANSWER: u64 = 256 << 20;
/// Characters of a server's message that are shown.
const SHOWN: usize = 500;

impl Server {
    /// The server at `url`, or at `MLFLOW_TRACKING_URI`, with the credentials of MLflow's own variables.
    pub fn from_env(url: Option<&str>) -> Result<Self> {
        Self::new(url, |name| std::env::var(name).ok())
    }

    /// The same with other variables.
    pub fn new(url: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        const NAME: &str = "MLFLOW_TRACKING_URI";
        let url = url.map(str::to_owned).or_else(|| variable(NAME)).unwrap_or_default();
        let url = url.trim().trim_end_matches('/').to_owned();
        let Some((scheme, rest)) = url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))
        else {
            let problem = "expected the address of a tracking server, such as http://localhost:5000";
            return Err(ExportError::input(format!("${NAME}"), problem));
        };
        let host = rest.split('/').next().unwrap_or_default();
        if host.contains('@') {
            let problem = "give user and password as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD";
            return Err(ExportError::input("the address of the tracking server", problem));
        }
        let key = Key::of(&variable)?;
        let local = ["localhost", "127.", "[::1]"].iter().any(|local| host.starts_with(local));
        if key.is_some() && scheme == "http" && !local {
            tracing::warn!("the credentials for {url} go over the network unencrypted: it is no https address");
        }
        let (timeout, patience) = (Duration::from_secs(60), Duration::from_secs(120));
        Ok(Self { url, timeout, patience, pause: Duration::from_secs(1), settle: Duration::from_secs(2), key })
    }
}

impl Client {
    /// Makes no connection yet.
    pub fn new(server: Server) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            // The credentials go to no other address.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(server.timeout))
            .user_agent(concat!("emhost/", env!("CARGO_PKG_VERSION")))
            .build();
        Self { agent: agent.into(), server }
    }

    /// The server.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Asks `GET /api/2.0/mlflow/PATH`.
    pub fn get(&self, path: &str, query: &[(&str, &str)]) -> std::result::Result<Value, Failure> {
        let mut request = self.agent.get(self.address(path));
        for (name, value) in query {
            request = request.query(name, value);
        }
        if let Some(key) = &self.server.key {
            request = request.header("authorization", key.header());
        }
        self.answer(request.call(), false)
    }

    /// Asks `POST /api/2.0/mlflow/PATH`.
    pub fn post(&self, path: &str, body: &Value) -> std::result::Result<Value, Failure> {
        let mut request = self.agent.post(self.address(path)).header("content-type", "application/json");
        if let Some(key) = &self.server.key {
            request = request.header("authorization", key.header());
        }
        self.answer(request.send(body.to_string()), false)
    }

    /// Asks `PUT /api/2.0/mlflow-artifacts/artifacts/PATH`.
    pub fn put(&self, path: &str, bytes: &[u8]) -> std::result::Result<Value, Failure> {
        let address = format!("{}/api/2.0/mlflow-artifacts/artifacts/{path}", self.server.url);
        let mut request = self.agent.put(address).header("content-type", "application/octet-stream");
        if let Some(key) = &self.server.key {
            request = request.header("authorization", key.header());
        }
        // Whether such an answer has a body depends on the server's version.
        self.answer(request.send(bytes), true)
    }

    fn address(&self, path: &str) -> String {
        format!("{}/api/2.0/mlflow/{path}", self.server.url)
    }

    fn answer(
        &self,
        result: std::result::Result<Response<ureq::Body>, ureq::Error>,
        may_be_empty: bool,
    ) -> std::result::Result<Value, Failure> {
        let mut response = result.map_err(|e| self.lost(&e))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER).read_to_vec().map_err(|e| self.lost(&e))?;
        let json = if may_be_empty && body.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&body).ok() };
        if let (200..=299, Some(answer)) = (status, &json) {
            return Ok(answer.clone());
        }
        let said =
            |name: &str| json.as_ref().and_then(|json: &Value| json[name].as_str()).unwrap_or_default().to_owned();
        let message = match (said("message"), status) {
            (said, _) if !said.is_empty() => said,
            (_, 200..=299) => "its answer is not MLflow's: is the address right?".to_owned(),
            _ => String::from_utf8_lossy(&body).into_owned(),
        };
        let message = self.clean(&format!("status {status}: {message}{}", advice(status)));
        match status {
            408 | 425 | 429 | 500 | 502..=599 => {
                Err(Failure::Passing { why: message, after: retry_after(header("retry-after")) })
            }
            _ => Err(Failure::Refused { code: said("error_code"), message }),
        }
    }

    fn lost(&self, error: &ureq::Error) -> Failure {
        use ureq::Error;
        let message = self.clean(&error.to_string());
        match error {
            Error::BadUri(_) | Error::InvalidProxyUrl | Error::Tls(_) | Error::Rustls(_) | Error::Http(_) => {
                Failure::Refused { code: String::new(), message }
            }
            _ => Failure::Passing { why: message, after: None },
        }
    }

    /// A text without credentials and without what a terminal would act on, of bounded length.
    fn clean(&self, text: &str) -> String {
        let text = self.server.key.as_ref().map_or_else(|| text.to_owned(), |key| key.removed_from(text));
        text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// What to do about a status.
fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "; are MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, right?",
        300..=399 => "; it redirects, give the address that it redirects to",
        _ => "",
    }
}

/// Seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(header: Option<&str>) -> Option<Duration> {
    let text = header?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::now()).ok()
}
