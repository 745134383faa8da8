//! From a figure to the text of an SVG file.

use emhost_abi::wire::{Figure, Plot};

use super::canvas::Canvas;
use super::check::{FigureError, check};
use super::{bars, heatmap, lines, points};

/// Draws a figure as a stand-alone SVG document that reads on light and dark backgrounds and in grey.
///
/// Title and caption stay outside (the title is the graphic's accessible name). Equal figures give equal
/// bytes. Values that are not finite are left out and counted in a note below the axis.
///
/// # Errors
/// A [`FigureError`] names what in the spec cannot be drawn.
pub fn render_svg(figure: &Figure) -> Result<String, FigureError> {
    check(figure)?;
    let mut canvas = Canvas::new(&figure.name);
    let height = match &figure.plot {
        Plot::Lines(lines) => lines::draw(&mut canvas, figure, lines),
        Plot::Points(clouds) => points::draw(&mut canvas, figure, clouds),
        Plot::Bars { groups, series } => bars::draw(&mut canvas, figure, groups, series),
        Plot::Heatmap { rows, columns, values, diverging } => {
            heatmap::draw(&mut canvas, figure, &heatmap::Matrix { rows, columns, values, diverging: *diverging })
        }
    };
    Ok(canvas.finish(&figure.title, height))
}
