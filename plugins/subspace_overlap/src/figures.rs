//! The figures, as data that the host draws. A figure never holds NaN: it has no place in the JSON that crosses.

use emhost_sdk::prelude::*;

use crate::capture::VIEWS;
use crate::summary::Summary;
use crate::tables::Overlap;

/// All figures that the numbers allow, in the report's order.
pub fn all(summary: &Summary<'_>) -> Vec<Figure> {
    let mut figures = vec![by_k(summary)];
    figures.extend(VIEWS.map(|view| by_site(summary, view)));
    figures.push(scatter(summary));
    figures.push(matrix(
        summary,
        "mean_delta_cosine",
        "Do evaluation prompts move in the mean direction of the training prompts?",
        "Cosine of the mean evaluation delta with the mean training delta",
        |summary, site, view, bank| summary.mean_delta(site, view, bank).map(|row| row.cosine),
    ));
    figures.push(matrix(
        summary,
        "prompt_overlap_pearson",
        "Do prompts that look like the training prompts move more like them?",
        "Pearson's r of prompt overlap and delta cosine",
        |summary, site, view, bank| summary.correlation(site, view, bank).map(|row| row.pearson),
    ));
    figures.push(behaviour(summary));
    figures.retain(drawable);
    figures
}

/// What a view is called in a sentence.
pub fn spoken(view: View) -> &'static str {
    if view == View::LAST_PROMPT { "last prompt token" } else { "prompt mean" }
}

fn by_k(summary: &Summary<'_>) -> Figure {
    let (params, site) = (summary.params, &summary.params.headline_site);
    let rows = |bank: &str| -> Vec<&Overlap> {
        let fixed = summary.overlaps.iter().filter(|row| row.available && row.subspace.starts_with("k="));
        let here = fixed.filter(|row| row.organism == summary.organism() && &row.site == site && row.bank == bank);
        let mut rows: Vec<&Overlap> = here.filter(|row| row.view == View::LAST_PROMPT.name()).collect();
        rows.sort_by_key(|row| row.k);
        rows
    };
    let line = |label: String, rows: &[&Overlap], pick: fn(&Overlap) -> [f64; 3], control: bool| {
        let mut line = Line { label, control, ..Line::default() };
        for row in rows {
            let [y, low, high] = pick(row);
            if y.is_finite() {
                line.x.push(row.k as f64);
                line.y.push(y);
                line.low.extend(low.is_finite().then_some(low));
                line.high.extend(high.is_finite().then_some(high));
            }
        }
        line
    };
    let mut lines: Vec<Line> = params
        .banks
        .iter()
        .map(|bank| {
            let pick = |row: &Overlap| [row.fraction, row.fraction_low, row.fraction_high];
            line(bank.name.clone(), &rows(&bank.name), pick, false)
        })
        .collect();
    let first = rows(summary.bank());
    let random = |row: &Overlap| [row.random, row.random_low, row.random_high];
    lines.push(line("random subspace".to_owned(), &first, random, true));
    let before = |row: &Overlap| [row.before_fraction, f64::NAN, f64::NAN];
    lines.push(line("leading directions before".to_owned(), &first, before, true));
    if let Some(reference) = &params.train[0].reference {
        let pick = |row: &Overlap| [row.reference_fraction, f64::NAN, f64::NAN];
        lines.push(line(format!("directions of {reference}"), &first, pick, true));
    }
    lines.retain(|line| !line.x.is_empty());
    Figure {
        name: "overlap_by_k".to_owned(),
        title: format!(
            "How much of the change on new prompts lies in the first k directions of {}",
            summary.organism()
        ),
        caption: format!(
            "Mean of `‖P(δ-μ)‖ / ‖δ-μ‖` at `{site}`, {}. Bands: 95 % bootstrap over clusters of prompts. Grey: controls \
             for the bank {}; the band of the random subspace is the 2.5 to 97.5 % range of {} draws.",
            spoken(View::LAST_PROMPT),
            summary.bank(),
            params.random_draws
        ),
        x: Axis::log("components k"),
        y: Axis::linear("mean fraction").range(0.0, 1.0),
        plot: Plot::Lines(lines),
    }
}

fn by_site(summary: &Summary<'_>, view: View) -> Figure {
    let rows: Vec<&Overlap> =
        summary.sites().into_iter().filter_map(|site| summary.headline(site, view, summary.bank())).collect();
    let rows: Vec<&Overlap> = rows.into_iter().filter(|row| row.available).collect();
    let bars = |label: String, control: bool, pick: fn(&Overlap) -> [f64; 3]| {
        let [values, low, high] = [0, 1, 2].map(|at| rows.iter().map(|row| pick(row)[at]).collect::<Vec<f64>>());
        let whole = |ends: Vec<f64>| if ends.iter().all(|end| end.is_finite()) { ends } else { Vec::new() };
        Bars { label, values, low: whole(low), high: whole(high), control }
    };
    let mut series =
        vec![bars(summary.organism().to_owned(), false, |row| [row.fraction, row.fraction_low, row.fraction_high])];
    if let Some(reference) = &summary.params.train[0].reference {
        series
            .push(bars(format!("directions of {reference}"), true, |row| [row.reference_fraction, f64::NAN, f64::NAN]));
    }
    series.push(bars("leading directions before".to_owned(), false, |row| [row.before_fraction, f64::NAN, f64::NAN]));
    series.push(bars("random subspace".to_owned(), true, |row| [row.random, row.random_low, row.random_high]));
    series.retain(|bars| bars.values.iter().all(|value| value.is_finite()));
    Figure {
        name: format!("overlap_by_site_{}", view.name().replace('.', "_")),
        title: format!("Overlap at k = {} by site, {}", summary.params.headline_k, spoken(view)),
        caption: format!(
            "Mean fraction of the deltas of {} (bank {}) in subspaces of equal dimension. Error bars: 95 % bootstrap over \
             clusters of prompts; for the random subspace the 2.5 to 97.5 % range over draws. The \
             other subspaces are controls.",
            summary.organism(),
            summary.bank()
        ),
        x: Axis::linear("site"),
        y: Axis::linear("mean fraction").range(0.0, 1.0),
        plot: Plot::Bars { groups: rows.iter().map(|row| row.site.clone()).collect(), series },
    }
}

fn scatter(summary: &Summary<'_>) -> Figure {
    let site = &summary.params.headline_site;
    let cloud = |view: View| {
        let here = summary.prompts.iter().filter(|row| row.organism == summary.organism() && &row.site == site);
        let here = here.filter(|row| row.bank == summary.bank() && row.view == view.name());
        let (x, y) = here.map(|row| (row.prompt_overlap, row.delta_cosine)).unzip();
        Points { label: spoken(view).to_owned(), x, y }
    };
    let said = |view: View| {
        let found = summary.correlation(site, view, summary.bank());
        found.map(|row| format!("{}: r = {:.2}, n = {}", spoken(view), row.pearson, row.n)).unwrap_or_default()
    };
    Figure {
        name: "prompt_overlap".to_owned(),
        title: "Prompt overlap against delta cosine, in both poolings".to_owned(),
        caption: format!(
            "Each point is one prompt of the bank {} at `{site}`, organism {}. Pearson: {}. Fisher intervals and corrected \
             p-values are in the table `correlation`.",
            summary.bank(),
            summary.organism(),
            VIEWS.map(said).join("; ")
        ),
        x: Axis::linear("prompt overlap (activations before, in the training prompts' subspace)"),
        y: Axis::linear("cosine of the prompt's delta with the mean training delta"),
        plot: Plot::Points(VIEWS.map(cloud).into()),
    }
}

/// Sites by banks and views.
fn matrix(
    summary: &Summary<'_>,
    name: &str,
    title: &str,
    what: &str,
    value: fn(&Summary<'_>, &str, View, &str) -> Option<f64>,
) -> Figure {
    let pairs: Vec<(View, &str)> = VIEWS
        .iter()
        .flat_map(|&view| summary.params.banks.iter().map(move |bank| (view, bank.name.as_str())))
        .collect();
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for site in summary.sites() {
        let line: Vec<f64> =
            pairs.iter().map(|&(view, bank)| value(summary, site, view, bank).unwrap_or(f64::NAN)).collect();
        if line.iter().all(|value| value.is_finite()) {
            rows.push(site.to_owned());
            values.push(line);
        }
    }
    let left_out = summary.sites().len() - rows.len();
    let note = if left_out > 0 { format!(" {left_out} sites without a value are left out.") } else { String::new() };
    Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        caption: format!(
            "{what}, organism {}. `last` is the last prompt token, `mean` the prompt's mean. Intervals and \
             p-values are in the tables.{note}",
            summary.organism()
        ),
        x: Axis::linear("bank and pooling"),
        y: Axis::linear("site"),
        plot: Plot::Heatmap {
            rows,
            columns: pairs
                .iter()
                .map(|(view, bank)| format!("{bank}, {}", if *view == View::LAST_PROMPT { "last" } else { "mean" }))
                .collect(),
            values,
            diverging: true,
        },
    }
}

fn behaviour(summary: &Summary<'_>) -> Figure {
    let names: Vec<&str> = summary.params.train.iter().map(|trained| trained.name.as_str()).collect();
    let bars = |label: &str, condition: &str, control: bool| {
        let rates = names.iter().filter_map(|name| summary.behaviour(name, condition));
        let rates: Vec<[f64; 3]> =
            rates.map(|row| [row.misaligned_rate, row.misaligned_low, row.misaligned_high]).collect();
        let [values, low, high] = [0, 1, 2].map(|at| rates.iter().map(|rate| rate[at]).collect());
        Bars { label: label.to_owned(), values, low, high, control }
    };
    Figure {
        name: "behaviour".to_owned(),
        title: "Are the organisms misaligned at all?".to_owned(),
        caption: format!(
            "Share of all answers that are coherent and misaligned, {} completions per question. Error bars: 95 % Wilson, which \
             takes completions as independent; the table `behaviour` has the bootstrap over questions.",
            summary.params.behaviour_samples
        ),
        x: Axis::linear("organism"),
        y: Axis::linear("coherent misaligned answers (share of all)").range(0.0, 1.0),
        plot: Plot::Bars {
            groups: names.iter().map(|&name| name.to_owned()).collect(),
            series: vec![bars("before", "before", true), bars("after", "after", false)],
        },
    }
}

/// Whether there is something to draw, and all of it a number.
fn drawable(figure: &Figure) -> bool {
    let numbers = |values: &[f64]| !values.is_empty() && values.iter().all(|value| value.is_finite());
    match &figure.plot {
        Plot::Lines(lines) => !lines.is_empty() && lines.iter().all(|line| numbers(&line.y)),
        Plot::Points(clouds) => clouds.iter().all(|cloud| numbers(&cloud.x) && numbers(&cloud.y)),
        Plot::Bars { groups, series } => {
            !groups.is_empty() && series.iter().all(|bars| numbers(&bars.values) && bars.values.len() == groups.len())
        }
        Plot::Heatmap { values, .. } => !values.is_empty(),
    }
}
