//! PCA of rows that arrive in batches: mean and scatter matrix only, never all rows at once.

use crate::error::{StatsError, check_count, check_finite};
use crate::linalg::{add_gram, mirror};
use crate::matrix::Matrix;
use crate::pca::{Leading, Pca};

/// Rows per update. Batches are cut and joined to this many, so that how rows were batched does not change a bit.
const ROWS: usize = 512;

/// Mean and scatter matrix `Σ (x - μ)(x - μ)ᵀ` of rows of width `d`, in f64: `8 d²` bytes, however many rows there are.
///
/// Each block of 512 rows is centred by its own mean and added by the update of Chan, Golub and LeVeque (1979), so that
/// a large mean costs no digits. A product matrix holds squares: a variance has an absolute error of about `eps` times
/// the largest one, so one that is 1e-8 of the largest still has about 7 digits. [`Pca::fit`] has no such limit.
///
/// ```
/// use emhost_stats::{random, Leading, Pca, Scatter};
/// let rows = random::normal_matrix(300, 6, 1)?;
/// let mut scatter = Scatter::new(6)?;
/// for batch in rows.as_slice().chunks(6 * 70) {
///     scatter.push(batch)?; // f32 or f64, whole rows
/// }
/// let (pca, whole) = (scatter.pca()?, Pca::fit(&rows)?);
/// assert!((pca.variances()[5] / whole.variances()[5] - 1.0).abs() < 1e-12);
/// # Ok::<(), emhost_stats::StatsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Scatter {
    d: usize,
    /// Rows in `mean` and `sums`.
    n: usize,
    mean: Vec<f64>,
    /// Lower triangle, row-major.
    sums: Vec<f64>,
    /// Rows that wait for a whole block.
    waiting: Vec<f64>,
    first: Vec<f64>,
    varies: bool,
}

impl Scatter {
    /// Of no rows yet, of width `d`.
    ///
    /// # Errors
    /// [`StatsError::Empty`] for `d = 0`, [`StatsError::Overflow`] when `d²` is too large to address.
    pub fn new(d: usize) -> Result<Self, StatsError> {
        if d == 0 {
            return Err(StatsError::Empty { what: "the width of a scatter matrix" });
        }
        let size = d.checked_mul(d).ok_or(StatsError::Overflow { what: "the size of a scatter matrix" })?;
        let (mean, sums) = (vec![0.0; d], vec![0.0; size]);
        Ok(Self { d, n: 0, mean, sums, waiting: Vec::new(), first: Vec::new(), varies: false })
    }

    /// Adds whole rows, row-major, f32 or f64.
    ///
    /// # Errors
    /// [`StatsError::LengthMismatch`] when the last row is cut off, [`StatsError::NonFinite`] for NaN or an infinity, with
    /// its place in `rows`; nothing is added then.
    pub fn push<T: Copy + Into<f64>>(&mut self, rows: &[T]) -> Result<(), StatsError> {
        let d = self.d;
        if !rows.len().is_multiple_of(d) {
            let expected = rows.len().next_multiple_of(d);
            return Err(StatsError::LengthMismatch { what: "values of whole rows", expected, got: rows.len() });
        }
        if let Some(index) = rows.iter().position(|&value| !value.into().is_finite()) {
            return Err(StatsError::NonFinite { what: "rows", index, value: rows[index].into() });
        }
        for row in rows.chunks_exact(d) {
            if self.first.is_empty() {
                self.first = row.iter().map(|&value| value.into()).collect();
            }
            self.varies = self.varies || row.iter().zip(&self.first).any(|(&value, first)| value.into() != *first);
            self.waiting.extend(row.iter().map(|&value| value.into()));
            if self.waiting.len() == ROWS * d {
                self.add_waiting()?;
            }
        }
        Ok(())
    }

    /// Number of rows so far.
    pub fn n(&self) -> usize {
        self.n + self.waiting.len() / self.d
    }

    /// All components with variance; one below `d * eps` of the largest counts as none.
    ///
    /// # Errors
    /// As [`Pca::fit`].
    pub fn pca(self) -> Result<Pca, StatsError> {
        self.pca_leading(Leading { k: usize::MAX, share: 1.0 })
    }

    /// The leading components; as [`Pca::fit_leading`], but for small variances, which only the rows could tell.
    ///
    /// # Errors
    /// As [`Pca::fit_leading`].
    pub fn pca_leading(mut self, wanted: Leading) -> Result<Pca, StatsError> {
        wanted.check()?;
        check_count("rows for a PCA", 2, self.n())?;
        if !self.varies {
            return Err(StatsError::Constant { what: "the rows of a PCA", n: self.n(), value: self.first[0] });
        }
        self.add_waiting()?;
        mirror(&mut self.sums, self.d);
        if check_finite("a scatter matrix", &self.sums).is_err() {
            return Err(StatsError::Overflow { what: "the variances of a PCA" });
        }
        let product = Matrix::from_vec(self.d, self.d, self.sums)?;
        let found = wanted.of(product, self.n)?;
        let freedom = (self.n - 1) as f64;
        let variances = found.values.iter().map(|value| value / freedom).collect();
        Pca::assemble(self.n, self.mean, variances, found.vectors, found.spread)
    }

    /// Centres the waiting rows by their own mean; the distance of the means goes in as one more row.
    fn add_waiting(&mut self) -> Result<(), StatsError> {
        let b = self.waiting.len() / self.d;
        if b == 0 {
            return Ok(());
        }
        let block = Matrix::from_vec(b, self.d, std::mem::take(&mut self.waiting))?;
        let mean = block.mean_row();
        let (n, added) = (self.n as f64, b as f64);
        let mut rows = block.into_vec();
        for row in rows.chunks_exact_mut(self.d) {
            row.iter_mut().zip(&mean).for_each(|(value, mean)| *value -= mean);
        }
        let weight = (n / (n + added) * added).sqrt();
        let apart = mean.iter().zip(&self.mean).map(|(new, old)| new - old);
        if self.n > 0 {
            rows.extend(apart.clone().map(|apart| weight * apart));
        }
        let share = added / (n + added);
        let moved: Vec<f64> = apart.zip(&self.mean).map(|(apart, old)| old + share * apart).collect();
        add_gram(&mut self.sums, &Matrix::from_vec(rows.len() / self.d, self.d, rows)?);
        (self.mean, self.n) = (moved, self.n + b);
        Ok(())
    }
}
