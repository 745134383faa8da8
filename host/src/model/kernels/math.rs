//! Elementary functions in f32 that compile to vector instructions.

use std::f32::consts::LOG2_E;

/// `e^x` within 2 units in the last place; below -87 it is about 1e-38, above 88 about 1.6e38.
///
/// Cody and Waite's reduction by multiples of ln 2 and a polynomial of degree 6 (Moshier, Cephes, `expf`).
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    /// 1.5 * 2^23: adding it rounds to a whole number, which the low bits then hold.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x.mul_add(LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN_2_LOW, n.mul_add(-LN_2_HIGH, x));
    let mut p = 1.987_569_1e-4;
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = r.mul_add(p, c);
    }
    let p = (r * r).mul_add(p, r) + 1.0;
    // 2^n by its exponent's bits: a conversion to an integer, which saturates, is not vectorised.
    p * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1f32.to_bits()))
}

/// Hyperbolic tangent within 2e-7 absolute.
#[inline(always)]
pub fn tanh(x: f32) -> f32 {
    1.0 - 2.0 / (exp(2.0 * x) + 1.0)
}

/// `1 / (1 + e^-x)`.
#[inline(always)]
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Sum of `f` over `items`, in 16 lanes and then over the lanes, so that the order does not depend on the machine.
#[inline(always)]
pub fn sum_of(items: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0f32; 16];
    let mut chunks = items.chunks_exact(16);
    for chunk in &mut chunks {
        for (lane, item) in lanes.iter_mut().zip(chunk) {
            *lane += f(*item);
        }
    }
    for (lane, item) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += f(*item);
    }
    let mut half = 8;
    while half > 0 {
        for at in 0..half {
            lanes[at] += lanes[at + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// The largest of `items`.
#[inline(always)]
pub fn largest(items: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let mut chunks = items.chunks_exact(16);
    for chunk in &mut chunks {
        for (lane, item) in lanes.iter_mut().zip(chunk) {
            *lane = if *item > *lane { *item } else { *lane };
        }
    }
    lanes.iter().chain(chunks.remainder()).copied().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elementary_functions_are_close_to_those_of_f64() {
        for step in -8_700..=8_800 {
            let x = step as f32 * 0.01;
            let exact = f64::from(x).exp();
            // 2 units in the last place of f32.
            assert!((f64::from(exp(x)) - exact).abs() <= 2.4e-7 * exact, "exp({x})");
            assert!((f64::from(tanh(x)) - f64::from(x).tanh()).abs() <= 2e-7, "tanh({x})");
            assert!((f64::from(sigmoid(x)) - 1.0 / (1.0 + (-f64::from(x)).exp())).abs() <= 2e-7, "sigmoid({x})");
        }
    }

    #[test]
    fn sums_and_maxima_see_every_item() {
        for len in 0..70u32 {
            let items: Vec<f32> = (0..len).map(|at| (at * 37 % 64) as f32).collect();
            assert_eq!(sum_of(&items, |v| 2.0 * v), items.iter().map(|v| 2.0 * v).sum::<f32>());
            assert_eq!(largest(&items), items.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}
