//! Moments in a byte each: blocks of numbers with a scale, and a code of 256 values that is finest near zero
//! (Dettmers et al. 2021, arXiv 2110.02861).

use std::sync::LazyLock;

use rayon::prelude::*;

/// Numbers that share a scale.
pub const BLOCK: usize = 256;

/// Numbers as codes.
#[derive(Debug, Clone, PartialEq)]
pub struct EightBit {
    signed: bool,
    /// Position in the table of values, by number.
    pub codes: Vec<u8>,
    /// Largest magnitude, by block.
    pub scales: Vec<f32>,
}

/// Values of the codes in rising order: a decade per power of ten down to 1e-6, each cut evenly into twice as many parts
/// as the one below it.
static SIGNED: LazyLock<Vec<f32>> = LazyLock::new(|| table(true));
static UNSIGNED: LazyLock<Vec<f32>> = LazyLock::new(|| table(false));

fn table(signed: bool) -> Vec<f32> {
    let mut values = vec![0.0, 1.0];
    for decade in 0..7i32 {
        let parts = 1 << if signed { decade } else { decade + 1 };
        let unit = 10f64.powi(decade - 6);
        for part in 0..parts {
            let middle = 0.1 + 0.9 * (f64::from(part) + 0.5) / f64::from(parts);
            values.push((unit * middle) as f32);
            if signed {
                values.push((-unit * middle) as f32);
            }
        }
    }
    values.sort_by(f32::total_cmp);
    values
}

impl EightBit {
    /// `count` zeros; without a sign all codes are for numbers from zero up.
    pub fn zeros(count: usize, signed: bool) -> Self {
        let zero = code(values(signed), 0.0);
        Self { signed, codes: vec![zero; count], scales: vec![0.0; count.div_ceil(BLOCK)] }
    }

    /// Codes and scales that were stored.
    pub fn stored(codes: Vec<u8>, scales: Vec<f32>, signed: bool) -> Self {
        Self { signed, codes, scales }
    }

    /// Stretches of `chunk` numbers, a multiple of the block, for several threads.
    pub fn blocks_mut(&mut self, chunk: usize) -> impl IndexedParallelIterator<Item = Stretch<'_>> {
        let signed = self.signed;
        (self.codes.par_chunks_mut(chunk).zip(self.scales.par_chunks_mut(chunk / BLOCK)))
            .map(move |(codes, scales)| Stretch { signed, codes, scales })
    }
}

/// Some blocks of numbers.
pub struct Stretch<'a> {
    signed: bool,
    codes: &'a mut [u8],
    scales: &'a mut [f32],
}

impl Stretch<'_> {
    /// The numbers.
    pub fn numbers(&self) -> Vec<f32> {
        let values = values(self.signed);
        let blocks = self.codes.chunks(BLOCK).zip(self.scales.iter());
        blocks.flat_map(|(codes, scale)| codes.iter().map(move |code| values[usize::from(*code)] * scale)).collect()
    }

    /// Stores other numbers.
    pub fn set(&mut self, numbers: &[f32]) {
        let values = values(self.signed);
        for ((codes, scale), numbers) in
            self.codes.chunks_mut(BLOCK).zip(self.scales.iter_mut()).zip(numbers.chunks(BLOCK))
        {
            *scale = numbers.iter().fold(0.0f32, |largest, n| largest.max(n.abs()));
            let factor = if *scale > 0.0 { 1.0 / *scale } else { 0.0 };
            for (code_of, number) in codes.iter_mut().zip(numbers) {
                *code_of = code(values, number * factor);
            }
        }
    }
}

fn values(signed: bool) -> &'static [f32] {
    if signed { &SIGNED } else { &UNSIGNED }
}

/// The code whose value is nearest.
fn code(values: &[f32], number: f32) -> u8 {
    let above = values.partition_point(|value| *value < number).min(values.len() - 1);
    let below = above.saturating_sub(1);
    let nearest = if number - values[below] < values[above] - number { below } else { above };
    nearest as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_byte_and_hold_seven_decades() {
        assert_eq!((SIGNED.len(), UNSIGNED.len()), (256, 256));
        let numbers: Vec<f32> = (0..1000).map(|at| (at as f32 * 0.37).sin() * 10f32.powi(at % 5 - 4)).collect();
        let mut held = EightBit::zeros(numbers.len(), true);
        held.blocks_mut(4 * BLOCK).zip(numbers.par_chunks(4 * BLOCK)).for_each(|(mut s, n)| s.set(n));
        let back: Vec<f32> = held.blocks_mut(4 * BLOCK).flat_map_iter(|s| s.numbers()).collect();
        for (block, (back, numbers)) in back.chunks(BLOCK).zip(numbers.chunks(BLOCK)).enumerate() {
            let largest = held.scales[block];
            for (back, number) in back.iter().zip(numbers) {
                // Half a part of the number's decade, with a margin where two decades meet.
                let decade = (f64::from((number / largest).abs()).log10().ceil() + 6.0).clamp(0.0, 6.0);
                let bound = (0.65 * 10f64.powf(decade - 6.0) / 2f64.powf(decade) * f64::from(largest)) as f32 + 1e-9;
                assert!((back - number).abs() <= bound, "{number} {back} of {largest}");
            }
        }
    }
}
