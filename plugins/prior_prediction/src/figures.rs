//! The figures, as data that the host draws.

use emhost_sdk::prelude::*;

use crate::check::{LENGTH, RANDOM, SEMANTIC, TOPIC, WORDS};
use crate::params::{Pooled, Projection};
use crate::splits::Cv;
use crate::summary::Summary;

/// Worse predictions than this are not drawn: they would hide all others.
const LOWEST: f64 = -1.0;
const LEFT_OUT: &str = "Values below -1, worse than the mean by its whole variance, are left out.";

/// All figures that the numbers allow, in the report's order.
pub fn all(summary: &Summary<'_>) -> Vec<Figure> {
    let mut figures = Vec::new();
    if summary.scores.is_empty() {
        return figures;
    }
    let organisms = summary.organisms();
    figures.extend(organisms.iter().map(|organism| sources(summary, organism)));
    if let Some(first) = organisms.first() {
        figures.extend(Cv::ALL.map(|cv| observed(summary, first, cv)));
        figures.push(features(summary, first));
        figures.push(models(summary, first));
        figures.extend(summary.params.before.iter().map(|before| places(summary, first, &before.name)));
    }
    figures.retain(drawable);
    figures
}

/// What was drawn of nothing is left out.
fn drawable(figure: &Figure) -> bool {
    // Bars of height 0 are those of models that predict the mean.
    let any = |values: &[f64]| values.iter().any(|value| value.is_finite() && *value != 0.0);
    match &figure.plot {
        Plot::Lines(lines) => lines.iter().any(|line| any(&line.y)),
        Plot::Points(points) => points.iter().any(|points| any(&points.y)),
        Plot::Bars { series, .. } => series.iter().any(|bars| any(&bars.values)),
        Plot::Heatmap { values, .. } => values.iter().any(|row| any(row)),
    }
}

/// File names have no other characters.
fn file(name: &str) -> String {
    name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn bars(label: &str, summary: &Summary<'_>, rows: &[Option<usize>], control: bool) -> Bars {
    let interval = |row: &Option<usize>| row.map_or([f64::NAN; 3], |row| summary.scores.interval("r2", row));
    let drawn = |row: &Option<usize>| {
        let [value, low, high] = interval(row);
        if value < LOWEST { [f64::NAN; 3] } else { [value, low.max(LOWEST), high] }
    };
    let of = |at: usize| rows.iter().map(|row| drawn(row)[at]).collect();
    Bars { label: label.to_owned(), values: of(0), low: of(1), high: of(2), control }
}

/// The model and where it looks, for captions.
fn place(summary: &Summary<'_>) -> String {
    let headline = &summary.params.headline;
    format!("Model `{}`, site `{}`, {}.", headline.model.name(), headline.site, headline.pooling.spoken())
}

/// What R² is, for captions.
const HOW: &str =
    "R² against the training folds' mean, 0 is no better than it. Error bars: 95 %, corrected resampled t over folds.";

fn sources(summary: &Summary<'_>, organism: &str) -> Figure {
    let mut names = summary.models();
    names.extend([RANDOM, WORDS, LENGTH, TOPIC]);
    if summary.params.semantic.is_some() {
        names.push(SEMANTIC);
    }
    let of = |cv: Cv| names.iter().map(|name| summary.headline(organism, name, cv)).collect::<Vec<_>>();
    let series = vec![
        bars("folds over topics", summary, &of(Cv::Grouped), false),
        bars("folds over questions", summary, &of(Cv::Plain), true),
    ];
    let projection = summary.params.headline.projection.name();
    Figure {
        name: format!("sources_{}", file(organism)),
        title: format!("What predicts the alignment of {organism}?"),
        caption: format!(
            "Activations as {projection} projections on principal components. {} {HOW} {LEFT_OUT}",
            place(summary)
        ),
        x: Axis::linear("source of the features"),
        y: Axis::linear("R²"),
        plot: Plot::Bars { groups: names.iter().map(|name| (*name).to_owned()).collect(), series },
    }
}

fn observed(summary: &Summary<'_>, organism: &str, cv: Cv) -> Figure {
    let sheet = &summary.predictions;
    let names: Vec<&str> = summary.params.before.iter().map(|before| before.name.as_str()).chain([WORDS]).collect();
    let points = |name: &&str| {
        let rows = sheet.rows(&[("organism", organism), ("bank", summary.bank()), ("source", name), ("cv", cv.name())]);
        let column = |column: &str| rows.iter().map(|row| sheet.number(column, *row)).collect();
        Points { label: (*name).to_owned(), x: column("predicted"), y: column("target") }
    };
    let over = match cv {
        Cv::Plain => "questions",
        Cv::Grouped => "topics",
    };
    Figure {
        name: format!("observed_{}_{}", cv.name(), file(organism)),
        title: format!("Predicted and observed alignment of {organism}, folds over {over}"),
        caption: format!(
            "A point is a question; predictions are means over rounds of folds. Target: {}. {}",
            summary.params.target.spoken(),
            place(summary)
        ),
        x: Axis::linear("predicted"),
        y: Axis::linear("observed"),
        plot: Plot::Points(names.iter().map(points).collect()),
    }
}

fn features(summary: &Summary<'_>, organism: &str) -> Figure {
    let model = summary.params.headline.model.name();
    let mut groups = Vec::new();
    let mut wanted: Vec<Vec<(&str, &str)>> = Vec::new();
    for projection in Projection::ALL {
        for (features, name) in [("pca", "principal components"), ("random", "random directions")] {
            groups.push(format!("{name}, {}", projection.name()));
            wanted.push(vec![("features", features), ("projection", projection.name())]);
        }
    }
    groups.push("activations".to_owned());
    wanted.push(vec![("features", "activations")]);
    let mut names = summary.models();
    names.push(RANDOM);
    let series = names.iter().map(|name| {
        let rows = wanted.iter().map(|wanted| {
            let base = [
                ("organism", organism),
                ("bank", summary.bank()),
                ("source", name),
                ("place", "headline"),
                ("model", &model),
                ("cv", Cv::Grouped.name()),
            ];
            // Of random directions those of the first seed.
            summary.scores.row(&[&base[..], wanted].concat())
        });
        bars(name, summary, &rows.collect::<Vec<_>>(), *name == RANDOM)
    });
    let series = series.collect();
    Figure {
        name: format!("features_{}", file(organism)),
        title: "Does it matter how activations become features?".to_owned(),
        caption: format!(
            "{organism}, folds over topics. Random directions: those of the first seed. {} {HOW} {LEFT_OUT}",
            place(summary)
        ),
        x: Axis::linear("features"),
        y: Axis::linear("R²"),
        plot: Plot::Bars { groups, series },
    }
}

fn models(summary: &Summary<'_>, organism: &str) -> Figure {
    let models = summary.params.fitted();
    let projection = summary.params.headline.projection.name();
    let mut names = summary.models();
    names.push(WORDS);
    let series = names.iter().map(|name| {
        let rows = models.iter().map(|model| {
            let model = model.name();
            let base = [
                ("organism", organism),
                ("bank", summary.bank()),
                ("source", name),
                ("place", "headline"),
                ("model", &model),
                ("cv", Cv::Grouped.name()),
            ];
            let with = |more: &[(&str, &str)]| summary.scores.row(&[&base[..], more].concat());
            with(&[("features", "given")]).or_else(|| with(&[("features", "pca"), ("projection", projection)]))
        });
        bars(name, summary, &rows.collect::<Vec<_>>(), *name == WORDS)
    });
    let series = series.collect();
    Figure {
        name: format!("models_{}", file(organism)),
        title: "Does it matter what is fitted?".to_owned(),
        caption: format!(
            "{organism}, folds over topics, {projection} projections on principal components, counts of words. {HOW} {LEFT_OUT}"
        ),
        x: Axis::linear("model"),
        y: Axis::linear("R²"),
        plot: Plot::Bars { groups: models.iter().map(|model| model.name()).collect(), series },
    }
}

fn places(summary: &Summary<'_>, organism: &str, source: &str) -> Figure {
    let (model, projection) = (summary.params.headline.model.name(), summary.params.headline.projection);
    let sheet = &summary.scores;
    let base = [
        ("organism", organism),
        ("bank", summary.bank()),
        ("source", source),
        ("features", "pca"),
        ("projection", projection.name()),
        ("model", &model),
        ("cv", Cv::Grouped.name()),
    ];
    let sites: Vec<String> = {
        let rows = sheet.rows(&base);
        let mut sites: Vec<&str> = Vec::new();
        for row in rows {
            let site = sheet.text("site", row);
            if !sites.contains(&site) {
                sites.push(site);
            }
        }
        sites.into_iter().map(str::to_owned).collect()
    };
    let poolings = &summary.params.poolings;
    let value = |site: &String, pooled: &Pooled| {
        let row = sheet.row(&[&base[..], &[("site", site), ("pooling", pooled.name())]].concat());
        row.map(|row| sheet.number("r2", row)).filter(|value| *value >= LOWEST).unwrap_or(f64::NAN)
    };
    let values = sites.iter().map(|site| poolings.iter().map(|pooled| value(site, pooled)).collect()).collect();
    Figure {
        name: format!("places_{}_{}", file(source), file(organism)),
        title: format!("Where in {source} is it?"),
        caption: format!(
            "R² of {organism} on topics that were not trained on, model `{model}`, {} projections. The headline's place was \
             fixed before the run; others are not corrected for their number. A completion mean is no prior information. {LEFT_OUT}",
            projection.name()
        ),
        x: Axis::linear("pooling"),
        y: Axis::linear("site"),
        plot: Plot::Heatmap {
            columns: poolings.iter().map(|pooled| pooled.spoken().to_owned()).collect(),
            rows: sites,
            values,
            diverging: true,
        },
    }
}
