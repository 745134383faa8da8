//! Values with intervals, a row per condition and a mark per run: what a comparison draws.

use emhost_abi::wire::{Axis, Scale};

use super::axes::{self, Panel};
use super::canvas::{Anchor, Canvas, LABEL, LEADING, PAD, SMALL, WIDTH, num};
use super::legend::{self, Key, Swatch};
use super::scale::{Map, domain};
use super::style::Style;
use crate::report::{number, text};

/// A value and its interval.
pub type Mark = (f64, Option<[f64; 2]>);

/// One row of a plot of intervals.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IntervalRow {
    /// The condition.
    pub label: String,
    /// A value and its interval per series; `None` where a series has none.
    pub values: Vec<Option<Mark>>,
}

/// A plot of intervals over one quantity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct IntervalPlot {
    /// A name for ids: `[a-z0-9_]+`.
    pub name: String,
    /// The quantity; the accessible name too.
    pub title: String,
    /// Names of the series.
    pub series: Vec<String>,
    /// Whether to draw the names of the series.
    pub keys: bool,
    /// Room for the labels of rows, the same in all panels of a figure: see [`label_room`].
    pub room: f64,
    /// The rows, top first.
    pub rows: Vec<IntervalRow>,
}

/// Widest label of a row.
const WIDEST_LABEL: f64 = 250.0;
/// Height that one mark takes.
const TALL: f64 = 15.0;

/// The room that these labels take.
pub fn label_room<'a>(labels: impl Iterator<Item = &'a str>) -> f64 {
    let lines = labels.flat_map(|label| text::wrap(label, WIDEST_LABEL, measure));
    lines.map(|line| measure(&line)).fold(0.0, f64::max)
}

/// Draws a plot of intervals as SVG; what is not finite is left out.
pub fn render_intervals(plot: &IntervalPlot) -> String {
    let mut canvas = Canvas::new(&plot.name);
    let styles = Style::all(plot.series.iter().map(|_| false));
    let mut y = PAD;
    if plot.keys {
        let keys: Vec<Key> = legend::keys(Swatch::Marker, &styles, plot.series.iter().map(String::as_str));
        y = legend::rows(&mut canvas, y + LABEL, &keys) + 12.0;
    }
    y = canvas.paragraph("axis", (PAD, y + LABEL), Anchor::Start, WIDTH - 2.0 * PAD, 1.05 * LABEL, &plot.title) + 2.0
        - LABEL;

    let labels: Vec<Vec<String>> = plot.rows.iter().map(|row| text::wrap(&row.label, WIDEST_LABEL, measure)).collect();
    let heights: Vec<f64> =
        labels.iter().map(|lines| (lines.len() as f64 * LEADING).max(plot.series.len() as f64 * TALL) + 12.0).collect();
    let left = PAD + plot.room + 14.0;
    let panel = Panel { left, right: WIDTH - PAD - 8.0, top: y, bottom: y + heights.iter().sum::<f64>() };
    let all = plot.rows.iter().flat_map(|row| row.values.iter().flatten()).filter(|v| v.0.is_finite());
    let ends =
        all.flat_map(|(value, interval)| [Some(*value), interval.map(|i| i[0]), interval.map(|i| i[1])]).flatten();
    let x = Map::new(Scale::Linear, domain(&Axis::default(), ends, true, false), panel.left + 10.0, panel.right - 10.0);

    let mut top = panel.top;
    for ((row, lines), height) in plot.rows.iter().zip(&labels).zip(&heights) {
        if top > panel.top {
            canvas.line("grid", (PAD, top), (panel.right, top));
        }
        let middle = top + height / 2.0;
        for (i, line) in lines.iter().enumerate() {
            let baseline = middle + 4.0 + (i as f64 - (lines.len() - 1) as f64 / 2.0) * LEADING;
            canvas.text("tick", (PAD, baseline), Anchor::Start, line);
        }
        for (s, style) in styles.iter().enumerate() {
            let at = middle + (s as f64 - (plot.series.len() - 1) as f64 / 2.0) * TALL;
            if let Some((value, interval)) = row.values.get(s).copied().flatten().filter(|v| v.0.is_finite()) {
                let name = format!("{} {}", plot.series[s], row.label);
                mark(&mut canvas, *style, &x, at, value, interval, &name);
            }
        }
        top += height;
    }
    let below = axes::x_axis(&mut canvas, panel, &x);
    canvas.finish(&plot.title, below - 6.0)
}

fn mark(canvas: &mut Canvas, style: Style, x: &Map, y: f64, value: f64, interval: Option<[f64; 2]>, name: &str) {
    canvas.open(&style.class(), "");
    if let Some([low, high]) = interval.filter(|i| i.iter().all(|v| v.is_finite())) {
        let d = format!(
            "M{0} {1}V{2}M{0} {y}H{3}M{3} {1}V{2}",
            num(x.at(low)),
            num(y - 3.5),
            num(y + 3.5),
            num(x.at(high)),
            y = num(y)
        );
        canvas.path("whisker", &d, "");
    }
    let (shown, interval) = number::with_interval(value, interval);
    let tooltip = format!("{name}: {shown} {}", interval.unwrap_or_default());
    canvas.marker("marker fill halo", (x.at(value), y), &style.marker(4.2), tooltip.trim());
    canvas.close();
}

fn measure(line: &str) -> f64 {
    text::width(line, SMALL)
}

#[cfg(test)]
mod tests {
    use roxmltree::Document;

    use super::*;

    fn plot() -> IntervalPlot {
        let row = |label: &str, values: &[Option<Mark>]| IntervalRow { label: label.into(), values: values.to_vec() };
        IntervalPlot {
            name: "misaligned".into(),
            title: "misaligned <answers>".into(),
            series: vec!["A: rank 1".into(), "B".into()],
            keys: true,
            room: WIDEST_LABEL,
            rows: vec![
                row(
                    "bad medical advice, a condition with so many words that they must wrap",
                    &[Some((0.3, Some([0.2, 0.4]))), Some((0.5, None))],
                ),
                row("good", &[None, Some((0.01, Some([0.0, 0.02])))]),
                row("broken", &[Some((f64::NAN, None)), Some((0.2, Some([f64::NAN, 0.3])))]),
            ],
        }
    }

    #[test]
    fn every_finite_value_is_one_mark_and_every_finite_interval_one_whisker() {
        let svg = render_intervals(&plot());
        Document::parse(&svg).unwrap();
        // Two of the marks stand in the legend.
        assert_eq!(svg.matches("class=\"marker fill halo\"").count(), 4 + 2);
        assert_eq!(svg.matches("class=\"whisker\"").count(), 2);
        assert!(svg.contains("misaligned &lt;answers&gt;") && !svg.contains("NaN"));
    }

    #[test]
    fn marks_and_labels_stay_inside() {
        for rows in [1, 3] {
            let svg = render_intervals(&IntervalPlot { rows: plot().rows[..rows].to_vec(), ..plot() });
            let document = Document::parse(&svg).unwrap();
            let height: f64 = document.root_element().attribute("height").unwrap().parse().unwrap();
            for node in document.descendants().filter(|n| n.has_tag_name("text")) {
                let y: f64 = node.attribute("y").unwrap().parse().unwrap();
                assert!(y > 0.0 && y < height, "{:?} at {y} of {height}", node.text());
            }
        }
    }

    #[test]
    fn a_plot_without_values_is_still_a_picture() {
        let svg = render_intervals(&IntervalPlot { rows: Vec::new(), ..plot() });
        assert!(Document::parse(&svg).is_ok() && !svg.contains("NaN") && !svg.contains("inf"));
    }
}
