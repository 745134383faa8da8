//! What figures of studies share.

use emhost_sdk::prelude::*;

/// Whether there is anything to draw.
pub fn has_numbers(figure: &Figure) -> bool {
    let any = |values: &[f64]| values.iter().any(|value| value.is_finite());
    match &figure.plot {
        Plot::Lines(lines) => lines.iter().any(|line| any(&line.y)),
        Plot::Points(clouds) => clouds.iter().any(|cloud| any(&cloud.y)),
        Plot::Bars { series, .. } => series.iter().any(|bars| any(&bars.values)),
        Plot::Heatmap { values, .. } => values.iter().any(|row| any(row)),
    }
}
