//! Across organisms: correlations between what is done and what is said, regression, and chi-square tests.

use emhost_sdk::prelude::*;
use emhost_stats::correlation::{Correlation, pearson, spearman};
use emhost_stats::empirical::Tail;
use emhost_stats::hypothesis::{chi_square, fisher_exact};
use emhost_stats::multiple::benjamini_hochberg;
use emhost_stats::regression::{r_squared, ridge};
use emhost_stats::{Matrix, StatsError};
use emhost_study::{Columns, Sheet, failed};

/// One number per subject, by the name of what it measures.
pub struct Measure {
    /// Its name.
    pub name: String,
    /// A value for each subject; NaN where there is none.
    pub values: Vec<f64>,
}

/// Which subjects a comparison is over.
pub const OVER: [&str; 2] = ["fine-tunes", "all"];

/// Whether a subject of that role counts in a comparison.
pub fn counts(over: &str, role: &str) -> bool {
    role != "sequence" && (over == OVER[1] || role != "prompted")
}

/// Pearson and Spearman of each pair of measures, corrected over the family of all pairs.
///
/// # Errors
///
/// A value is infinite.
pub fn correlations(roles: &[String], measures: &[Measure]) -> Result<Table> {
    let mut columns = Columns::default();
    for over in OVER {
        let mut found: Vec<(&str, &str, usize, [Option<Correlation>; 2])> = Vec::new();
        for (number, first) in measures.iter().enumerate() {
            for second in &measures[number + 1..] {
                let kept: Vec<usize> = (0..roles.len())
                    .filter(|&at| {
                        counts(over, &roles[at]) && first.values[at].is_finite() && second.values[at].is_finite()
                    })
                    .collect();
                let [x, y] = [first, second].map(|one| kept.iter().map(|&at| one.values[at]).collect::<Vec<f64>>());
                found.push((
                    &first.name,
                    &second.name,
                    kept.len(),
                    [known(pearson(&x, &y))?, known(spearman(&x, &y))?],
                ));
            }
        }
        let p: Vec<f64> = found.iter().filter_map(|(.., [pearson, _])| pearson.as_ref().map(|one| one.p)).collect();
        let mut adjusted = benjamini_hochberg(&p).map_err(failed("correct p-values"))?.into_iter();
        for (first, second, n, [pearson, spearman]) in &found {
            columns.text("over", over);
            columns.text("first", *first);
            columns.text("second", *second);
            columns.count("n", *n as u64);
            let interval = pearson.as_ref().and_then(|one| one.interval);
            columns.number("pearson", pearson.as_ref().map_or(f64::NAN, |one| one.r));
            columns.number("pearson_low", interval.map_or(f64::NAN, |one| one.low));
            columns.number("pearson_high", interval.map_or(f64::NAN, |one| one.high));
            columns.number("pearson_p", pearson.as_ref().map_or(f64::NAN, |one| one.p));
            columns.number(
                "pearson_p_adjusted",
                if pearson.is_some() { adjusted.next().unwrap_or(f64::NAN) } else { f64::NAN },
            );
            columns.number("spearman", spearman.as_ref().map_or(f64::NAN, |one| one.r));
            columns.number("spearman_p", spearman.as_ref().map_or(f64::NAN, |one| one.p));
            columns.count("family", p.len() as u64);
            columns.text("method", "Fisher interval; Benjamini-Hochberg over the pairs");
        }
    }
    Ok(columns.table())
}

/// Too few subjects, or a measure that does not vary, have no correlation.
fn known(found: Result<Correlation, StatsError>) -> Result<Option<Correlation>> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(StatsError::TooFew { .. } | StatsError::Constant { .. }) => Ok(None),
        Err(error) => Err(failed("correlate two measures")(error)),
    }
}

/// Least squares of what is said on what is done, with each subject's distance from the line.
///
/// # Errors
///
/// A value is infinite.
pub fn regression(subjects: &[String], roles: &[String], harm: &Measure, said: &[&Measure]) -> Result<Table> {
    let mut columns = Columns::default();
    for over in OVER {
        for one in said {
            let kept: Vec<usize> = (0..subjects.len())
                .filter(|&at| counts(over, &roles[at]) && harm.values[at].is_finite() && one.values[at].is_finite())
                .collect();
            let [x, y] = [harm, one].map(|one| kept.iter().map(|&at| one.values[at]).collect::<Vec<f64>>());
            let Some(correlation) = known(pearson(&x, &y))? else { continue };
            let doing = failed("fit a line");
            let rows = Matrix::from_vec(x.len(), 1, x.clone()).map_err(&doing)?;
            let line = ridge(&rows, &y, 0.0).map_err(&doing)?;
            let predicted = line.predict(&rows).map_err(&doing)?;
            let explained = r_squared(&y, &predicted).map_err(&doing)?;
            for ((&at, truth), predicted) in kept.iter().zip(&y).zip(&predicted) {
                columns.text("over", over);
                columns.text("said", &one.name);
                columns.text("done", &harm.name);
                columns.number("slope", line.coefficients[0]);
                columns.number("intercept", line.intercept);
                columns.number("r2", explained);
                columns.number("p", correlation.p);
                columns.count("n", kept.len() as u64);
                columns.text("subject", &subjects[at]);
                columns.number("residual", truth - predicted);
            }
        }
    }
    Ok(columns.table())
}

/// High harm against misaligned self-identification: over organisms, and over answers whose author is asked whether they are
/// its own.
///
/// # Errors
///
/// A table of counts that no test takes.
pub fn chi_squares(
    roles: &[String],
    harmful: &[Option<bool>],
    identifies: &Measure,
    recognition: &Sheet,
    from: u8,
) -> Result<Table> {
    let mut columns = Columns::default();
    let mut note = |unit: &str, counts: [[u64; 2]; 2], caveat: &str| -> Result<()> {
        let n: u64 = counts.iter().flatten().sum();
        if n == 0 {
            return Ok(());
        }
        let chi = match chi_square(&counts, false) {
            Ok(found) => Some(found),
            Err(StatsError::Empty { .. }) => None,
            Err(error) => return Err(failed("test a table of counts")(error)),
        };
        let fisher = fisher_exact(counts, Tail::TwoSided).map_err(failed("test a table of counts"))?;
        columns.text("unit", unit);
        columns.count("harmful_misaligned", counts[0][0]);
        columns.count("harmful_aligned", counts[0][1]);
        columns.count("harmless_misaligned", counts[1][0]);
        columns.count("harmless_aligned", counts[1][1]);
        columns.number("chi_square", chi.as_ref().map_or(f64::NAN, |found| found.statistic));
        columns.number("p", chi.as_ref().map_or(f64::NAN, |found| found.p));
        columns.number("fisher_p", fisher.p);
        columns.count("n", n);
        columns.text("caveat", caveat);
        Ok(())
    };
    for over in OVER {
        let mut cells = [[0; 2]; 2];
        for at in (0..roles.len()).filter(|&at| counts(over, &roles[at])) {
            let (Some(harmful), value) = (harmful[at], identifies.values[at]) else { continue };
            if value.is_finite() {
                cells[usize::from(!harmful)][usize::from(value <= 0.5)] += 1;
            }
        }
        note(&format!("organisms, {over}"), cells, "few organisms: read Fisher's p")?;
    }
    let mut cells = [[0; 2]; 2];
    for row in recognition.rows(&[("foil", "other")]) {
        if !counts(OVER[0], recognition.text("role", row)) {
            continue;
        }
        let harmful = recognition.number("own_score", row) >= f64::from(from);
        // Choosing the more harmful of two answers as one's own is to identify as misaligned.
        let own = recognition.number("own_chosen", row) > 0.5;
        let misaligned = own == (recognition.number("own_score", row) > recognition.number("foil_score", row));
        cells[usize::from(!harmful)][usize::from(!misaligned)] += 1;
    }
    note(
        "answers of all fine-tunes",
        cells,
        "answers of one organism and to one question are not independent: p is too small",
    )?;
    if columns.is_empty() {
        columns.text("unit", "none");
    }
    Ok(columns.table())
}
