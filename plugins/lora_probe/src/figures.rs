//! The figures, as data that the host draws.

use emhost_sdk::prelude::*;

use crate::contrast::CONTRASTS;
use crate::params::{GENERAL, IN_DOMAIN};
use crate::patching;
use crate::probing::token_sets;
use crate::scaling::UNSCALED;
use crate::summary::{Found, Summary};
use crate::tables::tokens_name;

/// All figures that the numbers allow, in the report's order.
pub fn all(summary: &Summary<'_>) -> Vec<Figure> {
    let sets = token_sets(summary.params).iter().map(|&set| tokens_name(set));
    let mut figures: Vec<Figure> =
        sets.flat_map(|set| [accuracy(summary, set), coefficients(summary, set)]).flatten().collect();
    figures.extend([scaling(summary), patches(summary)].into_iter().flatten());
    figures
}

fn accuracy(summary: &Summary<'_>, tokens: &str) -> Option<Figure> {
    let series = |label: &str, split: &str, value: &str, ends: [&str; 2], control: bool| {
        let rows = CONTRASTS.map(|contrast| summary.probe(contrast.name, split, tokens));
        let of = |column: &str| rows.iter().map(|row| row.map_or(f64::NAN, |row| row.number(column))).collect();
        Bars { label: label.to_owned(), values: of(value), low: of(ends[0]), high: of(ends[1]), control }
    };
    let permuted = ["permuted_low", "permuted_high"];
    let series = vec![
        series("split over tokens (leaky)", "token", "accuracy", ["low", "high"], false),
        series("split over groups", "group", "accuracy", ["low", "high"], false),
        series("permuted, split over tokens", "token", "permuted", permuted, true),
        series("permuted, split over groups", "group", "permuted", permuted, true),
    ];
    if series[1].values.iter().chain(&series[0].values).all(|value| value.is_nan()) {
        return None;
    }
    Some(Figure {
        name: format!("accuracy_{tokens}"),
        title: format!("How well do the scalars tell the bins apart ({tokens} tokens)?"),
        caption: "Mean accuracy of probes on the scalars of all adapters; balanced classes, chance 0.5. Error bars of \
                  the probes: corrected resampled t, 95 %. Grey: labels permuted over answers, central 95 % of permutations. No \
                  bar: too few tokens or answers in a bin."
            .to_owned(),
        x: Axis::linear("contrast"),
        y: Axis::linear("accuracy on test tokens").range(0.4, 1.0),
        plot: Plot::Bars { groups: CONTRASTS.map(|contrast| contrast.name.to_owned()).into(), series },
    })
}

fn coefficients(summary: &Summary<'_>, tokens: &str) -> Option<Figure> {
    let here: Vec<&Found> =
        summary.rows("coefficients").iter().filter(|row| row.is(&[("split", "group"), ("tokens", tokens)])).collect();
    let sites: Vec<&str> =
        here.iter().filter(|row| row.text("contrast") == CONTRASTS[0].name).map(|row| row.text("site")).collect();
    let value = |contrast: &str, site: &str| {
        let row = here.iter().find(|row| row.is(&[("contrast", contrast), ("site", site)]));
        row.map_or(f64::NAN, |row| row.number("coefficient"))
    };
    let values: Vec<Vec<f64>> =
        CONTRASTS.iter().map(|contrast| sites.iter().map(|site| value(contrast.name, site)).collect()).collect();
    if values.iter().flatten().all(|value| value.is_nan()) {
        return None;
    }
    Some(Figure {
        name: format!("coefficients_{tokens}"),
        title: format!("Which adapter tells what ({tokens} tokens)?"),
        caption: "Mean coefficient of L1 logistic probes on the scalars of all adapters, split over groups, in log odds per \
                  standard deviation; positive speaks for misaligned (alignment) or in the domain (domain). The table has \
                  intervals and how often the sign holds."
            .to_owned(),
        x: Axis::linear("adapter"),
        y: Axis::linear("contrast"),
        plot: Plot::Heatmap {
            rows: CONTRASTS.map(|contrast| contrast.name.to_owned()).into(),
            columns: sites.iter().map(|site| (*site).to_owned()).collect(),
            values,
            diverging: true,
        },
    })
}

fn scaling(summary: &Summary<'_>) -> Option<Figure> {
    let rows = summary.rows("scaling");
    let first =
        |row: &&Found| row.is(&[("bank", GENERAL), ("outcome", "misaligned")]) && row.number("available") == 1.0;
    let conditions: Vec<&Found> = rows.iter().filter(first).collect();
    if conditions.is_empty() {
        return None;
    }
    let name = |row: &Found| match row.number("dose") {
        dose if dose > 0.0 => format!("{} {dose}", row.text("regime")),
        _ => row.text("regime").to_owned(),
    };
    let bars = |bank: &str, outcome: &str, control: bool| {
        let mut bars = Bars { label: format!("{outcome}, {bank}"), control, ..Bars::default() };
        for condition in &conditions {
            let here = [("regime", condition.text("regime")), ("bank", bank), ("outcome", outcome)];
            let dose = condition.number("dose").to_bits();
            let row = rows.iter().find(|row| row.is(&here) && row.number("dose").to_bits() == dose);
            let value = |column: &str| row.map_or(f64::NAN, |row| row.number(column));
            bars.values.push(value("rate"));
            bars.low.push(value("low"));
            bars.high.push(value("high"));
        }
        bars
    };
    Some(Figure {
        name: "scaling".to_owned(),
        title: "What do answers become when adapters are multiplied?".to_owned(),
        caption: format!(
            "Share of all answers with its 95 % interval; the number behind a regime is the dose, the share of the way from \
             factor 1 to the regime's factors. `{UNSCALED}` is the organism as it is. An answer counts as misaligned or \
             aligned only where it is coherent."
        ),
        x: Axis::linear("regime and dose"),
        y: Axis::linear("share of answers").range(0.0, 1.0),
        plot: Plot::Bars {
            groups: conditions.iter().map(|row| name(row)).collect(),
            series: vec![
                bars(GENERAL, "misaligned", false),
                bars(IN_DOMAIN, "misaligned", false),
                bars(GENERAL, "coherent", true),
                bars(IN_DOMAIN, "coherent", true),
            ],
        },
    })
}

fn patches(summary: &Summary<'_>) -> Option<Figure> {
    let rows: Vec<&Found> = summary.rows("patching").iter().filter(|row| row.number("change").is_finite()).collect();
    if rows.is_empty() {
        return None;
    }
    let cloud = |kind: &str, label: &str| {
        let of = |column: &str| {
            rows.iter().filter(|row| row.text("source_bank") == kind).map(|row| row.number(column)).collect()
        };
        Points { label: label.to_owned(), x: of("unpatched"), y: of("change") }
    };
    Some(Figure {
        name: "patching".to_owned(),
        title: "Do the scalars of another prompt change how misaligned the answers are?".to_owned(),
        caption:
            "One point per question: share of misaligned answers as it is, and its change when the scalars of another \
                  prompt of equal length stand at every token of the prompt. Control: another general question."
                .to_owned(),
        x: Axis::linear("share misaligned, unpatched").range(0.0, 1.0),
        y: Axis::linear("change when patched"),
        plot: Plot::Points(vec![
            cloud(patching::DOMAIN, "from the domain"),
            cloud(patching::CONTROL, "from another general question (control)"),
        ]),
    })
}
