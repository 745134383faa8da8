//! Interventions against composed computations, goldens of transformers, and each other.

use std::path::PathBuf;

use candle_core::{Device, Tensor};
use emhost_abi::wire::{EditOp, Intervention, Pooling, Tokens};

use super::apply::{Touched, apply, composed};
use super::{Firings, Interventions};
use crate::model::Result;
use crate::model::activations::{Activations, Look, Unit, Wanted, activations, planned};
use crate::model::files::Files;
use crate::model::organism::{AdapterFolder, Organism};
use crate::model::site::Site;
use crate::model::text::Encoded;
use crate::rng::Stream;
use crate::vector::{Direction, Named};

const EVERY: Look = Look { tokens: Tokens::All, pooling: Pooling::None };

fn folder(family: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(family)
}

fn organism(adapters: &[AdapterFolder]) -> Organism {
    Organism::load(&Files::Folder(folder("qwen2")), adapters, &Device::Cpu).unwrap()
}

fn numbers(name: &str, count: usize) -> Vec<f32> {
    let stream = Stream::new(9, &[name.as_bytes()]);
    (0..count as u64).map(|i| stream.normal(i) as f32).collect()
}

/// A row of `len` tokens whose first `prompt` are the prompt.
fn row(name: &str, len: usize, prompt: usize) -> Encoded {
    let stream = Stream::new(4, &[name.as_bytes()]);
    let tokens = (0..len as u64).map(|i| (stream.uniform(i) * 512.0) as u32).collect();
    let answer = prompt..len;
    Encoded { tokens, prompt, answers: Vec::from([answer]), text: String::new() }
}

/// Runs rows, each at its strength, and gives the values at the sites `[tokens, width]` with the firings, checked
/// against the plan.
fn run(
    organism: &Organism,
    edits: &[Intervention],
    rows: &[(&Encoded, f64)],
    sites: &[&str],
) -> Result<(Activations, Firings, Interventions)> {
    let strengths: Vec<f64> = rows.iter().map(|(_, strength)| *strength).collect();
    let mut interventions = Interventions::resolve(organism, edits, &strengths)?;
    interventions.patch_from(organism, &|id| Some(rows[id.parse::<usize>().ok()?].0.clone()))?;
    let sites = Site::select(&sites.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>(), 4)?;
    let units: Vec<Unit<'_>> = rows
        .iter()
        .enumerate()
        .map(|(row, (encoded, strength))| Unit { row, row_id: "a row", encoded, strength: *strength })
        .collect();
    for unit in &units {
        interventions.check(unit.row_id, &super::Extent::whole(unit.encoded))?;
    }
    let wanted = Wanted { sites: &sites, looks: &[EVERY], interventions: &interventions };
    let mut firings = Firings::default();
    let values = activations(organism, &units, &wanted, &mut firings)?;
    firings.check(&planned(&units, &interventions))?;
    Ok((values, firings, interventions))
}

fn tokens_edited(run: &(Activations, Firings, Interventions)) -> Vec<u64> {
    run.1.list(&run.2).iter().map(|firing| firing.tokens).collect()
}

/// The largest difference of two lists of numbers.
fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn each_operation_equals_its_formula_and_the_composed_form() {
    const WIDTH: usize = 37;
    let (x, v) = (numbers("x", 5 * WIDTH), numbers("v", 3 * WIDTH));
    let mut touched = Touched::none(5);
    let factors = [0.0, 1.0, -0.5, 3.0, 0.0];
    for (token, factor) in factors.iter().enumerate() {
        touched.set(token, *factor, [0, 2, 1, 0, 0][token]);
    }
    let value = Tensor::from_slice(&x, (5, WIDTH), &Device::Cpu).unwrap();
    for op in [EditOp::Add, EditOp::ProjectOut, EditOp::Replace, EditOp::Patch] {
        let operand = if op == EditOp::Patch { &v[..] } else { &v[..WIDTH] };
        let (ours, count) = apply(&value, op, operand, &touched).unwrap();
        let ours = ours.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(count, 3, "{op:?}");
        let candle = composed(&value, op, operand, &touched).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let mut formula = Vec::new();
        for (token, factor) in factors.iter().enumerate() {
            let x = &x[token * WIDTH..][..WIDTH];
            let at = if op == EditOp::Patch { touched_rank(token) * WIDTH } else { 0 };
            let v = &operand[at..at + WIDTH];
            let along: f64 = x.iter().zip(v).map(|(x, v)| f64::from(*x) * f64::from(*v)).sum();
            formula.extend(x.iter().zip(v).map(|(x, v)| {
                let (x, v, f) = (f64::from(*x), f64::from(*v), f64::from(*factor));
                (match op {
                    EditOp::Add => x + f * v,
                    EditOp::ProjectOut => x - f * along * v,
                    _ => x + f * (v - x),
                }) as f32
            }));
        }
        // Products of numbers of size one; `project_out` here scales a sum of 37 of them by three.
        assert!(worst(&ours, &formula) < 1e-4, "{op:?}: {}", worst(&ours, &formula));
        assert!(worst(&candle, &formula) < 1e-4, "{op:?}: {}", worst(&candle, &formula));
        for token in [0, 4] {
            let untouched = token * WIDTH..(token + 1) * WIDTH;
            assert_eq!(ours[untouched.clone()], x[untouched.clone()], "{op:?}");
            assert_eq!(candle[untouched.clone()], x[untouched], "{op:?}");
        }
        if matches!(op, EditOp::Replace | EditOp::Patch) {
            let at = if op == EditOp::Patch { 2 * WIDTH } else { 0 };
            assert_eq!(ours[WIDTH..2 * WIDTH], operand[at..at + WIDTH], "factor 1 is exact");
        }
    }
}

fn touched_rank(token: usize) -> usize {
    [0, 2, 1, 0, 0][token]
}

#[test]
fn strength_zero_is_the_untouched_pass_to_the_bit() {
    let organism = organism(&[]);
    let (a, b) = (row("a", 9, 4), row("b", 5, 5));
    let edit = Intervention::new(EditOp::Add, "blocks.*.resid_post", numbers("v", 64));
    let sites = ["blocks.3.resid_post", "logits"];
    let untouched = run(&organism, &[], &[(&a, 1.0), (&b, 1.0)], &sites).unwrap();
    let zero = run(&organism, std::slice::from_ref(&edit), &[(&a, 0.0), (&b, 0.0)], &sites).unwrap();
    assert_eq!(zero.0.values, untouched.0.values);
    assert!(tokens_edited(&zero).iter().all(|tokens| *tokens == 0));
    let one = run(&organism, &[edit], &[(&a, 0.0), (&b, 1.0)], &sites).unwrap();
    assert_eq!(
        one.0.values[0][..9 * 64],
        untouched.0.values[0][..9 * 64],
        "a neighbour's edit stays with the neighbour"
    );
    assert_ne!(one.0.values[0][9 * 64..], untouched.0.values[0][9 * 64..]);
}

#[test]
fn a_dose_response_batch_equals_one_run_per_strength() {
    let organism = organism(&[]);
    let (a, b) = (row("a", 9, 4), row("b", 6, 3));
    let edits = [
        Intervention::new(EditOp::Add, "blocks.0.resid_post", numbers("v", 64)),
        Intervention {
            positions: Tokens::Prompt,
            ..Intervention::new(EditOp::ProjectOut, "blocks.2.mlp_out", numbers("u", 64))
        },
    ];
    let doses = [0.0, 0.5, 2.0, -1.0];
    let together: Vec<(&Encoded, f64)> = doses.iter().flat_map(|dose| [(&a, *dose), (&b, *dose)]).collect();
    let together = run(&organism, &edits, &together, &["logits"]).unwrap();
    let mut at = 0;
    for dose in doses {
        let alone = run(&organism, &edits, &[(&a, dose), (&b, dose)], &["logits"]).unwrap();
        let alone = &alone.0.values[0];
        // To the bit once the kernels do not depend on the batch; until then rounding differs with its size.
        assert!(worst(&together.0.values[0][at..at + alone.len()], alone) < 1e-5, "strength {dose}");
        at += alone.len();
    }
    // Three strengths that are not zero; add: 15 tokens each, project_out: 7 prompt tokens each.
    assert_eq!(tokens_edited(&together), [45, 21]);
}

#[test]
fn firings_follow_positions_and_a_difference_from_the_plan_is_an_error() {
    let organism = organism(&[]);
    let (a, b) = (row("a", 9, 4), row("b", 6, 2));
    let count = |positions| {
        let edit = Intervention { positions, ..Intervention::new(EditOp::Add, "blocks.1.attn_out", numbers("v", 64)) };
        tokens_edited(&run(&organism, &[edit], &[(&a, 1.0), (&b, -2.0)], &["final_norm"]).unwrap())[0]
    };
    assert_eq!(count(Tokens::All), 15);
    assert_eq!(count(Tokens::Prompt), 6);
    assert_eq!(count(Tokens::Answer), 9);
    assert_eq!(count(Tokens::LastPrompt), 2);
    assert_eq!(count(Tokens::Last), 2);
    assert_eq!(count(Tokens::At(vec![0, -1, 5])), 6);
    let edit = Intervention::new(EditOp::Add, "blocks.1.attn_out", numbers("v", 64));
    let (_, firings, interventions) = run(&organism, &[edit], &[(&a, 1.0)], &["final_norm"]).unwrap();
    let other = Unit { row: 0, row_id: "b", encoded: &b, strength: 1.0 };
    let error = firings.check(&planned(&[other], &interventions)).unwrap_err().to_string();
    assert!(error.contains("blocks.1.attn_out") && error.contains('9') && error.contains('6'), "{error}");
}

#[test]
fn captured_values_are_the_edited_ones_and_logits_can_be_edited() {
    let organism = organism(&[]);
    let a = row("a", 7, 3);
    let vector = numbers("v", 512);
    let edit = Intervention { positions: Tokens::Last, ..Intervention::new(EditOp::Add, "logits", vector.clone()) };
    let untouched = run(&organism, &[], &[(&a, 1.0)], &["logits"]).unwrap().0.values.remove(0);
    let edited = run(&organism, &[edit], &[(&a, 2.0)], &["logits"]).unwrap().0.values.remove(0);
    let expected: Vec<f32> = untouched[6 * 512..].iter().zip(&vector).map(|(x, v)| x + 2.0 * v).collect();
    assert_eq!(edited[6 * 512..], expected);
    assert_eq!(edited[..6 * 512], untouched[..6 * 512]);
    let edit = Intervention::new(EditOp::Replace, "embed", numbers("v", 64));
    let edited = run(&organism, &[edit], &[(&a, 1.0)], &["embed"]).unwrap().0.values.remove(0);
    assert_eq!(edited, numbers("v", 64).repeat(7));
}

#[test]
fn a_patch_puts_in_the_clean_values_of_another_row() {
    let organism = organism(&[]);
    let (a, b) = (row("a", 9, 4), row("b", 6, 3));
    let patch = |positions, from: &str| Intervention {
        values: None,
        from: Some(from.to_owned()),
        positions,
        ..Intervention::new(EditOp::Patch, "blocks.1.resid_post", Vec::new())
    };
    let site = ["blocks.1.resid_post"];
    let clean = run(&organism, &[], &[(&a, 1.0), (&b, 1.0)], &site).unwrap().0.values.remove(0);
    let steer = Intervention::new(EditOp::Add, "blocks.0.resid_post", numbers("v", 64));
    let edits = [steer, patch(Tokens::LastPrompt, "1")];
    let patched = run(&organism, &edits, &[(&a, 1.0), (&b, 1.0)], &site).unwrap();
    assert_eq!(tokens_edited(&patched), [15, 2]);
    let token = |values: &[f32], token: usize| values[token * 64..][..64].to_vec();
    let patched = &patched.0.values[0];
    // The clean pass of b runs alone: another size of batch, another rounding.
    assert!(worst(&token(patched, 3), &token(&clean, 9 + 2)) < 1e-5, "a's last prompt token has b's clean value");
    assert!(worst(&token(patched, 4), &token(&clean, 4)) > 0.1, "the next token is steered only");
    let error = run(&organism, &[patch(Tokens::Prompt, "1")], &[(&a, 1.0), (&b, 1.0)], &site).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("`a row` has 4") && error.contains("row `1` has 3"), "{error}");
    let error = run(&organism, &[patch(Tokens::LastPrompt, "x")], &[(&a, 1.0)], &site).unwrap_err().to_string();
    assert!(error.contains("no row `x`"), "{error}");
}

#[test]
fn a_scaled_adapter_lies_between_the_model_without_and_with_it() {
    let adapter = || AdapterFolder { folder: folder("qwen2").join("adapter") };
    let (bare, adapted) = (organism(&[]), organism(&[adapter()]));
    let a = row("a", 7, 3);
    let scale = |scale| Intervention {
        values: None,
        sites: Vec::new(),
        scale,
        ..Intervention::new(EditOp::ScaleAdapter, "", Vec::new())
    };
    let logits = |organism: &Organism, edits: &[Intervention], strength| {
        run(organism, edits, &[(&a, strength)], &["logits"]).unwrap().0.values.remove(0)
    };
    let (without, with) = (logits(&bare, &[], 1.0), logits(&adapted, &[], 1.0));
    // A zero update is added.
    assert!(worst(&logits(&adapted, &[scale(0.0)], 1.0), &without) < 1e-6);
    assert_eq!(logits(&adapted, &[scale(0.0)], 0.0), with);
    let refused = |edit: Intervention| Interventions::resolve(&adapted, &[edit], &[1.0]).unwrap_err().to_string();
    assert!(refused(scale(1.0)).contains("it needs `scale`"));
    assert!(refused(Intervention { blocks: vec![0, 77], ..scale(0.0) }).contains("block 77"));
    assert!(refused(Intervention { modules: vec!["typo_proj".to_owned()], ..scale(0.0) }).contains("typo_proj"));
    assert_eq!(logits(&adapted, &[scale(3.0)], 0.5), logits(&adapted, &[scale(2.0)], 1.0));
    let twice = logits(&organism(&[adapter(), adapter()]), &[], 1.0);
    // Two equal updates are added one after another.
    assert!(worst(&logits(&adapted, &[scale(2.0)], 1.0), &twice) < 1e-4);
    let both = organism(&[adapter(), adapter()]);
    let second = Intervention { adapter: Some(1), ..scale(0.0) };
    assert!(worst(&logits(&both, &[second], 1.0), &with) < 1e-6);
    let (edits, mixed) = ([scale(2.0)], [(&a, 1.0), (&a, 2.0)]);
    let error = run(&adapted, &edits, &mixed, &["logits"]).unwrap_err().to_string();
    assert!(error.contains("one strength"), "{error}");
    assert!(run(&bare, &edits, &[(&a, 1.0)], &["logits"]).is_err(), "there is no adapter");
}

#[test]
fn what_does_not_fit_is_an_error_that_names_it() {
    let organism = organism(&[]);
    let a = row("a", 7, 3);
    let check = |edit: Intervention, part: &str| {
        let error = run(&organism, &[edit], &[(&a, 1.0)], &["logits"]).unwrap_err();
        assert!(error.is_input() && error.to_string().contains(part), "{error}");
    };
    let add = |site: &str, values| Intervention::new(EditOp::Add, site, values);
    check(add("blocks.1.resid_post", vec![1.0; 63]), "63 numbers, but `blocks.1.resid_post`");
    check(add("logits", vec![1.0; 64]), "512 wide");
    check(add("blocks.9.resid_post", vec![1.0; 64]), "blocks.9.resid_post");
    check(add("blocks.1.resid_post", vec![f32::NAN; 64]), "NaN");
    check(Intervention { sites: Vec::new(), ..add("", vec![1.0; 64]) }, "names no sites");
    check(Intervention { values: None, ..Intervention::new(EditOp::Add, "embed", Vec::new()) }, "`vector` or `values`");
    check(Intervention { vector: Some("a#b".to_owned()), ..add("embed", vec![1.0; 64]) }, "not both");
    check(
        Intervention { values: None, vector: Some("missing.safetensors#v".to_owned()), ..add("embed", vec![]) },
        "missing.safetensors",
    );
    check(Intervention { scale: f64::INFINITY, ..add("embed", vec![1.0; 64]) }, "scale");
    check(Intervention { blocks: vec![1], ..add("embed", vec![1.0; 64]) }, "scale_adapter");
    check(Intervention { positions: Tokens::At(vec![7]), ..add("embed", vec![1.0; 64]) }, "position 7");
    check(Intervention::new(EditOp::ProjectOut, "embed", vec![0.0; 64]), "zero");
    check(Intervention::new(EditOp::Patch, "embed", vec![1.0; 64]), "`from`");
}

#[test]
fn vectors_are_read_by_file_and_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("direction.safetensors").display().to_string();
    let named = |name: &str, value: f32| Named {
        name: name.to_owned(),
        direction: Direction::new(vec![value; 64], "blocks.1.resid_post"),
    };
    crate::vector::write(&path, &[named("bad", 2.0), named("good", -1.0)]).unwrap();
    let organism = organism(&[]);
    let read = |reference: String| {
        let edit = Intervention {
            vector: Some(reference),
            values: None,
            ..Intervention::new(EditOp::Add, "embed", Vec::new())
        };
        let row = row("a", 5, 5);
        run(&organism, &[edit], &[(&row, 1.0)], &["embed"]).map(|run| run.0.values)
    };
    let row = row("a", 5, 5);
    let given = Intervention::new(EditOp::Add, "embed", vec![-1.0; 64]);
    let given = run(&organism, &[given], &[(&row, 1.0)], &["embed"]).unwrap().0.values;
    assert_eq!(read(format!("{path}#good")).unwrap(), given);
    assert!(read(format!("{path}#ugly")).unwrap_err().to_string().contains("good"), "the error lists what there is");
    assert!(read("no file".to_owned()).unwrap_err().to_string().contains("no file"));
}
