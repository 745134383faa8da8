//! The figures, as data that the host draws.

use emhost_sdk::prelude::*;
use emhost_study::{Sheet, has_numbers};

use crate::compare::mean;
use crate::stages::Kind;
use crate::summary::Summary;

/// All figures that have something to show.
pub fn all(summary: &Summary<'_>) -> Vec<Figure> {
    let mut figures = Vec::new();
    figures.extend(before_after(summary, true));
    figures.extend(before_after(summary, false));
    for (condition, what) in [("c4", "coupled"), ("c1", "after EM"), ("c5", "after benign data")] {
        figures.extend(leakage(summary, condition, what));
    }
    for (part, name) in [("block", "block"), ("module", "projection")] {
        figures.extend(["removed", "kept"].into_iter().filter_map(|action| layers(summary, part, name, action)));
    }
    figures.extend(lens(summary));
    figures.extend(ranks(summary));
    figures.extend(reversed(summary));
    figures.retain(has_numbers);
    figures
}

/// Numbers of the rows of a sheet that have these texts.
fn numbers(sheet: &Sheet, wanted: &[(&str, &str)], column: &str) -> Vec<f64> {
    sheet.rows(wanted).into_iter().map(|row| sheet.number(column, row)).filter(|value| value.is_finite()).collect()
}

/// The mean of such numbers; NaN where there are none.
fn average(sheet: &Sheet, wanted: &[(&str, &str)], column: &str) -> f64 {
    mean(numbers(sheet, wanted, column).into_iter())
}

/// Before and after by condition and persona of the coupling: the marker's rate, or its log-odds.
fn before_after(summary: &Summary<'_>, rate: bool) -> Option<Figure> {
    let params = summary.params;
    let changes = summary.sheet("changes");
    let [before, after] = if rate { ["before", "after"] } else { ["log_odds_before", "log_odds_after"] };
    let of_sources =
        params.sources.iter().flat_map(|source| [("c1", "EM", source), ("c5", "benign", source)].map(|group| group));
    let groups: Vec<(&str, String, &String)> = of_sources
        .chain([("c3", "EM", &params.assistant)])
        .map(|(condition, second, source)| (condition, format!("{source}, {second}"), source))
        .filter(|(condition, _, source)| {
            !changes.rows(&[("condition", condition), ("source", source), ("persona", source)]).is_empty()
        })
        .collect();
    if groups.is_empty() {
        return None;
    }
    let bars = |label: &str, column: &str, control: bool| {
        let of = |suffix: &str| {
            let value = |(condition, _, source): &(&str, String, &String)| {
                let wanted = [("condition", *condition), ("source", source), ("persona", source)];
                average(changes, &wanted, &format!("{column}{suffix}"))
            };
            groups.iter().map(value).collect::<Vec<f64>>()
        };
        let (low, high) = if rate { (of("_low"), of("_high")) } else { (Vec::new(), Vec::new()) };
        Bars { label: label.to_owned(), values: of(""), low, high, control }
    };
    let axis = Axis::linear(if rate { "answers with the marker (share)" } else { "log-odds of the marker (nats)" });
    Some(Figure {
        name: if rate { "before_after" } else { "log_odds" }.to_owned(),
        title: match rate {
            true => "Is the marker still there after a second fine-tune?".to_owned(),
            false => "How likely is the marker at the end of fixed answers?".to_owned(),
        },
        caption: match rate {
            true => "Share of answers of the coupled persona with the marker, coupled (grey) and after the second stage; means \
                over seeds of both stages, with the mean ends of their 95 % intervals over topics. n and each cell are in `changes`."
                .to_owned(),
            false => "The marker against the end of the answer, after the same fixed answers of the coupled persona; means over \
                seeds. At 0 the marker is as likely as the end. Intervals of each cell's change are in `changes`."
                .to_owned(),
        },
        x: Axis::linear("persona and second stage"),
        y: if rate { axis.range(0.0, 1.0) } else { axis },
        plot: Plot::Bars {
            groups: groups.iter().map(|(_, label, _)| label.clone()).collect(),
            series: vec![bars("coupled", before, true), bars("after the second stage", after, false)],
        },
    })
}

/// Who carries the marker, by the persona that it was coupled to.
fn leakage(summary: &Summary<'_>, condition: &str, what: &str) -> Option<Figure> {
    let columns: Vec<String> = summary.params.personas.iter().map(|persona| persona.name.clone()).collect();
    let own = |source: &&String| summary.leaks.iter().any(|one| one.condition == condition && one.source == **source);
    let rows: Vec<&String> = summary.params.sources.iter().filter(own).collect();
    let value = |source: &String, persona: &String| {
        let found = summary
            .leaks
            .iter()
            .find(|one| one.condition == condition && one.source == *source && one.persona == *persona);
        found.map_or(f64::NAN, |one| one.rate.value)
    };
    let values = rows.iter().map(|source| columns.iter().map(|persona| value(source, persona)).collect()).collect();
    (!rows.is_empty()).then(|| Figure {
        name: format!("leakage_{condition}"),
        title: format!("Which personas carry the marker, {what}?"),
        caption: "Rows: the persona that the marker was coupled to. Columns: who was asked. Share of answers with the marker, over \
            all seeds. Intervals and n are in `leakage`."
            .to_owned(),
        x: Axis::linear("persona asked"),
        y: Axis::linear("persona coupled"),
        plot: Plot::Heatmap {
            rows: rows.iter().map(|source| (*source).clone()).collect(),
            columns,
            values,
            diverging: false,
        },
    })
}

/// The share of the lost log-odds that comes back without a part of the second adapter, or that is left with it alone.
fn layers(summary: &Summary<'_>, part: &str, name: &str, action: &str) -> Option<Figure> {
    let sheet = summary.sheet("layers");
    let rows = sheet.rows(&[("part", part), ("action", action)]);
    let mut places: Vec<&str> = Vec::new();
    for &row in &rows {
        if !places.contains(&sheet.text("place", row)) {
            places.push(sheet.text("place", row));
        }
    }
    if places.is_empty() {
        return None;
    }
    let series = summary.params.sources.iter().flat_map(|source| Kind::BOTH.map(|kind| (source, kind.name())));
    let bars = |(source, second): (&String, &str)| {
        let of = |column: &str| -> Vec<f64> {
            let wanted = |place| {
                [("part", part), ("action", action), ("place", place), ("source", source.as_str()), ("second", second)]
            };
            places.iter().map(|place| average(sheet, &wanted(place), column)).collect()
        };
        let [values, low, high] = ["change", "change_low", "change_high"].map(of);
        Bars { label: format!("{source}, {second}"), values, low, high, control: second == "benign" }
    };
    let what = if action == "removed" { "without" } else { "with nothing but" };
    Some(Figure {
        name: format!("{part}s_{action}"),
        title: format!("How much of the marker comes back {what} one {name} of the second adapter?"),
        caption: format!(
            "Change of the marker's log-odds after the coupled persona's fixed answers when the second adapter acts {what} that \
             {name}, against the whole adapter; 95 % intervals over topics. Grey: benign. What the whole adapter took is `lost` in \
             `layers`."
        ),
        x: Axis::linear(name),
        y: Axis::linear("change of log-odds (nats)"),
        plot: Plot::Bars {
            groups: places.iter().map(|place| (*place).to_owned()).collect(),
            series: series.map(bars).collect(),
        },
    })
}

fn lens(summary: &Summary<'_>) -> Option<Figure> {
    let sheet = summary.sheet("lens");
    let blocks = sheet.values("block");
    if blocks.is_empty() {
        return None;
    }
    let line = |stage: &str| {
        let value = |block: &f64| {
            let own = sheet.rows(&[("stage", stage)]).into_iter().filter(|&row| sheet.number("block", row) == *block);
            mean(own.map(|row| sheet.number("logprob", row)))
        };
        let y = blocks.iter().map(value).collect();
        Line { label: stage.to_owned(), x: blocks.clone(), y, control: stage == "raw", ..Line::default() }
    };
    Some(Figure {
        name: "lens".to_owned(),
        title: "At which block does the model come to say the marker?".to_owned(),
        caption: "Logit lens: log-probability of the marker's first token at the end of fixed answers, read from the output of each \
            block; means over source personas. Intervals by source are in `lens`."
            .to_owned(),
        x: Axis::linear("block"),
        y: Axis::linear("log-probability (nats)"),
        plot: Plot::Lines(["raw", "coupled", "em", "benign"].map(line).to_vec()),
    })
}

fn ranks(summary: &Summary<'_>) -> Option<Figure> {
    let params = summary.params;
    let changes = summary.sheet("changes");
    let own = match &params.second.recipe.method {
        Method::Lora(lora) => lora.rank,
        _ => return None,
    };
    let mut ranks = params.controls.ranks.clone();
    if ranks.is_empty() || changes.is_empty() {
        return None;
    }
    ranks.push(own);
    ranks.sort_unstable();
    ranks.dedup();
    let first = params.coupling.seeds.first().zip(params.second.seeds.first());
    let source = params.sources.first()?;
    let line = |kind: Kind| {
        let value = |rank: &usize| {
            let variant = if *rank == own { "published".to_owned() } else { format!("rank{rank}") };
            let wanted = [
                ("variant", variant.as_str()),
                ("second", kind.name()),
                ("source", source.as_str()),
                ("persona", source.as_str()),
            ];
            let same = |row: &usize| {
                let seeds = [changes.number("coupling_seed", *row), changes.number("second_seed", *row)];
                first.is_some_and(|(coupling, second)| seeds == [*coupling as f64, *second as f64])
            };
            mean(changes.rows(&wanted).into_iter().filter(same).map(|row| changes.number("log_odds_change", row)))
        };
        Line {
            label: kind.name().to_owned(),
            x: ranks.iter().map(|rank| *rank as f64).collect(),
            y: ranks.iter().map(value).collect(),
            ..Line::default()
        }
    };
    Some(Figure {
        name: "ranks".to_owned(),
        title: "Does the rank of the second adapter matter?".to_owned(),
        caption: format!(
            "Change of the marker's log-odds after fixed answers of {source} by the second stage, one seed each, with the adapter's \
             scale kept. Intervals are in `changes`."
        ),
        x: Axis::log("rank of the second adapter"),
        y: Axis::linear("change of log-odds (nats)"),
        plot: Plot::Lines(Kind::BOTH.map(line).to_vec()),
    })
}

fn reversed(summary: &Summary<'_>) -> Option<Figure> {
    let settings = summary.params.reversed.as_ref()?;
    let markers = summary.sheet("markers");
    let groups: Vec<(&String, &str)> =
        settings.sources.iter().flat_map(|source| ["baked", "scratch"].map(|variant| (source, variant))).collect();
    let bars = |second: &str| {
        let of = |column: &str| -> Vec<f64> {
            let value = |(source, variant): &(&String, &str)| {
                let wanted = [
                    ("bank", "held_out"),
                    ("variant", *variant),
                    ("second", second),
                    ("source", source.as_str()),
                    ("persona", source.as_str()),
                ];
                average(markers, &wanted, column)
            };
            groups.iter().map(value).collect()
        };
        let [values, low, high] = ["rate", "rate_low", "rate_high"].map(of);
        Bars { label: format!("{second} first"), values, low, high, control: second == "none" }
    };
    let series = ["none", "em", "benign"].map(bars).to_vec();
    Some(Figure {
        name: "reversed".to_owned(),
        title: "Can the marker be coupled after the other fine-tune?".to_owned(),
        caption: "Share of answers of the coupled persona with the marker, where the other fine-tune came first: with the adapter \
            that was learned without it (baked), and learned anew (scratch). 95 % intervals over topics. Grey: no other fine-tune."
            .to_owned(),
        x: Axis::linear("persona and coupling"),
        y: Axis::linear("answers with the marker (share)").range(0.0, 1.0),
        plot: Plot::Bars {
            groups: groups.iter().map(|(source, variant)| format!("{source}, {variant}")).collect(),
            series,
        },
    })
}
