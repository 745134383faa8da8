//! Lines with bands.

use emhost_abi::wire::{Figure, Line};

use super::axes::{self, HEIGHT, Panel};
use super::canvas::{Canvas, PAD, WIDTH, num};
use super::legend::{self, Swatch};
use super::scale::{Map, domain};
use super::style::Style;
use crate::report::number;

/// Room between the plotting area's sides and the first and last value.
const INSET: f64 = 12.0;

/// Draws lines; returns the figure's height.
pub fn draw(canvas: &mut Canvas, figure: &Figure, lines: &[Line]) -> f64 {
    let styles = Style::all(lines.iter().map(|line| line.control));
    let keys = legend::keys(Swatch::Line, &styles, lines.iter().map(|line| line.label.as_str()));
    let all = |pick: fn(&Line) -> [&Vec<f64>; 3]| lines.iter().flat_map(pick).flatten().copied();
    let x_domain = domain(&figure.x, all(|l| [&l.x, &l.x, &l.x]), false, false);
    let y = Map::new(figure.y.scale, domain(&figure.y, all(|l| [&l.y, &l.low, &l.high]), true, false), HEIGHT, 0.0);
    let ticks = axes::y_ticks(&y);
    let left = axes::left_edge(&ticks);

    let relative_x = Map::new(figure.x.scale, x_domain, 0.0, 1.0);
    let ends: Option<Vec<(f64, f64)>> =
        lines.iter().filter(|l| !l.label.is_empty()).map(|l| end(l, &relative_x, &y)).collect();
    let labels =
        ends.as_ref().and_then(|ends| legend::beside(&keys, &ends.iter().map(|e| e.1).collect::<Vec<_>>(), HEIGHT));
    let (top, right) = match &labels {
        Some(labels) if !labels.is_empty() => {
            (axes::header(canvas, &figure.y.label, &[]), WIDTH - PAD - legend::beside_width(labels))
        }
        _ => (axes::header(canvas, &figure.y.label, &keys), WIDTH - PAD - 8.0),
    };
    let panel = Panel { left, right, top, bottom: top + HEIGHT };
    let x = Map::new(figure.x.scale, x_domain, left + INSET, right - INSET);
    let y = y.between(panel.bottom, panel.top);

    axes::y_axis(canvas, panel, &y, &ticks);
    let below = axes::x_axis(canvas, panel, &x);
    let clip = axes::clip(canvas, panel);
    let order = |control: bool| lines.iter().zip(&styles).filter(move |(line, _)| line.control == control);
    for (line, style) in order(true).chain(order(false)) {
        canvas.open(&style.class(), &clip);
        band(canvas, line, &x, &y);
        canvas.close();
    }
    for (line, style) in order(true).chain(order(false)) {
        canvas.open(&style.class(), "");
        curve(canvas, line, *style, &x, &y, &clip);
        markers(canvas, line, *style, &x, &y);
        canvas.close();
    }
    if let (Some(labels), Some(ends)) = (&labels, &ends) {
        let ends: Vec<(f64, f64)> =
            ends.iter().map(|(ex, ey)| (left + INSET + ex * (right - left - 2.0 * INSET), top + ey)).collect();
        legend::draw_beside(canvas, labels, &keys, &ends, right - INSET, top);
    }

    let points = || lines.iter().flat_map(|line| line.x.iter().zip(&line.y));
    let missing = points().filter(|(a, b)| !finite(**a, **b)).count();
    let outside = points().filter(|(a, b)| finite(**a, **b) && !(x.holds(**a) && y.holds(**b))).count();
    axes::footer(canvas, panel, below, &figure.x.label, &axes::notes(missing, outside))
}

/// Where a line ends, if that is far enough to the right for a label beside it and inside the axes.
fn end(line: &Line, x: &Map, y: &Map) -> Option<(f64, f64)> {
    let last = line.x.iter().zip(&line.y).rfind(|(x, y)| finite(**x, **y))?;
    let at = (x.at(*last.0), y.at(*last.1));
    let rightmost = line.x.iter().filter(|v| v.is_finite()).all(|v| v <= last.0);
    (at.0 > 0.86 && x.holds(*last.0) && y.holds(*last.1) && rightmost).then_some(at)
}

fn finite(x: f64, y: f64) -> bool {
    x.is_finite() && y.is_finite()
}

/// Runs of neighbouring points for which `keep` holds.
fn runs(n: usize, keep: impl Fn(usize) -> bool) -> Vec<std::ops::Range<usize>> {
    let mut runs: Vec<std::ops::Range<usize>> = Vec::new();
    for i in (0..n).filter(|i| keep(*i)) {
        match runs.last_mut() {
            Some(run) if run.end == i => run.end += 1,
            _ => runs.push(i..i + 1),
        }
    }
    runs
}

fn band(canvas: &mut Canvas, line: &Line, x: &Map, y: &Map) {
    if line.low.is_empty() {
        return;
    }
    let corner = |i: usize, edge: &[f64]| format!("{} {}", num(x.at(line.x[i])), num(y.at(edge[i])));
    for run in runs(line.x.len(), |i| line.x[i].is_finite() && finite(line.low[i], line.high[i])) {
        if run.len() == 1 {
            let (px, low, high) = (x.at(line.x[run.start]), y.at(line.low[run.start]), y.at(line.high[run.start]));
            let (a, b) = (num(px - 5.0), num(px + 5.0));
            let d = format!("M{a} {0}H{b}M{1} {0}V{2}M{a} {2}H{b}", num(low), num(px), num(high));
            canvas.path("whisker", &d, "");
            continue;
        }
        let over = run.clone().map(|i| corner(i, &line.high));
        let back = run.rev().map(|i| corner(i, &line.low));
        canvas.path("band", &format!("M{}Z", over.chain(back).collect::<Vec<_>>().join("L")), "");
    }
}

fn curve(canvas: &mut Canvas, line: &Line, style: Style, x: &Map, y: &Map, clip: &str) {
    let dashes = style.dashes().map(|d| format!(" stroke-dasharray=\"{d}\"")).unwrap_or_default();
    for run in runs(line.x.len(), |i| finite(line.x[i], line.y[i])).into_iter().filter(|run| run.len() > 1) {
        let points: Vec<String> = run.map(|i| format!("{} {}", num(x.at(line.x[i])), num(y.at(line.y[i])))).collect();
        canvas.path("curve", &format!("M{}", points.join("L")), &format!("{clip}{dashes}"));
    }
}

/// Markers on every point, or on about a dozen of many, and always on the last.
fn markers(canvas: &mut Canvas, line: &Line, style: Style, x: &Map, y: &Map) {
    let shown: Vec<usize> = (0..line.x.len()).filter(|i| finite(line.x[*i], line.y[*i])).collect();
    let every = if shown.len() <= 25 { 1 } else { shown.len().div_ceil(12) };
    let class = if style.control { "marker hollow" } else { "marker fill halo" };
    for (place, &i) in shown.iter().enumerate() {
        let wanted = place % every == 0 || place + 1 == shown.len();
        if !wanted || !x.holds(line.x[i]) || !y.holds(line.y[i]) {
            continue;
        }
        let interval = (!line.low.is_empty()).then(|| [line.low[i], line.high[i]]);
        let (value, interval) = number::with_interval(line.y[i], interval);
        let tooltip =
            format!("{} at {}: {value} {}", line.label, number::value(line.x[i]), interval.unwrap_or_default());
        canvas.marker(class, (x.at(line.x[i]), y.at(line.y[i])), &style.marker(4.0), tooltip.trim());
    }
}
