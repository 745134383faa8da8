//! The tables of the run that are computed from those of the cells.

use emhost_sdk::arrow::array::BooleanArray;
use emhost_sdk::arrow::compute::filter_record_batch;
use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::compare::METHOD;
use crate::resample::mean;
use crate::summary::Summary;
use crate::trajectory::Trajectory;

/// `final`: the rows of `trajectory` after the last step.
///
/// # Errors
///
/// The column `last` is missing.
pub fn ends(summary: &Summary<'_>) -> Result<Table> {
    let Some(all) = summary.table("trajectory") else { return Ok(Table::new()) };
    let last = BooleanArray::from(all.bool("last")?);
    Ok(filter_record_batch(&all.to_batch()?, &last)?.into())
}

/// `pareto`: schedules by loss and alignment.
pub fn pareto(summary: &Summary<'_>) -> Table {
    let mut columns = Columns::default();
    for (at, (schedule, standing)) in summary.schedules.iter().zip(&summary.standings).enumerate() {
        let seeds: Vec<&Trajectory> = summary.seeds(&schedule.name).collect();
        let over = |value: &dyn Fn(&Trajectory) -> f64| seeds.iter().map(|one| value(one)).collect::<Vec<f64>>();
        let (losses, alignments) = (over(&|one| one.end().loss[0]), over(&|one| one.end().alignment[0]));
        columns.text("schedule", &schedule.name);
        columns.text("form", schedule.form());
        columns.flag("baseline", at == 0);
        columns.number("learning_rate", schedule.learning_rate);
        columns.flag("peak_below_baseline", summary.peaks_below(&schedule.name));
        columns.count("warmup_steps", schedule.warmup_steps as u64);
        columns.number("sam", schedule.sam.unwrap_or(f64::NAN));
        columns.count("seeds", seeds.len() as u64);
        interval(&mut columns, "loss", standing.loss);
        columns.number("loss_seed_deviation", deviation(&losses));
        interval(&mut columns, "alignment", standing.alignment);
        columns.number("alignment_seed_deviation", deviation(&alignments));
        columns.number("misaligned_rate", mean(over(&|one| one.end().misaligned[0]).into_iter()));
        columns.number("coherent_rate", mean(over(&|one| one.end().coherent).into_iter()));
        columns.count("n", seeds.iter().map(|one| one.end().n).sum());
        interval(&mut columns, "loss_difference", standing.loss_difference);
        columns.flag("on_front", standing.on_front);
        columns.number("front_share", standing.front_share);
        columns.count("draws", summary.params.draws as u64);
        columns.text("method", "percentile bootstrap over topics, held-out questions and seeds, the same for all");
    }
    columns.table()
}

/// `matched`: schedules against the baseline.
pub fn matched(summary: &Summary<'_>) -> Table {
    let mut columns = Columns::default();
    for (measure, all) in &summary.differences {
        for one in all {
            let family = all.iter().filter(|other| other.kind == one.kind && other.adjusted[0].is_finite()).count();
            columns.text("measure", measure.name());
            columns.text("kind", one.kind.name());
            columns.text("schedule", &one.schedule);
            columns.count("seeds", one.seeds as u64);
            columns.count("topics", one.by_topic.len() as u64);
            columns.number("loss", one.losses[0]);
            columns.number("baseline_loss", one.losses[1]);
            columns.number("value", one.alignments[0]);
            columns.number("baseline_value", one.alignments[1]);
            interval(&mut columns, "difference", one.difference);
            columns.number("error_topics", one.errors[0]);
            columns.number("error_seeds", one.errors[1]);
            columns.number("df", one.df);
            columns.number("p", one.p);
            columns.number("p_better", one.adjusted[0]);
            columns.number("p_worse", one.adjusted[1]);
            columns.text("family", format!("{}, {}", one.kind.name(), measure.name()));
            columns.count("family_size", family as u64);
            columns.number("p_ignoring_seeds", one.of_topics[0]);
            columns.number("p_better_ignoring_seeds", one.of_topics[1]);
            interval(&mut columns, "loss_difference", summary.loss_difference(&one.schedule));
            columns.flag("better", one.better());
            columns.flag("worse", one.worse());
            columns.text("missing", &one.missing);
            columns.text("method", METHOD);
        }
    }
    columns.table()
}

/// `findings`: how many schedules are told from the baseline.
pub fn findings(summary: &Summary<'_>) -> Table {
    let mut columns = Columns::default();
    for one in &summary.findings {
        columns.text("measure", one.measure.name());
        columns.text("kind", one.kind.name());
        columns.count("tested", one.tested as u64);
        columns.count("untested", one.untested as u64);
        columns.count("asked", one.asked as u64);
        columns.count("better", one.better.len() as u64);
        columns.count("worse", one.worse.len() as u64);
        columns.count("better_ignoring_seeds", one.better_ignoring_seeds as u64);
        columns.number("median_half_width", one.half_width);
        columns.text("method", METHOD);
    }
    columns.table()
}

/// `change`: the baseline's end against the model before.
pub fn change(summary: &Summary<'_>) -> Table {
    let mut columns = Columns::default();
    for one in &summary.changes {
        columns.text("family", &one.family);
        columns.text("data", &one.data);
        columns.flag("control", one.control);
        columns.count("seeds", one.seeds as u64);
        columns.count("topics", one.topics as u64);
        columns.number("alignment_before", one.alignment[0]);
        columns.number("alignment_after", one.alignment[1]);
        interval(&mut columns, "difference", one.difference);
        columns.number("seed_deviation", one.seed_deviation);
        columns.number("p", one.p);
        columns.number("p_adjusted", one.adjusted);
        columns.count("family_size", summary.changes.iter().filter(|one| one.p.is_finite()).count() as u64);
        columns.number("loss_before", one.loss[0]);
        columns.number("loss_after", one.loss[1]);
        columns.number("coherent_rate", one.coherent);
        columns.text("method", one.method);
    }
    columns.table()
}

/// `correlation`: loss and alignment together.
pub fn correlation(summary: &Summary<'_>) -> Table {
    let mut columns = Columns::default();
    for one in &summary.correlations {
        columns.text("over", one.over);
        for (name, value) in ["family", "data", "schedule", "seed"].iter().zip(&one.within) {
            columns.text(name, value);
        }
        columns.count("n", one.n as u64);
        interval(&mut columns, "pearson", one.pearson);
        columns.number("pearson_p", one.pearson_p);
        interval(&mut columns, "spearman", one.spearman);
        columns.number("spearman_p", one.spearman_p);
        columns.text("missing", &one.missing);
        columns.text("method", one.method);
    }
    columns.table()
}

fn interval(columns: &mut Columns, name: &str, [value, low, high]: [f64; 3]) {
    columns.number(name, value);
    columns.number(&format!("{name}_low"), low);
    columns.number(&format!("{name}_high"), high);
}

/// Standard deviation between seeds; NaN of one.
fn deviation(values: &[f64]) -> f64 {
    crate::compare::pooled_variance(&[values.to_vec()]).map_or(f64::NAN, |(variance, _)| variance.sqrt())
}
