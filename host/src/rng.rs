//! Counter-based random numbers: a draw is a function of its key and its index, never of what was drawn before.

/// A stream of random numbers named by a seed and a path, such as `(seed, row id, sample)`.
///
/// Draw `i` is the 64-bit finaliser of MurmurHash3 / SplitMix64 (Steele et al. 2014) applied to the
/// stream's key plus `i` golden-ratio steps; the key is BLAKE3 of seed and path, so that streams with
/// different names are unrelated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stream {
    key: u64,
}

impl Stream {
    /// The stream of `seed` and `path`; equal names give equal streams.
    pub fn new(seed: u64, path: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&seed.to_le_bytes());
        for part in path {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut key = [0; 8];
        hasher.finalize_xof().fill(&mut key);
        Self { key: u64::from_le_bytes(key) }
    }

    /// The 64 bits of draw `index`.
    pub fn bits(self, index: u64) -> u64 {
        let mut z = self.key.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Draw `index`, uniform in [0, 1) with 53 bits.
    pub fn uniform(self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// Draw `index`, standard normal, by Box and Muller's transform of draws `2 index` and `2 index + 1`.
    pub fn normal(self, index: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(2 * index)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(2 * index + 1)).cos()
    }

    /// The numbers `0..n` in random order (Fisher and Yates).
    pub fn permutation(self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            let other = (self.uniform(last as u64) * (last + 1) as f64) as usize;
            order.swap(last, other);
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_uniform_and_normal() {
        let stream = Stream::new(7, &[b"moments"]);
        let n = 100_000;
        let mean = (0..n).map(|i| stream.uniform(i)).sum::<f64>() / n as f64;
        // The standard error of the mean is 0.0009.
        assert!((mean - 0.5).abs() < 0.004, "{mean}");
        let variance = (0..n).map(|i| stream.normal(i).powi(2)).sum::<f64>() / n as f64;
        // The standard error of the variance is 0.0045.
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
    }

    #[test]
    fn streams_with_different_names_differ_and_with_equal_names_agree() {
        assert_eq!(Stream::new(1, &[b"a", b"b"]), Stream::new(1, &[b"a", b"b"]));
        assert_ne!(Stream::new(1, &[b"a", b"b"]), Stream::new(1, &[b"ab"]));
        assert_ne!(Stream::new(1, &[b"a"]), Stream::new(2, &[b"a"]));
    }

    #[test]
    fn a_permutation_holds_each_number_once() {
        let mut order = Stream::new(3, &[]).permutation(1000);
        assert_ne!(order[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        order.sort_unstable();
        assert_eq!(order, (0..1000).collect::<Vec<_>>());
    }
}
