//! Activations of many rows at chosen sites, looked at in one or more ways.

use emhost_abi::wire::{Pooling, Positions, View};

use super::Result;
use super::organism::Organism;
use super::site::Site;
use super::text::Encoded;

/// Bytes of captured values that one forward pass may hold.
const PASS_BYTES: usize = 256 << 20;
/// Tokens of one forward pass.
const PASS_TOKENS: usize = 8192;

/// Captured values as plain numbers, site by site.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activations {
    /// Where each vector comes from, in order.
    pub origins: Vec<Origin>,
    /// For each site in order, the vectors one after another.
    pub values: Vec<Vec<f32>>,
}

/// Where a vector comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Index of the row.
    pub row: usize,
    /// Index of the view.
    pub view: usize,
    /// Position and token id; none for a mean.
    pub token: Option<(u32, u32)>,
}

/// Splits rows into passes that fit the memory of captured values.
pub fn passes(organism: &Organism, rows: &[Encoded], sites: &[Site]) -> Vec<std::ops::Range<usize>> {
    let bytes: usize = sites.iter().map(|site| 4 * organism.width(*site)).sum();
    let limit = PASS_TOKENS.min(PASS_BYTES / bytes.max(1));
    let mut passes = Vec::new();
    let (mut start, mut tokens) = (0, 0);
    for (at, row) in rows.iter().enumerate() {
        if at > start && tokens + row.tokens.len() > limit {
            passes.push(start..at);
            (start, tokens) = (at, 0);
        }
        tokens += row.tokens.len();
    }
    if start < rows.len() {
        passes.push(start..rows.len());
    }
    passes
}

/// Runs the rows of one pass; `first` is the index of `rows[0]` among all rows.
pub fn activations(
    organism: &Organism,
    rows: &[Encoded],
    first: usize,
    sites: &[Site],
    views: &[View],
) -> Result<Activations> {
    let sequences: Vec<&[u32]> = rows.iter().map(|row| row.tokens.as_slice()).collect();
    let capture = organism.capture(&sequences, sites)?;
    let mut out = Activations { origins: Vec::new(), values: vec![Vec::new(); sites.len()] };
    let mut spans = Vec::new();
    let mut start = 0;
    for (at, row) in rows.iter().enumerate() {
        for (index, view) in views.iter().enumerate() {
            let range = positions(row, view.positions);
            let origin = |token| Origin { row: first + at, view: index, token };
            match view.pooling {
                Pooling::Mean if range.is_empty() => {}
                Pooling::Mean => {
                    out.origins.push(origin(None));
                    spans.push(start + range.start..start + range.end);
                }
                Pooling::None => {
                    for position in range {
                        out.origins.push(origin(Some((position as u32, row.tokens[position]))));
                        spans.push(start + position..start + position + 1);
                    }
                }
            }
        }
        start += row.tokens.len();
    }
    for (site, values) in sites.iter().zip(&mut out.values) {
        let width = organism.width(*site);
        let all = capture.taken[site].flatten_all()?.to_vec1::<f32>()?;
        values.reserve(spans.len() * width);
        for span in &spans {
            let vectors = &all[span.start * width..span.end * width];
            if span.len() == 1 {
                values.extend_from_slice(vectors);
            } else {
                let mut sum = vec![0f64; width];
                for vector in vectors.chunks(width) {
                    sum.iter_mut().zip(vector).for_each(|(sum, v)| *sum += f64::from(*v));
                }
                values.extend(sum.into_iter().map(|sum| (sum / span.len() as f64) as f32));
            }
        }
    }
    Ok(out)
}

fn positions(row: &Encoded, positions: Positions) -> std::ops::Range<usize> {
    let len = row.tokens.len();
    match positions {
        Positions::All => 0..len,
        Positions::Prompt => 0..row.prompt,
        Positions::Answer => row.answers.last().filter(|_| row.prompt < len).cloned().unwrap_or(len..len),
        Positions::LastPrompt => row.prompt.saturating_sub(1)..row.prompt,
        Positions::Last => len - 1..len,
    }
}
