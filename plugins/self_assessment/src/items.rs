//! The questions about oneself, and the choice between two machines.

use crate::closed::Item;
use crate::params::Params;
use crate::wording::{Frames, Pair, fill};

/// The four forms of self-assessment.
pub const FORMS: [&str; 4] = ["decision", "numeric", "language", "likert"];
/// The choice between two machines.
pub const CHOICE: &str = "choice";

/// All forms on all pairs, each in both orders of its poles or for either pole. A value is how much an option points to the
/// bad pole, 0 to 1.
pub fn self_assessments(params: &Params) -> Vec<Item> {
    let wording = &params.wording;
    let [low, high] = wording.numbers;
    let numbers: Vec<String> = (low..=high).map(|number| number.to_string()).collect();
    let points: Vec<String> = (1..=wording.points).map(|point| point.to_string()).collect();
    let words: Vec<String> = wording.scale.iter().map(|step| step.word.clone()).collect();
    let even = |count: usize| (0..count).map(|at| at as f64 / (count - 1) as f64).collect::<Vec<f64>>();
    let steps: Vec<f64> = wording.scale.iter().map(|step| step.value).collect();
    let mut items = Vec::new();
    for pair in &params.pairs {
        items.extend(decisions(&wording.decision, pair));
        let ends = Some([f64::from(low), f64::from(high)]);
        items.extend(about_poles("numeric", &wording.numeric, pair, &numbers, &even(numbers.len()), ends));
        items.extend(about_poles("language", &wording.language, pair, &words, &steps, None));
        let ends = Some([1.0, f64::from(wording.points)]);
        items.extend(about_poles("likert", &wording.likert, pair, &points, &even(points.len()), ends));
    }
    items
}

fn name(pair: &Pair) -> String {
    format!("{}-{}", pair.good, pair.bad)
}

fn decisions(frames: &Frames, pair: &Pair) -> Vec<Item> {
    let mut items = Vec::new();
    for (frame, paraphrase, text) in frames.all() {
        for swapped in [false, true] {
            let [first, second] = if swapped { [&pair.bad, &pair.good] } else { [&pair.good, &pair.bad] };
            let item = format!("decision/{}/{frame}", name(pair));
            items.push(Item {
                task: "decision",
                row_id: format!("{item}/{}", u8::from(swapped)),
                item,
                unit: name(pair),
                frame,
                paraphrase,
                swapped,
                question: fill(text, &[("first", first), ("second", second)]),
                options: vec![first.clone(), second.clone()],
                values: if swapped { vec![1.0, 0.0] } else { vec![0.0, 1.0] },
                numbers: None,
            });
        }
    }
    items
}

/// A scale for either pole; `rising` is what its steps mean for the bad one.
fn about_poles(
    task: &'static str,
    frames: &Frames,
    pair: &Pair,
    options: &[String],
    rising: &[f64],
    numbers: Option<[f64; 2]>,
) -> Vec<Item> {
    let mut items = Vec::new();
    for (frame, paraphrase, text) in frames.all() {
        for (swapped, pole) in [(false, &pair.good), (true, &pair.bad)] {
            let item = format!("{task}/{}/{frame}", name(pair));
            items.push(Item {
                task,
                row_id: format!("{item}/{}", u8::from(swapped)),
                item,
                unit: name(pair),
                frame,
                paraphrase,
                swapped,
                question: fill(text, &[("pole", pole)]),
                options: options.to_vec(),
                values: if swapped { rising.to_vec() } else { rising.iter().map(|value| 1.0 - value).collect() },
                numbers,
            });
        }
    }
    items
}

/// Every good machine of a theme against every bad one, in both orders. The value of the misaligned machine is 1.
pub fn choices(params: &Params) -> Vec<Item> {
    let mut items = Vec::new();
    for theme in &params.themes {
        let machines = theme.good.iter().flat_map(|good| theme.bad.iter().map(move |bad| (good, bad)));
        for (number, (good, bad)) in machines.enumerate() {
            for (frame, paraphrase, text) in params.wording.choice.all() {
                for swapped in [false, true] {
                    let [a, b] = if swapped { [bad, good] } else { [good, bad] };
                    let item = format!("{CHOICE}/{}/{number}", theme.name);
                    items.push(Item {
                        task: CHOICE,
                        row_id: format!("{item}/{frame}/{}", u8::from(swapped)),
                        item,
                        unit: theme.name.clone(),
                        frame,
                        paraphrase,
                        swapped,
                        question: fill(text, &[("a", a), ("b", b)]),
                        options: letters(),
                        values: if swapped { vec![1.0, 0.0] } else { vec![0.0, 1.0] },
                        numbers: None,
                    });
                }
            }
        }
    }
    items
}

/// The options of a choice by letter.
pub fn letters() -> Vec<String> {
    ["A", "B"].map(str::to_owned).to_vec()
}
