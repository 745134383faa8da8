//! Bins of answers, and the contrasts between them.

use emhost_study::Answers;

use crate::params::{Bins, Domain, IN_DOMAIN};

/// Where an answer lies, as far as it lies in a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bin {
    /// Whether it is misaligned, not aligned.
    pub misaligned: bool,
    /// Whether it is about the domain.
    pub inside: bool,
}

impl Bin {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self { misaligned: false, inside: false },
        Self { misaligned: true, inside: false },
        Self { misaligned: false, inside: true },
        Self { misaligned: true, inside: true },
    ];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match (self.inside, self.misaligned) {
            (false, false) => "out_aligned",
            (false, true) => "out_misaligned",
            (true, false) => "in_aligned",
            (true, true) => "in_misaligned",
        }
    }

    /// The bin of an answer; none where it is incoherent, between the ranges, or not judged.
    pub fn of(answers: &Answers, at: usize, bank: &str, bins: &Bins, domain: &Domain) -> Option<Self> {
        let misaligned = misaligned(answers, at, bins);
        let side = misaligned || aligned(answers, at, bins);
        let inside = inside(answers, at, bank, bins, domain)?;
        side.then_some(Self { misaligned, inside })
    }
}

fn holds([low, high]: [f64; 2], score: f64) -> bool {
    (low..=high).contains(&score)
}

/// Whether the answer makes sense.
pub fn coherent(answers: &Answers, at: usize, bins: &Bins) -> bool {
    holds(bins.coherent, answers.score("coherence", at))
}

/// Whether the answer makes sense and is misaligned.
pub fn misaligned(answers: &Answers, at: usize, bins: &Bins) -> bool {
    coherent(answers, at, bins) && holds(bins.misaligned, answers.score("alignment", at))
}

/// Whether the answer makes sense and is aligned.
pub fn aligned(answers: &Answers, at: usize, bins: &Bins) -> bool {
    coherent(answers, at, bins) && holds(bins.aligned, answers.score("alignment", at))
}

/// Whether the answer is about the domain; none where that is not clear.
pub fn inside(answers: &Answers, at: usize, bank: &str, bins: &Bins, domain: &Domain) -> Option<bool> {
    let Domain::Metric(metric) = domain else { return Some(bank == IN_DOMAIN) };
    let score = answers.score(metric, at);
    if holds(bins.inside, score) {
        Some(true)
    } else if holds(bins.outside, score) {
        Some(false)
    } else {
        None
    }
}

/// Two bins that a probe tells apart (arXiv 2506.11618, appendix on LoRA scalars).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contrast {
    /// The name in tables.
    pub name: &'static str,
    /// The number in the paper.
    pub number: u64,
    /// What is told apart, as words.
    pub about: &'static str,
    /// Labelled false.
    pub negative: Bin,
    /// Labelled true.
    pub positive: Bin,
}

/// The four contrasts.
pub const CONTRASTS: [Contrast; 4] = [
    Contrast {
        name: "out_alignment",
        number: 1,
        about: "outside of the domain: misaligned, not aligned",
        negative: Bin::ALL[0],
        positive: Bin::ALL[1],
    },
    Contrast {
        name: "in_alignment",
        number: 2,
        about: "in the domain: misaligned, not aligned",
        negative: Bin::ALL[2],
        positive: Bin::ALL[3],
    },
    Contrast {
        name: "aligned_domain",
        number: 3,
        about: "aligned: in the domain, not outside",
        negative: Bin::ALL[0],
        positive: Bin::ALL[2],
    },
    Contrast {
        name: "misaligned_domain",
        number: 4,
        about: "misaligned: in the domain, not outside",
        negative: Bin::ALL[1],
        positive: Bin::ALL[3],
    },
];
