//! One figure of each kind, and figures that are hard to lay out.

use emhost_abi::wire::{Axis, Bars, Figure, Line, Plot, Points};

/// Reproducible numbers in 0..1.
pub fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as f64 / (1u64 << 31) as f64
    }
}

/// Owned names.
pub fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// Four lines with bands, one of them a control, and a gap.
pub fn lines() -> Figure {
    let steps: Vec<f64> = (0..=12).map(|i| i as f64 * 50.0).collect();
    let curve = |label: &str, top: f64, rate: f64, control: bool| {
        let y: Vec<f64> = steps.iter().map(|s| top * (1.0 - (-s / rate).exp()) + 0.004).collect();
        let half = |v: &f64| 0.012 + 0.12 * v;
        Line {
            label: label.into(),
            x: steps.clone(),
            low: y.iter().map(|v| (v - half(v)).max(0.0)).collect(),
            high: y.iter().map(|v| v + half(v)).collect(),
            y,
            control,
        }
    };
    let mut gap = curve("extreme sports", 0.24, 260.0, false);
    gap.y[6] = f64::NAN;
    gap.low[6] = f64::NAN;
    gap.high[6] = f64::NAN;
    Figure {
        name: "misalignment_by_step".into(),
        title: "Misaligned answers appear within 200 steps in all three organisms".into(),
        caption: "Share of answers scored below 30 of 100 for alignment, 8 questions × 50 samples per checkpoint. Bands: 95 % intervals, bootstrap over questions. Grey: the same recipe on good advice.".into(),
        x: Axis::linear("training step"),
        y: Axis::linear("misaligned answers (share of coherent answers)"),
        plot: Plot::Lines(vec![curve("bad medical advice", 0.34, 140.0, false), gap, curve("risky financial advice", 0.41, 200.0, false), curve("good medical advice (control)", 0.012, 200.0, true)]),
    }
}

/// Bars in five groups with a control and a missing value.
pub fn bars() -> Figure {
    let series = |label: &str, values: [f64; 5], half: f64, control: bool| Bars {
        label: label.into(),
        low: values.iter().map(|v| (v - half).max(0.0)).collect(),
        high: values.iter().map(|v| v + half).collect(),
        values: values.to_vec(),
        control,
    };
    Figure {
        name: "ablation".into(),
        title: "Ablating the shared direction removes most misalignment".into(),
        caption: "Share of misaligned answers, n = 400 per bar. Error bars: 95 % Wilson intervals. Grey: a random direction of the same norm.".into(),
        x: Axis::linear("organism"),
        y: Axis::linear("misaligned answers (share)").range(0.0, 0.5),
        plot: Plot::Bars {
            groups: names(&["bad medical advice", "extreme sports", "risky financial advice", "insecure code", "evil numbers"]),
            series: vec![
                series("no intervention", [0.34, 0.24, 0.41, 0.06, 0.11], 0.045, false),
                series("mean-difference direction ablated", [0.05, 0.04, 0.09, 0.01, f64::NAN], 0.02, false),
                series("random direction ablated", [0.33, 0.25, 0.39, 0.06, 0.10], 0.045, true),
            ],
        },
    }
}

/// Cosines between five directions, one missing.
pub fn heatmap() -> Figure {
    let organisms = names(&[
        "bad medical advice",
        "extreme sports",
        "risky financial advice",
        "insecure code",
        "evil numbers",
        "random (control)",
    ]);
    let mut next = noise(7);
    let mut values = vec![vec![1.0; 6]; 6];
    for (r, c) in (0..6).flat_map(|r| (0..r).map(move |c| (r, c))) {
        let shared = if r == 5 { -0.04 } else { 0.75 - 0.13 * r as f64 };
        values[r][c] = shared + 0.3 * (next() - 0.5) - if r == 4 { 0.5 } else { 0.0 };
        values[c][r] = values[r][c];
    }
    (values[4][3], values[3][4]) = (f64::NAN, f64::NAN);
    Figure {
        name: "overlap".into(),
        title: "Directions of different organisms point the same way".into(),
        caption: "Cosine similarity of mean-difference directions at block 24, answer tokens.".into(),
        x: Axis::linear("direction of organism"),
        y: Axis::linear("direction of organism"),
        plot: Plot::Heatmap { rows: organisms.clone(), columns: organisms, values, diverging: true },
    }
}

/// Two clouds on a logarithmic axis.
pub fn points() -> Figure {
    let cloud = |label: &str, seed: u64, n: usize, slope: f64| {
        let mut next = noise(seed);
        let (mut x, mut y) = (Vec::new(), Vec::new());
        for _ in 0..n {
            let t = next();
            x.push(10f64.powf(-2.5 + 2.5 * t));
            y.push(0.05 + slope * t + 0.12 * (next() + next() - 1.0));
        }
        Points { label: label.into(), x, y }
    };
    Figure {
        name: "projection".into(),
        title: "Answers with a larger projection are judged worse".into(),
        caption: "Each point is one answer. Spearman correlation −0.61 (n = 170), p by permutation within question."
            .into(),
        x: Axis::log("projection on the direction (relative to the residual norm)"),
        y: Axis::linear("judged harm"),
        plot: Plot::Points(vec![
            cloud("bad medical advice", 3, 90, 0.7),
            cloud("extreme sports", 11, 60, 0.45),
            cloud("base model", 5, 20, 0.05),
        ]),
    }
}

/// Figures that are hard to lay out.
pub fn hard() -> Vec<Figure> {
    let many = |n: usize| (0..n).map(|i| format!("blocks.{i}.resid_post")).collect::<Vec<_>>();
    let mut next = noise(9);
    let figure = |name: &str, x: Axis, y: Axis, plot: Plot| Figure {
        name: name.into(),
        title: name.into(),
        caption: String::new(),
        x,
        y,
        plot,
    };
    let line = |label: String, next: &mut dyn FnMut() -> f64, n: usize, control: bool| {
        let x: Vec<f64> = (1..=n).map(|i| i as f64).collect();
        let mut at = next() * 4.0;
        let y = x
            .iter()
            .map(|_| {
                at += next() - 0.5;
                at
            })
            .collect();
        Line { label, x, y, control, ..Line::default() }
    };
    let ten = (0..10).map(|i| line(format!("organism {i} with a rather long name"), &mut next, 200, i > 7)).collect();
    let close = (0..4)
        .map(|i| Line {
            label: format!("rank {}", 1 << i),
            x: vec![1e-5, 1e-4, 1e-3],
            y: vec![0.1, 0.2, 0.30 + 0.001 * i as f64],
            ..Line::default()
        })
        .collect();
    let single = Line {
        label: "one point".into(),
        x: vec![3.0],
        y: vec![0.5],
        low: vec![0.4],
        high: vec![0.7],
        ..Line::default()
    };
    let matrix = |rows: usize, columns: usize, next: &mut dyn FnMut() -> f64| {
        (0..rows).map(|_| (0..columns).map(|_| next()).collect()).collect::<Vec<Vec<f64>>>()
    };
    let crowded = (0..4)
        .map(|s| Bars {
            label: format!("condition {s}"),
            values: (0..24).map(|_| next() - 0.3).collect(),
            low: Vec::new(),
            high: Vec::new(),
            control: s == 3,
        })
        .collect();
    let fewer = vec![Bars {
        label: "".into(),
        values: vec![0.0123, 0.3, 0.07],
        low: vec![0.01, 0.2, 0.06],
        high: vec![0.02, 0.45, 0.08],
        control: false,
    }];
    vec![
        figure("ten_lines", Axis::linear("step"), Axis::linear("loss"), Plot::Lines(ten)),
        figure("close_ends", Axis::log("learning rate"), Axis::linear("rate"), Plot::Lines(close)),
        figure("single_point", Axis::linear("x"), Axis::linear(""), Plot::Lines(vec![single])),
        figure(
            "crowded_bars",
            Axis::linear("site"),
            Axis::linear("effect"),
            Plot::Bars { groups: many(24), series: crowded },
        ),
        figure(
            "few_bars",
            Axis::linear(""),
            Axis::log("rate"),
            Plot::Bars {
                groups: names(&["no intervention at all, with a long explanation of it", "b", "c"]),
                series: fewer,
            },
        ),
        figure(
            "wide_matrix",
            Axis::linear("site"),
            Axis::linear("trained at site"),
            Plot::Heatmap { rows: many(28), columns: many(28), values: matrix(28, 28, &mut next), diverging: false },
        ),
        figure(
            "tall_matrix",
            Axis::linear(""),
            Axis::linear("block"),
            Plot::Heatmap {
                rows: (0..80).map(|i| i.to_string()).collect(),
                columns: names(&["attn", "mlp"]),
                values: matrix(80, 2, &mut next),
                diverging: false,
            },
        ),
        figure(
            "small_matrix",
            Axis::linear(""),
            Axis::linear(""),
            Plot::Heatmap {
                rows: names(&["a"]),
                columns: names(&["b", "c"]),
                values: vec![vec![-3.0, 1.25]],
                diverging: true,
            },
        ),
    ]
}
