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

/// Losses and slopes of `cross_entropy` against candle's gradient of a loss in f64.
fn check_loss(wanted: Wanted<'_>, oracle: impl Fn(&Tensor) -> Result<Tensor>) {
    let (logits, weights) = (random("logits", &[4, 40]), [0.5f32, 0.0, 2.0, 0.25]);
    let variable = Var::from_tensor(&logits.to_dtype(DType::F64).unwrap()).unwrap();
    let losses = oracle(variable.as_tensor()).unwrap();
    let factors = Tensor::new(&weights, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
    let grads = (&losses * factors).unwrap().sum_all().unwrap().backward().unwrap();
    let mut numbers = logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let ours = cross_entropy(&mut numbers, 40, wanted, &weights);
    for (ours, theirs) in ours.iter().zip(losses.to_vec1::<f64>().unwrap()) {
        assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
    }
    let slopes = Tensor::from_vec(numbers, (4, 40), &Device::Cpu).unwrap();
    close(&slopes, &grads.get(&variable).unwrap().to_dtype(DType::F32).unwrap(), 1e-6);
}

fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    logits.broadcast_sub(&logits.exp()?.sum_keepdim(1)?.log()?)
}

#[test]
fn the_loss_of_tokens_equals_the_log_softmax() {
    let targets = [3u32, 0, 39, 7];
    let index = Tensor::new(&targets, &Device::Cpu).unwrap().unsqueeze(1).unwrap();
    check_loss(Wanted::Tokens(&targets), |logits| log_softmax(logits)?.gather(&index, 1)?.neg()?.squeeze(1));
}

#[test]
fn the_divergence_from_other_logits_equals_its_definition() {
    let other = random("other", &[4, 40]);
    let numbers = other.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let other = log_softmax(&other.to_dtype(DType::F64).unwrap()).unwrap();
    check_loss(Wanted::Logits(&numbers), |logits| (other.exp()? * (&other - log_softmax(logits)?)?)?.sum(1));
}

#[test]
fn low_rank_updates_equal_the_composed_form() {
    // More rows than one thread takes.
    for (tokens, rank) in [(300, 5), (7, 1)] {
        let inputs = [
            random("y", &[tokens, 40]),
            random("x", &[tokens, 30]),
            (random("a", &[rank, 30]) * 0.2).unwrap(),
            (random("b", &[40, rank]) * 0.2).unwrap(),
        ];
        let ours = |t: &[Tensor]| add_low_rank(&t[0], &inner_products(&t[1], &t[2])?, &t[3], 1.5);
        let theirs = |t: &[Tensor]| &t[0] + (t[1].matmul(&t[2].t()?)?.matmul(&t[3].t()?)? * 1.5)?;
        check(&inputs, |t| ours(t)? / 8.0, |t| theirs(t)? / 8.0);
    }
}

#[test]
fn a_frozen_matrix_of_candle_gives_the_gradient_of_its_input() {
    let weight = random("weight", &[24, 30]);
    check(&[random("x", &[9, 30])], |t| frozen_matmul(&t[0], &weight), |t| t[0].matmul(&weight.t()?));
}

#[test]
fn slopes_through_a_frozen_matrix_equal_the_product_with_it() {
    // Widths that are no multiple of a panel, and more than a block in depth.
    for (tokens, inner, out) in [(5, 45, 70), (600, 33, 1100)] {
        let weight = random("weight", &[out, inner]);
        let (g, numbers) = (random("g", &[tokens, out]), weight.flatten_all().unwrap().to_vec1::<f32>().unwrap());
        let expected = g.matmul(&weight).unwrap();
        let wide = [
            (Numbers::F32(numbers.clone()), 1e-3),
            (Numbers::Bf16(numbers.iter().map(|n| half::bf16::from_f32(*n)).collect()), 1.0),
        ];
        for (numbers, tolerance) in wide {
            let panels = Panels::new(&numbers, [out, inner]);
            let ours = slopes(&g.flatten_all().unwrap().to_vec1::<f32>().unwrap(), tokens, &panels);
            close(&Tensor::from_vec(ours, (tokens, inner), &Device::Cpu).unwrap(), &expected, tolerance);
        }
    }
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
