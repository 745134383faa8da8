//! Edits at the sites of one forward call.

use candle_core::Tensor;

use super::apply::{Touched, apply};
use super::extent::Extent;
use super::firings::{Firings, Place};
use super::plan::{Interventions, Operand};
use crate::model::Result;
use crate::model::site::{Site, Tap};

/// The tokens of one sequence that take part in a forward call.
#[derive(Debug, Clone, Copy)]
pub struct Sequence {
    /// Position of the first of them in its row.
    pub first: usize,
    /// How many.
    pub tokens: usize,
    /// Where prompt and answer lie.
    pub extent: Extent,
    /// Strength of the edits.
    pub strength: f64,
}

/// Which sites of a pass are meant: logits are computed for other tokens than the rest where tokens are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Every site.
    Whole,
    /// All but the logits.
    Body,
    /// The logits alone.
    Logits,
}

/// Edits values, then shows them to another tap: what is captured is the edited value.
pub struct Steered<'a> {
    interventions: &'a Interventions,
    inner: &'a mut dyn Tap,
    firings: &'a mut Firings,
    touched: Vec<Touched>,
    whole: bool,
}

impl<'a> Steered<'a> {
    /// For one forward call over `sequences`, in order; edits are counted in `firings`.
    ///
    /// `part` says whether logits are edited inside of the call; otherwise the caller edits them with
    /// [`Interventions::edit_logits`].
    pub fn new(
        interventions: &'a Interventions,
        sequences: &[Sequence],
        part: Part,
        inner: &'a mut dyn Tap,
        firings: &'a mut Firings,
    ) -> Self {
        let touched = interventions.touched(sequences);
        Self { interventions, inner, firings, touched, whole: part == Part::Whole }
    }
}

impl Tap for Steered<'_> {
    fn visit(&mut self, site: Site, value: Tensor) -> Result<Tensor> {
        if site == Site::Embed {
            self.interventions.count_adapters(value.dims()[0], self.firings);
        }
        let value = self.interventions.edit(site, value, &self.touched, self.firings)?;
        self.inner.visit(site, value)
    }

    fn dropped(&mut self, site: Site, number: usize, share: f64, x: &Tensor) -> Result<Option<Tensor>> {
        self.inner.dropped(site, number, share, x)
    }

    fn wants_logits(&self) -> bool {
        self.inner.wants_logits() || self.whole && self.interventions.edits_logits()
    }
}

impl Interventions {
    /// Edits logits `[sequences, vocabulary]` that were computed for one token of each sequence.
    pub fn edit_logits(&self, logits: Tensor, sequences: &[Sequence], firings: &mut Firings) -> Result<Tensor> {
        if !self.edits_logits() {
            return Ok(logits);
        }
        self.edit(Site::Logits, logits, &self.touched(sequences), firings)
    }

    /// For each edit, the factor of each token.
    fn touched(&self, sequences: &[Sequence]) -> Vec<Touched> {
        let tokens = sequences.iter().map(|s| s.tokens).sum();
        let of_edit = |edit: &super::plan::Edit| {
            let mut touched = Touched::none(tokens);
            let mut start = 0;
            for sequence in sequences {
                let factor = edit.factor(sequence.strength);
                let chosen = edit.chosen(&sequence.extent).filter(|_| factor != 0.0);
                if let Some(chosen) = chosen {
                    for at in 0..sequence.tokens {
                        if let Some(rank) = chosen.rank(sequence.first + at) {
                            touched.set(start + at, factor, rank);
                        }
                    }
                }
                start += sequence.tokens;
            }
            touched
        };
        self.edits.iter().map(of_edit).collect()
    }

    fn edit(&self, site: Site, value: Tensor, touched: &[Touched], firings: &mut Firings) -> Result<Tensor> {
        let Some(edits) = self.by_site.get(&site) else { return Ok(value) };
        let mut edited = value;
        for &number in edits {
            let edit = &self.edits[number];
            let operand = match &edit.operand {
                Operand::Vector(vector) => vector,
                Operand::Row { source: Some(source), .. } => &source.values[&site],
                Operand::Row { .. } | Operand::Adapter { .. } => continue,
            };
            let (next, count) = apply(&edited, edit.op, operand, &touched[number])?;
            firings.add(number, Place::Site(site), count);
            edited = next;
        }
        Ok(edited)
    }

    fn count_adapters(&self, tokens: usize, firings: &mut Firings) {
        for (number, edit) in self.edits.iter().enumerate() {
            if let Operand::Adapter { multiplier, .. } = &edit.operand
                && *multiplier != 1.0
            {
                firings.add(number, Place::Adapter, tokens as u64);
            }
        }
    }
}
