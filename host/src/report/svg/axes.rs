//! The frame of a plot: axis labels, ticks, grid and the notes below.

use super::canvas::{Anchor, Canvas, LABEL, LEADING, PAD, SMALL, WIDTH, num};
use super::legend::{self, Key};
use super::scale::Map;
use super::ticks::{self, Tick};
use crate::report::text;

/// Height of the plotting area of everything but a heat map.
pub const HEIGHT: f64 = 320.0;
/// Distance between an axis and its tick labels.
const TICK_GAP: f64 = 8.0;

/// The plotting area in pixels.
#[derive(Debug, Clone, Copy)]
pub struct Panel {
    /// Left edge.
    pub left: f64,
    /// Right edge.
    pub right: f64,
    /// Upper edge.
    pub top: f64,
    /// Lower edge.
    pub bottom: f64,
}

/// Draws the vertical axis's label and the legend; returns where the plotting area may begin.
pub fn header(canvas: &mut Canvas, y_label: &str, keys: &[Key]) -> f64 {
    let mut y = PAD + LABEL - 1.0;
    if !y_label.is_empty() {
        y = canvas.paragraph("axis", (PAD, y), Anchor::Start, WIDTH - 2.0 * PAD, 1.05 * LABEL, y_label) + 7.0;
    }
    y = legend::rows(canvas, y, keys);
    y + 3.0
}

/// Ticks of a vertical axis.
pub fn y_ticks(map: &Map) -> Vec<Tick> {
    ticks::ticks(map.scale(), map.low, map.high, (HEIGHT / 45.0) as usize)
}

/// Left edge of a plotting area that leaves room for these tick labels.
pub fn left_edge(ticks: &[Tick]) -> f64 {
    PAD + TICK_GAP + ticks.iter().map(|t| text::width(&t.label, SMALL)).fold(0.0, f64::max)
}

/// Draws the grid lines and labels of the vertical axis; zero is marked where values lie on both sides.
pub fn y_axis(canvas: &mut Canvas, panel: Panel, map: &Map, ticks: &[Tick]) {
    for tick in ticks {
        let y = map.at(tick.value);
        let class = if tick.value == 0.0 && map.low < 0.0 { "base" } else { "grid" };
        canvas.line(class, (panel.left, y), (panel.right, y));
        canvas.text("tick", (panel.left - TICK_GAP, y + 4.0), Anchor::End, &tick.label);
    }
}

/// Draws a horizontal axis of numbers; returns the baseline of the next text below.
pub fn x_axis(canvas: &mut Canvas, panel: Panel, map: &Map) -> f64 {
    canvas.line("base", (panel.left, panel.bottom), (panel.right, panel.bottom));
    let most = ((panel.right - panel.left) / 70.0).clamp(2.0, 9.0) as usize;
    for tick in ticks::fitting(map, SMALL, most) {
        let x = map.at(tick.value);
        canvas.line("mark", (x, panel.bottom), (x, panel.bottom + 5.0));
        canvas.text("tick", (x, panel.bottom + 19.0), Anchor::Middle, &tick.label);
    }
    panel.bottom + 19.0 + LEADING
}

/// Draws names below places along the horizontal axis: wrapped where they fit, else turned.
///
/// Returns the baseline of the next text below.
pub fn x_names(canvas: &mut Canvas, panel: Panel, names: &[String]) -> f64 {
    let slot = (panel.right - panel.left) / names.len() as f64;
    let centre = |i: usize| panel.left + (i as f64 + 0.5) * slot;
    if !turned(names, slot) {
        let mut below = panel.bottom + 18.0;
        for (i, name) in names.iter().enumerate() {
            let at = (centre(i), panel.bottom + 18.0);
            below = below.max(canvas.paragraph("tick", at, Anchor::Middle, slot - 8.0, SMALL, name));
        }
        return below;
    }
    let every = (LEADING / (slot * SIN)).ceil().max(1.0) as usize;
    let mut reach = 0.0f64;
    for (i, name) in names.iter().enumerate().step_by(every) {
        let (x, y) = (centre(i) + 4.0, panel.bottom + 14.0);
        let shown = text::ellipsize(name, TURNED_MOST.min((x - 4.0) / COS), |t| text::width(t, SMALL));
        reach = reach.max(text::width(&shown, SMALL) * SIN);
        canvas.turned("tick", (x, y), Anchor::End, -ANGLE, &shown);
    }
    panel.bottom + 14.0 + reach + LEADING + 4.0
}

/// Left edge that keeps turned names inside the picture.
pub fn left_for_names(left: f64, right: f64, names: &[String]) -> f64 {
    let slot = (right - left) / names.len() as f64;
    if !turned(names, slot) {
        return left;
    }
    let overhang = names.iter().enumerate().map(|(i, name)| {
        let length = text::width(name, SMALL).min(TURNED_MOST);
        length * COS - (i as f64 + 0.5) * slot
    });
    left.max(PAD + overhang.fold(0.0, f64::max)).min(180.0)
}

/// Draws the horizontal axis's label and the notes from the baseline `y` on; returns the figure's height.
pub fn footer(canvas: &mut Canvas, panel: Panel, y: f64, x_label: &str, notes: &[String]) -> f64 {
    let mut y = y;
    if !x_label.is_empty() {
        let most = 2.0 * ((panel.left + panel.right) / 2.0 - PAD).min(WIDTH - PAD - (panel.left + panel.right) / 2.0);
        y = canvas.paragraph(
            "axis",
            ((panel.left + panel.right) / 2.0, y + 5.0),
            Anchor::Middle,
            most,
            1.05 * LABEL,
            x_label,
        );
    }
    for note in notes {
        y = canvas.paragraph("note", (PAD, y + 4.0), Anchor::Start, WIDTH - 2.0 * PAD, 11.0, note);
    }
    y - LEADING + PAD
}

/// Defines the plotting area, with room for markers on its edge, as a clip path; returns the attribute that uses it.
pub fn clip(canvas: &mut Canvas, panel: Panel) -> String {
    let id = format!("emfig-{}-clip", canvas.name());
    let (x, y) = (num(panel.left - 1.0), num(panel.top - 3.0));
    let (w, h) = (num(panel.right - panel.left + 2.0), num(panel.bottom - panel.top + 6.0));
    canvas.raw(&format!("<clipPath id=\"{id}\"><rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"/></clipPath>\n"));
    format!("clip-path=\"url(#{id})\"")
}

/// Sentences on the values that the picture cannot show.
pub fn notes(missing: usize, outside: usize) -> Vec<String> {
    let say = |n: usize, one: &str, many: &str| match n {
        0 => None,
        1 => Some(format!("1 {one}")),
        n => Some(format!("{n} {many}")),
    };
    let missing = say(missing, "value is missing and not drawn.", "values are missing and not drawn.");
    let outside = say(outside, "value lies outside the axes.", "values lie outside the axes.");
    let all: Vec<String> = missing.into_iter().chain(outside).collect();
    if all.is_empty() { all } else { vec![all.join(" ")] }
}

const ANGLE: f64 = 38.0;
const SIN: f64 = 0.6157;
const COS: f64 = 0.788;
const TURNED_MOST: f64 = 190.0;

fn turned(names: &[String], slot: f64) -> bool {
    let most = slot - 8.0;
    names.iter().any(|name| {
        let too_wide = name.split_whitespace().any(|word| text::width(word, SMALL) > most);
        too_wide || text::wrap(name, most, |t| text::width(t, SMALL)).len() > 3
    })
}
