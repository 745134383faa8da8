//! Colours as people see them, to check styles in tests.

use std::collections::HashMap;

/// Red, green and blue from 0 to 1 as screens encode them (sRGB).
pub type Colour = [f64; 3];

/// Colours declared as `name: #rrggbb` in a style, by what follows `prefix`: the light ones, and the dark ones over them.
pub fn declared(css: &str, prefix: &str) -> [HashMap<String, Colour>; 2] {
    let (light, dark) = css.split_once("prefers-color-scheme: dark").expect("the style has a dark theme");
    let read = |text: &str| -> HashMap<String, Colour> {
        text.split(prefix)
            .skip(1)
            .filter_map(|rest| {
                let (name, value) = rest.split_once('#')?;
                let name = name.split([':', ' ']).next()?;
                Some((name.to_string(), hex(value.get(..6)?)?))
            })
            .collect()
    };
    let light = read(light);
    let mut both = light.clone();
    both.extend(read(dark));
    [light, both]
}

/// `0072b2` as a colour.
pub fn hex(text: &str) -> Option<Colour> {
    let part = |i: usize| u8::from_str_radix(text.get(i..i + 2)?, 16).ok().map(|v| f64::from(v) / 255.0);
    Some([part(0)?, part(2)?, part(4)?])
}

/// Contrast of two colours, 1 to 21 (WCAG 2.2, "contrast ratio").
pub fn contrast(a: Colour, b: Colour) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance, 0 to 1 (WCAG 2.2).
pub fn luminance(colour: Colour) -> f64 {
    let [r, g, b] = colour.map(linear);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// `over` painted with an opacity onto `ground`.
pub fn blend(over: Colour, opacity: f64, ground: Colour) -> Colour {
    std::array::from_fn(|i| opacity * over[i] + (1.0 - opacity) * ground[i])
}

/// What a person without the M cones sees (Machado, Oliveira and Fernandes 2009, table 1, severity 1.0).
pub fn deuteranopia(colour: Colour) -> Colour {
    const SEEN: [[f64; 3]; 3] =
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]];
    let light = colour.map(linear);
    std::array::from_fn(|i| encoded((0..3).map(|k| SEEN[i][k] * light[k]).sum::<f64>().clamp(0.0, 1.0)))
}

/// Distance of two colours in CIELAB (CIE 1976, D65): about 2 can just be told apart side by side.
pub fn distance(a: Colour, b: Colour) -> f64 {
    let (a, b) = (lab(a), lab(b));
    (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt()
}

/// Lightness L* from 0 to 100: what is left on grey paper.
pub fn lightness(colour: Colour) -> f64 {
    lab(colour)[0]
}

fn linear(v: f64) -> f64 {
    if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

fn encoded(v: f64) -> f64 {
    if v <= 0.0031308 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
}

fn lab(colour: Colour) -> [f64; 3] {
    let [r, g, b] = colour.map(linear);
    let f = |t: f64| if t > 216.0 / 24389.0 { t.cbrt() } else { (24389.0 / 27.0 * t + 16.0) / 116.0 };
    let x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
    let y = f(0.2126729 * r + 0.7151522 * g + 0.0721750 * b);
    let z = f((0.0193339 * r + 0.1191920 * g + 0.9503041 * b) / 1.08883);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[test]
fn known_colours_have_their_known_measures() {
    let of = |text: &str| hex(text).unwrap();
    assert!((contrast(of("000000"), of("ffffff")) - 21.0).abs() < 1e-9);
    assert!((contrast(of("767676"), of("ffffff")) - 4.54).abs() < 0.01, "the grey that just passes on white");
    assert!((lightness(of("777777")) - 50.03).abs() < 0.02);
    assert!(distance(of("ff0000"), of("00ff00")) > 100.0);
    let grey = of("808080");
    assert!(distance(deuteranopia(grey), grey) < 0.1, "greys stay grey");
}
