//! Random draws that are a pure function of (seed, stream, position): the same at any platform and thread count.
//!
//! The generator is Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), the words of
//! `numpy.random.Philox(key=[seed, stream])`. Normal draws use Box and Muller's transform with libm's logarithm and
//! sine, which are plain f64 arithmetic and so do not depend on the system's library.

use std::num::NonZeroU64;

use crate::basis::Basis;
use crate::error::{StatsError, check_range};
use crate::linalg::{dot, norm};
use crate::matrix::Matrix;

/// What a stream is for, so that one seed never feeds the same words to two purposes.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    User = 0,
    Orthonormal = 1,
    NormalMatrix = 2,
    Bootstrap = 3,
    Permutation = 4,
    Krylov = 5,
}

/// A counter-based generator: 2^64 seeds, each with 2^64 independent streams of 2^66 words.
#[derive(Debug, Clone)]
pub struct Rng {
    key: [u64; 2],
    counter: [u64; 4],
    words: [u64; 4],
    used: usize,
    spare: Option<f64>,
}

impl Rng {
    /// The start of stream `stream` of `seed`. Give every parallel task its own stream, never its own seed.
    pub fn new(seed: u64, stream: u64) -> Self {
        Self::for_purpose(seed, stream, Purpose::User)
    }

    pub(crate) fn for_purpose(seed: u64, stream: u64, purpose: Purpose) -> Self {
        Self { key: [seed, stream], counter: [0, 0, 0, purpose as u64], words: [0; 4], used: 4, spare: None }
    }

    /// The next 64 uniform bits.
    pub fn next_u64(&mut self) -> u64 {
        if self.used == 4 {
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.words = philox(self.counter, self.key);
            self.used = 0;
        }
        self.used += 1;
        self.words[self.used - 1]
    }

    /// A uniform draw from [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * 2f64.powi(-53)
    }

    /// A uniform integer below `n`, without bias (Lemire 2019, "Fast random integer generation in an interval").
    pub fn below(&mut self, n: NonZeroU64) -> u64 {
        let n = n.get();
        let smallest_fair = n.wrapping_neg() % n;
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            if wide as u64 >= smallest_fair {
                return (wide >> 64) as u64;
            }
        }
    }

    /// A draw from the standard normal distribution.
    pub fn normal(&mut self) -> f64 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        // One minus a draw from [0, 1) is never zero, so the logarithm is finite.
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        let (sin, cos) = libm::sincos(std::f64::consts::TAU * self.uniform());
        self.spare = Some(radius * sin);
        radius * cos
    }

    /// Puts `items` in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let bound = NonZeroU64::MIN.saturating_add(last as u64);
            items.swap(last, self.below(bound) as usize);
        }
    }
}

/// A `rows x cols` matrix of standard normal draws; row `i` depends on `seed`, `i` and `cols` only.
///
/// # Errors
/// [`StatsError::Empty`] without rows or columns.
pub fn normal_matrix(rows: usize, cols: usize, seed: u64) -> Result<Matrix, StatsError> {
    let draw_row = |i| {
        let mut rng = Rng::for_purpose(seed, i as u64, Purpose::NormalMatrix);
        (0..cols).map(move |_| rng.normal())
    };
    Matrix::from_vec(rows, cols, (0..rows).flat_map(draw_row).collect())
}

/// A uniformly (Haar) distributed `k`-dimensional subspace of a `d`-dimensional space with a uniform basis.
///
/// The law is that of the QR decomposition of a `d x k` Gaussian matrix with the diagonal of R made positive. It is drawn
/// as a product of Householder reflections of Gaussian vectors (Stewart 1980, "The efficient generation of random
/// orthogonal matrices"), which needs no decomposition.
///
/// # Errors
/// [`StatsError::OutOfRange`] unless `1 <= k <= d`.
pub fn random_orthonormal(d: usize, k: usize, seed: u64) -> Result<Basis, StatsError> {
    random_orthonormal_from(&mut Rng::for_purpose(seed, 0, Purpose::Orthonormal), d, k)
}

/// As [`random_orthonormal`], from the next words of `rng`: for many draws under one seed, one stream each.
///
/// # Errors
/// As [`random_orthonormal`].
///
/// ```
/// use emhost_stats::random::{random_orthonormal_from, Rng};
/// let draws: Result<Vec<_>, _> = (0..100).map(|i| random_orthonormal_from(&mut Rng::new(7, i), 16, 4)).collect();
/// assert_eq!(draws?[99].k(), 4);
/// # Ok::<(), emhost_stats::StatsError>(())
/// ```
pub fn random_orthonormal_from(rng: &mut Rng, d: usize, k: usize) -> Result<Basis, StatsError> {
    check_range("k", 1, d, k)?;
    let reflections: Vec<Reflection> = (0..k).map(|j| Reflection::draw(rng, d - j)).collect();
    let mut rows = vec![0.0; d * k];
    for (i, row) in rows.chunks_exact_mut(d).enumerate() {
        row[i] = reflections[i].sign;
        for (j, reflection) in reflections[..=i].iter().enumerate().rev() {
            reflection.apply(&mut row[j..]);
        }
    }
    Ok(Basis::trusted(Matrix::from_vec(k, d, rows)?))
}

/// The Householder reflection `H = I - v vᵀ` that maps a Gaussian vector `x` to `sign * ‖x‖ e_1`.
struct Reflection {
    v: Vec<f64>,
    sign: f64,
}

impl Reflection {
    fn draw(rng: &mut Rng, len: usize) -> Self {
        let mut v: Vec<f64> = (0..len).map(|_| rng.normal()).collect();
        let length = norm(&v);
        // The sign against x_1 avoids cancellation in v_1; the column of Q takes it back, so that R's diagonal is positive.
        let sign = if v[0] < 0.0 { 1.0 } else { -1.0 };
        v[0] -= sign * length;
        let scale = norm(&v);
        if scale > 0.0 {
            v.iter_mut().for_each(|value| *value *= std::f64::consts::SQRT_2 / scale);
        }
        Self { v, sign }
    }

    fn apply(&self, row: &mut [f64]) {
        let amount = dot(&self.v, row);
        row.iter_mut().zip(&self.v).for_each(|(value, v)| *value -= amount * v);
    }
}

fn philox(mut counter: [u64; 4], mut key: [u64; 2]) -> [u64; 4] {
    const MULTIPLIERS: [u64; 2] = [0xD2E7_470E_E14C_6C93, 0xCA5A_8263_9512_1157];
    const INCREMENTS: [u64; 2] = [0x9E37_79B9_7F4A_7C15, 0xBB67_AE85_84CA_A73B];
    for _ in 0..10 {
        let first = u128::from(MULTIPLIERS[0]) * u128::from(counter[0]);
        let second = u128::from(MULTIPLIERS[1]) * u128::from(counter[2]);
        counter = [
            (second >> 64) as u64 ^ counter[1] ^ key[0],
            second as u64,
            (first >> 64) as u64 ^ counter[3] ^ key[1],
            first as u64,
        ];
        key[0] = key[0].wrapping_add(INCREMENTS[0]);
        key[1] = key[1].wrapping_add(INCREMENTS[1]);
    }
    counter
}
