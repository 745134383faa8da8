//! Lines up the numbers and parameters of runs by their names.

use std::collections::HashMap;

use emhost_abi::wire::Headline;

use super::difference::{Difference, independent_difference};
use super::runs::ComparisonReport;

/// One parameter with its value in each run; `None` where a run has no such parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its dotted name.
    pub name: String,
    /// A value per run.
    pub values: Vec<Option<String>>,
}

impl Parameter {
    /// Whether the runs differ in it.
    pub fn differs(&self) -> bool {
        self.values.windows(2).any(|pair| pair[0] != pair[1])
    }
}

/// One quantity under one condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// What was measured.
    pub quantity: String,
    /// Under which condition.
    pub condition: String,
    /// The number of each run; `None` where a run has none.
    pub values: Vec<Option<Value>>,
    /// The difference of the second run from the first, when two are compared.
    pub difference: Option<Difference>,
    /// Names of the intervals and tests, each once.
    pub methods: Vec<String>,
}

/// A run's number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Value {
    /// The value.
    pub value: f64,
    /// Interval at 95 %.
    pub interval: Option<[f64; 2]>,
    /// Number of observations.
    pub n: u64,
}

impl Metric {
    /// Pairs of runs whose intervals do not overlap; `None` when no two runs have an interval.
    pub fn apart(&self) -> Option<Vec<(usize, usize)>> {
        let interval = |value: &Option<Value>| value.and_then(|v| v.interval).filter(|i| i.iter().all(|v| !v.is_nan()));
        let known: Vec<(usize, [f64; 2])> =
            self.values.iter().enumerate().filter_map(|(r, v)| Some((r, interval(v)?))).collect();
        let pairs = || known.iter().enumerate().flat_map(|(i, a)| known[i + 1..].iter().map(move |b| (a, b)));
        (known.len() > 1)
            .then(|| pairs().filter(|(a, b)| a.1[1] < b.1[0] || b.1[1] < a.1[0]).map(|(a, b)| (a.0, b.0)).collect())
    }
}

/// A quantity with its metrics, for a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity<'a> {
    /// What was measured.
    pub name: &'a str,
    /// The metrics that at least two runs have.
    pub metrics: Vec<&'a Metric>,
}

/// All parameters in order of first appearance.
pub fn parameters(comparison: &ComparisonReport) -> Vec<Parameter> {
    let mut places = HashMap::new();
    let mut all: Vec<Parameter> = Vec::new();
    for (r, run) in comparison.runs.iter().enumerate() {
        for (name, value) in &run.parameters {
            let place = *places.entry(name.as_str()).or_insert_with(|| {
                all.push(Parameter { name: name.clone(), values: vec![None; comparison.runs.len()] });
                all.len() - 1
            });
            all[place].values[r] = Some(value.clone());
        }
    }
    all
}

/// All quantities under all conditions, in order of first appearance.
///
/// A run may give one quantity and condition several times: the first lines up with the first of the
/// other runs, the second with the second.
pub fn metrics(comparison: &ComparisonReport) -> Vec<Metric> {
    let mut places = HashMap::new();
    let mut all: Vec<(Metric, Vec<Option<&Headline>>)> = Vec::new();
    for (r, run) in comparison.runs.iter().enumerate() {
        let mut seen: HashMap<(&str, &str), usize> = HashMap::new();
        for h in &run.headline {
            let turn = seen.entry((&h.quantity, &h.condition)).or_default();
            let place = *places.entry((h.quantity.as_str(), h.condition.as_str(), *turn)).or_insert_with(|| {
                all.push((empty(h, comparison.runs.len()), vec![None; comparison.runs.len()]));
                all.len() - 1
            });
            *turn += 1;
            let (metric, sources) = &mut all[place];
            metric.values[r] = Some(Value { value: h.value, interval: h.interval, n: h.n });
            if !h.method.is_empty() && !metric.methods.contains(&h.method) {
                metric.methods.push(h.method.clone());
            }
            sources[r] = Some(h);
        }
    }
    let finish = |(mut metric, sources): (Metric, Vec<Option<&Headline>>)| {
        if let [Some(first), Some(second)] = sources[..] {
            let given = comparison
                .differences
                .iter()
                .find(|d| d.quantity == metric.quantity && d.condition == metric.condition);
            metric.difference = Some(given.cloned().unwrap_or_else(|| independent_difference(first, second)));
        }
        metric
    };
    all.into_iter().map(finish).collect()
}

/// The quantities that at least two runs have, each with its metrics.
pub fn quantities(metrics: &[Metric]) -> Vec<Quantity<'_>> {
    let mut all: Vec<Quantity> = Vec::new();
    for metric in metrics {
        let finite = metric.values.iter().flatten().filter(|v| v.value.is_finite()).count();
        if finite < 2 {
            continue;
        }
        match all.iter_mut().find(|q| q.name == metric.quantity) {
            Some(quantity) => quantity.metrics.push(metric),
            None => all.push(Quantity { name: &metric.quantity, metrics: vec![metric] }),
        }
    }
    all
}

fn empty(h: &Headline, runs: usize) -> Metric {
    Metric {
        quantity: h.quantity.clone(),
        condition: h.condition.clone(),
        values: vec![None; runs],
        difference: None,
        methods: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::runs::ComparedRun;
    use super::*;

    fn number(quantity: &str, condition: &str, value: f64, interval: Option<[f64; 2]>) -> Headline {
        Headline {
            quantity: quantity.into(),
            condition: condition.into(),
            value,
            interval,
            n: 10,
            ..Headline::default()
        }
    }

    fn of(runs: Vec<Vec<Headline>>) -> ComparisonReport {
        let runs = runs.into_iter().map(|headline| ComparedRun { headline, ..ComparedRun::default() }).collect();
        ComparisonReport { runs, ..ComparisonReport::default() }
    }

    #[test]
    fn numbers_line_up_by_quantity_condition_and_turn() {
        let comparison = of(vec![
            vec![number("q", "a", 1.0, None), number("q", "a", 2.0, None), number("q", "b", 3.0, None)],
            vec![number("r", "a", 4.0, None), number("q", "a", 5.0, None)],
        ]);
        let found: Vec<(String, String, Vec<Option<f64>>)> = metrics(&comparison)
            .into_iter()
            .map(|m| (m.quantity, m.condition, m.values.iter().map(|v| v.map(|v| v.value)).collect()))
            .collect();
        let row = |q: &str, c: &str, values: [Option<f64>; 2]| (q.to_string(), c.to_string(), values.to_vec());
        assert_eq!(
            found,
            [
                row("q", "a", [Some(1.0), Some(5.0)]),
                row("q", "a", [Some(2.0), None]),
                row("q", "b", [Some(3.0), None]),
                row("r", "a", [None, Some(4.0)]),
            ]
        );
        assert_eq!(quantities(&metrics(&comparison)).len(), 1, "only what two runs share is drawn");
    }

    #[test]
    fn intervals_apart_are_found_in_every_pair() {
        let check = |intervals: &[Option<[f64; 2]>], expected: Option<Vec<(usize, usize)>>| {
            let comparison = of(intervals.iter().map(|i| vec![number("q", "a", 0.0, *i)]).collect());
            assert_eq!(metrics(&comparison)[0].apart(), expected, "{intervals:?}");
        };
        check(&[Some([0.0, 1.0]), Some([1.0, 2.0])], Some(vec![]));
        check(&[Some([0.0, 1.0]), Some([1.1, 2.0]), Some([0.5, 3.0])], Some(vec![(0, 1)]));
        check(&[Some([3.0, 4.0]), None, Some([1.1, 2.0])], Some(vec![(0, 2)]));
        check(&[Some([3.0, 4.0]), None], None);
        check(&[Some([3.0, 4.0]), Some([f64::NAN, 1.0])], None);
    }

    #[test]
    fn a_given_difference_comes_before_the_computed_one() {
        let mut comparison = of(vec![vec![number("q", "a", 1.0, None)], vec![number("q", "a", 3.0, None)]]);
        assert_eq!(metrics(&comparison)[0].difference.as_ref().unwrap().value, 2.0);
        let paired = Difference {
            quantity: "q".into(),
            condition: "a".into(),
            value: 1.9,
            method: "paired".into(),
            ..Difference::default()
        };
        comparison.differences = vec![paired.clone()];
        assert_eq!(metrics(&comparison)[0].difference, Some(paired));
        comparison.runs.push(ComparedRun::default());
        assert_eq!(metrics(&comparison)[0].difference, None, "three runs have no single difference");
    }

    #[test]
    fn parameters_that_differ_or_are_missing_are_told_from_equal_ones() {
        let with = |values: &[(&str, &str)]| ComparedRun {
            parameters: values.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect(),
            ..ComparedRun::default()
        };
        let runs =
            vec![with(&[("rank", "8"), ("seed", "1")]), with(&[("seed", "1"), ("rank", "32"), ("rslora", "true")])];
        let all = parameters(&ComparisonReport { runs, ..ComparisonReport::default() });
        let differing: Vec<(&str, bool)> = all.iter().map(|p| (p.name.as_str(), p.differs())).collect();
        assert_eq!(differing, [("rank", true), ("seed", false), ("rslora", true)]);
        assert_eq!(all[2].values, [None, Some("true".to_string())]);
    }
}
