//! Products with matrices that learn: the two halves of a low-rank update, each with its gradients.

use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::add::add_scaled;
use super::gemm::{View, gemm};
use super::slices::{numbers, with_numbers};

/// Rows of a result that one thread computes, whatever the number of threads: sums must not depend on it.
const ROWS: usize = 256;

/// `A x`: `x [tokens, in]` and `a [rank, in]` to `[tokens, rank]`.
pub fn inner_products(x: &Tensor, a: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() && x.dtype() == DType::F32 {
        x.contiguous()?.apply_op2(&a.contiguous()?, Inner)
    } else {
        // The adapter stays in f32 beside weights of fewer digits.
        x.to_dtype(a.dtype())?.matmul(&a.t()?)
    }
}

/// `y + scale * B u`: `y [tokens, out]`, `u [tokens, rank]`, `b [out, rank]`.
pub fn add_low_rank(y: &Tensor, u: &Tensor, b: &Tensor, scale: f64) -> Result<Tensor> {
    if y.device().is_cpu() && y.dtype() == DType::F32 {
        y.contiguous()?.apply_op3(&u.contiguous()?, &b.contiguous()?, Outer(scale as f32))
    } else {
        add_scaled(y, &u.matmul(&b.t()?)?.to_dtype(y.dtype())?, scale)
    }
}

/// `dst = beta * dst + alpha * lhs rhs` by blocks of rows, at once; `dst` is `m` rows of `n`.
fn rows([m, n, k]: [usize; 3], dst: &mut [f32], beta: f32, lhs: View<'_>, rhs: View<'_>, alpha: f32) {
    if n == 0 {
        return;
    }
    dst.par_chunks_mut(ROWS * n).enumerate().for_each(|(at, dst)| {
        let lhs = View { numbers: &lhs.numbers[at * ROWS * lhs.row_stride..], ..lhs };
        gemm([ROWS.min(m - at * ROWS), n, k], dst, n, beta, lhs, rhs, alpha);
    });
}

struct Inner;

impl CustomOp2 for Inner {
    fn name(&self) -> &'static str {
        "inner-products"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, a: &CpuStorage, la: &Layout) -> Result<(CpuStorage, Shape)> {
        let ((tokens, width), (rank, inner)) = (lx.shape().dims2()?, la.shape().dims2()?);
        if width != inner {
            bail!("an adapter for vectors of {inner} was given vectors of {width}");
        }
        let mut u = vec![0f32; tokens * rank];
        let (x, a) = (View::rows(numbers(x, lx)?, inner), View::rows(numbers(a, la)?, inner));
        rows([tokens, rank, inner], &mut u, 0.0, x, a.t(), 1.0);
        Ok((CpuStorage::F32(u), Shape::from((tokens, rank))))
    }

    fn bwd(&self, x: &Tensor, a: &Tensor, _u: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let ((tokens, inner), rank) = (x.dims2()?, a.dim(0)?);
        let (dx, da) = with_numbers(grad, |grad| {
            let grad = View::rows(grad, rank);
            let dx = learns(x).then(|| {
                with_numbers(a, |a| {
                    let mut dx = vec![0f32; tokens * inner];
                    rows([tokens, inner, rank], &mut dx, 0.0, grad, View::rows(a, inner), 1.0);
                    Ok(dx)
                })
            });
            let da = with_numbers(x, |x| {
                let mut da = vec![0f32; rank * inner];
                rows([rank, inner, tokens], &mut da, 0.0, grad.t(), View::rows(x, inner), 1.0);
                Ok(da)
            })?;
            Ok((dx.transpose()?, da))
        })?;
        let dx = dx.map(|dx| Tensor::from_vec(dx, x.shape(), x.device())).transpose()?;
        Ok((dx, Some(Tensor::from_vec(da, a.shape(), a.device())?)))
    }
}

/// Whether a gradient of this value is of use.
fn learns(x: &Tensor) -> bool {
    x.track_op()
}

struct Outer(f32);

impl CustomOp3 for Outer {
    fn name(&self) -> &'static str {
        "add-low-rank"
    }

    fn cpu_fwd(
        &self,
        y: &CpuStorage,
        ly: &Layout,
        u: &CpuStorage,
        lu: &Layout,
        b: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let ((tokens, rank), (out, _)) = (lu.shape().dims2()?, lb.shape().dims2()?);
        let mut sum = numbers(y, ly)?.to_vec();
        let (u, b) = (View::rows(numbers(u, lu)?, rank), View::rows(numbers(b, lb)?, rank));
        rows([tokens, out, rank], &mut sum, 1.0, u, b.t(), self.0);
        Ok((CpuStorage::F32(sum), ly.shape().clone()))
    }

    fn bwd(
        &self,
        y: &Tensor,
        u: &Tensor,
        b: &Tensor,
        _sum: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let ((tokens, rank), out) = (u.dims2()?, b.dim(0)?);
        let (du, db) = with_numbers(grad, |grad| {
            let grad = View::rows(grad, out);
            let du = with_numbers(b, |b| {
                let mut du = vec![0f32; tokens * rank];
                rows([tokens, rank, out], &mut du, 0.0, grad, View::rows(b, rank), self.0);
                Ok(du)
            })?;
            let db = with_numbers(u, |u| {
                let mut db = vec![0f32; out * rank];
                rows([out, rank, tokens], &mut db, 0.0, grad.t(), View::rows(u, rank), self.0);
                Ok(db)
            })?;
            Ok((du, db))
        })?;
        let dy = learns(y).then(|| grad.clone());
        Ok((dy, Some(Tensor::from_vec(du, u.shape(), u.device())?), Some(Tensor::from_vec(db, b.shape(), b.device())?)))
    }
}
