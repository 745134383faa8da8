//! A matrix as coloured cells with their numbers written in.

use emhost_abi::wire::{Figure, Scale};

use super::axes::{self, Panel};
use super::canvas::{Anchor, Canvas, LEADING, PAD, SMALL, WIDTH, num};
use super::scale::Map;
use super::ticks;
use crate::report::{number, text};

/// Named rows and columns of values.
pub struct Matrix<'a> {
    /// Names of the rows, top first.
    pub rows: &'a [String],
    /// Names of the columns.
    pub columns: &'a [String],
    /// Values by row.
    pub values: &'a [Vec<f64>],
    /// Colours in two directions from zero.
    pub diverging: bool,
}

const WIDEST_NAME: f64 = 180.0;
const WIDEST_CELL: f64 = 96.0;
const KEY_WIDTH: f64 = 12.0;

/// Draws a heat map; returns the figure's height.
pub fn draw(canvas: &mut Canvas, figure: &Figure, matrix: &Matrix) -> f64 {
    let shades = Shades::of(matrix);
    let key_ticks = ticks::ticks(Scale::Linear, shades.low, shades.high, 5);
    let key_room = 20.0 + KEY_WIDTH + 6.0 + key_ticks.iter().map(|t| text::width(&t.label, SMALL)).fold(0.0, f64::max);

    let wrapped: Vec<Vec<String>> = matrix.rows.iter().map(|row| text::wrap(row, WIDEST_NAME, measure)).collect();
    let names = wrapped.iter().flatten().map(|line| measure(line)).fold(0.0, f64::max);
    let most_right = WIDTH - PAD - key_room;
    let left = axes::left_for_names(PAD + names + 8.0, most_right, matrix.columns);
    let cell_w = ((most_right - left) / matrix.columns.len() as f64).min(WIDEST_CELL);
    let cell_h = (360.0 / matrix.rows.len() as f64).clamp(if matrix.rows.len() > 60 { 7.0 } else { 19.0 }, 40.0);
    let tallest = wrapped.iter().map(Vec::len).max().unwrap_or(1) as f64 * LEADING + 3.0;
    let cell_h = if matrix.rows.len() <= 30 { cell_h.max(tallest) } else { cell_h };

    let top = axes::header(canvas, &figure.y.label, &[]);
    let right = left + cell_w * matrix.columns.len() as f64;
    let panel = Panel { left, right, top, bottom: top + cell_h * matrix.rows.len() as f64 };
    let every = (LEADING / cell_h).ceil() as usize;
    for (r, lines) in wrapped.iter().enumerate().filter(|(r, _)| r % every == 0) {
        let middle = top + (r as f64 + 0.5) * cell_h + 4.0;
        if lines.len() as f64 * LEADING > cell_h + 3.0 {
            let short = text::ellipsize(&matrix.rows[r], WIDEST_NAME, measure);
            canvas.text("tick", (left - 8.0, middle), Anchor::End, &short);
            continue;
        }
        for (i, line) in lines.iter().enumerate() {
            let y = middle + (i as f64 - (lines.len() - 1) as f64 / 2.0) * LEADING;
            canvas.text("tick", (left - 8.0, y), Anchor::End, line);
        }
    }
    cells(canvas, matrix, &shades, panel, (cell_w, cell_h));
    key(canvas, &shades, &key_ticks, panel);
    let below = axes::x_names(canvas, panel, matrix.columns);
    let missing = matrix.values.iter().flatten().filter(|v| !v.is_finite()).count();
    axes::footer(canvas, panel, below, &figure.x.label, &axes::notes(missing, 0))
}

fn cells(canvas: &mut Canvas, matrix: &Matrix, shades: &Shades, panel: Panel, (w, h): (f64, f64)) {
    let decimals = number::column_decimals(matrix.values.iter().flatten().copied()).map(|d| d.min(2));
    let show = |v: f64| decimals.map_or_else(|| number::value(v), |d| number::fixed(v, d));
    let finite = || matrix.values.iter().flatten().filter(|v| v.is_finite());
    let written = h >= 15.0 && finite().all(|v| measure(&show(*v)) <= w - 4.0);
    let gap = if w > 14.0 && h > 14.0 { 1.5 } else { 0.0 };
    for (r, values) in matrix.values.iter().enumerate() {
        for (c, &v) in values.iter().enumerate() {
            let (x, y) = (panel.left + c as f64 * w, panel.top + r as f64 * h);
            let place = [x + gap / 2.0, y + gap / 2.0, w - gap, h - gap];
            let tooltip = format!("{}, {}: {}", matrix.rows[r], matrix.columns[c], number::value(v));
            if !v.is_finite() {
                canvas.rect("absent", place, "pointer-events=\"all\"", &tooltip);
                continue;
            }
            let (class, opacity) = shades.of_value(v);
            canvas.open(class, "");
            canvas.rect("fill", place, &format!("fill-opacity=\"{}\"", num(opacity)), &tooltip);
            canvas.close();
            if written {
                let class = if reads_light(class, opacity) { "on" } else { "shade" };
                canvas.text(class, (x + w / 2.0, y + h / 2.0 + 4.0), Anchor::Middle, &show(v));
            }
        }
    }
}

/// Whether a number on a shade is white rather than black in the light theme; in the dark one it is white on all.
///
/// Where black falls below a contrast of 4.5, white has it: the two meet at these opacities.
pub(super) fn reads_light(class: &str, opacity: f64) -> bool {
    opacity > if class == "cold" { 0.815 } else { 0.915 }
}

/// Draws the scale of the colours right of the cells.
fn key(canvas: &mut Canvas, shades: &Shades, ticks: &[ticks::Tick], panel: Panel) {
    let x = panel.right + 20.0;
    let tall = (panel.bottom - panel.top).min(240.0);
    let map = Map::new(Scale::Linear, [shades.low, shades.high], panel.top + tall, panel.top);
    let steps = 48;
    for i in 0..steps {
        let at = |i: usize| shades.high - (shades.high - shades.low) * i as f64 / steps as f64;
        let (y0, y1) = (map.at(at(i)), map.at(at(i + 1)));
        let (class, opacity) = shades.of_value((at(i) + at(i + 1)) / 2.0);
        canvas.open(class, "");
        let attributes = format!("fill-opacity=\"{}\" shape-rendering=\"crispEdges\"", num(opacity));
        canvas.rect("fill", [x, y0, KEY_WIDTH, y1 - y0], &attributes, "");
        canvas.close();
    }
    let mut last = f64::INFINITY;
    for tick in ticks {
        let y = map.at(tick.value);
        if last - y >= LEADING - 2.0 {
            canvas.line("mark", (x + KEY_WIDTH, y), (x + KEY_WIDTH + 3.0, y));
            canvas.text("tick", (x + KEY_WIDTH + 6.0, y + 4.0), Anchor::Start, &tick.label);
            last = y;
        }
    }
}

/// From value to colour: one hue whose opacity grows, so that pale is near the background in light and dark.
struct Shades {
    low: f64,
    high: f64,
    diverging: bool,
}

impl Shades {
    fn of(matrix: &Matrix) -> Self {
        let finite = || matrix.values.iter().flatten().copied().filter(|v| v.is_finite());
        let (mut low, mut high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        if matrix.diverging {
            let most = low.abs().max(high.abs());
            let most = if most == 0.0 { 1.0 } else { most };
            return Self { low: -most, high: most, diverging: true };
        }
        if low >= 0.0 && low < 0.4 * high {
            low = 0.0;
        }
        if low == high {
            (low, high) = (low - 0.5, high + 0.5);
        }
        Self { low, high, diverging: false }
    }

    fn of_value(&self, v: f64) -> (&'static str, f64) {
        const PALEST: f64 = 0.04;
        let (class, t) = match self.diverging {
            true => (if v < 0.0 { "cold" } else { "warm" }, v.abs() / self.high),
            false => ("cold", (v - self.low) / (self.high - self.low)),
        };
        (class, PALEST + (1.0 - PALEST) * t)
    }
}

fn measure(text: &str) -> f64 {
    text::width(text, SMALL)
}
