//! Attention from candle's operations: for other devices and types, and the oracle of the tests.

use candle_core::{D, DType, Result, Tensor};

use super::attention::Look;

/// Attention of the last `q.rows` tokens of one sequence over all of its keys and values.
///
/// `q [new, query * dim]`, `k` and `v [tokens, kv * dim]`, giving `[new, query * dim]`.
pub fn composed_attention(q: &Tensor, k: &Tensor, v: &Tensor, look: &Look) -> Result<Tensor> {
    let (new, tokens) = (q.dim(0)?, k.dim(0)?);
    let (kv, share, dim) = (look.heads.kv, look.heads.share(), look.heads.dim);
    // [kv, share * new, dim], so that one product serves the heads that share keys.
    let q = q.reshape((new, kv, share, dim))?.permute((1, 2, 0, 3))?.reshape((kv, share * new, dim))?;
    let k = k.reshape((tokens, kv, dim))?.permute((1, 2, 0))?.contiguous()?;
    let v = v.reshape((tokens, kv, dim))?.transpose(0, 1)?.contiguous()?;
    let wide = if q.dtype() == DType::F64 { DType::F64 } else { DType::F32 };
    let mut scores = (q.matmul(&k)?.to_dtype(wide)? * f64::from(look.scale))?;
    if let Some(cap) = look.cap {
        scores = ((scores / f64::from(cap))?.tanh()? * f64::from(cap))?;
    }
    let mut hidden = vec![f32::NEG_INFINITY; new * tokens];
    for (row, hidden) in hidden.chunks_mut(tokens).enumerate() {
        hidden[look.visible(tokens - new + row)].fill(0.0);
    }
    let hidden = Tensor::from_vec(hidden, (1, 1, new, tokens), q.device())?.to_dtype(wide)?;
    let scores = scores.reshape((kv, share, new, tokens))?.broadcast_add(&hidden)?;
    let exp = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?.exp()?;
    let weights = exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)?.to_dtype(q.dtype())?;
    let mixed = weights.reshape((kv, share * new, tokens))?.matmul(&v)?;
    mixed.reshape((kv, share, new, dim))?.permute((2, 0, 1, 3))?.reshape((new, kv * share * dim))
}
