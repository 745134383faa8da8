//! The numbers of several runs: a table, and a figure with one panel per quantity.

use super::markup::{escape, find_box, open_box};
use super::tables::FOUND;
use crate::report::comparison::{ComparedRun, Difference, MOVER, Metric, Value, letter, quantities};
use crate::report::number::{self, MISSING};
use crate::report::svg::{IntervalPlot, IntervalRow, label_room, render_intervals};

/// Most panels of the figure, and most rows of a panel; the table has all.
const PANELS: usize = 12;
const ROWS: usize = 16;

/// One row per quantity and condition, one column per run.
pub fn section(out: &mut String, runs: &[ComparedRun], metrics: &[Metric]) {
    if metrics.is_empty() {
        return;
    }
    let differences = runs.len() == 2;
    out.push_str("<section id=\"metrics\">\n<h2>Numbers</h2>\n");
    out.push_str("<p class=\"caption\">Values with their 95 % intervals and numbers of observations. <span class=\"mark\">◆ apart</span> marks rows in which intervals do not overlap; intervals that do overlap do not show that runs are equal.");
    let combined = |d: &Difference| d.method == MOVER;
    if metrics.iter().filter_map(|m| m.difference.as_ref()).any(combined) {
        out.push_str(" Where no other method is named, the interval of a difference combines those of its two runs, taken as independent (MOVER).");
    }
    out.push_str("</p>\n");
    if metrics.len() > FOUND {
        find_box(out, "the numbers");
    }
    open_box(out, "Numbers of all runs");
    out.push_str("<table class=\"metrics\">\n<thead><tr><th scope=\"col\">Quantity</th>");
    for (r, run) in runs.iter().enumerate() {
        let name = if run.name.is_empty() { String::new() } else { format!("<small>{}</small>", escape(&run.name)) };
        out.push_str(&format!("<th scope=\"col\" class=\"num\">{}{name}</th>", letter(r)));
    }
    if differences {
        out.push_str("<th scope=\"col\" class=\"num\">B − A</th>");
    }
    out.push_str("<th scope=\"col\">Intervals</th></tr></thead>\n<tbody>\n");
    for metric in metrics {
        write_row(out, metric, differences);
    }
    out.push_str("</tbody>\n</table>\n</div>\n</section>\n");
}

fn write_row(out: &mut String, metric: &Metric, differences: bool) {
    let apart = metric.apart();
    let class = if apart.as_ref().is_some_and(|pairs| !pairs.is_empty()) { " class=\"apart\"" } else { "" };
    out.push_str(&format!(
        "<tr{class}><th scope=\"row\">{}<small>{}</small></th>",
        escape(&metric.quantity),
        escape(&metric.condition)
    ));
    for value in &metric.values {
        out.push_str(&value_cell(*value));
    }
    if differences {
        out.push_str(&match &metric.difference {
            Some(d) => {
                let (value, interval) = number::with_interval(d.value, d.interval);
                let p = d.p.map(|p| format!("p {}", equals(&number::p_value(p))));
                let notes = [interval, p].into_iter().flatten().map(|note| format!("<small>{}</small>", escape(&note)));
                let method = if d.method.is_empty() || d.method == MOVER {
                    String::new()
                } else {
                    format!("<small class=\"words\">{}</small>", escape(&d.method))
                };
                format!("<td class=\"num\">{}{}{method}</td>", signed(d.value, &value), notes.collect::<String>())
            }
            None => format!("<td class=\"num missing\">{MISSING}</td>"),
        });
    }
    let said = match &apart {
        None => MISSING.into(),
        Some(pairs) if pairs.is_empty() => "overlap".into(),
        // Of two runs there is only one pair.
        Some(_) if metric.values.len() == 2 => "<span class=\"mark\">◆ apart</span>".into(),
        Some(pairs) => {
            let pairs: Vec<String> = pairs.iter().map(|(a, b)| format!("{} {}", letter(*a), letter(*b))).collect();
            format!("<span class=\"mark\">◆ apart</span><small>{}</small>", pairs.join(", "))
        }
    };
    let methods = metric.methods.iter().map(|m| format!("<small class=\"words\">{}</small>", escape(m)));
    out.push_str(&format!("<td class=\"said\">{said}{}</td></tr>\n", methods.collect::<String>()));
}

fn value_cell(value: Option<Value>) -> String {
    let Some(v) = value else { return format!("<td class=\"num missing\">{MISSING}</td>") };
    let (shown, interval) = number::with_interval(v.value, v.interval);
    let interval = interval.map(|i| format!("<small>{i}</small>")).unwrap_or_default();
    let n = if v.n == 0 { String::new() } else { format!("<small>n {}</small>", number::count(v.n)) };
    format!("<td class=\"num\"><span class=\"strong\">{shown}</span>{interval}{n}</td>")
}

/// A difference says its sign.
fn signed(v: f64, shown: &str) -> String {
    let plus = if v > 0.0 { "+" } else { "" };
    format!("<span class=\"strong\">{plus}{shown}</span>")
}

/// `= 0.02`, but `< 0.001` as it is.
fn equals(p: &str) -> String {
    if p.starts_with('<') { p.into() } else { format!("= {p}") }
}

/// One panel per quantity that at least two runs have, each on its own scale.
pub fn figure(out: &mut String, runs: &[ComparedRun], metrics: &[Metric]) {
    let quantities = quantities(metrics);
    if quantities.is_empty() {
        return;
    }
    out.push_str("<section id=\"figures\">\n<h2>Figures</h2>\n<figure>\n<h3><span class=\"number\">Figure 1</span> What the runs share, each quantity on its own scale</h3>\n");
    let series: Vec<String> = runs.iter().enumerate().map(|(r, run)| run.label(r)).collect();
    let drawn = || quantities.iter().take(PANELS).flat_map(|q| q.metrics.iter().take(ROWS));
    let room = label_room(drawn().map(|metric| metric.condition.as_str()));
    let mut left_out = quantities.len().saturating_sub(PANELS);
    for (i, quantity) in quantities.iter().take(PANELS).enumerate() {
        left_out += usize::from(quantity.metrics.len() > ROWS);
        let row = |metric: &&Metric| IntervalRow {
            label: metric.condition.clone(),
            values: metric.values.iter().map(|v| v.map(|v| (v.value, v.interval))).collect(),
        };
        let plot = IntervalPlot {
            name: format!("shared{i}"),
            title: quantity.name.into(),
            series: series.clone(),
            keys: i == 0,
            room,
            rows: quantity.metrics.iter().take(ROWS).map(row).collect(),
        };
        out.push_str(&format!(
            "<div class=\"plot panel\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\n{}</div>\n",
            escape(quantity.name),
            render_intervals(&plot)
        ));
    }
    let rest = match left_out {
        0 => String::new(),
        n => format!(" For {n} of the quantities the table above has more than is drawn."),
    };
    out.push_str(&format!(
        "<figcaption>Marks: values. Lines: 95 % intervals.{rest}</figcaption>\n</figure>\n</section>\n"
    ));
}
