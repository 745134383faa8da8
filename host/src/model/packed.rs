//! A batch without padding: sequences stand one after another, with or without what came before them.

use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::error::Result;
use super::kernels::{Look, Pages, Seen, attend, causal_attention, composed_attention, with_numbers};

/// Tokens of several sequences, one after another.
pub struct Packed<'a> {
    /// Token ids of all sequences.
    pub tokens: Vec<u32>,
    /// Position of each token in its sequence.
    pub positions: Arc<Vec<u32>>,
    /// Tokens per sequence in this batch.
    pub lengths: Arc<Vec<usize>>,
    /// The tokens that leave the last block, where not all are needed there.
    pub leaving: Option<Tensor>,
    memory: Option<&'a mut [Memory]>,
}

/// Keys and values that a sequence has left behind. Clones share them: each goes on by itself.
#[derive(Debug, Clone)]
pub struct Memory {
    blocks: Vec<Held>,
    /// Tokens held.
    pub len: usize,
}

/// Keys and values at one block.
#[derive(Debug, Clone)]
enum Held {
    Nothing,
    Pages(Pages),
    /// `[tokens, kv * dim]` each, on another device or of another type than the own kernels take.
    Tensors(Tensor, Tensor),
}

impl Memory {
    /// No tokens yet.
    pub fn empty(blocks: usize) -> Self {
        Self { blocks: vec![Held::Nothing; blocks], len: 0 }
    }
}

impl<'a> Packed<'a> {
    /// Whole sequences, forgotten afterwards; gradients flow.
    pub fn whole(sequences: &[&[u32]]) -> Self {
        Self {
            tokens: sequences.concat(),
            positions: Arc::new(sequences.iter().flat_map(|s| 0..s.len() as u32).collect()),
            lengths: Arc::new(sequences.iter().map(|s| s.len()).collect()),
            leaving: None,
            memory: None,
        }
    }

    /// The next tokens of sequences whose keys and values are kept in `memory`.
    pub fn continued(sequences: &[&[u32]], memory: &'a mut [Memory]) -> Self {
        assert_eq!(sequences.len(), memory.len(), "each sequence has its memory");
        let positions = sequences.iter().zip(&*memory).flat_map(|(s, m)| (m.len as u32)..(m.len + s.len()) as u32);
        Self {
            tokens: sequences.concat(),
            positions: Arc::new(positions.collect()),
            lengths: Arc::new(sequences.iter().map(|s| s.len()).collect()),
            leaving: None,
            memory: Some(memory),
        }
    }

    /// Attention of block `at` for this batch.
    pub fn attend(&mut self, at: usize, q: &Tensor, k: &Tensor, v: &Tensor, look: &Look) -> Result<Tensor> {
        let kernels = q.device().is_cpu() && q.dtype() == DType::F32;
        let Some(memory) = self.memory.as_deref_mut() else {
            if kernels {
                return Ok(causal_attention(q, k, v, *look, &self.lengths)?);
            }
            let parts = parts(&self.lengths)
                .map(|(start, len)| {
                    let [q, k, v] = [q, k, v].map(|x| x.narrow(0, start, len));
                    composed_attention(&q?, &k?, &v?, look)
                })
                .collect::<candle_core::Result<Vec<_>>>()?;
            return Ok(Tensor::cat(&parts, 0)?);
        };
        let out = if kernels {
            with_pages(at, q, k, v, look, &self.lengths, memory)?
        } else {
            with_tensors(at, [q, k, v], look, &self.lengths, memory)?
        };
        for (memory, len) in memory.iter_mut().zip(self.lengths.iter()) {
            if at + 1 == memory.blocks.len() {
                memory.len += len;
            }
        }
        Ok(out)
    }
}

/// Start and length of each sequence.
fn parts(lengths: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    lengths.iter().scan(0, |start, len| {
        *start += len;
        Some((*start - len, *len))
    })
}

fn with_pages(
    at: usize,
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    look: &Look,
    lengths: &[usize],
    memory: &mut [Memory],
) -> Result<Tensor> {
    let width = look.heads.kv_width();
    with_numbers(k, |k| {
        with_numbers(v, |v| {
            for ((start, len), memory) in parts(lengths).zip(memory.iter_mut()) {
                if matches!(memory.blocks[at], Held::Nothing) {
                    memory.blocks[at] = Held::Pages(Pages::default());
                }
                if let Held::Pages(pages) = &mut memory.blocks[at] {
                    let range = start * width..(start + len) * width;
                    pages.append(memory.len, &k[range.clone()], &v[range], look.heads);
                }
            }
            Ok(())
        })
    })?;
    let seen: Vec<Seen<'_>> = lengths
        .iter()
        .zip(&*memory)
        .filter_map(|(&tokens, memory)| match &memory.blocks[at] {
            Held::Pages(pages) => Some(Seen { tokens, first: memory.len, pages }),
            _ => None,
        })
        .collect();
    let out = with_numbers(q, |q| Ok(attend(q, look, &seen)))?;
    Ok(Tensor::from_vec(out, q.shape(), q.device())?)
}

fn with_tensors(
    at: usize,
    [q, k, v]: [&Tensor; 3],
    look: &Look,
    lengths: &[usize],
    memory: &mut [Memory],
) -> Result<Tensor> {
    let mut out = Vec::with_capacity(lengths.len());
    for ((start, len), memory) in parts(lengths).zip(memory.iter_mut()) {
        let [q, k, v] = [q.narrow(0, start, len)?, k.narrow(0, start, len)?, v.narrow(0, start, len)?];
        let (k, v) = match &memory.blocks[at] {
            Held::Tensors(before_k, before_v) => (Tensor::cat(&[before_k, &k], 0)?, Tensor::cat(&[before_v, &v], 0)?),
            _ => (k.contiguous()?, v.contiguous()?),
        };
        out.push(composed_attention(&q, &k, &v, look)?);
        memory.blocks[at] = Held::Tensors(k, v);
    }
    Ok(Tensor::cat(&out, 0)?)
}
