//! AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101), as in torch, on numbers in host memory.
//!
//! Parameters and moments are held as numbers of the host on every device, so that a GPU has room for weights and
//! activations (as in ZeRO-Offload, arXiv 2101.06840).

use emhost_abi::wire::{self, Recipe};
use rayon::prelude::*;

use super::eight_bit::{BLOCK, EightBit};

/// The optimiser's settings.
#[derive(Debug, Clone, Copy)]
pub struct AdamW {
    /// Decay rates of the first and second moment.
    pub betas: [f64; 2],
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// How moments are held.
    pub moments: wire::Moments,
}

/// The moments of one parameter.
#[derive(Debug, Clone, PartialEq)]
pub enum Moments {
    /// As they are.
    F32([Vec<f32>; 2]),
    /// In a byte each: the first with a sign, the second without.
    EightBit([EightBit; 2]),
}

/// How far a step goes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Factor of the gradient, for clipping.
    pub shrink: f64,
    /// Counts from 1.
    pub step: i32,
    /// Learning rate.
    pub rate: f64,
    /// Whether weight decay applies.
    pub decays: bool,
}

/// Numbers below which moments stay in f32.
const SMALL: usize = 4096;

impl AdamW {
    /// The settings of a recipe.
    pub fn new(recipe: &Recipe) -> Self {
        let Recipe { betas, eps, weight_decay, moments, .. } = recipe;
        Self { betas: *betas, eps: *eps, weight_decay: *weight_decay, moments: *moments }
    }

    /// Zero moments of a parameter of `count` numbers.
    pub fn moments(&self, count: usize) -> Moments {
        match self.moments {
            wire::Moments::EightBit if count >= SMALL => {
                Moments::EightBit([EightBit::zeros(count, true), EightBit::zeros(count, false)])
            }
            _ => Moments::F32([vec![0.0; count], vec![0.0; count]]),
        }
    }

    /// Moves a parameter by its gradient.
    pub fn update(&self, parameter: &mut [f32], gradient: &[f32], moments: &mut Moments, pace: Pace) {
        let [b1, b2] = self.betas;
        let Pace { shrink, step, rate, decays } = pace;
        let factors = Factors {
            shrink: shrink as f32,
            keep: [b1 as f32, b2 as f32],
            take: [(1.0 - b1) as f32, (1.0 - b2) as f32],
            decay: if decays { (1.0 - rate * self.weight_decay) as f32 } else { 1.0 },
            size: (rate / (1.0 - b1.powi(step))) as f32,
            root: (1.0 - b2.powi(step)).sqrt() as f32,
            eps: self.eps as f32,
        };
        const CHUNK: usize = 64 * BLOCK;
        let numbers = parameter.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
        match moments {
            Moments::F32([first, second]) => numbers
                .zip(first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK)))
                .for_each(|((p, g), (m, v))| factors.apply(p, g, m, v)),
            Moments::EightBit([first, second]) => {
                let blocks = first.blocks_mut(CHUNK).zip(second.blocks_mut(CHUNK));
                numbers.zip(blocks).for_each(|((p, g), (mut first, mut second))| {
                    let (mut m, mut v) = (first.numbers(), second.numbers());
                    factors.apply(p, g, &mut m, &mut v);
                    first.set(&m);
                    second.set(&v);
                });
            }
        }
    }
}

struct Factors {
    shrink: f32,
    keep: [f32; 2],
    take: [f32; 2],
    decay: f32,
    size: f32,
    root: f32,
    eps: f32,
}

impl Factors {
    fn apply(&self, p: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
        for (((p, g), m), v) in p.iter_mut().zip(g).zip(m).zip(v) {
            let g = g * self.shrink;
            *m = *m * self.keep[0] + g * self.take[0];
            *v = *v * self.keep[1] + g * g * self.take[1];
            *p = *p * self.decay - self.size * *m / (v.sqrt() / self.root + self.eps);
        }
    }
}
