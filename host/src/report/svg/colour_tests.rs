//! Colours of figures, measured: on their grounds, for people without M cones, and in grey.

use super::style::Style;
use crate::report::colour::{Colour, blend, contrast, declared, deuteranopia, distance, hex, lightness};

const STYLE: &str = include_str!("figure.css");

fn themes() -> [(&'static str, Colour, std::collections::HashMap<String, Colour>); 2] {
    let [light, dark] = declared(STYLE, ".emfig .");
    [("light", hex("ffffff").unwrap(), light), ("dark", hex("16191d").unwrap(), dark)]
}

fn series(colours: &std::collections::HashMap<String, Colour>) -> Vec<(String, Colour)> {
    (0..7).map(|i| format!("s{i}")).chain(["ctl".into()]).map(|name| (name.clone(), colours[&name])).collect()
}

#[test]
fn any_two_series_differ_without_m_cones() {
    for (theme, _, colours) in themes() {
        let all = series(&colours);
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                let found = distance(deuteranopia(a.1), deuteranopia(b.1));
                // Five times the distance at which two patches side by side are just told apart.
                assert!(found >= 11.0, "{theme}: {} and {} are {found:.1} apart", a.0, b.0);
            }
        }
    }
}

#[test]
fn on_grey_paper_series_differ_by_shape_and_hatching() {
    // Seven steps of lightness are more than grey can tell apart (some pairs differ by less than 5 of 100), so
    // that every series has a marker, a hatching and dashes of its own.
    for (_, _, colours) in themes() {
        let all = series(&colours);
        let near = (0..7).flat_map(|i| (i + 1..7).map(move |j| (i, j)));
        assert!(near.clone().any(|(i, j)| (lightness(all[i].1) - lightness(all[j].1)).abs() < 5.0));
    }
    let styles = Style::all([false; 7].into_iter());
    for (i, a) in styles.iter().enumerate() {
        for b in &styles[i + 1..] {
            assert!(a.marker(4.0) != b.marker(4.0) && a.hatch() != b.hatch());
        }
    }
}

#[test]
fn every_series_is_seen_on_its_ground() {
    for (theme, ground, colours) in themes() {
        for (name, colour) in series(&colours) {
            let found = contrast(colour, ground);
            // WCAG 1.4.11 for graphics.
            assert!(found >= 3.0, "{theme}: {name} has {found:.2}");
        }
    }
}

#[test]
fn numbers_in_a_heat_map_read_on_every_shade() {
    for (theme, ground, colours) in themes() {
        let [value, on] = ["shade", "on"].map(|name| colours[name]);
        for class in ["cold", "warm"] {
            for step in 4..=100 {
                let opacity = f64::from(step) / 100.0;
                let cell = blend(colours[class], opacity, ground);
                let text = if super::heatmap::reads_light(class, opacity) { on } else { value };
                let found = contrast(text, cell);
                assert!(found >= 4.5, "{theme}: {class} at {opacity} has {found:.2}");
            }
        }
    }
}
