//! The figures, as data that the host draws.

use emhost_sdk::prelude::*;

use crate::matrices;
use crate::params::{HEADLINE, Seen};
use crate::steering::MEAN_DELTA;
use crate::summary::Summary;
use crate::tables::{Behaviour, Entry, Overlap};

/// All figures that the numbers allow, in the report's order.
pub fn all(summary: &Summary<'_>) -> Vec<Figure> {
    let mut figures = vec![by_k(summary)];
    figures.extend(summary.views(summary.organism()).iter().map(|view| by_site(summary, *view)));
    figures.extend(matrices::by_organism(summary));
    figures.push(scatter(summary));
    figures.push(pooling(summary));
    figures.extend(matrices::by_site(summary));
    figures.push(behaviour(summary));
    figures.extend(steered(summary));
    figures.retain(drawable);
    figures
}

fn by_k(summary: &Summary<'_>) -> Figure {
    let (organism, view) = (summary.organism(), summary.view().name());
    let site = summary.site(organism);
    let rows = |bank: &str| -> Vec<&Overlap> {
        let fixed = summary.overlaps.iter().filter(|row| row.available && row.subspace.starts_with("k="));
        let here = fixed.filter(|row| row.organism == organism && row.site == site && row.bank == bank);
        let mut rows: Vec<&Overlap> = here.filter(|row| row.view == view).collect();
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
    let of_bank = |bank: &str| {
        line(bank.to_owned(), &rows(bank), |row| [row.fraction, row.fraction_low, row.fraction_high], false)
    };
    let mut lines: Vec<Line> = summary.banks(organism).into_iter().map(of_bank).collect();
    let first = rows(summary.bank());
    let random = |row: &Overlap| [row.random, row.random_low, row.random_high];
    lines.push(line("random subspace".to_owned(), &first, random, true));
    let before = |row: &Overlap| [row.before_fraction, f64::NAN, f64::NAN];
    lines.push(line("leading directions before".to_owned(), &first, before, true));
    if let Some(reference) = reference(&first) {
        let pick = |row: &Overlap| [row.reference_fraction, f64::NAN, f64::NAN];
        lines.push(line(format!("directions of {reference}"), &first, pick, true));
    }
    lines.retain(|line| !line.y.is_empty());
    Figure {
        name: "overlap_by_k".to_owned(),
        title: "How many directions hold the change on evaluation prompts?".to_owned(),
        caption: format!(
            "Mean fraction of the deltas of {organism} in its first k training directions at `{site}`, {}. Bands: 95 % \
             bootstrap over clusters of prompts. Grey: controls for the bank {}; the band of the random subspace is the \
             2.5 to 97.5 % range of {} draws.",
            summary.view().spoken(),
            summary.bank(),
            summary.params.random_draws
        ),
        x: Axis::log("components k"),
        y: Axis::linear("mean fraction").range(0.0, 1.0),
        plot: Plot::Lines(lines),
    }
}

/// What the reference of these rows is called.
fn reference<'a>(rows: &[&'a Overlap]) -> Option<&'a str> {
    rows.iter().find(|row| row.reference_fraction.is_finite()).map(|row| row.reference.as_str())
}

fn by_site(summary: &Summary<'_>, view: Seen) -> Figure {
    let organism = summary.organism();
    let sites = summary.sites(organism).into_iter();
    let rows = sites.filter_map(|site| summary.headline(site, view, summary.bank()));
    let rows: Vec<&Overlap> = rows.filter(|row| row.available).collect();
    let bars = |label: String, control: bool, pick: fn(&Overlap) -> [f64; 3]| {
        let [values, low, high] = [0, 1, 2].map(|at| rows.iter().map(|row| pick(row)[at]).collect::<Vec<f64>>());
        let whole = |ends: Vec<f64>| if ends.iter().all(|end| end.is_finite()) { ends } else { Vec::new() };
        Bars { label, values, low: whole(low), high: whole(high), control }
    };
    let mut series = vec![bars(organism.to_owned(), false, |row| [row.fraction, row.fraction_low, row.fraction_high])];
    if let Some(reference) = reference(&rows) {
        let pick = |row: &Overlap| [row.reference_fraction, f64::NAN, f64::NAN];
        series.push(bars(format!("directions of {reference}"), true, pick));
    }
    series.push(bars("leading directions before".to_owned(), false, |row| [row.before_fraction, f64::NAN, f64::NAN]));
    series.push(bars("random subspace".to_owned(), true, |row| [row.random, row.random_low, row.random_high]));
    series.retain(|bars| bars.values.iter().all(|value| value.is_finite()));
    Figure {
        name: format!("overlap_by_site_{}", view.name().replace('.', "_")),
        title: format!("Overlap at k = {} by site, {}", summary.params.headline_k, view.spoken()),
        caption: format!(
            "Mean fraction of the deltas of {organism} (bank {}) in subspaces of equal dimension. Error bars: 95 % bootstrap \
             over clusters of prompts; for the random subspace the 2.5 to 97.5 % range over draws. The other subspaces \
             are controls.",
            summary.bank()
        ),
        x: Axis::linear("site"),
        y: Axis::linear("mean fraction").range(0.0, 1.0),
        plot: Plot::Bars { groups: rows.iter().map(|row| row.site.clone()).collect(), series },
    }
}

fn scatter(summary: &Summary<'_>) -> Figure {
    let organism = summary.organism();
    let (site, views) = (summary.site(organism), summary.views(organism));
    let cloud = |view: &Seen| {
        let name = view.name();
        let here = summary.prompts.iter().filter(|row| row.organism == organism && row.site == site);
        let here = here.filter(|row| row.bank == summary.bank() && row.view == name);
        let (x, y) = here.map(|row| (row.prompt_overlap, row.delta_cosine)).unzip();
        Points { label: view.spoken().to_owned(), x, y }
    };
    let said = |view: &Seen| {
        let found = summary.correlation(site, *view, summary.bank());
        found.map(|row| format!("{}: r = {:.2}, n = {}", view.spoken(), row.pearson, row.n)).unwrap_or_default()
    };
    Figure {
        name: "prompt_overlap".to_owned(),
        title: "Prompt overlap against delta cosine, in every view".to_owned(),
        caption: format!(
            "Each point is one prompt of the bank {} at `{site}`, organism {organism}. Pearson: {}. Fisher intervals and \
             corrected p-values are in the table `correlation`.",
            summary.bank(),
            views.iter().map(said).collect::<Vec<_>>().join("; ")
        ),
        x: Axis::linear("prompt overlap (activations before, in the training prompts' subspace)"),
        y: Axis::linear("cosine of the prompt's delta with the mean training delta"),
        plot: Plot::Points(views.iter().map(cloud).collect()),
    }
}

/// The same correlation in every view, side by side.
fn pooling(summary: &Summary<'_>) -> Figure {
    let organisms = summary.organisms();
    let bar = |view: &Seen| {
        let pick = |value: fn(&Entry) -> f64| {
            let of = |name: &&str| summary.entry(name, *view, summary.bank()).map_or(f64::NAN, value);
            organisms.iter().map(of).collect::<Vec<f64>>()
        };
        Bars {
            label: view.spoken().to_owned(),
            values: pick(|row| row.pearson),
            low: pick(|row| row.pearson_low),
            high: pick(|row| row.pearson_high),
            control: false,
        }
    };
    let mut views: Vec<Seen> = organisms.iter().flat_map(|name| summary.views(name)).copied().collect();
    views.sort_unstable();
    views.dedup();
    Figure {
        name: "pooling".to_owned(),
        title: "Does the sign of the correlation depend on the pooling?".to_owned(),
        caption: format!(
            "Pearson's r of prompt overlap and delta cosine at each organism's headline site, bank {}, one bar per view. \
             Error bars: Fisher's 95 %, which takes prompts as independent.",
            summary.bank()
        ),
        x: Axis::linear("organism"),
        y: Axis::linear("Pearson's r").range(-1.0, 1.0),
        plot: Plot::Bars {
            groups: organisms.iter().map(|&name| name.to_owned()).collect(),
            series: views.iter().map(bar).collect(),
        },
    }
}

fn behaviour(summary: &Summary<'_>) -> Figure {
    let here = summary.behaviours.iter().filter(|row| row.bank == HEADLINE && row.condition == "after");
    let names: Vec<&str> = here.map(|row| row.organism.as_str()).collect();
    let bars = |label: &str, condition: &str, control: bool| {
        let rates = names.iter().filter_map(|name| summary.behaviour(name, condition));
        let pick = |row: &Behaviour| [row.misaligned_rate, row.misaligned_low, row.misaligned_high];
        let rates: Vec<[f64; 3]> = rates.map(pick).collect();
        let [values, low, high] = [0, 1, 2].map(|at| rates.iter().map(|rate| rate[at]).collect());
        Bars { label: label.to_owned(), values, low, high, control }
    };
    Figure {
        name: "behaviour".to_owned(),
        title: "Are the organisms misaligned at all?".to_owned(),
        caption: format!(
            "Share of all answers to the headline questions that are coherent and misaligned, {} answers per question. \
             Error bars: 95 %, by the method in the table `behaviour`.",
            summary.params.behaviour.samples
        ),
        x: Axis::linear("organism"),
        y: Axis::linear("coherent misaligned answers (share of all)").range(0.0, 1.0),
        plot: Plot::Bars {
            groups: names.iter().map(|&name| name.to_owned()).collect(),
            series: vec![bars("before", "before", true), bars("after", "after", false)],
        },
    }
}

/// Mean alignment of the model before, steered, beside random directions.
fn steered(summary: &Summary<'_>) -> Option<Figure> {
    let sheet = &summary.steered;
    let rows = |condition: &str| {
        let wanted = [("organism", summary.organism()), ("bank", sheet.distinct("bank").first().copied()?)];
        Some(sheet.rows(&[wanted[0], wanted[1], ("condition", condition)]))
    };
    let (before, after, added) = (*rows("before")?.first()?, *rows("fine-tuned")?.first()?, rows(MEAN_DELTA)?);
    let conditions: Vec<(String, usize)> = [("before".to_owned(), before)]
        .into_iter()
        .chain(added.iter().map(|&row| (format!("{} x {}", sheet.text("view", row), sheet.number("alpha", row)), row)))
        .chain([("fine-tuned".to_owned(), after)])
        .collect();
    let of = |column: &str| conditions.iter().map(|(_, row)| sheet.number(column, *row)).collect::<Vec<f64>>();
    Some(Figure {
        name: "steered".to_owned(),
        title: "Does adding the mean training delta do what the fine-tune did?".to_owned(),
        caption: format!(
            "Mean alignment of coherent answers of the model before, with a multiple of the mean training delta of {} (by view) added \
             at every token, and of the fine-tuned model. Grey: mean over random directions of the same length. Error bars: 95 % \
             bootstrap over clusters. Rates and ranks are in the table `steered`.",
            summary.organism()
        ),
        x: Axis::linear("condition"),
        y: Axis::linear("mean alignment").range(0.0, 100.0),
        plot: Plot::Bars {
            groups: conditions.iter().map(|(label, _)| label.clone()).collect(),
            series: vec![
                Bars {
                    label: "alignment".to_owned(),
                    values: of("alignment"),
                    low: of("alignment_low"),
                    high: of("alignment_high"),
                    control: false,
                },
                Bars {
                    label: "random direction".to_owned(),
                    values: of("random_alignment"),
                    control: true,
                    ..Bars::default()
                },
            ],
        },
    })
}

/// Whether there is something to draw.
fn drawable(figure: &Figure) -> bool {
    let some = |values: &[f64]| values.iter().any(|value| value.is_finite());
    match &figure.plot {
        Plot::Lines(lines) => lines.iter().any(|line| some(&line.y)),
        Plot::Points(clouds) => clouds.iter().any(|cloud| some(&cloud.x)),
        Plot::Bars { groups, series } => !groups.is_empty() && series.iter().any(|bars| some(&bars.values)),
        Plot::Heatmap { values, .. } => values.iter().any(|row| some(row)),
    }
}
