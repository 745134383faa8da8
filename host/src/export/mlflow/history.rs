//! Which points of a run the server has already.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::client::{Client, Failure};
use super::entry::{Batch, Metric};

/// Points by their keys, as far as they were asked for.
#[derive(Debug, Default)]
pub struct History {
    known: HashMap<String, HashSet<Point>>,
}

/// Step, time and value.
type Point = (i64, i64, u64);

/// Points of one answer.
const PAGE: &str = "20000";

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    metrics: Vec<Metric>,
    #[serde(default)]
    next_page_token: String,
}

impl History {
    /// The batch without the points that the server has.
    ///
    /// MLflow adds a point to what it has, whatever that is, so what may have arrived is asked for before it is sent again.
    /// Parameters and tags come to the same when they are sent twice.
    pub fn missing(&mut self, client: &Client, run: &str, batch: &Batch) -> Result<Batch, Failure> {
        let mut missing = Batch { params: batch.params.clone(), tags: batch.tags.clone(), metrics: Vec::new() };
        for metric in &batch.metrics {
            if !self.known.contains_key(&metric.key) {
                let points = ask(client, run, &metric.key)?;
                self.known.insert(metric.key.clone(), points);
            }
            if !self.known[&metric.key].contains(&point(metric)) {
                missing.metrics.push(metric.clone());
            }
        }
        Ok(missing)
    }

    /// The same once two answers agree, `settle` apart: a server may still be at work on a batch whose client was cut off.
    pub fn settled(&mut self, client: &Client, run: &str, batch: &Batch, settle: Duration) -> Result<Batch, Failure> {
        let mut missing = self.missing(client, run, batch)?;
        while !missing.metrics.is_empty() {
            std::thread::sleep(settle);
            self.forget(batch);
            let now = self.missing(client, run, batch)?;
            if now.metrics.len() == missing.metrics.len() {
                break;
            }
            missing = now;
        }
        Ok(missing)
    }

    /// Notes that the server took a batch.
    pub fn add(&mut self, batch: &Batch) {
        for metric in &batch.metrics {
            if let Some(points) = self.known.get_mut(&metric.key) {
                points.insert(point(metric));
            }
        }
    }

    /// Forgets what a batch of which nothing is known may have changed.
    pub fn forget(&mut self, batch: &Batch) {
        batch.metrics.iter().for_each(|metric| drop(self.known.remove(&metric.key)));
    }
}

fn ask(client: &Client, run: &str, key: &str) -> Result<HashSet<Point>, Failure> {
    let mut points = HashSet::new();
    let mut token = String::new();
    loop {
        let mut query = vec![("run_id", run), ("metric_key", key), ("max_results", PAGE)];
        if !token.is_empty() {
            query.push(("page_token", &token));
        }
        let answer = match client.get("metrics/get-history", &query) {
            // Servers over a database say that it has no points, those over files that there is no such metric.
            Err(Failure::Refused { code, .. }) if code == "RESOURCE_DOES_NOT_EXIST" => {
                Value::Object(Default::default())
            }
            other => other?,
        };
        let page: Page = serde_json::from_value(answer).map_err(|e| Failure::Refused {
            code: String::new(),
            message: format!("the history of metric `{key}` is not MLflow's: {e}"),
        })?;
        points.extend(page.metrics.iter().map(point));
        if page.next_page_token.is_empty() || page.next_page_token == token {
            return Ok(points);
        }
        token = page.next_page_token;
    }
}

/// Databases have no infinity, and MLflow keeps the largest number there is in its place.
fn point(metric: &Metric) -> Point {
    let value = match metric.value {
        x if x.is_nan() => f64::NAN,
        x if x.abs() == f64::MAX => f64::INFINITY.copysign(x),
        // Nor have all of them a negative zero.
        0.0 => 0.0,
        x => x,
    };
    (metric.step, metric.timestamp, value.to_bits())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_the_same_after_a_database_had_it() {
        let metric = |value| point(&Metric { key: String::new(), value, timestamp: 1, step: 2 });
        assert_eq!(metric(f64::INFINITY), metric(f64::MAX));
        assert_eq!(metric(f64::NEG_INFINITY), metric(f64::MIN));
        assert_ne!(metric(f64::MAX), metric(f64::MIN));
        assert_eq!(metric(f64::NAN), metric(-f64::NAN));
        assert_eq!(metric(-0.0), metric(0.0));
        assert_ne!(metric(0.1), metric(0.1 + f64::EPSILON));
    }
}
