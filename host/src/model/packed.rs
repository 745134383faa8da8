//! A batch without padding: sequences stand one after another, with or without what came before them.

use std::sync::Arc;

use candle_core::Tensor;

use super::error::Result;
use super::kernels::{Heads, KvSlot, attend_cached, causal_attention};

/// Tokens of several sequences, one after another.
pub struct Packed<'a> {
    /// Token ids of all sequences.
    pub tokens: Vec<u32>,
    /// Position of each token in its sequence.
    pub positions: Arc<Vec<u32>>,
    /// Tokens per sequence in this batch.
    pub lengths: Arc<Vec<usize>>,
    memory: Option<&'a mut [Memory]>,
}

/// Keys and values that a sequence has left behind, one slot per block.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    /// A beginning that other sequences share, such as the prompt of several samples.
    pub shared: Arc<Vec<KvSlot>>,
    /// What only this sequence has.
    pub own: Vec<KvSlot>,
    /// Tokens held by both.
    pub len: usize,
}

impl Memory {
    /// No tokens yet.
    pub fn empty(blocks: usize) -> Self {
        Self { shared: Arc::new(vec![KvSlot::default(); blocks]), own: vec![KvSlot::default(); blocks], len: 0 }
    }

    /// A sequence that goes on from this one, which several may share.
    pub fn share(self) -> Self {
        assert!(self.shared.iter().all(|slot| slot.k.is_empty()), "a shared beginning is one piece");
        Self { own: vec![KvSlot::default(); self.own.len()], shared: Arc::new(self.own), len: self.len }
    }
}

impl<'a> Packed<'a> {
    /// Whole sequences, forgotten afterwards; gradients flow.
    pub fn whole(sequences: &[&[u32]]) -> Self {
        Self {
            tokens: sequences.concat(),
            positions: Arc::new(sequences.iter().flat_map(|s| 0..s.len() as u32).collect()),
            lengths: Arc::new(sequences.iter().map(|s| s.len()).collect()),
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
            memory: Some(memory),
        }
    }

    /// Attention of block `at` for this batch.
    pub fn attend(&mut self, at: usize, q: &Tensor, k: &Tensor, v: &Tensor, heads: Heads) -> Result<Tensor> {
        let Some(memory) = self.memory.as_deref_mut() else {
            return Ok(causal_attention(q, k, v, heads, &self.lengths)?);
        };
        let fresh = memory.iter().all(|m| m.len == 0);
        let (keys, values) = (k.flatten_all()?.to_vec1::<f32>()?, v.flatten_all()?.to_vec1::<f32>()?);
        let last = at + 1 == memory.first().map_or(0, |m| m.own.len());
        let mut start = 0;
        for (len, memory) in self.lengths.iter().zip(memory.iter_mut()) {
            let range = start * heads.kv_width()..(start + len) * heads.kv_width();
            memory.own[at].k.extend_from_slice(&keys[range.clone()]);
            memory.own[at].v.extend_from_slice(&values[range]);
            start += len;
            if last {
                memory.len += len;
            }
        }
        if fresh {
            return Ok(causal_attention(q, k, v, heads, &self.lengths)?);
        }
        let parts: Vec<[&KvSlot; 2]> = memory.iter().map(|m| [&m.shared[at], &m.own[at]]).collect();
        Ok(attend_cached(q, heads, &self.lengths, &parts)?)
    }
}
