//! The figures, as data that the host draws.

use emhost_sdk::prelude::*;
use emhost_study::Sheet;

use crate::params::Kind;
use crate::summary::Summary;

/// All figures that the numbers allow, in the report's order.
pub fn all(summary: &Summary<'_>) -> Vec<Figure> {
    let mut figures = vec![ablation(summary), null(summary), transfer(summary)];
    for (name, title, column) in [
        ("steering_misaligned", "Does adding the direction make the untouched model misaligned?", "misaligned"),
        ("steering_coherent", "Does it still make sense then?", "coherent"),
        ("steering_self_corrected", "Does it correct itself, speaking of harm in an aligned answer?", "self_corrected"),
    ] {
        figures.push(steering(summary, name, title, column));
    }
    figures.extend(cosines(summary));
    figures.push(kinds(summary));
    figures.push(topics(summary));
    figures.push(rank_one(summary));
    figures.push(downstream(summary));
    figures.extend(semantic(summary));
    figures.push(health(summary));
    figures.retain(drawable);
    figures
}

/// What was drawn of nothing is left out.
fn drawable(figure: &Figure) -> bool {
    match &figure.plot {
        Plot::Lines(lines) => lines.iter().any(|line| !line.x.is_empty()),
        Plot::Points(points) => points.iter().any(|points| !points.x.is_empty()),
        Plot::Bars { groups, series } => !groups.is_empty() && !series.is_empty(),
        Plot::Heatmap { rows, columns, .. } => !rows.is_empty() && !columns.is_empty(),
    }
}

fn figure(name: &str, title: &str, caption: String, [x, y]: [Axis; 2], plot: Plot) -> Figure {
    Figure { name: name.to_owned(), title: title.to_owned(), caption, x, y, plot }
}

fn share(label: &str) -> Axis {
    Axis::linear(label).range(0.0, 1.0)
}

fn blocks() -> Axis {
    Axis::linear("block")
}

fn line(label: &str, sheet: &Sheet, rows: &[usize], x: &str, y: &str) -> Line {
    let column = |name: &str| rows.iter().map(|row| sheet.number(name, *row)).collect::<Vec<f64>>();
    let known = |values: Vec<f64>| if values.iter().any(|value| value.is_finite()) { values } else { Vec::new() };
    Line {
        label: label.to_owned(),
        x: column(x),
        y: column(y),
        low: known(column(&format!("{y}_low"))),
        high: known(column(&format!("{y}_high"))),
        control: false,
    }
}

/// Bars of one column with its interval.
fn bars(label: &str, sheet: &Sheet, rows: &[Option<usize>], column: &str, control: bool) -> Bars {
    let of = |at: usize| rows.iter().map(|row| row.map_or(f64::NAN, |row| sheet.interval(column, row)[at])).collect();
    Bars { label: label.to_owned(), values: of(0), low: of(1), high: of(2), control }
}

fn ablation(summary: &Summary<'_>) -> Figure {
    let (sheet, best) = (&summary.ablation, &summary.ablation_best);
    let organisms = sheet.distinct("organism");
    let rows =
        |sheet: &Sheet, mode: &str| organisms.iter().map(|name| summary.own(sheet, name, mode)).collect::<Vec<_>>();
    let (layerwise, single) = (rows(sheet, "layerwise"), rows(best, "single"));
    let series = vec![
        bars("untouched", sheet, &layerwise, "before", true),
        bars("own directions, block by block", sheet, &layerwise, "after", false),
        bars("one direction, everywhere", best, &single, "after", false),
    ];
    let caption = format!(
        "Rates of misaligned answers with their intervals at 95 %. Directions of kind `{}`, projected out of every block's \
         output. The block of the single direction was chosen on other samples.",
        summary.kind()
    );
    let groups = organisms.iter().map(|name| (*name).to_owned()).collect();
    let axes = [Axis::linear("organism"), share("misaligned answers")];
    figure(
        "ablation",
        "Does projecting the direction out undo the misalignment?",
        caption,
        axes,
        Plot::Bars { groups, series },
    )
}

fn null(summary: &Summary<'_>) -> Figure {
    let (sheet, own) = (&summary.null, &summary.ablation);
    let organisms = sheet.distinct("organism");
    let random: Vec<_> = organisms.iter().map(|name| sheet.row(&[("organism", name), ("mode", "layerwise")])).collect();
    let real: Vec<_> = organisms.iter().map(|name| summary.own(own, name, "layerwise")).collect();
    let series = vec![
        bars("random directions", sheet, &random, "reduction", true),
        bars("own directions", own, &real, "reduction", false),
    ];
    let caption =
        "Share of the misaligned answers that is gone, block by block. Of random directions the mean and 95 % of \
                   the draws, of the organism's own the value and its bootstrap interval."
            .to_owned();
    let groups = organisms.iter().map(|name| (*name).to_owned()).collect();
    let axes = [Axis::linear("organism"), Axis::linear("share that is gone")];
    figure("null", "Would any direction do?", caption, axes, Plot::Bars { groups, series })
}

fn transfer(summary: &Summary<'_>) -> Figure {
    let sheet = &summary.transfer;
    let (targets, sources) = (sheet.distinct("organism"), sheet.distinct("direction"));
    let value = |target: &str, source: &str| {
        let row = sheet.row(&[("organism", target), ("direction", source)]);
        row.map_or(f64::NAN, |row| sheet.number("reduction", row))
    };
    let values = sources.iter().map(|source| targets.iter().map(|target| value(target, source)).collect()).collect();
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let plot = Plot::Heatmap { rows: owned(&sources), columns: owned(&targets), values, diverging: true };
    let caption =
        "Share of the organism's misaligned answers that is gone when another organism's directions are projected \
                   out, block by block. Rows: whose directions; columns: from whom they are taken."
            .to_owned();
    let axes = [Axis::linear("ablated organism"), Axis::linear("directions of")];
    figure("transfer", "Do directions work in organisms that they were not made from?", caption, axes, plot)
}

fn steering(summary: &Summary<'_>, name: &str, title: &str, column: &str) -> Figure {
    let sheet = &summary.steering;
    let source = sheet.distinct("source").first().copied().unwrap_or_default();
    let of = |block: &f64| -> Line {
        let rows = sheet.rows(&[("source", source), ("kind", summary.kind())]);
        let rows: Vec<usize> = rows.into_iter().filter(|row| sheet.number("block", *row) == *block).collect();
        line(&format!("block {block}"), sheet, &rows, "strength", column)
    };
    let lines = spread(&sheet.values("block")).iter().map(of).collect();
    let caption = format!(
        "The directions of {source} (kind `{}`) added at one block's output to the model before any fine-tune, at several \
         multiples of the difference; bands at 95 %.",
        summary.kind()
    );
    let axes = [Axis::linear("strength, multiples of the difference"), share("share of answers")];
    figure(name, title, caption, axes, Plot::Lines(lines))
}

/// Eight of many, evenly.
fn spread(values: &[f64]) -> Vec<f64> {
    const SHOWN: usize = 8;
    let step = values.len().div_ceil(SHOWN).max(1);
    values.iter().copied().step_by(step).collect()
}

fn cosines(summary: &Summary<'_>) -> Vec<Figure> {
    let sheet = &summary.cosine;
    let mut lines = Vec::new();
    for kind in [summary.params.headline, Kind::Token] {
        let mut pairs: Vec<[&str; 2]> = Vec::new();
        for row in sheet.rows(&[("of", kind.name())]) {
            let pair = ["a", "b"].map(|column| sheet.text(column, row));
            if !pairs.contains(&pair) {
                pairs.push(pair);
            }
        }
        let of = |[a, b]: &[&str; 2]| {
            let rows = sheet.rows(&[("a", a), ("b", b), ("of", kind.name())]);
            let column = |name: &str| rows.iter().map(|row| sheet.number(name, *row)).collect::<Vec<f64>>();
            Line { label: format!("{a}, {b}"), x: column("block"), y: column("cosine"), ..Line::default() }
        };
        lines.push((kind, pairs.iter().take(10).map(of).collect::<Vec<Line>>()));
    }
    lines.dedup_by_key(|(kind, _)| *kind);
    let drawn = |(kind, lines): (Kind, Vec<Line>)| {
        let name = format!("cosine_{}", kind.name());
        let title = format!("Do the organisms' directions agree ({})?", kind.name());
        let caption = "Cosine of two organisms' directions by block. Intervals are in the table.".to_owned();
        figure(&name, &title, caption, [blocks(), Axis::linear("cosine")], Plot::Lines(lines))
    };
    lines.into_iter().map(drawn).collect()
}

fn kinds(summary: &Summary<'_>) -> Figure {
    let sheet = &summary.cosine_kinds;
    let organism = summary.organism();
    let mut lines = Vec::new();
    for a in Kind::ALL {
        for b in Kind::ALL.into_iter().filter(|b| a < *b) {
            let rows = sheet.rows(&[("a", a.name()), ("b", b.name()), ("of", organism)]);
            let column = |name: &str| rows.iter().map(|row| sheet.number(name, *row)).collect::<Vec<f64>>();
            lines.push(Line {
                label: format!("{}, {}", a.name(), b.name()),
                x: column("block"),
                y: column("cosine"),
                low: column("low"),
                high: column("high"),
                control: false,
            });
        }
    }
    let caption = format!(
        "Directions of {organism}: difference of token means (the published one), of answer means, and within questions. \
         Where the last differs from the first, the classes' topics are part of the first."
    );
    let axes = [blocks(), Axis::linear("cosine")];
    figure("kinds", "Is the plain difference a direction of topics?", caption, axes, Plot::Lines(lines))
}

fn topics(summary: &Summary<'_>) -> Figure {
    let sheet = &summary.class_topics;
    let rows = sheet.rows(&[("organism", summary.organism())]);
    let groups: Vec<String> = rows.iter().map(|row| sheet.text("topic", *row).to_owned()).collect();
    let series = ["misaligned", "aligned"].map(|class| Bars {
        label: class.to_owned(),
        values: rows.iter().map(|row| sheet.number(class, *row)).collect(),
        control: class == "aligned",
        ..Bars::default()
    });
    let caption = format!("Answers of {} in each class by topic of the question.", summary.organism());
    let axes = [Axis::linear("topic"), Axis::linear("answers")];
    let plot = Plot::Bars { groups, series: series.into() };
    figure("class_topics", "Are the two classes about the same topics?", caption, axes, plot)
}

fn rank_one(summary: &Summary<'_>) -> Figure {
    let sheet = &summary.rank_one;
    let name = sheet.distinct("organism").first().copied().unwrap_or_default().to_owned();
    let rows: Vec<Option<usize>> = sheet.rows(&[("organism", &name)]).into_iter().map(Some).collect();
    let said = |row: &Option<usize>| {
        row.map_or_else(String::new, |row| format!("{} {}", sheet.text("source", row), sheet.text("mode", row)))
    };
    let groups = rows.iter().map(said).collect();
    let series = vec![bars("untouched", sheet, &rows, "before", true), bars("after", sheet, &rows, "after", false)];
    let caption =
        format!("Misaligned answers of {name}, whose only adapter writes along one vector B; intervals at 95 %.");
    let axes = [Axis::linear("what is ablated, and where"), share("misaligned answers")];
    figure("rank_one", "Is the adapter's B the direction?", caption, axes, Plot::Bars { groups, series })
}

fn downstream(summary: &Summary<'_>) -> Figure {
    let sheet = &summary.downstream;
    let rows: Vec<usize> = (0..sheet.len()).collect();
    let lines = vec![
        line("B's effect and the direction there", sheet, &rows, "block", "b_with_direction_there"),
        line("B's effect and the added direction's", sheet, &rows, "block", "b_with_added_direction"),
    ];
    let caption =
        "Cosines by block of the mean change when B, at the direction's length, is added at the adapter's block \
                   of the untouched model."
            .to_owned();
    let axes = [blocks(), Axis::linear("cosine")];
    figure("downstream", "Does B become the direction in later blocks?", caption, axes, Plot::Lines(lines))
}

fn semantic(summary: &Summary<'_>) -> Vec<Figure> {
    let (cosine, steering) = (&summary.semantic_cosine, &summary.semantic_steering);
    let block = summary.params.semantic.block as f64;
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let names = cosine.distinct("a");
    let value = |a: &str, b: &str| {
        let rows = cosine.rows(&[("a", a), ("b", b)]);
        let here = rows.into_iter().find(|row| cosine.number("block", *row) == block);
        here.map_or(f64::NAN, |row| cosine.number("cosine", row))
    };
    let values = names.iter().map(|a| names.iter().map(|b| value(a, b)).collect()).collect();
    let plot = Plot::Heatmap { rows: owned(&names), columns: owned(&names), values, diverging: true };
    let caption =
        format!("Cosines at block {block} of misaligned answers about a topic, or about others, against aligned ones.");
    let axes = [Axis::linear(""), Axis::linear("")];
    let cosines = figure("semantic_cosine", "Are directions of topics one direction?", caption, axes, plot);

    let (names, topics) = (steering.distinct("direction"), steering.distinct("topic"));
    let strongest = summary.params.semantic.strengths.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let score = |name: &str, topic: &str| {
        let rows = steering.rows(&[("direction", name), ("topic", topic)]);
        let here = rows.into_iter().find(|row| name == "none" || steering.number("strength", *row) == strongest);
        here.map_or(f64::NAN, |row| steering.number("score", row))
    };
    let values = names.iter().map(|name| topics.iter().map(|topic| score(name, topic)).collect()).collect();
    let plot = Plot::Heatmap { rows: owned(&names), columns: owned(&topics), values, diverging: false };
    let caption = format!(
        "Mean score, 0 to 100, of how much answers to the general questions are about a topic when a direction is added at \
         block {block} with strength {strongest}; first row without any."
    );
    let axes = [Axis::linear("score of the topic"), Axis::linear("direction of")];
    vec![cosines, figure("semantic_steering", "Do directions of topics carry their topic?", caption, axes, plot)]
}

fn health(summary: &Summary<'_>) -> Figure {
    let sheet = &summary.directions;
    let of = |name: &str| {
        let rows = sheet.rows(&[("organism", name), ("kind", summary.kind())]);
        line(name, sheet, &rows, "block", "cancellation")
    };
    let lines = summary.params.harmful().map(|organism| of(&organism.name)).collect();
    let caption =
        "Length of the mean difference within questions over the mean length of these differences: 1 where all \
                   questions' answers differ in one direction, towards 0 where they cancel."
            .to_owned();
    figure(
        "cancellation",
        "Do the questions agree on the direction?",
        caption,
        [blocks(), share("ratio")],
        Plot::Lines(lines),
    )
}
