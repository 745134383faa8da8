//! A square of 32 by 32 numbers with rows and columns exchanged.
#![expect(unsafe_code, reason = "vector instructions")]

use super::tile::COLUMNS;

/// Numbers of a square.
pub const SQUARE: usize = COLUMNS * COLUMNS;

/// `to[j][i] = from[i][j]`.
pub fn transpose(from: &[f32; SQUARE], to: &mut [f32; SQUARE]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        for (row, column) in [(0, 0), (0, 16), (16, 0), (16, 16)] {
            // SAFETY: the instructions exist, as was just checked, and each quarter lies inside of both squares.
            unsafe {
                avx512::quarter(from.as_ptr().add(row * COLUMNS + column), to.as_mut_ptr().add(column * COLUMNS + row))
            };
        }
        return;
    }
    for (j, to) in to.chunks_exact_mut(COLUMNS).enumerate() {
        for (i, to) in to.iter_mut().enumerate() {
            *to = from[i * COLUMNS + j];
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::{
        _mm512_castpd_ps, _mm512_castps_pd, _mm512_loadu_ps, _mm512_setzero_ps, _mm512_shuffle_f32x4, _mm512_storeu_ps,
        _mm512_unpackhi_pd, _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
    };

    use super::COLUMNS;

    /// Sixteen by sixteen numbers in rows that are `COLUMNS` apart.
    ///
    /// # Safety
    ///
    /// Both squares can be read and written, on a processor with AVX-512.
    #[target_feature(enable = "avx512f")]
    pub unsafe fn quarter(from: *const f32, to: *mut f32) {
        let mut rows = [_mm512_setzero_ps(); 16];
        for (at, row) in rows.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            *row = unsafe { _mm512_loadu_ps(from.add(at * COLUMNS)) };
        }
        // Of four rows each: in its four parts, columns j, 4 + j, 8 + j and 12 + j of these rows.
        let mut fours = [_mm512_setzero_ps(); 16];
        for group in 0..4 {
            let [a, b, c, d] = [0, 1, 2, 3].map(|row| rows[4 * group + row]);
            let pairs = |low: bool| {
                let (ab, cd) = if low {
                    (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d))
                } else {
                    (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d))
                };
                let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
                [_mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd)), _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd))]
            };
            [fours[4 * group], fours[4 * group + 1]] = pairs(true);
            [fours[4 * group + 2], fours[4 * group + 3]] = pairs(false);
        }
        for j in 0..4 {
            // 0x88 takes parts 0 and 2 of both, 0xdd parts 1 and 3.
            let even = [0, 8].map(|at| _mm512_shuffle_f32x4::<0x88>(fours[at + j], fours[at + 4 + j]));
            let odd = [0, 8].map(|at| _mm512_shuffle_f32x4::<0xdd>(fours[at + j], fours[at + 4 + j]));
            let columns = [
                (j, _mm512_shuffle_f32x4::<0x88>(even[0], even[1])),
                (4 + j, _mm512_shuffle_f32x4::<0x88>(odd[0], odd[1])),
                (8 + j, _mm512_shuffle_f32x4::<0xdd>(even[0], even[1])),
                (12 + j, _mm512_shuffle_f32x4::<0xdd>(odd[0], odd[1])),
            ];
            for (column, numbers) in columns {
                // SAFETY: the caller's promise.
                unsafe { _mm512_storeu_ps(to.add(column * COLUMNS), numbers) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_columns() {
        let mut from = [0f32; SQUARE];
        from.iter_mut().enumerate().for_each(|(at, v)| *v = at as f32);
        let mut to = [0f32; SQUARE];
        transpose(&from, &mut to);
        for i in 0..COLUMNS {
            for j in 0..COLUMNS {
                assert_eq!(to[j * COLUMNS + i], from[i * COLUMNS + j]);
            }
        }
    }
}
