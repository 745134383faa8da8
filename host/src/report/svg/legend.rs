//! Names of series: beside their lines where there is room, else in rows above the plot.

use super::canvas::{Anchor, Canvas, LEADING, PAD, SMALL, WIDTH, num};
use super::style::Style;
use crate::report::text;

/// What a series looks like in the legend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swatch {
    /// A line with its marker.
    Line,
    /// A marker.
    Marker,
    /// A filled box.
    Bar,
}

/// One entry.
#[derive(Debug, Clone)]
pub struct Key {
    /// The look.
    pub style: Style,
    /// The kind of mark.
    pub swatch: Swatch,
    /// The name.
    pub label: String,
}

/// Entries for series; none when the only series has no name to tell.
pub fn keys<'a>(swatch: Swatch, styles: &[Style], labels: impl Iterator<Item = &'a str>) -> Vec<Key> {
    let named = styles.iter().zip(labels).filter(|(_, label)| !label.is_empty());
    named.map(|(&style, label)| Key { style, swatch, label: label.into() }).collect()
}

/// Draws entries in rows from the baseline `y` on; returns where the next thing may begin.
pub fn rows(canvas: &mut Canvas, y: f64, keys: &[Key]) -> f64 {
    const GAP: f64 = 20.0;
    let (mut x, mut y, mut lines_in_row) = (PAD, y, 0);
    for key in keys {
        let swatch = swatch_width(key.swatch) + 7.0;
        let lines = text::wrap(&key.label, WIDTH - 2.0 * PAD - swatch, measure);
        let taken = swatch + lines.iter().map(|line| measure(line)).fold(0.0, f64::max);
        if x > PAD && x + taken > WIDTH - PAD {
            (x, y, lines_in_row) = (PAD, y + lines_in_row as f64 * LEADING + 4.0, 0);
        }
        draw_swatch(canvas, key, x, y - 4.0);
        for (i, line) in lines.iter().enumerate() {
            canvas.text("key", (x + swatch, y + i as f64 * LEADING), Anchor::Start, line);
        }
        lines_in_row = lines_in_row.max(lines.len());
        x += taken + GAP;
    }
    y + lines_in_row as f64 * LEADING
}

/// A label beside the end of its line.
#[derive(Debug, Clone)]
pub struct Beside {
    /// Which of the keys.
    pub key: usize,
    /// The name, broken to lines.
    pub lines: Vec<String>,
    /// Where the line ends.
    pub end: f64,
    /// Middle of the label, moved so that labels do not touch.
    pub y: f64,
}

/// Labels beside lines that end at these heights within `0..=height`; `None` when they have no room there.
pub fn beside(keys: &[Key], ends: &[f64], height: f64) -> Option<Vec<Beside>> {
    const MOST_WIDTH: f64 = 150.0;
    const MOST_LINES: usize = 3;
    const MOST_MOVED: f64 = 40.0;
    let label = |(key, (entry, &end)): (usize, (&Key, &f64))| Beside {
        key,
        lines: text::wrap(&entry.label, MOST_WIDTH, measure),
        end,
        y: end,
    };
    let mut labels: Vec<Beside> = keys.iter().zip(ends).enumerate().map(label).collect();
    labels.sort_by(|a, b| a.end.total_cmp(&b.end));
    let tall = |l: &Beside| l.lines.len() as f64 * LEADING + 3.0;
    if labels.iter().any(|l| l.lines.len() > MOST_LINES) || labels.iter().map(tall).sum::<f64>() > height {
        return None;
    }
    let heights: Vec<f64> = labels.iter().map(tall).collect();
    let wanted: Vec<f64> = labels.iter().map(|l| l.end).collect();
    for (label, y) in labels.iter_mut().zip(spread(&wanted, &heights, height)) {
        label.y = y;
    }
    labels.iter().all(|l| (l.y - l.end).abs() <= MOST_MOVED).then_some(labels)
}

/// Width of the column that holds labels beside lines.
pub fn beside_width(labels: &[Beside]) -> f64 {
    LEADER
        + swatch_width(Swatch::Marker)
        + 5.0
        + labels.iter().flat_map(|l| &l.lines).map(|line| measure(line)).fold(0.0, f64::max)
}

/// Draws labels beside lines: from the line's end at `ends[key]`, a leader to the label right of `x`.
pub fn draw_beside(canvas: &mut Canvas, labels: &[Beside], keys: &[Key], ends: &[(f64, f64)], x: f64, top: f64) {
    for label in labels {
        let (from, key) = (ends[label.key], &keys[label.key]);
        let (x, y) = (x + LEADER, top + label.y);
        if (y - from.1).abs() > 2.0 || x - from.0 > 2.5 * LEADER {
            let bend = x - 0.55 * LEADER;
            let d =
                [(from.0 + 7.0, from.1), (bend, from.1), (x - 3.0, y)].map(|(x, y)| format!("{} {}", num(x), num(y)));
            canvas.path("leader", &format!("M{}", d.join("L")), "");
        }
        draw_swatch(canvas, &Key { swatch: Swatch::Marker, ..key.clone() }, x, y);
        let first = y + 4.0 - (label.lines.len() - 1) as f64 * LEADING / 2.0;
        for (i, line) in label.lines.iter().enumerate() {
            canvas.text(
                "key",
                (x + swatch_width(Swatch::Marker) + 5.0, first + i as f64 * LEADING),
                Anchor::Start,
                line,
            );
        }
    }
}

const LEADER: f64 = 22.0;

fn measure(text: &str) -> f64 {
    text::width(text, SMALL)
}

fn swatch_width(swatch: Swatch) -> f64 {
    match swatch {
        Swatch::Line => 30.0,
        Swatch::Marker => 10.0,
        Swatch::Bar => 14.0,
    }
}

/// Draws a swatch whose left end is at `x` and whose middle is at `y`.
fn draw_swatch(canvas: &mut Canvas, key: &Key, x: f64, y: f64) {
    let w = swatch_width(key.swatch);
    canvas.open(&key.style.class(), "");
    if key.swatch == Swatch::Line {
        let dashes = key.style.dashes().map(|d| format!("stroke-dasharray=\"{d}\"")).unwrap_or_default();
        canvas.path("curve", &format!("M{} {}H{}", num(x), num(y), num(x + w)), &dashes);
    }
    if key.swatch == Swatch::Bar {
        bar(canvas, key.style, [x, y - 6.0, w, 11.0], "");
    } else {
        let class = if key.style.control { "marker hollow" } else { "marker fill halo" };
        let place = format!("transform=\"translate({} {})\"", num(x + w / 2.0), num(y));
        canvas.path(class, &key.style.marker(4.0), &place);
    }
    canvas.close();
}

/// Draws a filled box in the look of a series.
pub fn bar(canvas: &mut Canvas, style: Style, place: [f64; 4], tooltip: &str) {
    if style.control {
        canvas.rect("hollow", place, "", "");
        canvas.rect("outline", place, "", tooltip);
        return;
    }
    canvas.rect("fill", place, "rx=\"1.5\"", tooltip);
    if style.hatch().is_some() {
        let fill = format!("fill=\"url(#{})\" pointer-events=\"none\"", style.hatch_id(canvas.name()));
        canvas.rect("over", place, &fill, "");
    }
}

/// Moves wanted centres apart, as little as possible and in order, so that boxes of these heights do not touch.
fn spread(wanted: &[f64], heights: &[f64], room: f64) -> Vec<f64> {
    // Pool adjacent violators: neighbours that would touch form a block centred on the mean of their wishes.
    struct Block {
        first: usize,
        tall: f64,
        top: f64,
    }
    let place = |first: usize, last: usize| -> Block {
        let tall: f64 = heights[first..last].iter().sum();
        let mut above = 0.0;
        let mut sum = 0.0;
        for i in first..last {
            sum += wanted[i] - above - heights[i] / 2.0;
            above += heights[i];
        }
        let top = (sum / (last - first) as f64).clamp(0.0, (room - tall).max(0.0));
        Block { first, tall, top }
    };
    let mut blocks: Vec<Block> = Vec::new();
    for i in 0..wanted.len() {
        let mut block = place(i, i + 1);
        while let Some(previous) = blocks.pop_if(|previous| previous.top + previous.tall > block.top) {
            block = place(previous.first, i + 1);
        }
        blocks.push(block);
    }
    let mut centres = Vec::with_capacity(wanted.len());
    for (b, block) in blocks.iter().enumerate() {
        let last = blocks.get(b + 1).map_or(wanted.len(), |next| next.first);
        let mut y = block.top;
        for height in &heights[block.first..last] {
            centres.push(y + height / 2.0);
            y += height;
        }
    }
    centres
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_beside_lines_never_touch_and_stay_inside() {
        let check = |wanted: &[f64]| {
            let heights = vec![18.0; wanted.len()];
            let found = spread(wanted, &heights, 320.0);
            assert!(found.windows(2).all(|w| w[1] - w[0] >= 18.0 - 1e-9), "{found:?}");
            assert!(found.iter().all(|y| (9.0..=311.0).contains(y)), "{found:?}");
        };
        check(&[100.0, 101.0, 102.0]);
        check(&[0.0, 0.0, 0.0, 320.0, 320.0]);
        check(&[10.0, 30.0, 31.0, 45.0, 200.0]);
        assert_eq!(spread(&[50.0, 200.0], &[18.0, 18.0], 320.0), [50.0, 200.0]);
    }
}
