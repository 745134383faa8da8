//! Groups of bars with error bars.

use emhost_abi::wire::{Bars, Figure, Scale};

use super::axes::{self, HEIGHT, Panel};
use super::canvas::{Anchor, Canvas, PAD, SMALL, WIDTH, num};
use super::legend::{self, Swatch};
use super::scale::{Map, domain};
use super::style::Style;
use crate::report::{number, text};

/// Bars wider than this look like boxes.
const WIDEST: f64 = 54.0;

/// Draws groups of bars; returns the figure's height.
pub fn draw(canvas: &mut Canvas, figure: &Figure, groups: &[String], series: &[Bars]) -> f64 {
    let styles = Style::all(series.iter().map(|bars| bars.control));
    for style in &styles {
        define_hatch(canvas, *style);
    }
    let keys = legend::keys(Swatch::Bar, &styles, series.iter().map(|bars| bars.label.as_str()));
    let values = series.iter().flat_map(|bars| bars.values.iter().chain(&bars.low).chain(&bars.high)).copied();
    let y_domain = domain(&figure.y, values, true, true);

    let top = axes::header(canvas, &figure.y.label, &keys);
    let y = Map::new(figure.y.scale, y_domain, top + HEIGHT, top);
    let ticks = axes::y_ticks(&y);
    let right = WIDTH - PAD - 8.0;
    let left = axes::left_for_names(axes::left_edge(&ticks), right, groups);
    let panel = Panel { left, right, top, bottom: top + HEIGHT };
    axes::y_axis(canvas, panel, &y, &ticks);

    let slot = (right - left) / groups.len() as f64;
    let wide = (0.78 * slot / series.len() as f64).min(WIDEST);
    let base = if figure.y.scale == Scale::Log { y.low } else { 0f64.clamp(y.low, y.high) };
    let clip = axes::clip(canvas, panel);
    let labelled = value_labels_fit(series, wide);
    for (s, (bars, style)) in series.iter().zip(&styles).enumerate() {
        canvas.open(&style.class(), "");
        for (g, group) in groups.iter().enumerate() {
            let middle = left + (g as f64 + 0.5) * slot + (s as f64 - (series.len() - 1) as f64 / 2.0) * wide;
            let bar = Bar { middle, wide: (wide - 2.0).max(1.0), group, bars, g };
            bar.draw(canvas, *style, &y, base, &clip, labelled);
        }
        canvas.close();
    }
    canvas.line("base", (left, y.at(base)), (right, y.at(base)));

    let below = axes::x_names(canvas, panel, groups);
    let all = || series.iter().flat_map(|bars| bars.values.iter());
    let missing = all().filter(|v| !v.is_finite()).count();
    let outside = all().filter(|v| v.is_finite() && !y.holds(**v)).count();
    axes::footer(canvas, panel, below, &figure.x.label, &axes::notes(missing, outside))
}

struct Bar<'a> {
    middle: f64,
    wide: f64,
    group: &'a str,
    bars: &'a Bars,
    g: usize,
}

impl Bar<'_> {
    fn draw(&self, canvas: &mut Canvas, style: Style, y: &Map, base: f64, clip: &str, labelled: bool) {
        let value = self.bars.values[self.g];
        if !value.is_finite() {
            canvas.turned("note", (self.middle + 4.0, y.at(base) - 5.0), Anchor::Start, -90.0, "no value");
            return;
        }
        let interval = (!self.bars.low.is_empty()).then(|| [self.bars.low[self.g], self.bars.high[self.g]]);
        let (shown, shown_interval) = number::with_interval(value, interval);
        let tooltip = format!("{} {}: {shown} {}", self.bars.label, self.group, shown_interval.unwrap_or_default());
        let (from, to) = (y.at(base), y.at(value));
        canvas.open("bar", clip);
        legend::bar(
            canvas,
            style,
            [self.middle - self.wide / 2.0, from.min(to), self.wide, (from - to).abs()],
            tooltip.trim(),
        );
        let ends = interval.filter(|i| i.iter().all(|v| v.is_finite())).map(|i| i.map(|v| y.at(v)));
        if let Some([low, high]) = ends {
            let cap = (0.25 * self.wide).min(6.0);
            let (a, b) = (num(self.middle - cap), num(self.middle + cap));
            let d = format!("M{a} {0}H{b}M{1} {0}V{2}M{a} {2}H{b}", num(low), num(self.middle), num(high));
            canvas.path("error", &d, "");
        }
        canvas.close();
        if labelled && y.holds(value) {
            let up = value >= base;
            let tip = ends.map_or(to, |[low, high]| if up { high.min(to) } else { low.max(to) });
            let at = if up { tip - 5.0 } else { tip + 13.0 };
            canvas.text("value halo", (self.middle, at), Anchor::Middle, &number::value(value));
        }
    }
}

/// Whether every bar is wide enough for its value above it.
fn value_labels_fit(series: &[Bars], wide: f64) -> bool {
    let widest = series.iter().flat_map(|bars| &bars.values).map(|v| text::width(&number::value(*v), SMALL));
    widest.fold(0.0, f64::max) <= wide
}

fn define_hatch(canvas: &mut Canvas, style: Style) {
    if let Some(d) = style.hatch() {
        let id = style.hatch_id(canvas.name());
        canvas.raw(&format!(
            "<pattern id=\"{id}\" width=\"8\" height=\"8\" patternUnits=\"userSpaceOnUse\"><path class=\"hatch\" d=\"{d}\"/></pattern>\n"
        ));
    }
}
