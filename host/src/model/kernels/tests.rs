//! Every kernel against candle's own operations, values and gradients.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor, Var};

use super::*;
use crate::model::config::{Activation, Rotation};
use crate::model::weights::Numbers;
use crate::rng::Stream;

fn random(name: &str, shape: &[usize]) -> Tensor {
    let stream = Stream::new(11, &[name.as_bytes()]);
    let count: usize = shape.iter().product();
    let numbers: Vec<f32> = (0..count as u64).map(|i| stream.normal(i) as f32).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

/// Compares two functions of the same variables: results, and gradients of a fixed random weighting of them.
fn check(inputs: &[Tensor], ours: impl Fn(&[Tensor]) -> Result<Tensor>, theirs: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let variables: Vec<Var> = inputs.iter().map(|t| Var::from_tensor(t).unwrap()).collect();
    let run = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| {
        let tensors: Vec<Tensor> = variables.iter().map(|v| v.as_tensor().clone()).collect();
        let out = f(&tensors).unwrap();
        let weights = random("weights", out.dims());
        let grads = (&out * weights).unwrap().sum_all().unwrap().backward().unwrap();
        let grads: Vec<Tensor> = variables.iter().map(|v| grads.get(v).unwrap().clone()).collect();
        (out, grads)
    };
    let ((out, grads), (expected, expected_grads)) = (run(&ours), run(&theirs));
    // f32 sums of up to some hundred terms of size one.
    close(&out, &expected, 2e-5);
    for (grad, expected) in grads.iter().zip(&expected_grads) {
        close(grad, expected, 1e-4);
    }
}

fn close(a: &Tensor, b: &Tensor, tolerance: f32) {
    assert_eq!(a.dims(), b.dims());
    let worst = (a - b).unwrap().abs().unwrap().flatten_all().unwrap().max(0).unwrap().to_scalar::<f32>().unwrap();
    assert!(worst <= tolerance, "differs by {worst}");
}

#[test]
fn rms_norm_equals_the_composed_form() {
    let inputs = [random("x", &[37, 48]), random("w", &[48])];
    check(&inputs, |t| rms_norm(&t[0], &t[1], 1e-6), |t| rms_norm::composed(&t[0], &t[1], 1e-6));
}

#[test]
fn scaled_sums_equal_the_composed_form() {
    let inputs = [random("x", &[37, 48]), random("y", &[37, 48])];
    check(&inputs, |t| add_scaled(&t[0], &t[1], 0.75), |t| &t[0] + (&t[1] * 0.75)?);
}

#[test]
fn gated_activations_equal_the_composed_form() {
    let inputs = [random("gate", &[37, 48]), random("up", &[37, 48])];
    for activation in [Activation::Silu, Activation::GeluTanh, Activation::Gelu] {
        check(&inputs, |t| gated(&t[0], &t[1], activation), |t| gated::composed(&t[0], &t[1], activation));
    }
}

/// A matrix and its panels.
fn frozen(name: &str, [out, inner]: [usize; 2]) -> (Tensor, Arc<Panels>) {
    let matrix = random(name, &[out, inner]);
    let numbers = Numbers::F32(matrix.flatten_all().unwrap().to_vec1().unwrap());
    (matrix, Arc::new(Panels::new(&numbers, [out, inner])))
}

#[test]
fn a_frozen_product_equals_the_product() {
    // The depth spans several blocks, the columns a whole and a broken panel, the rows several tiles.
    let (matrix, panels) = frozen("weight", [41, 600]);
    let mut bias: Vec<f32> = (0..41).map(|at| at as f32).collect();
    let shift = Tensor::from_slice(&bias, 41, &Device::Cpu).unwrap();
    bias.resize(64, 0.0);
    let bias = Arc::new(bias);
    let x = (random("x", &[37, 600]) * 0.1).unwrap();
    check(&[x], |t| frozen_product(&t[0], &panels, Some(&bias)), |t| t[0].matmul(&matrix.t()?)?.broadcast_add(&shift));
}

#[test]
fn half_precision_panels_hold_their_numbers_exactly() {
    let (matrix, _) = frozen("half", [41, 70]);
    let all: Vec<f32> = matrix.flatten_all().unwrap().to_vec1().unwrap();
    let (bf16, f16): (Vec<_>, Vec<_>) = all.iter().map(|v| (half::bf16::from_f32(*v), half::f16::from_f32(*v))).unzip();
    let x = random("x", &[3, 70]);
    for numbers in [Numbers::Bf16(bf16), Numbers::F16(f16)] {
        let wide = Numbers::F32(numbers.to_f32());
        let [ours, theirs] = [&numbers, &wide].map(|n| {
            let panels = Arc::new(Panels::new(n, [41, 70]));
            assert_eq!(panels.unpacked(), wide.to_f32());
            frozen_product(&x, &panels, None).unwrap().to_vec2::<f32>().unwrap()
        });
        assert_eq!(ours, theirs);
    }
}

#[test]
fn a_row_of_a_product_has_the_same_bits_in_every_batch() {
    let (_, panels) = frozen("weight", [96, 700]);
    let x = random("x", &[61, 700]);
    let all = frozen_product(&x, &panels, None).unwrap().to_vec2::<f32>().unwrap();
    for rows in [1, 2, 5, 14, 15, 33] {
        let some = frozen_product(&x.narrow(0, 61 - rows, rows).unwrap(), &panels, None).unwrap();
        assert_eq!(some.to_vec2::<f32>().unwrap(), all[61 - rows..]);
    }
}

#[test]
fn cross_entropy_equals_the_log_softmax() {
    let targets = Arc::new(vec![3u32, 0, 7, 7]);
    let oracle = |t: &[Tensor]| {
        let logits = t[0].to_dtype(DType::F64)?;
        let log_sum = logits.exp()?.sum_keepdim(1)?.log()?;
        let picked =
            logits.broadcast_sub(&log_sum)?.gather(&Tensor::new(targets.as_slice(), &Device::Cpu)?.unsqueeze(1)?, 1)?;
        picked.mean_all()?.neg()?.to_dtype(DType::F32)
    };
    check(&[random("logits", &[4, 9])], |t| cross_entropy(&t[0], &targets), oracle);
}

#[test]
fn rope_equals_the_composed_form() {
    for dim in [8, 6] {
        let rotation = Rotation { factor: 1.25, ..Rotation::plain(dim, 10_000.0) };
        let (rope, positions) = (Arc::new(Rope::new(8, &rotation)), Arc::new(vec![0u32, 1, 2, 300]));
        let oracle = |t: &[Tensor]| rope::composed(&t[0], &rope, &positions);
        check(&[random("x", &[4, 3 * 8])], |t| rotate(&t[0], &rope, &positions), oracle);
    }
}

#[test]
fn an_unscaled_rotation_turns_half_split_pairs() {
    let rope = Arc::new(Rope::new(4, &Rotation::plain(4, 100.0)));
    let x = Tensor::new(&[[1f32, 2.0, 3.0, 4.0]], &Device::Cpu).unwrap();
    let turned = rotate(&x, &rope, &Arc::new(vec![5])).unwrap().to_vec2::<f32>().unwrap();
    // Frequencies 1 and 1/10: entries 0 and 2 turn by 5, entries 1 and 3 by 0.5.
    let expect = |a: f64, b: f64, angle: f64| [a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()];
    let ([x0, x2], [x1, x3]) = (expect(1.0, 3.0, 5.0), expect(2.0, 4.0, 0.5));
    for (ours, theirs) in turned[0].iter().zip([x0, x1, x2, x3]) {
        assert!((f64::from(*ours) - theirs).abs() < 1e-6);
    }
}

/// Heads of several shapes, with windows and caps.
fn looks() -> Vec<Look> {
    let mut looks = Vec::new();
    for heads in
        [Heads { query: 4, kv: 2, dim: 8 }, Heads { query: 3, kv: 3, dim: 40 }, Heads { query: 4, kv: 1, dim: 32 }]
    {
        for (cap, window) in [(None, None), (Some(2.0), None), (None, Some(3)), (Some(1.5), Some(40))] {
            looks.push(Look { heads, scale: 0.3, cap, window });
        }
    }
    looks
}

fn queries(look: &Look, tokens: usize) -> [Tensor; 3] {
    let widths = [look.heads.query_width(), look.heads.kv_width(), look.heads.kv_width()];
    ["q", "k", "v"]
        .into_iter()
        .zip(widths)
        .map(|(name, width)| random(name, &[tokens, width]))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap()
}

#[test]
fn packed_attention_equals_attention_of_each_sequence() {
    for look in looks() {
        let lengths = Arc::new(vec![5, 1, 67, 14]);
        let oracle = |t: &[Tensor]| {
            let mut start = 0;
            let mut parts = Vec::new();
            for &len in lengths.iter() {
                let part = |x: &Tensor| x.narrow(0, start, len);
                parts.push(composed_attention(&part(&t[0])?, &part(&t[1])?, &part(&t[2])?, &look)?);
                start += len;
            }
            Tensor::cat(&parts, 0)
        };
        check(&queries(&look, 87), |t| causal_attention(&t[0], &t[1], &t[2], look, &lengths), oracle);
    }
}

#[test]
fn attention_in_pieces_has_the_bits_of_the_whole() {
    for look in looks() {
        let [q, k, v] = queries(&look, 75).map(|x| x.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        let attend_in = |pieces: &[usize]| {
            let (mut pages, mut out, mut len) = (Pages::default(), Vec::new(), 0);
            for &piece in pieces {
                let part = |x: &[f32]| x[len * x.len() / 75..(len + piece) * x.len() / 75].to_vec();
                pages.append(len, &part(&k), &part(&v), look.heads);
                // What another sequence writes behind the shared beginning is its own.
                let mut other = pages.clone();
                other.append(len + piece, &part(&v), &part(&k), look.heads);
                out.extend(attend(&part(&q), &look, &[Seen { tokens: piece, first: len, pages: &pages }]));
                len += piece;
            }
            out
        };
        let whole = attend_in(&[75]);
        for pieces in [&[74, 1][..], &[1, 74], &[33, 31, 11], &[20, 1, 1, 1, 52]] {
            assert_eq!(attend_in(pieces), whole, "{look:?} {pieces:?}");
        }
    }
}
