//! Products of large matrices in tiles of fixed size, which processors share without changing a bit.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::parallel;

/// Rows of a tile, and columns of one of a symmetric matrix.
pub(super) const TILE: usize = 256;
/// Columns of a tile.
const WIDE: usize = 512;
/// Multiplications below which a product is one piece: about 5 ms on one processor.
const ONE_PIECE: usize = 1 << 27;

/// `out = factor * a * b`, or `out += factor * a * b` to accumulate.
pub(super) fn multiply(out: MatMut<'_, f64>, accum: Accum, a: MatRef<'_, f64>, b: MatRef<'_, f64>, factor: f64) {
    let work = out.nrows().saturating_mul(out.ncols()).saturating_mul(a.ncols());
    if work < ONE_PIECE {
        return matmul(out, accum, a, b, factor, Par::Seq);
    }
    parallel::for_each(tiles(out, WIDE), |Tile { row, column, out }| {
        let (a, b) = (a.subrows(row, out.nrows()), b.subcols(column, out.ncols()));
        matmul(out, accum, a, b, factor, Par::Seq);
    });
}

/// Adds `factor * a * aᵀ` to the tiles of `out` that touch its lower triangle.
pub(super) fn add_square(out: MatMut<'_, f64>, a: MatRef<'_, f64>, factor: f64) {
    let lower = tiles(out, TILE).into_iter().filter(|tile| tile.column <= tile.row).collect();
    parallel::for_each(lower, |Tile { row, column, out }| {
        let (left, right) = (a.subrows(row, out.nrows()), a.subrows(column, out.ncols()));
        matmul(out, Accum::Add, left, right.transpose(), factor, Par::Seq);
    });
}

/// A piece of a matrix and where it begins.
pub(super) struct Tile<'a> {
    pub(super) row: usize,
    pub(super) column: usize,
    pub(super) out: MatMut<'a, f64>,
}

/// Cuts a matrix into tiles of [`TILE`] rows and `wide` columns.
pub(super) fn tiles(out: MatMut<'_, f64>, wide: usize) -> Vec<Tile<'_>> {
    let mut found = Vec::new();
    let (mut rest, mut row) = (out, 0);
    while rest.nrows() > 0 {
        let height = rest.nrows().min(TILE);
        let (mut band, below) = rest.split_at_row_mut(height);
        let mut column = 0;
        while band.ncols() > 0 {
            let width = band.ncols().min(wide);
            let (tile, right) = band.split_at_col_mut(width);
            found.push(Tile { row, column, out: tile });
            band = right;
            column += width;
        }
        rest = below;
        row += height;
    }
    found
}

/// A view of row-major values.
pub(super) fn rows_mut(data: &mut [f64], cols: usize) -> MatMut<'_, f64> {
    let rows = data.len() / cols;
    MatMut::from_row_major_slice_mut(data, rows, cols)
}
