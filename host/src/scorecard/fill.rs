//! Fills a scorecard in from a run's tables.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};

use super::file::{Claim, Expect, ScorecardFile};
use crate::report::{ScoreVerdict, ScoredClaim};
use crate::run::{Listed, RunError};
use crate::store::{StoreError, read_table};

/// Every claim with the number of its plugin's run and a verdict; without a run it is not testable.
pub fn fill(file: &ScorecardFile, runs: &[&Listed]) -> Result<Vec<ScoredClaim>, RunError> {
    let run = |claim: &Claim| runs.iter().find(|run| run.record.plugin == file.plugin_of(claim)).copied();
    file.claims.iter().map(|claim| scored(file, claim, run(claim))).collect()
}

/// The claims whose numbers runs of one plugin have.
pub fn fill_own(file: &ScorecardFile, run: &Listed) -> Result<Vec<ScoredClaim>, RunError> {
    let own = file.claims.iter().filter(|claim| file.plugin_of(claim) == run.record.plugin);
    own.map(|claim| scored(file, claim, Some(run))).collect()
}

/// What a run has of a claim.
#[derive(Debug, Default)]
struct Found {
    values: Vec<f64>,
    interval: Option<[f64; 2]>,
    n: Option<u64>,
}

fn scored(file: &ScorecardFile, claim: &Claim, run: Option<&Listed>) -> Result<ScoredClaim, RunError> {
    let found = match run {
        None => Err(format!("there is no finished run of {}", file.plugin_of(claim))),
        Some(run) => match other_model(claim, run) {
            Some(model) => Err(format!("it is about {}, this run has {model}", claim.model)),
            None => look(claim, run)?,
        },
    };
    let (found, (verdict, reason)) = match found {
        Ok(found) => {
            let judged = judge(claim, &found);
            (found, judged)
        }
        Err(reason) => (Found::default(), (ScoreVerdict::NotTestable, reason)),
    };
    let value = match claim.expect {
        Expect::Range if !found.values.is_empty() => {
            let fold = |start: f64, f: fn(f64, f64) -> f64| found.values.iter().copied().fold(start, f);
            vec![Some(fold(f64::INFINITY, f64::min)), Some(fold(f64::NEG_INFINITY, f64::max))]
        }
        _ => found.values.into_iter().map(Some).collect(),
    };
    Ok(ScoredClaim {
        id: claim.id.clone(),
        quantity: match claim.expect {
            Expect::Above => format!("{}: above", claim.quantity),
            Expect::Below => format!("{}: below", claim.quantity),
            Expect::Equal | Expect::Range | Expect::Within => claim.quantity.clone(),
        },
        unit: claim.unit.clone(),
        model: claim.model.clone(),
        published: claim.published.clone(),
        tolerance: claim.tolerance.clone(),
        value,
        interval: found.interval,
        n: found.n,
        test: claim.test.clone(),
        defect: claim.defect.clone(),
        source: file.source.clone(),
        verdict,
        reason,
    })
}

/// The run's model, if the claim is about another one.
fn other_model(claim: &Claim, run: &Listed) -> Option<String> {
    let params = &run.record.params;
    let named = |value: Option<&serde_json::Value>| value.and_then(|model| model.as_str()).map(str::to_owned);
    let several = params.get("organisms").and_then(|organisms| organisms.get("model"));
    let model = named(params.get("model")).or_else(|| named(several)).unwrap_or_else(|| "embedded".to_owned());
    let name = model.trim_end_matches('/').rsplit('/').next().unwrap_or(&model);
    let same = claim.model.is_empty() || claim.model.eq_ignore_ascii_case(name) || claim.model == model;
    (!same).then_some(model)
}

/// The rows of the claim, or why there are none.
fn look(claim: &Claim, run: &Listed) -> Result<Result<Found, String>, RunError> {
    let path = run.folder.table(None, &claim.table);
    if !path.is_file() {
        return Ok(Err(format!("the run has no table `{}`", claim.table)));
    }
    let batches: Vec<RecordBatch> =
        read_table(&path)?.collect::<Result<_, _>>().map_err(|e| StoreError::stream(&path, e))?;
    Ok(rows(claim, &batches))
}

fn rows(claim: &Claim, batches: &[RecordBatch]) -> Result<Found, String> {
    let longest = claim.rows.values().map(|choice| choice.0.len()).max().unwrap_or(1);
    let mut found = Found::default();
    for at in 0..longest {
        let wanted: Vec<(&str, &str)> = claim
            .rows
            .iter()
            .map(|(column, choice)| (column.as_str(), choice.0[at.min(choice.0.len() - 1)].as_str()))
            .collect();
        let mut hits = Vec::new();
        for batch in batches {
            let fits = matches(batch, &wanted)?;
            let number = |name: &str| numbers(batch, name);
            let values = number(&claim.column)?;
            let ends = claim.interval.as_ref().map(|[low, high]| Ok::<_, String>([number(low)?, number(high)?]));
            let (ends, n) = (ends.transpose()?, claim.n.as_deref().map(number).transpose()?);
            for row in (0..batch.num_rows()).filter(|row| fits[*row]) {
                let interval = ends.as_ref().map(|[low, high]| [low[row], high[row]]);
                hits.push((values[row], interval, n.as_ref().map(|n| n[row] as u64)));
            }
        }
        let said = || wanted.iter().map(|(column, value)| format!("{column} = {value}")).collect::<Vec<_>>().join(", ");
        match (hits.as_slice(), claim.expect) {
            ([], _) => return Err(format!("table `{}` has no row with {}", claim.table, said())),
            (hits, Expect::Range) => found.values.extend(hits.iter().map(|hit| hit.0)),
            ([(value, interval, n)], _) => {
                found.values.push(*value);
                (found.interval, found.n) = (*interval, *n);
            }
            (several, _) => {
                return Err(format!(
                    "table `{}` has {} rows with {}, expected one",
                    claim.table,
                    several.len(),
                    said()
                ));
            }
        }
    }
    match found.values.iter().all(|value| value.is_finite()) {
        true => Ok(found),
        false => Err(format!("column `{}` has no number there", claim.column)),
    }
}

/// Which rows have these values.
fn matches(batch: &RecordBatch, wanted: &[(&str, &str)]) -> Result<Vec<bool>, String> {
    let mut fits = vec![true; batch.num_rows()];
    for (column, value) in wanted {
        let texts = batch.column_by_name(column).ok_or_else(|| format!("the table has no column `{column}`"))?;
        let texts = cast(texts, &DataType::Utf8).map_err(|e| format!("column `{column}`: {e}"))?;
        let texts = texts.as_string::<i32>();
        fits.iter_mut().enumerate().for_each(|(row, fits)| *fits &= !texts.is_null(row) && texts.value(row) == *value);
    }
    Ok(fits)
}

fn numbers(batch: &RecordBatch, name: &str) -> Result<Vec<f64>, String> {
    let column = batch.column_by_name(name).ok_or_else(|| format!("the table has no column `{name}`"))?;
    let column = cast(column, &DataType::Float64).map_err(|e| format!("column `{name}`: {e}"))?;
    Ok(column.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// Reproduced or not, and why.
fn judge(claim: &Claim, found: &Found) -> (ScoreVerdict, String) {
    let said = |yes: bool, why: String| (if yes { ScoreVerdict::Reproduced } else { ScoreVerdict::NotReproduced }, why);
    let threshold = claim.published[0];
    match claim.expect {
        Expect::Equal => {
            let tolerance = |at: usize| claim.tolerance[at.min(claim.tolerance.len() - 1)];
            let pairs = claim.published.iter().zip(&found.values).enumerate();
            let worst = pairs
                .map(|(at, (published, value))| (value - published).abs() - tolerance(at))
                .fold(f64::NEG_INFINITY, f64::max);
            let complete = claim.published.len() == found.values.len();
            // Decimal tolerances are not exact in binary.
            let within = complete && worst <= 1e-9;
            let why = if within { "within the tolerance" } else { "outside of the tolerance" };
            said(within, why.to_owned())
        }
        Expect::Range => {
            let [low, high] = [claim.published[0], claim.published[1]];
            let slack = claim.tolerance.first().copied().unwrap_or(0.0) + 1e-9;
            let inside = found.values.iter().filter(|value| (low - slack..=high + slack).contains(*value)).count();
            said(inside == found.values.len(), format!("{inside} of {} rows lie in the range", found.values.len()))
        }
        Expect::Within => {
            let [low, high] = found.interval.unwrap_or([found.values[0]; 2]);
            let holds = claim.published[0] < low && high < claim.published[1];
            said(holds, format!("{} {} between the two", what(found), if holds { "lies" } else { "does not lie" }))
        }
        Expect::Above | Expect::Below => {
            let above = claim.expect == Expect::Above;
            let end = match found.interval {
                Some([low, high]) => {
                    if above {
                        low
                    } else {
                        high
                    }
                }
                None => found.values[0],
            };
            let holds = if above { end > threshold } else { end < threshold };
            let side = if above { "above" } else { "below" };
            said(holds, format!("{} {} {side} {threshold}", what(found), if holds { "lies" } else { "does not lie" }))
        }
    }
}

/// What is compared with a threshold.
fn what(found: &Found) -> &'static str {
    if found.interval.is_some() { "the interval" } else { "the value, without an interval," }
}
