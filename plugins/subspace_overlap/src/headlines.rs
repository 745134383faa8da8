//! The few numbers that open the report.

use emhost_sdk::prelude::*;

use crate::params::Seen;
use crate::steering::MEAN_DELTA;
use crate::summary::Summary;
use crate::verdict::compared_row;

/// The headline table.
pub fn headline(summary: &Summary<'_>) -> Vec<Headline> {
    let mut lines: Vec<Headline> = misaligned(summary).into_iter().collect();
    for view in summary.views(summary.organism()) {
        lines.extend(overlap(summary, *view));
        if *view == summary.view() {
            lines.extend(distances(summary, *view));
        }
        lines.extend(movement(summary, *view));
    }
    lines.extend(compared(summary));
    lines.extend(steered(summary));
    lines
}

fn misaligned(summary: &Summary<'_>) -> Option<Headline> {
    let organism = summary.organism();
    let after = summary.behaviour(organism, "after")?;
    Some(Headline {
        quantity: "misaligned answers".to_owned(),
        condition: format!("{organism}, coherent and misaligned share of all; control: before"),
        value: after.misaligned_rate,
        interval: Some([after.misaligned_low, after.misaligned_high]),
        control: summary.behaviour(organism, "before").map(|row| row.misaligned_rate),
        p: None,
        n: after.n,
        method: after.interval.clone(),
    })
}

fn place(summary: &Summary<'_>, view: Seen) -> String {
    let organism = summary.organism();
    format!("{organism}, {}, {}, {}", summary.bank(), summary.site(organism), view.spoken())
}

fn overlap(summary: &Summary<'_>, view: Seen) -> Vec<Headline> {
    let row = summary.headline(summary.site(summary.organism()), view, summary.bank());
    let Some(row) = row.filter(|row| row.available) else { return Vec::new() };
    let place = place(summary, view);
    let mut lines = vec![Headline {
        quantity: format!("fraction of deltas in {} directions", row.k),
        condition: format!("{place}; control: random subspace"),
        value: row.fraction,
        interval: Some([row.fraction_low, row.fraction_high]),
        control: Some(row.random),
        p: Some(row.p),
        n: row.n,
        method: "bootstrap over clusters; random subspaces".to_owned(),
    }];
    let stronger = [
        (
            "directions of the reference",
            [row.reference_difference, row.reference_difference_low, row.reference_difference_high],
            row.reference_fraction,
        ),
        (
            "leading directions before",
            [row.before_difference, row.before_difference_low, row.before_difference_high],
            row.before_fraction,
        ),
    ];
    for (what, [difference, low, high], there) in stronger.into_iter().filter(|(_, values, _)| values[0].is_finite()) {
        lines.push(Headline {
            quantity: "fraction minus the stronger control".to_owned(),
            condition: format!("{place}; control: fraction in the {what}"),
            value: difference,
            interval: Some([low, high]),
            control: Some(there),
            p: None,
            n: row.n,
            method: "paired, bootstrap over clusters".to_owned(),
        });
    }
    lines
}

fn distances(summary: &Summary<'_>, view: Seen) -> Vec<Headline> {
    let row = summary.headline(summary.site(summary.organism()), view, summary.bank());
    let Some(row) = row.filter(|row| row.available) else { return Vec::new() };
    let place = place(summary, view);
    let distance = Headline {
        quantity: format!("Mahalanobis distance in {} directions", row.k),
        condition: format!("{place}; control: of the training deltas themselves"),
        value: row.mahalanobis,
        interval: None,
        control: Some(row.train_mahalanobis),
        p: None,
        n: row.n,
        method: "mean over prompts, standard deviations".to_owned(),
    };
    let rebuilt = Headline {
        quantity: format!("cosine of deltas with what {} directions rebuild", row.k),
        condition: place,
        value: row.reconstruction_cosine,
        interval: None,
        control: None,
        p: None,
        n: row.n,
        method: "mean over prompts".to_owned(),
    };
    vec![distance, rebuilt]
}

fn movement(summary: &Summary<'_>, view: Seen) -> Vec<Headline> {
    let (site, place) = (summary.site(summary.organism()), place(summary, view));
    let delta = summary.mean_delta(site, view, summary.bank()).map(|row| Headline {
        quantity: "cosine of mean deltas".to_owned(),
        condition: format!("{place}; control: mean delta of the reference"),
        value: row.cosine,
        interval: Some([row.cosine_low, row.cosine_high]),
        control: row.reference_cosine.is_finite().then_some(row.reference_cosine),
        p: None,
        n: row.n_eval,
        method: "bootstrap over clusters of evaluation prompts".to_owned(),
    });
    let found = summary.correlation(site, view, summary.bank()).filter(|row| row.pearson.is_finite());
    let found = found.map(|row| Headline {
        quantity: "prompt overlap and delta cosine".to_owned(),
        condition: place,
        value: row.pearson,
        interval: row.pearson_low.is_finite().then_some([row.pearson_low, row.pearson_high]),
        control: None,
        p: Some(row.pearson_p_adjusted),
        n: row.n,
        method: format!("Pearson, Fisher interval; t, Benjamini-Hochberg over {}", row.family),
    });
    delta.into_iter().chain(found).collect()
}

fn compared(summary: &Summary<'_>) -> Option<Headline> {
    let sheet = &summary.comparisons;
    let row = compared_row(summary)?;
    let [value, low, high] = sheet.interval("difference", row);
    let unit = sheet.text("unit", row);
    Some(Headline {
        quantity: "alignment after minus before".to_owned(),
        condition: format!("{}, {}, by {unit}; control: mean before", summary.organism(), summary.bank()),
        value,
        interval: low.is_finite().then_some([low, high]),
        control: Some(sheet.number("mean_before", row)),
        p: Some(sheet.number("p_adjusted", row)),
        n: sheet.number("pairs", row) as u64,
        method: format!(
            "bootstrap over clusters; paired t over {unit}s, Benjamini-Hochberg over {}",
            sheet.number("family", row)
        ),
    })
}

fn steered(summary: &Summary<'_>) -> Vec<Headline> {
    let sheet = &summary.steered;
    let line = |row: usize| {
        let [value, low, high] = sheet.interval("misaligned", row);
        let p = sheet.number("misaligned_p", row);
        Headline {
            quantity: "misaligned answers, steered".to_owned(),
            condition: format!(
                "model before {} with {} times the mean delta ({}), {}; control: random directions",
                summary.organism(),
                sheet.number("alpha", row),
                sheet.text("view", row),
                sheet.text("bank", row)
            ),
            value,
            interval: Some([low, high]),
            control: Some(sheet.number("random_misaligned", row)),
            p: p.is_finite().then_some(p),
            n: sheet.number("n", row) as u64,
            method: format!("{}; rank among {} draws", sheet.text("rates", row), sheet.number("draws", row)),
        }
    };
    sheet.rows(&[("organism", summary.organism()), ("condition", MEAN_DELTA)]).into_iter().map(line).collect()
}
