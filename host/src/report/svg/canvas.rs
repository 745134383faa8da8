//! A growing SVG document with fixed number formatting.

use std::fmt::Write;

use crate::report::text::{escape, width, wrap};

/// Width of every figure in user units; one unit is a pixel at the natural size.
pub const WIDTH: f64 = 720.0;
/// Room kept at the edges.
pub const PAD: f64 = 14.0;
/// Font size of labels.
pub const LABEL: f64 = 13.0;
/// Font size of tick labels, legends and notes.
pub const SMALL: f64 = 12.0;
/// Distance of baselines in a label of several lines.
pub const LEADING: f64 = 15.0;

/// Where a text's anchor lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// At its start.
    Start,
    /// In its middle.
    Middle,
    /// At its end.
    End,
}

/// A growing document.
pub struct Canvas {
    name: String,
    body: String,
}

impl Canvas {
    /// An empty document for the figure `name`.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), body: String::new() }
    }

    /// The figure's name, for ids.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens a group with a class and further attributes.
    pub fn open(&mut self, class: &str, attributes: &str) {
        let space = if attributes.is_empty() { "" } else { " " };
        self.raw(&format!("<g class=\"{class}\"{space}{attributes}>\n"));
    }

    /// Closes a group.
    pub fn close(&mut self) {
        self.raw("</g>\n");
    }

    /// Adds markup as it is.
    pub fn raw(&mut self, markup: &str) {
        self.body.push_str(markup);
    }

    /// A straight line.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        self.path(class, &format!("M{} {}L{} {}", num(from.0), num(from.1), num(to.0), num(to.1)), "");
    }

    /// A path.
    pub fn path(&mut self, class: &str, d: &str, attributes: &str) {
        let space = if attributes.is_empty() { "" } else { " " };
        let _ = writeln!(self.body, "<path class=\"{class}\" d=\"{d}\"{space}{attributes}/>");
    }

    /// A marker around a place, with a tooltip.
    pub fn marker(&mut self, class: &str, (x, y): (f64, f64), d: &str, tooltip: &str) {
        let (x, y, tooltip) = (num(x), num(y), escape(tooltip));
        let _ = writeln!(
            self.body,
            "<path class=\"{class}\" d=\"{d}\" transform=\"translate({x} {y})\"><title>{tooltip}</title></path>"
        );
    }

    /// A rectangle, with a tooltip unless it is empty.
    pub fn rect(&mut self, class: &str, [x, y, w, h]: [f64; 4], attributes: &str, tooltip: &str) {
        let space = if attributes.is_empty() { "" } else { " " };
        let (x, y, w, h) = (num(x), num(y), num(w), num(h));
        let _ = write!(
            self.body,
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"{space}{attributes}"
        );
        if tooltip.is_empty() {
            self.body.push_str("/>\n");
        } else {
            let _ = writeln!(self.body, "><title>{}</title></rect>", escape(tooltip));
        }
    }

    /// A text on one line.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        self.turned(class, (x, y), anchor, 0.0, text);
    }

    /// A text on one line, turned by an angle in degrees around its anchor.
    pub fn turned(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, angle: f64, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (x, y) = (num(x), num(y));
        let turn = if angle == 0.0 { String::new() } else { format!(" transform=\"rotate({} {x} {y})\"", num(angle)) };
        let _ =
            writeln!(self.body, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}{turn}>{}</text>", escape(text));
    }

    /// A text broken to lines of at most `most` pixels; returns the y of the next baseline.
    pub fn paragraph(
        &mut self,
        class: &str,
        (x, y): (f64, f64),
        anchor: Anchor,
        most: f64,
        size: f64,
        text: &str,
    ) -> f64 {
        let mut y = y;
        for line in wrap(text, most, |t| width(t, size)) {
            self.text(class, (x, y), anchor, &line);
            y += LEADING;
        }
        y
    }

    /// The whole document.
    pub fn finish(self, title: &str, height: f64) -> String {
        let (w, h) = (num(WIDTH), num(height.ceil()));
        let style = include_str!("figure.css").trim_end();
        let id = format!("emfig-{}-title", self.name);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"emfig\" role=\"img\" aria-labelledby=\"{id}\" \
             width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\">\n<title id=\"{id}\">{}</title>\n<style>\n{style}\n</style>\n\
             <rect class=\"surface\" width=\"{w}\" height=\"{h}\"/>\n{}</svg>\n",
            escape(title),
            self.body
        )
    }
}

/// A coordinate with at most two decimals, the same text for the same number everywhere.
pub fn num(v: f64) -> String {
    let text = format!("{v:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".into() } else { text.into() }
}
