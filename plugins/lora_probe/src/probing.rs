//! All probes of the study: contrasts, splits, sets of tokens and of adapters, each beside permuted labels.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::Matrix;
use emhost_stats::multiple::benjamini_hochberg;
use emhost_study::{bootstrap, failed};

use crate::capture::Captured;
use crate::contrast::{CONTRASTS, Contrast};
use crate::params::{Group, Params, SplitBy, TokenSet};
use crate::probe::{Data, Fits, Streams, permute, resample, test};
use crate::roles::{self, Judged};

/// Which adapters' scalars a probe sees.
pub const ALL: &str = "all";

/// Where a probe belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the contrast in [`CONTRASTS`].
    pub contrast: usize,
    /// How tokens are split.
    pub split: SplitBy,
    /// Which tokens.
    pub tokens: TokenSet,
    /// Number of the only site; none means all.
    pub site: Option<usize>,
}

/// Tokens, answers and groups of the two classes, negative first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tokens.
    pub tokens: [usize; 2],
    /// Answers.
    pub answers: [usize; 2],
    /// Groups of both together.
    pub groups: usize,
}

/// A probe with what it is compared with.
pub struct Probed {
    /// Where it belongs.
    pub place: Place,
    /// What it is fitted on.
    pub counts: Counts,
    /// The fits, and those with permuted labels; none where the classes are too small.
    pub fits: Option<(Fits, Fits)>,
    /// Interval over groups.
    pub over_groups: Option<[f64; 2]>,
    /// Against permuted labels; NaN where there are no fits, and of single adapters.
    pub p: f64,
    /// The same, adjusted within the family; NaN outside of it.
    pub p_adjusted: f64,
}

impl Place {
    /// The contrast.
    pub fn contrast(self) -> &'static Contrast {
        &CONTRASTS[self.contrast]
    }

    /// Whether the probe belongs to the family of tests that is declared beforehand: all adapters, grouped split.
    pub fn in_family(self) -> bool {
        self.split == SplitBy::Group && self.site.is_none()
    }

    /// Splits of each permutation.
    pub fn permuted_splits(self, params: &Params) -> usize {
        if self.site.is_none() { params.probe.permuted_splits } else { 1 }
    }

    /// Streams of its own; permuted labels have the upper half.
    fn streams(self, seed: u64, permuted: bool) -> Streams {
        let split = u64::from(self.split == SplitBy::Group);
        let tokens = u64::from(self.tokens == TokenSet::Kept);
        let place = ((self.contrast as u64 * 2 + split) * 2 + tokens) * 2 + u64::from(permuted);
        // Probes on one site see the splits of the probe on all of them.
        Streams { seed, first: place << 32 }
    }
}

/// Sets of tokens that are probed.
pub fn token_sets(params: &Params) -> &'static [TokenSet] {
    if params.filter.on { &[TokenSet::All, TokenSet::Kept] } else { &[TokenSet::All] }
}

/// Fits everything.
pub fn probe(lab: &Lab, params: &Params, captured: &Captured) -> Result<Vec<Probed>> {
    let mut places = Vec::new();
    for contrast in 0..CONTRASTS.len() {
        for &tokens in token_sets(params) {
            for split in [SplitBy::Token, SplitBy::Group] {
                let sites = if captured.sites.len() > 1 { captured.sites.len() } else { 0 };
                places.extend([None].into_iter().chain((0..sites).map(Some)).map(|site| Place {
                    contrast,
                    split,
                    tokens,
                    site,
                }));
            }
        }
    }
    let mut probed = Vec::with_capacity(places.len());
    for (at, &place) in places.iter().enumerate() {
        lab.progress(at as u64, places.len() as u64, "fit probes")?;
        probed.push(of_place(params, captured, place)?);
    }
    let family: Vec<usize> =
        (0..probed.len()).filter(|&at| probed[at].place.in_family() && !probed[at].p.is_nan()).collect();
    if !family.is_empty() {
        let p: Vec<f64> = family.iter().map(|&at| probed[at].p).collect();
        let adjusted = benjamini_hochberg(&p).map_err(failed("adjust p-values"))?;
        family.iter().zip(adjusted).for_each(|(&at, p)| probed[at].p_adjusted = p);
    }
    Ok(probed)
}

/// The roles of blocks, from the probes that the rule reads.
pub fn judge_roles(params: &Params, captured: &Captured) -> Result<Vec<Judged>> {
    let rule = &params.roles;
    let fits = [0, 2, 3].map(|contrast| -> Result<Option<Fits>> {
        let place = Place { contrast, split: rule.split, tokens: rule.tokens, site: None };
        let (_, data) = tokens(params, captured, place)?;
        let Some(data) = data else { return Ok(None) };
        resample(&data, place.split, &params.probe, &place.streams(params.probe.seed, false))
    });
    let [first, third, fourth] = fits;
    let (first, third, fourth) = (first?, third?, fourth?);
    let blocks: Vec<usize> = captured.sites.iter().map(|(_, block)| *block).collect();
    Ok(roles::judge(rule, &blocks, [first.as_ref(), third.as_ref(), fourth.as_ref()]))
}

fn of_place(params: &Params, captured: &Captured, place: Place) -> Result<Probed> {
    let probe = &params.probe;
    let (counts, data) = tokens(params, captured, place)?;
    let mut found = Probed { place, counts, fits: None, over_groups: None, p: f64::NAN, p_adjusted: f64::NAN };
    let Some(data) = data else { return Ok(found) };
    let splits = place.permuted_splits(params);
    let fits = resample(&data, place.split, probe, &place.streams(probe.seed, false))?;
    let permuted = permute(&data, place.split, probe, splits, &place.streams(probe.seed, true))?;
    if let (Some(fits), Some(permuted)) = (fits, permuted) {
        if place.site.is_none() {
            found.p = test(&fits, &permuted, splits)?;
        }
        found.over_groups = fits.over_groups(bootstrap(probe.seed));
        found.fits = Some((fits, permuted));
    }
    Ok(found)
}

/// What a probe is fitted on; no data where a class is too small.
fn tokens(params: &Params, captured: &Captured, place: Place) -> Result<(Counts, Option<Data>)> {
    let contrast = place.contrast();
    let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
    let mut questions: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut x, mut answer) = (Vec::new(), Vec::new());
    let (mut labels, mut groups) = (Vec::new(), Vec::new());
    let mut counts = Counts::default();
    for token in &captured.tokens {
        let of = &captured.answers[token.answer];
        let label = of.bin == contrast.positive;
        let kept = place.tokens == TokenSet::All || token.weight.as_ref().is_some_and(|weight| weight.kept);
        if !kept || !(label || of.bin == contrast.negative) {
            continue;
        }
        let number = *numbers.entry(token.answer).or_insert_with(|| {
            let next = questions.len();
            let question = *questions.entry(&of.question_id).or_insert(next);
            groups.push(match params.probe.group {
                Group::Answer => labels.len(),
                Group::Question => question,
            });
            labels.push(label);
            counts.answers[usize::from(label)] += 1;
            labels.len() - 1
        });
        counts.tokens[usize::from(label)] += 1;
        answer.push(number);
        x.push(match place.site {
            None => token.scalars.clone(),
            Some(site) => vec![token.scalars[site]],
        });
    }
    counts.groups = groups.iter().collect::<std::collections::BTreeSet<_>>().len();
    let enough = counts.tokens.iter().all(|&n| n >= params.probe.min_tokens)
        && counts.answers.iter().all(|&n| n >= params.probe.min_answers);
    if !enough {
        return Ok((counts, None));
    }
    let x = Matrix::from_rows(&x).map_err(failed("take scalars"))?;
    Ok((counts, Some(Data { x, answer, labels, groups })))
}
