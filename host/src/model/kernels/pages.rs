//! Keys and values in pages of 32 tokens, laid out for products, shared between sequences until one writes.

use std::sync::Arc;

use super::attention::Heads;
use super::tile::{COLUMNS, Strided};

/// Tokens of a page: a panel of scores.
pub const PAGE: usize = COLUMNS;

/// Keys and values of [`PAGE`] tokens at one block.
///
/// For each key-value head the keys `[dim, PAGE]`, rotated; then for each the values `[PAGE, dim]`, padded to whole
/// panels. Tokens that are not there yet are zero.
#[derive(Debug, Clone)]
pub struct Page(Vec<f32>);

/// The pages of one sequence at one block. Clones share pages; the one written to is copied first.
#[derive(Debug, Clone, Default)]
pub struct Pages(Vec<Arc<Page>>);

fn padded(heads: Heads) -> usize {
    heads.dim.next_multiple_of(COLUMNS)
}

impl Pages {
    /// Bytes of one page.
    pub fn page_bytes(heads: Heads) -> usize {
        4 * heads.kv * PAGE * (heads.dim + padded(heads))
    }

    /// Adds tokens behind the `len` that are there: `k` and `v` are `[tokens, kv * dim]`.
    pub fn append(&mut self, len: usize, k: &[f32], v: &[f32], heads: Heads) {
        let width = heads.kv_width();
        for (token, (k, v)) in (len..).zip(k.chunks(width).zip(v.chunks(width))) {
            let slot = token % PAGE;
            if token / PAGE == self.0.len() {
                self.0.push(Arc::new(Page(vec![0.0; Self::page_bytes(heads) / 4])));
            }
            let page = &mut Arc::make_mut(&mut self.0[token / PAGE]).0;
            let (keys, values) = page.split_at_mut(width * PAGE);
            for (at, k) in k.iter().enumerate() {
                keys[at * PAGE + slot] = *k;
            }
            for (head, v) in v.chunks(heads.dim).enumerate() {
                let at = (head * PAGE + slot) * padded(heads);
                values[at..at + heads.dim].copy_from_slice(v);
            }
        }
    }

    /// Keys of head `kv` in a page, `[dim, PAGE]`.
    pub(super) fn keys(&self, page: usize, kv: usize, heads: Heads) -> Strided<'_> {
        Strided { numbers: &self.0[page].0[kv * heads.dim * PAGE..], stride: PAGE }
    }

    /// Values of head `kv` in a page from `column` on, `[PAGE, COLUMNS]`.
    pub(super) fn values(&self, page: usize, kv: usize, column: usize, heads: Heads) -> Strided<'_> {
        let start = heads.kv_width() * PAGE + kv * PAGE * padded(heads) + column;
        Strided { numbers: &self.0[page].0[start..], stride: padded(heads) }
    }
}
