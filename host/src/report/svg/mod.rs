//! Draws a plot spec as a vector graphic.

mod axes;
mod bars;
mod canvas;
mod check;
#[cfg(test)]
mod colour_tests;
mod heatmap;
mod intervals;
mod legend;
mod lines;
mod points;
mod render;
mod scale;
mod style;
#[cfg(test)]
mod tests;
mod ticks;

pub use check::FigureError;
pub use intervals::{IntervalPlot, IntervalRow, label_room, render_intervals};
pub use render::render_svg;
