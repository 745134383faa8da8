//! Draws a plot spec as a vector graphic.

mod axes;
mod bars;
mod canvas;
mod check;
mod heatmap;
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
pub use render::render_svg;
