//! The innermost product: a few rows times a panel of 32 columns.
//!
//! Each result is one chain of fused multiply-adds in the order of the summed index, whatever the number of rows and
//! however the sum is cut into blocks. A row therefore has the same bits alone, in any batch, and continued from a cache.
#![expect(unsafe_code, reason = "vector instructions and disjoint parts of one result")]

use std::mem::MaybeUninit;

/// Columns of a panel.
pub const COLUMNS: usize = 32;
/// Most rows of one tile: 28 of the 32 vector registers hold sums.
pub const ROWS: usize = 14;

/// A matrix in a slice whose rows are `stride` apart.
#[derive(Clone, Copy)]
pub struct Strided<'a> {
    pub numbers: &'a [f32],
    pub stride: usize,
}

/// What a tile's sums start from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Zero.
    Zero,
    /// What the result holds: the sum over earlier blocks.
    Held,
}

/// Rows of a result that several threads fill, each its own columns.
#[derive(Clone, Copy)]
pub struct Target {
    start: *mut f32,
    len: usize,
    stride: usize,
}

// SAFETY: a target is only written through `multiply`, whose caller promises that tiles written at the same time do not
// overlap.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

impl Target {
    /// All of `numbers`, as rows that are `stride` apart.
    pub fn new(numbers: &mut [f32], stride: usize) -> Self {
        Self { start: numbers.as_mut_ptr(), len: numbers.len(), stride }
    }

    /// The same of numbers that are not there yet: sums start from [`Start::Zero`] first.
    pub fn unwritten(numbers: &mut [MaybeUninit<f32>], stride: usize) -> Self {
        Self { start: numbers.as_mut_ptr().cast(), len: numbers.len(), stride }
    }

    /// The same place with rows `stride` apart.
    pub fn strided(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// The part that begins at `row` and `column`.
    pub fn at(self, row: usize, column: usize) -> Self {
        let skip = row * self.stride + column;
        assert!(skip <= self.len, "a tile begins outside the result");
        // SAFETY: `skip` is at most the length of the slice.
        Self { start: unsafe { self.start.add(skip) }, len: self.len - skip, stride: self.stride }
    }
}

/// `c[i][j] = start + sum_p a[i][p] * b[p][j] + bias[j]` for `i < rows`, `p < depth`, `j < columns`.
///
/// `b` holds `depth` rows of [`COLUMNS`] numbers, those beyond `columns` included; so does `bias`. It is added last: a
/// sum that starts from a large bias loses digits.
///
/// # Safety
///
/// `c` comes from a slice that is still borrowed mutably, and no other thread touches these rows and columns of it.
pub unsafe fn multiply(
    [rows, depth, columns]: [usize; 3],
    a: Strided<'_>,
    b: Strided<'_>,
    c: Target,
    start: Start,
    bias: Option<&[f32]>,
) {
    if rows == 0 || columns == 0 {
        return;
    }
    assert!(columns <= COLUMNS, "a tile has at most {COLUMNS} columns");
    assert!((rows - 1) * c.stride + columns <= c.len, "a tile ends outside the result");
    if depth > 0 {
        assert!((rows - 1) * a.stride + depth <= a.numbers.len(), "the left matrix is too short");
        assert!((depth - 1) * b.stride + COLUMNS <= b.numbers.len(), "the right matrix is too short");
    }
    assert!(bias.is_none_or(|bias| bias.len() >= COLUMNS), "a bias covers its panel");
    // Tiles of nearly equal height: 16 rows are two tiles of eight, not one of fourteen and one of two.
    let tiles = rows.div_ceil(ROWS);
    let mut row = 0;
    for tile in 0..tiles {
        let height = (rows - row).div_ceil(tiles - tile);
        let a = Strided { numbers: &a.numbers[(row * a.stride).min(a.numbers.len())..], stride: a.stride };
        // SAFETY: the assertions above hold for these rows, which are among all rows; the caller vouches for `c`.
        unsafe { tile_of([height, depth, columns], a, b, c.at(row, 0), start, bias) };
        row += height;
    }
}

/// # Safety
///
/// As [`multiply`], with at most [`ROWS`] rows, and all operands long enough.
unsafe fn tile_of(
    [rows, depth, columns]: [usize; 3],
    a: Strided<'_>,
    b: Strided<'_>,
    c: Target,
    start: Start,
    bias: Option<&[f32]>,
) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        macro_rules! by_height {
            ($($height:literal)*) => {
                match rows {
                    // SAFETY: the instructions exist, as was just checked; the rest is the caller's promise.
                    $($height => return unsafe { avx512::tile::<$height>(depth, columns, a, b, c, start, bias) },)*
                    _ => {}
                }
            };
        }
        by_height!(1 2 3 4 5 6 7 8 9 10 11 12 13 14);
    }
    // SAFETY: the caller's promise.
    unsafe { portable::tile([rows, depth, columns], a, b, c, start, bias) }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        __m512, __mmask16, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps,
        _mm512_maskz_loadu_ps, _mm512_set1_ps, _mm512_setzero_ps,
    };

    use super::{Start, Strided, Target};

    /// # Safety
    ///
    /// As [`super::tile_of`] with `HEIGHT` rows, on a processor with AVX-512.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn tile<const HEIGHT: usize>(
        depth: usize,
        columns: usize,
        a: Strided<'_>,
        b: Strided<'_>,
        c: Target,
        start: Start,
        bias: Option<&[f32]>,
    ) {
        let low: __mmask16 = if columns >= 16 { !0 } else { (1 << columns) - 1 };
        let high: __mmask16 = if columns >= 32 { !0 } else { (1u16 << columns.saturating_sub(16)) - 1 };
        let mut sums: [[__m512; 2]; HEIGHT] = [[_mm512_setzero_ps(); 2]; HEIGHT];
        // SAFETY: masks keep accesses to `c` inside its columns; the rest is inside the operands by the promise.
        unsafe {
            if start == Start::Held {
                for (row, sums) in sums.iter_mut().enumerate() {
                    let c = c.start.add(row * c.stride);
                    *sums = [_mm512_maskz_loadu_ps(low, c), _mm512_maskz_loadu_ps(high, c.wrapping_add(16))];
                }
            }
            let (mut b_row, a_start) = (b.numbers.as_ptr(), a.numbers.as_ptr());
            for p in 0..depth {
                let (b0, b1) = (_mm512_loadu_ps(b_row), _mm512_loadu_ps(b_row.add(16)));
                for (row, sums) in sums.iter_mut().enumerate() {
                    let x = _mm512_set1_ps(*a_start.add(row * a.stride + p));
                    sums[0] = _mm512_fmadd_ps(x, b0, sums[0]);
                    sums[1] = _mm512_fmadd_ps(x, b1, sums[1]);
                }
                b_row = b_row.wrapping_add(b.stride);
            }
            if let Some(bias) = bias {
                let (low, high) = (_mm512_loadu_ps(bias.as_ptr()), _mm512_loadu_ps(bias.as_ptr().add(16)));
                for sums in &mut sums {
                    *sums = [_mm512_add_ps(sums[0], low), _mm512_add_ps(sums[1], high)];
                }
            }
            for (row, sums) in sums.iter().enumerate() {
                let c = c.start.add(row * c.stride);
                _mm512_mask_storeu_ps(c, low, sums[0]);
                _mm512_mask_storeu_ps(c.wrapping_add(16), high, sums[1]);
            }
        }
    }
}

mod portable {
    use super::{COLUMNS, Start, Strided, Target};

    /// # Safety
    ///
    /// As [`super::tile_of`].
    pub unsafe fn tile(
        [rows, depth, columns]: [usize; 3],
        a: Strided<'_>,
        b: Strided<'_>,
        c: Target,
        start: Start,
        bias: Option<&[f32]>,
    ) {
        for row in 0..rows {
            // SAFETY: the row's columns are inside the result and nobody else's, by the caller's promise.
            let c = unsafe { std::slice::from_raw_parts_mut(c.start.add(row * c.stride), columns) };
            let a = &a.numbers[row * a.stride..][..depth];
            line(a, b, c, start, bias);
        }
    }

    #[pulp::with_simd(line = pulp::Arch::new())]
    #[inline(always)]
    fn line_with<'a, S: pulp::Simd>(
        _simd: S,
        a: &'a [f32],
        b: Strided<'a>,
        c: &'a mut [f32],
        start: Start,
        bias: Option<&'a [f32]>,
    ) {
        let mut sums = [0f32; COLUMNS];
        if start == Start::Held {
            sums[..c.len()].copy_from_slice(c);
        }
        for (p, x) in a.iter().enumerate() {
            let b = &b.numbers[p * b.stride..][..COLUMNS];
            for (sum, b) in sums.iter_mut().zip(b) {
                *sum = x.mul_add(*b, *sum);
            }
        }
        if let Some(bias) = bias {
            sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum += bias);
        }
        c.copy_from_slice(&sums[..c.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let stream = crate::rng::Stream::new(seed, &[b"tile"]);
        (0..count as u64).map(|at| stream.normal(at) as f32).collect()
    }

    #[test]
    fn every_tile_equals_the_chain_of_fused_multiply_adds() {
        for rows in [1, 2, 3, 7, 13, 14, 15, 29] {
            for columns in [1, 15, 16, 17, 31, 32] {
                for depth in [0, 1, 5, 64] {
                    let (a, b, bias) = (numbers(rows * 70, 1), numbers(64 * 40, 2), numbers(COLUMNS, 3));
                    let (a, b) = (Strided { numbers: &a, stride: 70 }, Strided { numbers: &b, stride: 40 });
                    let mut whole = vec![7f32; rows * 33];
                    let mut cut = whole.clone();
                    let target = Target::new(&mut whole, 33);
                    // SAFETY: one thread, and `whole` outlives the call.
                    unsafe { multiply([rows, depth, columns], a, b, target, Start::Zero, Some(&bias)) };
                    // The same in two blocks, row by row, by the portable code.
                    let first = depth / 2;
                    let later = Strided { numbers: &b.numbers[first * 40..], stride: 40 };
                    for row in 0..rows {
                        let target = Target::new(&mut cut, 33).at(row, 0);
                        let [one, two] =
                            [0, first].map(|skip| Strided { numbers: &a.numbers[row * 70 + skip..], stride: 70 });
                        // SAFETY: one thread, and `cut` outlives the calls.
                        unsafe {
                            portable::tile([1, first, columns], one, b, target, Start::Zero, None);
                            portable::tile([1, depth - first, columns], two, later, target, Start::Held, Some(&bias));
                        }
                    }
                    let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&whole), bits(&cut), "{rows} x {depth} x {columns}");
                    assert!(
                        whole.chunks(33).all(|row| row[columns..].iter().all(|v| *v == 7.0)),
                        "outside the columns"
                    );
                }
            }
        }
    }
}
