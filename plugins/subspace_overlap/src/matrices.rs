//! Heat maps: organism by bank, and site by bank.

use emhost_sdk::prelude::*;

use crate::params::Seen;
use crate::summary::Summary;
use crate::tables::Entry;

/// Organism by bank and view at the headline site.
pub fn by_organism(summary: &Summary<'_>) -> Vec<Figure> {
    let k = summary.params.headline_k;
    let fraction = format!("Mean fraction of the deltas in the first {k} directions of the organism's training deltas");
    vec![
        organisms(summary, "matrix_fraction", "Overlap by fine-tune and bank", &fraction, |row| row.fraction, false),
        organisms(
            summary,
            "matrix_cosine",
            "Mean-delta cosine by fine-tune and bank",
            "Cosine of the mean evaluation delta with the mean training delta",
            |row| row.mean_delta_cosine,
            true,
        ),
    ]
}

/// Site by bank and view of the study's organism.
pub fn by_site(summary: &Summary<'_>) -> Vec<Figure> {
    vec![
        sites(
            summary,
            "mean_delta_cosine",
            "Do evaluation prompts move in the mean direction of the training prompts?",
            "Cosine of the mean evaluation delta with the mean training delta",
            |summary, site, view, bank| summary.mean_delta(site, view, bank).map(|row| row.cosine),
        ),
        sites(
            summary,
            "prompt_overlap_pearson",
            "Do prompts that look like the training prompts move more like them?",
            "Pearson's r of prompt overlap and delta cosine",
            |summary, site, view, bank| summary.correlation(site, view, bank).map(|row| row.pearson),
        ),
    ]
}

fn organisms(
    summary: &Summary<'_>,
    name: &str,
    title: &str,
    what: &str,
    value: fn(&Entry) -> f64,
    diverging: bool,
) -> Figure {
    let mut columns: Vec<(Seen, &str)> = Vec::new();
    for organism in summary.organisms() {
        for bank in summary.banks(organism) {
            for &view in summary.views(organism) {
                if !columns.contains(&(view, bank)) {
                    columns.push((view, bank));
                }
            }
        }
    }
    let line = |organism: &&str| -> Vec<f64> {
        let at = |&(view, bank): &(Seen, &str)| summary.entry(organism, view, bank).map_or(f64::NAN, value);
        columns.iter().map(at).collect()
    };
    let rows = summary.organisms();
    Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        caption: format!(
            "{what}, each organism at its headline site. Intervals, controls and n are in the table `matrix`; a blank has \
             no value."
        ),
        x: Axis::linear("bank and view"),
        y: Axis::linear("organism"),
        plot: Plot::Heatmap {
            values: rows.iter().map(line).collect(),
            rows: rows.iter().map(|&row| row.to_owned()).collect(),
            columns: columns.iter().map(|(view, bank)| label(*view, bank)).collect(),
            diverging,
        },
    }
}

fn sites(
    summary: &Summary<'_>,
    name: &str,
    title: &str,
    what: &str,
    value: fn(&Summary<'_>, &str, Seen, &str) -> Option<f64>,
) -> Figure {
    let organism = summary.organism();
    let views = summary.views(organism).iter();
    let pairs: Vec<(Seen, &str)> =
        views.flat_map(|&view| summary.banks(organism).into_iter().map(move |bank| (view, bank))).collect();
    let line = |site: &&str| -> Vec<f64> {
        pairs.iter().map(|&(view, bank)| value(summary, site, view, bank).unwrap_or(f64::NAN)).collect()
    };
    let rows = summary.sites(organism);
    Figure {
        name: name.to_owned(),
        title: title.to_owned(),
        caption: format!(
            "{what}, organism {organism}. Intervals and p-values are in the tables; a blank has no value."
        ),
        x: Axis::linear("bank and view"),
        y: Axis::linear("site"),
        plot: Plot::Heatmap {
            values: rows.iter().map(line).collect(),
            rows: rows.iter().map(|&row| row.to_owned()).collect(),
            columns: pairs.iter().map(|(view, bank)| label(*view, bank)).collect(),
            diverging: true,
        },
    }
}

fn label(view: Seen, bank: &str) -> String {
    format!("{bank}, {}", view.name())
}
