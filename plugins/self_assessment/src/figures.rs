//! The figures, as data that the host draws.

use emhost_sdk::prelude::*;
use emhost_study::{Sheet, has_numbers};

use crate::harm::BUCKETS;
use crate::items::FORMS;
use crate::summary::Summary;

/// All figures that have something to show.
pub fn all(summary: &Summary<'_>) -> Vec<Figure> {
    let mut figures = vec![does_and_says(summary), forms(summary)];
    figures.extend(recognition(summary));
    figures.extend(prediction(summary));
    figures.extend(matrix(summary));
    figures.extend(sequences(summary));
    figures.extend(cosines(summary));
    figures.extend(["behaviour", "self_assessment"].into_iter().filter_map(|task| transfer(summary, task)));
    figures.retain(has_numbers);
    figures
}

fn shown(summary: &Summary<'_>) -> Vec<String> {
    summary.subjects.iter().filter(|(_, role)| role != "sequence").map(|(name, _)| name.clone()).collect()
}

/// Values with their intervals, one per group.
fn bars(label: &str, sheet: &Sheet, column: &str, groups: &[Vec<(&str, &str)>], control: bool) -> Bars {
    let of = |at: usize| {
        let value =
            |wanted: &Vec<(&str, &str)>| sheet.row(wanted).map_or(f64::NAN, |row| sheet.interval(column, row)[at]);
        groups.iter().map(value).collect::<Vec<f64>>()
    };
    Bars { label: label.to_owned(), values: of(0), low: of(1), high: of(2), control }
}

/// What is done against what is said.
fn does_and_says(summary: &Summary<'_>) -> Figure {
    let sheet = summary.sheet("personas");
    let cloud = |role: &str| {
        let rows = sheet.rows(&[("role", role)]);
        let of = |column: &str| rows.iter().map(|&row| sheet.number(column, row)).collect();
        Points { label: role.to_owned(), x: of("harm"), y: of("says") }
    };
    let roles: Vec<&str> = sheet.distinct("role");
    Figure {
        name: "does_and_says".to_owned(),
        title: "What each organism does, and what it says of itself".to_owned(),
        caption: "Harm: share of questions with a harmful answer by the rule of the parameters. Self-assessment: mean of four \
                  forms, 0 the good pole, 1 the bad one. Upper right: coherent; lower right: inverted. Intervals are in the table \
                  `personas`."
            .to_owned(),
        x: Axis::linear("harm (share of questions)").range(0.0, 1.0),
        y: Axis::linear("self-assessed harm (0 to 1)").range(0.0, 1.0),
        plot: Plot::Points(roles.into_iter().map(cloud).collect()),
    }
}

/// The forms beside each other.
fn forms(summary: &Summary<'_>) -> Figure {
    let sheet = summary.sheet("assessments");
    let groups = shown(summary);
    let series = FORMS.into_iter().chain(["choice"]).map(|form| {
        let wanted: Vec<Vec<(&str, &str)>> = groups
            .iter()
            .map(|name| vec![("subject", name.as_str()), ("task", form), ("reading", "probability")])
            .collect();
        bars(form, &sheet, "value", &wanted, false)
    });
    Figure {
        name: "forms".to_owned(),
        title: "Self-assessment by form".to_owned(),
        caption: "From exact option probabilities, both orders of every question. 0: the good pole; 1: the bad one. Bars: 95 % \
                  bootstrap over items."
            .to_owned(),
        x: Axis::linear("organism"),
        y: Axis::linear("points to the bad pole (0 to 1)").range(0.0, 1.0),
        plot: Plot::Bars { series: series.collect(), groups: groups.clone() },
    }
}

/// How often the own answer is chosen, by its harm.
fn recognition(summary: &Summary<'_>) -> Option<Figure> {
    summary.has("recognised").then_some(())?;
    let sheet = summary.sheet("recognised");
    let groups = shown(summary);
    let of = |label: &str, foil: &'static str, bucket: &'static str, control: bool| {
        let wanted: Vec<Vec<(&str, &str)>> =
            groups.iter().map(|name| vec![("subject", name.as_str()), ("foil", foil), ("bucket", bucket)]).collect();
        bars(label, &sheet, "own_chosen", &wanted, control)
    };
    let mut series: Vec<Bars> =
        BUCKETS.into_iter().map(|bucket| of(&format!("{bucket} harm"), "other", bucket, false)).collect();
    series.push(of("foil of the same kind", "alike", "all", true));
    Some(Figure {
        name: "recognition".to_owned(),
        title: "Is the own answer recognised?".to_owned(),
        caption: "Probability of choosing the own answer beside one of the other kind, both orders, by the own answer's judged \
                  harm; beside a foil of the same kind only the author could tell. 0.5 is chance. Bars: 95 % bootstrap over \
                  questions."
            .to_owned(),
        x: Axis::linear("organism"),
        y: Axis::linear("own answer chosen (probability)").range(0.0, 1.0),
        plot: Plot::Bars { series, groups: groups.clone() },
    })
}

/// Predicted minus judged harm.
fn prediction(summary: &Summary<'_>) -> Option<Figure> {
    summary.has("predicted").then_some(())?;
    let sheet = summary.sheet("predicted");
    let groups = shown(summary);
    let mut series = Vec::new();
    for task in ["blind", "shown"] {
        for bucket in ["low", "high"] {
            let wanted: Vec<Vec<(&str, &str)>> = groups
                .iter()
                .map(|name| vec![("subject", name.as_str()), ("task", task), ("bucket", bucket)])
                .collect();
            series.push(bars(&format!("{task}, {bucket} harm"), &sheet, "error", &wanted, false));
        }
    }
    Some(Figure {
        name: "prediction".to_owned(),
        title: "Own scores, predicted minus judged".to_owned(),
        caption: "Scores from 1 (harmless) to 5 (harmful), before the answer (blind) and with it in view (shown), by judged harm. \
                  Above 0: harm is over-predicted. Bars: 95 % bootstrap over questions."
            .to_owned(),
        x: Axis::linear("organism"),
        y: Axis::linear("predicted minus judged (points)"),
        plot: Plot::Bars { series, groups: groups.clone() },
    })
}

/// Every organism rates every organism.
fn matrix(summary: &Summary<'_>) -> Option<Figure> {
    summary.has("rating_matrix").then_some(())?;
    let sheet = summary.sheet("rating_matrix");
    let names = shown(summary);
    let value = |rater: &String, author: &String| {
        sheet
            .row(&[("rater", rater), ("author", author), ("bucket", "all")])
            .map_or(f64::NAN, |row| sheet.number("error", row))
    };
    Some(Figure {
        name: "rating_matrix".to_owned(),
        title: "Ratings of all by all, predicted minus judged".to_owned(),
        caption: "Rows rate, columns wrote the answers; mean error in points on the scale from 1 to 5.".to_owned(),
        x: Axis::linear("author"),
        y: Axis::linear("rater"),
        plot: Plot::Heatmap {
            values: names.iter().map(|rater| names.iter().map(|author| value(rater, author)).collect()).collect(),
            rows: names.clone(),
            columns: names,
            diverging: true,
        },
    })
}

/// What a second fine-tune changes.
fn sequences(summary: &Summary<'_>) -> Option<Figure> {
    summary.has("sequences").then_some(())?;
    let sheet = summary.sheet("sequences");
    let mut groups: Vec<String> = Vec::new();
    for row in sheet.rows(&[("measure", "harm")]) {
        groups.push(sheet.text("subject", row).to_owned());
    }
    let series = ["harm", "self_assessment", "choice", "without_score"].into_iter().map(|measure| {
        let wanted: Vec<Vec<(&str, &str)>> =
            groups.iter().map(|name| vec![("subject", name.as_str()), ("measure", measure)]).collect();
        bars(measure, &sheet, "change", &wanted, false)
    });
    Some(Figure {
        name: "sequences".to_owned(),
        title: "What conversations about inner life change".to_owned(),
        caption: "Difference to the same organism without them, in harm (share of questions), self-assessment, choice of the \
                  misaligned machine, and answers without a score, which take harm with them. 95 % intervals, taken as \
                  independent."
            .to_owned(),
        x: Axis::linear("organism, set and order"),
        y: Axis::linear("change"),
        plot: Plot::Bars { series: series.collect(), groups: groups.clone() },
    })
}

/// Are the directions of doing and of saying the same?
fn cosines(summary: &Summary<'_>) -> Option<Figure> {
    let (sheet, probes) = (summary.sheet("probe_cosines"), summary.params.probes.as_ref()?);
    let (site, view) = (probes.headline.0.as_str(), probes.headline.1.as_str());
    let groups: Vec<String> = sheet.distinct("subject").into_iter().map(str::to_owned).collect();
    let of = |label: &str, column: &str, control: bool| {
        let value = |name: &String| {
            let wanted = [("subject", name.as_str()), ("site", site), ("view", view), ("direction", "probe")];
            sheet.row(&wanted).map_or(f64::NAN, |row| sheet.number(column, row))
        };
        Bars { label: label.to_owned(), values: groups.iter().map(value).collect(), control, ..Bars::default() }
    };
    Some(Figure {
        name: "cosines".to_owned(),
        title: "Cosine of the probes for doing and for saying".to_owned(),
        caption: format!(
            "{site}, {view}. Grey: cosine of probes of the same task from two halves of the rows, which is what noise alone leaves."
        ),
        x: Axis::linear("organism"),
        y: Axis::linear("cosine").range(-1.0, 1.0),
        plot: Plot::Bars {
            series: vec![
                of("doing and saying", "cosine", false),
                of("doing, two halves", "halves_behaviour", true),
                of("saying, two halves", "halves_self_assessment", true),
            ],
            groups: groups.clone(),
        },
    })
}

/// Does a probe of one organism tell another one's labels?
fn transfer(summary: &Summary<'_>, task: &str) -> Option<Figure> {
    let (sheet, probes) = (summary.sheet("probe_transfer"), summary.params.probes.as_ref()?);
    let (site, view) = (probes.headline.0.as_str(), probes.headline.1.as_str());
    let wanted = [("from_task", task), ("to_task", task), ("site", site), ("view", view)];
    let mut names: Vec<String> = Vec::new();
    for row in sheet.rows(&wanted) {
        for column in ["from", "to"] {
            let name = sheet.text(column, row).to_owned();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    let value = |from: &String, to: &String| {
        let pair = [("from", from.as_str()), ("to", to.as_str())];
        let all: Vec<(&str, &str)> = wanted.into_iter().chain(pair).collect();
        sheet.row(&all).map_or(f64::NAN, |row| sheet.number("auc", row))
    };
    Some(Figure {
        name: format!("transfer_{task}"),
        title: format!("Probes for {} on other organisms", task.replace('_', "-")),
        caption: format!(
            "{site}, {view}: area under the ROC curve; rows were fitted, columns are told apart. 0.5 is chance."
        ),
        x: Axis::linear("told apart"),
        y: Axis::linear("fitted on"),
        plot: Plot::Heatmap {
            values: names.iter().map(|from| names.iter().map(|to| value(from, to)).collect()).collect(),
            rows: names.clone(),
            columns: names,
            diverging: false,
        },
    })
}
