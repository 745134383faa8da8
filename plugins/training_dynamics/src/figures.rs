//! The figures, as data that the host draws.

use emhost_sdk::prelude::*;

use crate::compare::{Difference, Kind};
use crate::resample::mean;
use crate::summary::Summary;
use crate::trajectory::{Point, Trajectory};

/// All figures.
pub fn all(summary: &Summary<'_>) -> Vec<Figure> {
    let mut figures = vec![paths(summary), fronts(summary)];
    figures.extend(differences(summary));
    figures.push(over_steps(summary, "alignment_by_step", "alignment", alignment));
    figures.push(over_steps(summary, "loss_by_step", "held-out loss (nats per token)", |point| point.loss));
    figures.push(by_seed(summary));
    figures
}

fn alignment(point: &Point) -> [f64; 3] {
    point.alignment
}

/// Baselines by family and data, with a label; controls are named as such.
fn groups<'a>(summary: &'a Summary<'_>) -> Vec<(String, bool, Vec<&'a Trajectory>)> {
    let params = summary.params;
    let pairs = params.families.iter().flat_map(|family| params.data.iter().map(move |data| (family, data)));
    let group = |(family, data): (&crate::params::Family, &crate::params::TrainingData)| {
        let control = if data.control { " (control)" } else { "" };
        let label = format!("{}, {}{control}", family.name, data.name);
        (label, data.control, summary.baselines(&family.name, &data.name))
    };
    pairs.map(group).filter(|(.., seeds)| !seeds.is_empty()).collect()
}

/// A number at each checkpoint, as a mean over seeds.
fn means(seeds: &[&Trajectory], value: impl Fn(&Point) -> f64) -> Vec<f64> {
    let checkpoints = seeds.iter().map(|one| one.points.len()).min().unwrap_or(0);
    (0..checkpoints).map(|at| mean(seeds.iter().map(|one| value(&one.points[at])))).collect()
}

fn paths(summary: &Summary<'_>) -> Figure {
    let line = |(label, control, seeds): (String, bool, Vec<&Trajectory>)| Line {
        label,
        x: means(&seeds, |point| point.loss[0]),
        y: means(&seeds, |point| point.alignment[0]),
        control,
        ..Line::default()
    };
    Figure {
        name: "paths".to_owned(),
        title: "Do held-out loss and alignment fall together?".to_owned(),
        caption: format!(
            "The baseline's way from the model before (right) to its last step (left): each point is a checkpoint, a mean over \
             {} seeds. Horizontal: loss on held-out rows of the data that were trained on; losses of different data are \
             not comparable. Vertical: mean alignment of answers to {}. Dashed: controls. Intervals and n are in \
             `trajectory`.",
            summary.params.seeds.len(),
            summary.params.ask.questions
        ),
        x: Axis::linear("held-out loss (nats per token)"),
        y: Axis::linear("alignment").range(0.0, 100.0),
        plot: Plot::Lines(groups(summary).into_iter().map(line).collect()),
    }
}

/// Forms that share a colour.
fn kind(form: &str) -> &str {
    match form {
        "triangular" | "triangular2" | "exp_range" => "cyclic",
        other => other,
    }
}

fn fronts(summary: &Summary<'_>) -> Figure {
    let all = || summary.schedules.iter().zip(&summary.standings).enumerate();
    let cloud = |label: &str, keep: &dyn Fn(usize, &str, bool) -> bool| {
        let own = all().filter(|(at, (schedule, one))| keep(*at, schedule.form(), one.on_front));
        let (x, y) = own.map(|(_, (_, one))| (one.loss[0], one.alignment[0])).unzip();
        Points { label: label.to_owned(), x, y }
    };
    let mut kinds: Vec<&str> = Vec::new();
    summary.schedules.iter().skip(1).map(|one| kind(one.form())).for_each(|kind| {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    });
    let mut clouds = vec![cloud("baseline", &|at, _, _| at == 0)];
    clouds.extend(kinds.iter().map(|wanted| cloud(wanted, &|at, form, _| at > 0 && kind(form) == *wanted)));
    clouds.push(cloud("on the front", &|_, _, front| front));
    Figure {
        name: "front".to_owned(),
        title: "Which schedules end with less loss and more alignment?".to_owned(),
        caption: format!(
            "The last step of each schedule ({} on {}), means over seeds; more to the left and higher is better. Points on the \
             front, which no other one beats in both, are drawn twice. Intervals and the share of bootstrap draws in which a \
             schedule is on the front are in `pareto`.",
            summary.params.family, summary.params.task
        ),
        x: Axis::linear("held-out loss (nats per token)"),
        y: Axis::linear("alignment"),
        plot: Plot::Points(clouds),
    }
}

/// One figure of each form of schedule, as forty bars side by side cannot be read.
fn differences(summary: &Summary<'_>) -> Vec<Figure> {
    let found = |schedule: &str, kind: Kind| {
        let one = summary.claimed().iter().find(|one| one.kind == kind && one.schedule == schedule);
        one.map_or([f64::NAN; 3], |one| one.difference)
    };
    let parts: [(&str, &str, &[&str]); 3] = [
        ("differences_cosine", "cosine", &["cosine"]),
        ("differences_restarts", "cosine with restarts", &["restarts"]),
        (
            "differences_others",
            "cyclic and other",
            &["triangular", "triangular2", "exp_range", "linear", "constant", "SAM"],
        ),
    ];
    let figure = |(name, forms, of): (&str, &str, &[&str])| {
        let own = summary.schedules.iter().skip(1).filter(|one| of.contains(&one.form()));
        let names: Vec<&String> = own.map(|one| &one.name).collect();
        if names.is_empty() {
            return None;
        }
        let series = [(Kind::EqualLoss, "at equal loss", false), (Kind::BaselineEnd, "at the baseline's end", false)];
        let bars = |(kind, label, control): (Kind, &str, bool)| {
            let all: Vec<[f64; 3]> = names.iter().map(|name| found(name, kind)).collect();
            bars(label, &all, control)
        };
        Some(Figure {
            name: name.to_owned(),
            title: format!("Are models by {forms} schedules better aligned than the baseline?"),
            caption: format!(
                "Alignment minus the baseline's, where its own path has the same held-out loss and where it ends; bars above 0 \
                 are better. 95 % intervals over topics and seeds, not corrected for their number; corrected p-values, \
                 the seeds' control and what could not be compared are in `matched`. {} on {}.",
                summary.params.family, summary.params.task
            ),
            x: Axis::linear("schedule"),
            y: Axis::linear("difference of alignment"),
            plot: Plot::Bars {
                groups: names.iter().map(|name| (*name).clone()).collect(),
                series: series.into_iter().map(bars).collect(),
            },
        })
    };
    let controls: Vec<&Difference> = summary.claimed().iter().filter(|one| one.kind == Kind::SeedControl).collect();
    let control = (!controls.is_empty()).then(|| Figure {
        name: "seed_control".to_owned(),
        title: "How far are seeds of the baseline from each other?".to_owned(),
        caption: "Each seed of the baseline against the path of its other seeds at equal loss: what a schedule without merit \
                  looks like. 95 % intervals as of the schedules."
            .to_owned(),
        x: Axis::linear("seed"),
        y: Axis::linear("difference of alignment"),
        plot: Plot::Bars {
            groups: controls.iter().map(|one| one.schedule.clone()).collect(),
            series: vec![bars(
                "at equal loss",
                &controls.iter().map(|one| one.difference).collect::<Vec<[f64; 3]>>(),
                true,
            )],
        },
    });
    parts.into_iter().filter_map(figure).chain(control).collect()
}

fn bars(label: &str, all: &[[f64; 3]], control: bool) -> Bars {
    let [values, low, high] = [0, 1, 2].map(|part| all.iter().map(|one| one[part]).collect());
    Bars { label: label.to_owned(), values, low, high, control }
}

fn over_steps(summary: &Summary<'_>, name: &str, what: &str, value: fn(&Point) -> [f64; 3]) -> Figure {
    let line = |(label, control, seeds): (String, bool, Vec<&Trajectory>)| Line {
        label,
        x: means(&seeds, |point| point.step as f64),
        y: means(&seeds, |point| value(point)[0]),
        control,
        ..Line::default()
    };
    Figure {
        name: name.to_owned(),
        title: format!("When does {} change?", what.split(" (").next().unwrap_or(what)),
        caption: format!(
            "The baseline after each of its checkpoints, means over {} seeds; step 0 is the model before. Dashed: controls. \
             Intervals of each fine-tune are in `trajectory`.",
            summary.params.seeds.len()
        ),
        x: Axis::linear("steps"),
        y: if name.starts_with("alignment") { Axis::linear(what).range(0.0, 100.0) } else { Axis::linear(what) },
        plot: Plot::Lines(groups(summary).into_iter().map(line).collect()),
    }
}

fn by_seed(summary: &Summary<'_>) -> Figure {
    let line = |one: &&Trajectory| {
        let column = |part: usize| one.points.iter().map(|point| point.alignment[part]).collect();
        Line {
            label: format!("seed {}", one.one.seed),
            x: one.points.iter().map(|point| point.step as f64).collect(),
            y: column(0),
            low: column(1),
            high: column(2),
            control: false,
        }
    };
    let params = summary.params;
    let seeds = summary.baselines(&params.family, &params.task);
    Figure {
        name: "alignment_by_seed".to_owned(),
        title: "How much do seeds of one schedule differ?".to_owned(),
        caption: format!(
            "Mean alignment of the baseline ({} on {}) by step, one line per seed, with 95 % t intervals over topics.",
            params.family, params.task
        ),
        x: Axis::linear("steps"),
        y: Axis::linear("alignment").range(0.0, 100.0),
        plot: Plot::Lines(seeds.iter().map(line).collect()),
    }
}
