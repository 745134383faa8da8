//! Every kernel against candle's own operations, values and gradients.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor, Var};

use super::*;
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
fn swiglu_equals_the_composed_form() {
    let inputs = [random("gate", &[37, 48]), random("up", &[37, 48])];
    check(&inputs, |t| swiglu(&t[0], &t[1]), |t| t[0].silu()? * &t[1]);
}

#[test]
fn a_frozen_linear_map_equals_the_product() {
    let weight = random("weight", &[24, 48]);
    check(&[random("x", &[37, 48])], |t| frozen_linear(&t[0], &weight), |t| t[0].matmul(&weight.t()?));
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
fn rope_equals_the_half_split_rotation() {
    let (dim, heads, positions) = (8, 3, Arc::new(vec![0u32, 1, 2, 5]));
    let rope = Arc::new(Rope::new(dim, 10_000.0, 6));
    let oracle = |t: &[Tensor]| {
        let angle: Vec<f32> = positions
            .iter()
            .flat_map(|p| (0..dim).map(move |i| *p as f32 * 10_000f32.powf(-2.0 * (i % (dim / 2)) as f32 / dim as f32)))
            .collect();
        let angle = Tensor::from_vec(angle, (4, 1, dim), &Device::Cpu)?;
        let x = t[0].reshape((4, heads, dim))?;
        let (a, b) = (x.narrow(2, 0, dim / 2)?, x.narrow(2, dim / 2, dim / 2)?);
        let turned = Tensor::cat(&[&b.neg()?, &a], 2)?;
        (x.broadcast_mul(&angle.cos()?)? + turned.broadcast_mul(&angle.sin()?)?)?.reshape((4, heads * dim))
    };
    check(&[random("x", &[4, heads * dim])], |t| rotate(&t[0], &rope, &positions), oracle);
}

/// Causal attention of one sequence from candle's operations.
fn attention_oracle(q: &Tensor, k: &Tensor, v: &Tensor, heads: Heads) -> Result<Tensor> {
    let len = q.dim(0)?;
    let mask: Vec<f32> = (0..len * len).map(|at| if at % len > at / len { f32::NEG_INFINITY } else { 0.0 }).collect();
    let mask = Tensor::from_vec(mask, (len, len), &Device::Cpu)?;
    let head = |x: &Tensor, at: usize| x.narrow(1, at * heads.dim, heads.dim)?.contiguous();
    let mut out = Vec::new();
    for at in 0..heads.query {
        let kv = at * heads.kv / heads.query;
        let scores = (head(q, at)?.matmul(&head(k, kv)?.t()?)? / (heads.dim as f64).sqrt())?.add(&mask)?;
        let exp = scores.exp()?;
        out.push(exp.broadcast_div(&exp.sum_keepdim(1)?)?.matmul(&head(v, kv)?)?);
    }
    Tensor::cat(&out, 1)
}

#[test]
fn packed_attention_equals_attention_of_each_sequence() {
    let heads = Heads { query: 4, kv: 2, dim: 8 };
    let lengths = Arc::new(vec![5, 1, 9]);
    let inputs = [random("q", &[15, 32]), random("k", &[15, 16]), random("v", &[15, 16])];
    let oracle = |t: &[Tensor]| {
        let mut start = 0;
        let mut parts = Vec::new();
        for &len in lengths.iter() {
            let part = |x: &Tensor| x.narrow(0, start, len);
            parts.push(attention_oracle(&part(&t[0])?, &part(&t[1])?, &part(&t[2])?, heads)?);
            start += len;
        }
        Tensor::cat(&parts, 0)
    };
    check(&inputs, |t| causal_attention(&t[0], &t[1], &t[2], heads, &lengths), oracle);
}

#[test]
fn cached_attention_equals_the_tail_of_the_whole() {
    let heads = Heads { query: 4, kv: 2, dim: 8 };
    let (q, k, v) = (random("q", &[9, 32]), random("k", &[9, 16]), random("v", &[9, 16]));
    let whole = attention_oracle(&q, &k, &v, heads).unwrap();
    let slot = |from: usize, len: usize| {
        let part = |x: &Tensor| x.narrow(0, from, len).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        KvSlot { k: part(&k), v: part(&v) }
    };
    for (shared, new) in [(0, 9), (4, 2), (8, 1), (5, 4)] {
        let (first, second) = (slot(0, shared), slot(shared, 9 - shared));
        let tail = q.narrow(0, 9 - new, new).unwrap();
        let out = attend_cached(&tail, heads, &[new], &[[&first, &second]]).unwrap();
        close(&out, &whole.narrow(0, 9 - new, new).unwrap(), 2e-5);
    }
}
