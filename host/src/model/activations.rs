//! Activations of many rows at chosen sites, looked at in one or more ways.

use std::ops::Range;

use emhost_abi::wire::{Pooling, Tokens, View};

use super::intervene::{Chosen, Extent, Firings, Interventions, Part, Sequence, Steered};
use super::organism::Organism;
use super::packed::Packed;
use super::parallel::lanes;
use super::site::{Capture, Site};
use super::text::Encoded;
use super::weights::first_not_finite;
use super::{ModelError, Result};

/// Bytes of captured values that the forward passes of one moment may hold.
const HELD_BYTES: usize = 128 << 20;
/// Tokens of one forward pass on the CPU, where several run side by side.
const CPU_PASS_TOKENS: usize = 512;
/// Tokens of one forward pass on another device.
const PASS_TOKENS: usize = 4096;

/// A row to run, with the strength of the interventions in it.
#[derive(Debug, Clone, Copy)]
pub struct Unit<'a> {
    /// Index of the row.
    pub row: usize,
    /// Its id.
    pub row_id: &'a str,
    /// Its tokens.
    pub encoded: &'a Encoded,
    /// Strength of the interventions.
    pub strength: f64,
}

impl Unit<'_> {
    fn sequence(&self) -> Sequence {
        let (extent, tokens) = (Extent::whole(self.encoded), self.encoded.tokens.len());
        Sequence { first: 0, tokens, extent, strength: self.strength }
    }
}

/// One way of looking at a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Which tokens.
    pub tokens: Tokens,
    /// What becomes of them.
    pub pooling: Pooling,
}

impl From<View> for Look {
    fn from(view: View) -> Self {
        Self { tokens: view.positions.into(), pooling: view.pooling }
    }
}

/// What is wanted of each row.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// At which sites.
    pub sites: &'a [Site],
    /// Seen how.
    pub looks: &'a [Look],
    /// What is edited on the way; captured values are the edited ones.
    pub interventions: &'a Interventions,
}

/// Captured values as plain numbers, site by site.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activations {
    /// Where each vector comes from, in order.
    pub origins: Vec<Origin>,
    /// For each site in order, the vectors one after another.
    pub values: Vec<Vec<f32>>,
}

/// Where a vector comes from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Origin {
    /// Index of the row.
    pub row: usize,
    /// Strength of the interventions.
    pub strength: f64,
    /// Index of the look.
    pub view: usize,
    /// Position and token id; none for a mean.
    pub token: Option<(u32, u32)>,
}

/// The vectors of a pass: each is the mean over some tokens of the packed batch, one token as a rule.
#[derive(Debug, Default)]
struct Selection {
    origins: Vec<Origin>,
    tokens: Vec<u32>,
    ends: Vec<usize>,
}

impl Selection {
    fn of(units: &[Unit<'_>], looks: &[Look]) -> Result<Self> {
        let mut all = Self::default();
        let mut start = 0;
        for unit in units {
            let len = unit.encoded.tokens.len();
            let extent = Extent::whole(unit.encoded);
            for (view, how) in looks.iter().enumerate() {
                let tokens = Chosen::of(&how.tokens, &extent, unit.row_id)?.tokens(len);
                let origin = |token| Origin { row: unit.row, strength: unit.strength, view, token };
                match how.pooling {
                    Pooling::Mean if tokens.is_empty() => continue,
                    Pooling::Mean => {
                        all.origins.push(origin(None));
                        all.tokens.extend(tokens.iter().map(|token| (start + token) as u32));
                        all.ends.push(all.tokens.len());
                    }
                    Pooling::None => {
                        for token in tokens {
                            all.origins.push(origin(Some((token as u32, unit.encoded.tokens[token]))));
                            all.tokens.push((start + token) as u32);
                            all.ends.push(all.tokens.len());
                        }
                    }
                }
            }
            start += len;
        }
        Ok(all)
    }

    /// The vectors, from the values of the batch's tokens `kept`.
    fn vectors(&self, all: Vec<f32>, width: usize, kept: &[u32]) -> Vec<f32> {
        let single = self.ends.len() == self.tokens.len();
        if single && self.tokens == kept {
            return all;
        }
        let vector = |token: &u32| {
            let at = kept.binary_search(token).expect("every selected token was kept");
            &all[at * width..][..width]
        };
        let mut values = Vec::with_capacity(self.ends.len() * width);
        let mut begin = 0;
        for &end in &self.ends {
            let tokens = &self.tokens[begin..end];
            begin = end;
            if let [token] = tokens {
                values.extend_from_slice(vector(token));
                continue;
            }
            let mut sum = vec![0f64; width];
            for token in tokens {
                sum.iter_mut().zip(vector(token)).for_each(|(sum, v)| *sum += f64::from(*v));
            }
            values.extend(sum.into_iter().map(|sum| (sum / tokens.len() as f64) as f32));
        }
        values
    }
}

/// Splits rows into passes that fit the memory of a forward pass and of its captured values.
///
/// # Errors
///
/// A row that does not have the tokens of a look.
pub fn passes(organism: &Organism, units: &[Unit<'_>], wanted: &Wanted<'_>) -> Result<Vec<Range<usize>>> {
    let bytes: usize = wanted.sites.iter().map(|site| 4 * organism.width(*site)).sum();
    let mut passes = Vec::new();
    let device = &organism.device;
    let most_tokens = if device.is_cpu() { CPU_PASS_TOKENS } else { PASS_TOKENS };
    let most_bytes = HELD_BYTES / lanes(device);
    let (mut start, mut tokens, mut held) = (0, 0, 0);
    for (at, unit) in units.iter().enumerate() {
        let (more, selected) = (unit.encoded.tokens.len(), Selection::of(&units[at..=at], wanted.looks)?.tokens.len());
        if at > start && (tokens + more > most_tokens || held + selected * bytes > most_bytes) {
            passes.push(start..at);
            (start, tokens, held) = (at, 0, 0);
        }
        (tokens, held) = (tokens + more, held + selected * bytes);
    }
    if start < units.len() {
        passes.push(start..units.len());
    }
    Ok(passes)
}

/// Runs the rows of one pass; edits are counted in `firings`.
pub fn activations(
    organism: &Organism,
    units: &[Unit<'_>],
    wanted: &Wanted<'_>,
    firings: &mut Firings,
) -> Result<Activations> {
    let selection = Selection::of(units, wanted.looks)?;
    let mut kept = selection.tokens.clone();
    kept.sort_unstable();
    kept.dedup();
    let rows: Vec<&[u32]> = units.iter().map(|unit| unit.encoded.tokens.as_slice()).collect();
    let sequences: Vec<Sequence> = units.iter().map(Unit::sequence).collect();
    let steering = wanted.interventions;
    let network = steering.network(organism);
    // Logits are computed for the wanted tokens alone, unless an edit must see all of them.
    let late = wanted.sites.contains(&Site::Logits) && !steering.edits_logits();
    let inside: Vec<Site> = wanted.sites.iter().copied().filter(|site| !(late && *site == Site::Logits)).collect();
    let mut capture = Capture::of_tokens(&inside, kept.clone());
    let mut tap = Steered::new(steering, &sequences, Part::Whole, &mut capture, firings);
    let hidden = network.forward(&mut Packed::whole(&rows), &mut tap)?;
    if late {
        let tokens = candle_core::Tensor::from_slice(&kept, kept.len(), hidden.device())?;
        capture.taken.insert(Site::Logits, network.logits(&hidden.index_select(&tokens, 0)?)?);
    }
    let mut values = Vec::with_capacity(wanted.sites.len());
    for site in wanted.sites {
        let width = organism.width(*site);
        let vectors = selection.vectors(capture.take(*site)?, width, &kept);
        if let Some(at) = first_not_finite(&vectors) {
            let row = selection.origins[at / width].row;
            let row_id = units.iter().find(|unit| unit.row == row).map_or("", |unit| unit.row_id).to_owned();
            return Err(ModelError::NotFinite { row_id, what: site.to_string() });
        }
        values.push(vectors);
    }
    Ok(Activations { origins: selection.origins, values })
}

/// What the plan says of the firings in `units`.
pub fn planned(units: &[Unit<'_>], interventions: &Interventions) -> Firings {
    let mut planned = Firings::default();
    units.iter().for_each(|unit| planned.plan(interventions, &unit.sequence(), Part::Whole));
    planned
}
