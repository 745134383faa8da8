//! How series differ: colour, marker and hatching, so that each reads without colour too.

/// The look of one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Place among the series of its kind, from 0.
    index: usize,
    /// Grey and dashed.
    pub control: bool,
}

/// Colours before they repeat.
const COLOURS: usize = 7;

impl Style {
    /// Styles for a list of series; controls are counted on their own.
    pub fn all(controls: impl Iterator<Item = bool>) -> Vec<Style> {
        let mut seen = [0, 0];
        controls
            .map(|control| {
                let counter = &mut seen[usize::from(control)];
                *counter += 1;
                Style { index: *counter - 1, control }
            })
            .collect()
    }

    /// The CSS class that sets the colour.
    pub fn class(&self) -> String {
        if self.control { "ctl".into() } else { format!("s{}", self.index % COLOURS) }
    }

    /// The dashes of its line; `None` for a solid one.
    pub fn dashes(&self) -> Option<&'static str> {
        let turn = if self.control { 1 + self.index } else { self.index / COLOURS };
        match turn % 4 {
            0 => None,
            1 => Some("6 4"),
            2 => Some("2 3"),
            _ => Some("9 3 2 3"),
        }
    }

    /// The path of its marker around (0, 0), for a circle of radius `r`.
    pub fn marker(&self, r: f64) -> String {
        let n = |v: f64| super::canvas::num(v * r);
        let polygon = |points: &[(f64, f64)]| {
            let corners: Vec<String> = points.iter().map(|(x, y)| format!("{} {}", n(*x), n(*y))).collect();
            format!("M{}Z", corners.join("L"))
        };
        match self.index % COLOURS {
            0 => format!("M{0} 0A{1} {1} 0 1 1 {1} 0A{1} {1} 0 1 1 {0} 0Z", n(-1.0), n(1.0)),
            1 => polygon(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
            2 => polygon(&[(0.0, -1.2), (1.1, 0.8), (-1.1, 0.8)]),
            3 => polygon(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
            4 => polygon(&[(0.0, 1.2), (1.1, -0.8), (-1.1, -0.8)]),
            5 => polygon(&[
                (-0.45, -1.2),
                (0.45, -1.2),
                (0.45, -0.45),
                (1.2, -0.45),
                (1.2, 0.45),
                (0.45, 0.45),
                (0.45, 1.2),
                (-0.45, 1.2),
                (-0.45, 0.45),
                (-1.2, 0.45),
                (-1.2, -0.45),
                (-0.45, -0.45),
            ]),
            _ => polygon(&[(0.0, -1.2), (1.04, -0.6), (1.04, 0.6), (0.0, 1.2), (-1.04, 0.6), (-1.04, -0.6)]),
        }
    }

    /// The hatching over its bars: a path in an 8 x 8 tile; `None` for plain ones.
    pub fn hatch(&self) -> Option<&'static str> {
        if self.control {
            return None;
        }
        match self.index % COLOURS {
            0 => None,
            1 => Some("M-2 2L2 -2M-2 10L10 -2M6 10L10 6"),
            2 => Some("M4 0V8"),
            3 => Some("M-2 6L2 10M-2 -2L10 10M6 -2L10 2"),
            4 => Some("M0 4H8"),
            5 => Some("M4 0V8M0 4H8"),
            _ => Some("M3 4H5"),
        }
    }

    /// A name for its hatching, unique within a figure.
    pub fn hatch_id(&self, figure: &str) -> String {
        format!("emfig-{figure}-h{}", self.index % COLOURS)
    }
}
