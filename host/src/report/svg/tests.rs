//! What every drawn figure keeps, on figures of each kind, easy and hard.

use emhost_abi::wire::{Axis, Bars, Figure, Line, Plot, Points};
use roxmltree::{Document, Node};

use super::canvas::{SMALL, WIDTH};
use super::{FigureError, render_svg};
use crate::report::{sample, text};

fn samples() -> Vec<Figure> {
    [sample::lines(), sample::bars(), sample::heatmap(), sample::points()].into_iter().chain(sample::hard()).collect()
}

/// Left, right and baseline of a text that is not turned.
fn extent(node: &Node) -> (f64, f64, f64) {
    let at = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
    let (x, wide) = (at("x"), text::width(node.text().unwrap_or(""), SMALL) / 1.1);
    let left = match node.attribute("text-anchor") {
        Some("middle") => x - wide / 2.0,
        Some("end") => x - wide,
        _ => x,
    };
    (left, left + wide, at("y"))
}

#[test]
fn figures_are_well_formed_named_and_deterministic() {
    for figure in samples() {
        let svg = render_svg(&figure).unwrap();
        assert_eq!(svg, render_svg(&figure).unwrap());
        let document = Document::parse(&svg).unwrap_or_else(|error| panic!("{}: {error}", figure.name));
        let root = document.root_element();
        assert_eq!((root.tag_name().name(), root.attribute("role")), ("svg", Some("img")));
        assert_eq!(root.first_element_child().and_then(|title| title.text()), Some(figure.title.as_str()));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", figure.name);
    }
}

#[test]
fn texts_never_overlap_and_stay_inside() {
    for figure in samples() {
        let svg = render_svg(&figure).unwrap();
        let document = Document::parse(&svg).unwrap();
        let height: f64 = document.root_element().attribute("height").unwrap().parse().unwrap();
        let texts: Vec<Node> = document.descendants().filter(|n| n.has_tag_name("text")).collect();
        let (turned, level): (Vec<Node>, Vec<Node>) = texts.into_iter().partition(|n| n.has_attribute("transform"));
        for (i, a) in level.iter().enumerate() {
            let (left, right, y) = extent(a);
            let name = &figure.name;
            assert!(
                left >= 0.0 && right <= WIDTH && y > 0.0 && y < height,
                "{name}: {:?} leaves the picture",
                a.text()
            );
            for b in &level[i + 1..] {
                let (l, r, other) = extent(b);
                let apart = right <= l || r <= left || (y - other).abs() >= SMALL - 0.5;
                assert!(apart, "{name}: {:?} touches {:?}", a.text(), b.text());
            }
        }
        let ticks: Vec<f64> =
            turned.iter().filter(|n| n.attribute("class") == Some("tick")).map(|n| extent(n).1).collect();
        assert!(ticks.windows(2).all(|pair| (pair[1] - pair[0]) * 0.61 >= SMALL), "{}: {ticks:?}", figure.name);
    }
}

#[test]
fn what_is_missing_is_said() {
    let check = |figure: Figure, expected: &str| {
        let svg = render_svg(&figure).unwrap();
        assert!(svg.contains(expected), "{expected}: {svg}");
    };
    check(sample::lines(), "1 value is missing and not drawn.");
    check(sample::bars(), ">no value</text>");
    check(sample::heatmap(), "class=\"absent\"");
    check(Figure { y: Axis::linear("share").range(0.0, 0.3), ..sample::bars() }, "4 values lie outside the axes.");
}

#[test]
fn a_line_breaks_at_a_missing_value() {
    let line = Line { x: vec![0.0, 1.0, 2.0, 3.0, 4.0], y: vec![0.0, 1.0, f64::NAN, 2.0, 3.0], ..Line::default() };
    let svg = render_svg(&figure(Plot::Lines(vec![line]))).unwrap();
    assert_eq!(svg.matches("class=\"curve\"").count(), 2);
}

#[test]
fn plugin_text_is_escaped() {
    let evil = "</title><script>alert(1)</script>&\"'\u{1}";
    let line = Line { label: evil.into(), x: vec![0.0, 1.0], y: vec![0.0, 1.0], ..Line::default() };
    let bars = Bars { label: evil.into(), values: vec![1.0], ..Bars::default() };
    let cloud = Points { label: evil.into(), x: vec![0.0], y: vec![1.0] };
    let names = vec![evil.to_string()];
    let matrix =
        Plot::Heatmap { rows: names.clone(), columns: names.clone(), values: vec![vec![1.0]], diverging: false };
    for plot in
        [Plot::Lines(vec![line]), Plot::Points(vec![cloud]), Plot::Bars { groups: names, series: vec![bars] }, matrix]
    {
        let figure = Figure { title: evil.into(), x: Axis::linear(evil), y: Axis::linear(evil), ..figure(plot) };
        let svg = render_svg(&figure).unwrap();
        let document = Document::parse(&svg).unwrap();
        assert!(document.descendants().all(|n| !n.has_tag_name("script")), "{svg}");
    }
}

fn figure(plot: Plot) -> Figure {
    Figure { name: "f".into(), title: "t".into(), caption: String::new(), x: Axis::default(), y: Axis::default(), plot }
}

#[test]
fn a_spec_that_cannot_be_drawn_is_a_named_error() {
    let check = |figure: Figure, expected: &str| {
        let error = render_svg(&figure).expect_err(expected);
        assert!(error.to_string().starts_with("draw figure `"), "{error}");
        assert!(error.to_string().contains(expected), "{error} does not say `{expected}`");
    };
    let lines = |x: &[f64], y: &[f64], low: &[f64], high: &[f64]| {
        figure(Plot::Lines(vec![Line {
            label: "a".into(),
            x: x.into(),
            y: y.into(),
            low: low.into(),
            high: high.into(),
            control: false,
        }]))
    };
    let bars = |values: &[f64]| Plot::Bars {
        groups: vec!["g".into()],
        series: vec![Bars { label: "a".into(), values: values.into(), ..Bars::default() }],
    };
    let matrix = |values: Vec<Vec<f64>>| Plot::Heatmap {
        rows: vec!["r".into()],
        columns: vec!["c".into()],
        values,
        diverging: false,
    };
    check(Figure { name: "A b".into(), ..sample::lines() }, "made of a-z");
    check(figure(Plot::Lines(Vec::new())), "no lines");
    check(figure(Plot::Points(Vec::new())), "no points");
    check(figure(Plot::Bars { groups: Vec::new(), series: Vec::new() }), "no groups");
    check(figure(Plot::Bars { groups: vec!["g".into()], series: Vec::new() }), "no series");
    check(
        figure(Plot::Heatmap { rows: Vec::new(), columns: Vec::new(), values: Vec::new(), diverging: false }),
        "no rows",
    );
    check(lines(&[], &[], &[], &[]), "no finite value");
    check(lines(&[1.0], &[f64::NAN], &[], &[]), "no finite value");
    check(lines(&[1.0, 2.0], &[1.0], &[], &[]), "`y` of `a` has 1 values, expected 2");
    check(lines(&[1.0], &[1.0], &[0.5], &[]), "`high` of `a` has 0 values, expected 1");
    check(lines(&[1.0], &[1.0], &[], &[0.5]), "`low` of `a` has 0 values, expected 1");
    check(lines(&[1.0], &[1.0], &[2.0], &[0.5]), "interval 0 of `a` is [2, 0.5]");
    check(figure(bars(&[1.0, 2.0])), "`values` of `a` has 2 values, expected 1");
    check(figure(matrix(vec![vec![1.0, 2.0]])), "`values` of `r` has 2 values, expected 1");
    check(figure(matrix(Vec::new())), "`values` of `matrix` has 0 values, expected 1");
    check(Figure { x: Axis::log("x"), ..lines(&[0.0], &[1.0], &[], &[]) }, "`a` has 0 on the logarithmic x axis");
    check(
        Figure { y: Axis::log("y"), ..lines(&[1.0], &[1.0], &[-0.5], &[2.0]) },
        "`a` has -0.5 on the logarithmic y axis",
    );
    check(Figure { y: Axis::log("y"), ..figure(bars(&[0.0])) }, "`a` has 0 on the logarithmic y axis");
    check(
        Figure { y: Axis::log("y").range(0.0, 1.0), ..lines(&[1.0], &[1.0], &[], &[]) },
        "`range` has 0 on the logarithmic y axis",
    );
    check(Figure { y: Axis::linear("y").range(1.0, 1.0), ..lines(&[1.0], &[1.0], &[], &[]) }, "y range is [1, 1]");
    check(
        Figure { x: Axis::linear("x").range(0.0, f64::NAN), ..lines(&[1.0], &[1.0], &[], &[]) },
        "x range is [0, NaN]",
    );
    check(Figure { x: Axis::log("x"), ..figure(bars(&[1.0])) }, "x axis holds names");
    check(Figure { y: Axis::log("y"), ..figure(matrix(vec![vec![1.0]])) }, "y axis holds names");
    let two = lines(&[1.0, 2.0], &[1.0], &[], &[]);
    let expected =
        FigureError::UnequalLengths { figure: "f".into(), series: "a".into(), field: "y", expected: 2, got: 1 };
    assert_eq!(render_svg(&two), Err(expected));
}

#[test]
fn extreme_values_are_drawn_inside() {
    for values in [[0.0, 0.0], [1e-300, 1e-299], [-1e300, 1e300], [1e15, 1e15 + 1.0], [5e-324, 1.0], [-5.0, -5.0]] {
        let line = Line { label: "a".into(), x: values.to_vec(), y: values.to_vec(), ..Line::default() };
        let svg = render_svg(&figure(Plot::Lines(vec![line]))).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{values:?}: {svg}");
        assert!(svg.len() < 20_000, "{values:?} gives {} bytes", svg.len());
    }
}
