//! Whether two artefacts that claim to be different are the same numbers.
//!
//! In the evidence that this study was published with, results of the model before and of the fine-tuned one were equal
//! digit by digit. Every pair is compared number by number here, before anything is fitted.

use emhost_sdk::prelude::*;
use emhost_stats::Matrix;
use emhost_study::Columns;

use crate::source::{Input, Kind, Source};

/// How alike two lists of numbers are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Alike {
    /// Numbers that were compared; 0 where the shapes differ.
    pub numbers: usize,
    /// Share of them that are equal; NaN of none.
    pub equal: f64,
    /// Largest difference; NaN of none.
    pub largest: f64,
}

impl Alike {
    /// Compares two matrices; those of different shapes have nothing in common.
    pub fn of(first: &Matrix, second: &Matrix) -> Self {
        let same_shape = (first.rows(), first.cols()) == (second.rows(), second.cols());
        Self::of_values(same_shape.then(|| (first.as_slice(), second.as_slice())))
    }

    /// Compares two lists of one length.
    pub fn of_values(pair: Option<(&[f64], &[f64])>) -> Self {
        let Some((first, second)) = pair else { return Self { numbers: 0, equal: f64::NAN, largest: f64::NAN } };
        let equal = first.iter().zip(second).filter(|(a, b)| a == b).count();
        let largest = first.iter().zip(second).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        Self { numbers: first.len(), equal: equal as f64 / first.len() as f64, largest }
    }

    /// Whether all numbers are equal.
    pub fn identical(&self) -> bool {
        self.numbers > 0 && self.equal == 1.0
    }
}

/// What is compared, for the table `identity`.
pub struct Pair<'a> {
    /// The organism and the bank.
    pub of: [&'a str; 2],
    /// `activations`, `features` or `predictions`.
    pub artefact: &'a str,
    /// Site, pooling and whatever else tells artefacts of one source apart.
    pub place: [&'a str; 3],
    /// The two sources.
    pub names: [&'a str; 2],
}

impl Pair<'_> {
    /// Adds a row to the table.
    pub fn note(&self, columns: &mut Columns, alike: Alike) {
        columns.text("organism", self.of[0]);
        columns.text("bank", self.of[1]);
        columns.text("artefact", self.artefact);
        columns.text("site", self.place[0]);
        columns.text("pooling", self.place[1]);
        columns.text("which", self.place[2]);
        columns.text("first", self.names[0]);
        columns.text("second", self.names[1]);
        columns.count("numbers", alike.numbers as u64);
        columns.number("equal_share", alike.equal);
        columns.number("largest_difference", alike.largest);
        columns.flag("identical", alike.identical());
    }
}

/// Compares the activations of every two sources, place by place.
///
/// # Errors
///
/// Two models before the fine-tune are the same numbers in any place, or the organism is the same as one of them in every
/// place.
pub fn check(columns: &mut Columns, of: [&str; 2], sources: &[Source]) -> Result<()> {
    for (number, second) in sources.iter().enumerate() {
        for first in &sources[..number] {
            let mut all = Vec::new();
            for place in &second.places {
                let same = |other: &&crate::source::Place| other.site == place.site && other.pooled == place.pooled;
                let Some(other) = first.places.iter().find(same) else { continue };
                let (Input::Activations { rows: a, .. }, Input::Activations { rows: b, .. }) =
                    (&other.input, &place.input)
                else {
                    continue;
                };
                let alike = Alike::of(a, b);
                let pooled = place.pooled.map_or("", |pooled| pooled.name());
                let names = [first.name.as_str(), second.name.as_str()];
                Pair { of, artefact: "activations", place: [&place.site, pooled, ""], names }.note(columns, alike);
                if alike.identical() && (first.kind, second.kind) == (Kind::Prior, Kind::Prior) {
                    return refuse(names, &format!(" at `{}`, {pooled}", place.site));
                }
                all.push(alike);
            }
            // A fine-tune of late blocks leaves earlier sites as they were, but not all of them.
            if !all.is_empty() && all.iter().all(Alike::identical) {
                return refuse([&first.name, &second.name], " at every site");
            }
        }
    }
    Ok(())
}

/// The error of two artefacts that are one.
pub fn refuse<T>([first, second]: [&str; 2], place: &str) -> Result<T> {
    Err(Error::Input(format!(
        "`{first}` and `{second}` are the same numbers{place}: two identical artefacts cannot count as two results; check \
         which models or adapters they are"
    )))
}
