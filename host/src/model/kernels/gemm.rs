//! Products of small matrices inside a larger kernel, on the calling thread.
#![expect(unsafe_code, reason = "the gemm crate takes raw pointers")]

/// A matrix in a slice: element `(i, j)` is at `i * row_stride + j * column_stride`.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub numbers: &'a [f32],
    pub row_stride: usize,
    pub column_stride: usize,
}

impl<'a> View<'a> {
    /// Rows of a row-major matrix whose rows are `row_stride` apart.
    pub fn rows(numbers: &'a [f32], row_stride: usize) -> Self {
        Self { numbers, row_stride, column_stride: 1 }
    }

    /// The transpose.
    pub fn t(self) -> Self {
        Self { numbers: self.numbers, row_stride: self.column_stride, column_stride: self.row_stride }
    }

    fn holds(self, rows: usize, columns: usize) -> bool {
        rows == 0
            || columns == 0
            || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.numbers.len()
    }
}

/// `dst = beta * dst + alpha * lhs rhs`, with `lhs` m x k, `rhs` k x n and `dst` m rows of n, `dst_stride` apart.
pub fn gemm(
    [m, n, k]: [usize; 3],
    dst: &mut [f32],
    dst_stride: usize,
    beta: f32,
    lhs: View<'_>,
    rhs: View<'_>,
    alpha: f32,
) {
    assert!(lhs.holds(m, k) && rhs.holds(k, n), "an operand of the product is too short");
    assert!(m == 0 || n == 0 || (n <= dst_stride && (m - 1) * dst_stride + n <= dst.len()), "the product does not fit");
    // SAFETY: the assertions above keep every element of the three matrices inside its slice, and the rows
    // of `dst`, which is borrowed mutably, do not overlap.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            dst.as_mut_ptr(),
            1,
            dst_stride as isize,
            beta != 0.0,
            lhs.numbers.as_ptr(),
            lhs.column_stride as isize,
            lhs.row_stride as isize,
            rhs.numbers.as_ptr(),
            rhs.column_stride as isize,
            rhs.row_stride as isize,
            beta,
            alpha,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
